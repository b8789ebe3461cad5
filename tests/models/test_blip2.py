"""BLIP-2's adapter gives what the published forward pass gives, with each image encoded once."""

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_blip2
import tiny_checkpoints as tiny
import torch
from PIL import Image as PILImage

from conftest import TEXTS
from vesalius import catalog
from vesalius.capabilities import (
    AnswerScorer,
    Attributor,
    DenseEncoder,
    Generator,
    ImageEncoder,
    TextEncoder,
    TextScorer,
)
from vesalius.errors import InputError, ModelError
from vesalius.models.blip2 import Blip2, architecture, load
from vesalius.models.checkpoint import open_folder
from vesalius.models.conformance import check_adapter
from vesalius.models.towers import BATCH
from vesalius.records import Geometry, Image, Json

GOLDEN = Path(__file__).parent / "golden" / "blip2.json"
QUESTION = "is there a large nodule?"
CANDIDATES = ("yes", "no", "large nodule in the left lung", "pneumonia")
REVISION = catalog.MODELS["blip2"].revision or "2" * 40


def loaded(folder: Path, **options: Json) -> Blip2:
    return load(open_folder(folder), name="blip2", options=options, device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint; never written to by a test."""
    return tiny_blip2.build_blip2(tmp_path_factory.mktemp("blip2") / "blip2")


@pytest.fixture(scope="module")
def blip2(folder: Path) -> Blip2:
    """The tiny BLIP-2 with its default options."""
    return loaded(folder)


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(folder, tmp_path / "blip2"))


@pytest.fixture(scope="module")
def plain(folder: Path) -> tuple[Any, Any]:
    """Model and processor as a user of transformers would load them."""
    from transformers import AutoProcessor, Blip2ForConditionalGeneration

    model = Blip2ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    return model, AutoProcessor.from_pretrained(folder, backend="pil")


def as_inputs(processor: Any, image: Image, text: str) -> dict[str, torch.Tensor]:
    picture = PILImage.fromarray(image.pixels).convert("RGB")
    return dict(processor(images=picture, text=text, return_tensors="pt"))


@contextmanager
def calls(module: torch.nn.Module) -> Iterator[list[int]]:
    """Batch size of every call of a module."""
    seen: list[int] = []

    def count(_: object, __: object, kwargs: dict[str, Any], output: Any) -> None:
        seen.append(len(output[0]))

    hook = module.register_forward_hook(count, with_kwargs=True)
    yield seen
    hook.remove()


@pytest.mark.parametrize(
    "options", [{}, {"fit": "pad"}, {"image_features": "vision"}], ids=["qformer", "pad", "vision"]
)
def test_adapter_keeps_every_promise(
    options: dict[str, Json], folder: Path, pictures: list[Image]
) -> None:
    """Unit, float32, deterministic, independent rows; grid and geometry in place."""
    model = loaded(folder, **options)
    capabilities = (ImageEncoder, DenseEncoder, TextScorer, AnswerScorer, Generator, Attributor)
    for capability in capabilities:
        assert isinstance(model, capability)
    assert not isinstance(model, TextEncoder)
    assert not model.dense_text_aligned
    check_adapter(model, pictures, TEXTS, tolerance=1e-5)


def test_numbers_are_those_of_transformers_alone(folder: Path, pictures: list[Image]) -> None:
    """Golden values, made once without this package: nothing between pixels and numbers drifts."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for features in ("qformer", "vision"):
        rows = loaded(folder, image_features=features).encode_images(pictures[:1])
        np.testing.assert_allclose(rows[0], golden[features], atol=1e-5)
    model = loaded(folder)
    dense = model.encode_dense(pictures[:1])
    assert dense.shape == (1, 4, 4, tiny_blip2.VISION_WIDTH)
    np.testing.assert_allclose(dense[0, -1, -1], golden["last_patch"], atol=1e-5)
    scores = model.score_answers(pictures[0], QUESTION, CANDIDATES[:3])
    np.testing.assert_allclose(scores.log_likelihood, golden["log_likelihood"], atol=1e-5)
    assert model.generate(pictures[:1], [QUESTION])[0].startswith(golden["answer"])
    assert golden["answer"]


@pytest.mark.parametrize("question", [QUESTION, ""], ids=["question", "caption"])
def test_encoding_once_equals_the_full_forward(
    question: str, blip2: Blip2, plain: tuple[Any, Any], pictures: list[Image]
) -> None:
    """Log-likelihood and count of each candidate are those of the model's own loss."""
    model, processor = plain
    text = f"Question: {question} Answer:" if question else ""
    expected, counts = [], []
    for candidate in CANDIDATES:
        labels = processor.tokenizer(candidate, return_tensors="pt").input_ids
        with torch.no_grad():
            loss = model(**as_inputs(processor, pictures[1], text), labels=labels).loss
        expected.append(-float(loss) * labels.shape[1])
        counts.append(labels.shape[1])
    many = blip2.score_answers(pictures[1], question, CANDIDATES)
    np.testing.assert_allclose(many.log_likelihood, expected, atol=2e-5)
    single = [blip2.score_answers(pictures[1], question, [c]) for c in CANDIDATES]
    np.testing.assert_allclose([s.log_likelihood[0] for s in single], expected, atol=2e-5)
    assert many.n_tokens.tolist() == counts == [2, 2, 7, 2]


def test_the_vision_tower_runs_once_an_image(blip2: Blip2, pictures: list[Image]) -> None:
    """However many candidates or captions; else a long list would cost hours."""
    model = blip2.parts.model
    many = [f"nodule {index}" for index in range(BATCH + 3)]
    encoder = model.language_model.get_encoder()
    with calls(model.vision_model) as seen, calls(model.qformer), calls(encoder) as encoded:
        fresh = replace(pictures[0])  # the same picture, not known from another test
        scores = blip2.score_answers(fresh, QUESTION, many)
        assert (seen, encoded) == ([1], [1])
        blip2.score_answers(fresh, "another question", many)
    assert (seen, encoded) == ([1], [1, 1])
    assert len(scores.log_likelihood) == len(scores.n_tokens) == len(many)
    with calls(model.vision_model) as seen:
        blip2.score_texts(pictures, many)
    assert sum(seen) == len(pictures)


def test_score_of_a_text_is_its_likelihood_as_a_caption(
    blip2: Blip2, pictures: list[Image]
) -> None:
    """One definition for both capabilities; no image or no text still has a shape."""
    scores = blip2.score_texts(pictures, TEXTS)
    for row, image in zip(scores, pictures, strict=True):
        answers = blip2.score_answers(image, "", TEXTS).log_likelihood
        np.testing.assert_allclose(row, answers, atol=2e-5)
    assert blip2.score_texts([], TEXTS).shape == (0, 3)
    assert blip2.score_texts(pictures, []).shape == (3, 0)


def test_generation_in_batches_equals_one_by_one(blip2: Blip2, pictures: list[Image]) -> None:
    """Padding of shorter prompts and answers that end early change nothing."""
    prompts = ["which side", "", "is there a large nodule in the left upper zone of the lung?"]
    together = blip2.generate(pictures, prompts)
    alone = [blip2.generate([i], [p])[0] for i, p in zip(pictures, prompts, strict=True)]
    assert together == alone
    assert len(set(together)) == 3
    many = blip2.generate(pictures[:1] * (BATCH + 1), ["which side"] * (BATCH + 1))
    assert many == together[:1] * (BATCH + 1)
    assert blip2.generate([], []) == []


def test_image_and_question_both_matter(blip2: Blip2, pictures: list[Image]) -> None:
    """A path that loses one of them would still give plausible numbers."""
    scores = [
        blip2.score_answers(image, question, ["yes", "no"]).log_likelihood
        for image in pictures[:2]
        for question in (QUESTION, "which side", "")
    ]
    assert min(np.abs(a - b).max() for i, a in enumerate(scores) for b in scores[:i]) > 1e-3


def test_map_is_attention_times_gradient(blip2: Blip2, pictures: list[Image]) -> None:
    """By hand from the two cross-attention layers, the class token left out."""
    model, tokenizer = blip2.parts.model, blip2.parts.tokenizer
    kept: list[torch.Tensor] = []

    def keep(_: object, __: object, output: tuple[torch.Tensor, torch.Tensor]) -> None:
        output[1].retain_grad()
        kept.append(output[1])

    layers = [model.qformer.encoder.layer[index] for index in (0, 2)]
    hooks = [layer.crossattention.attention.register_forward_hook(keep) for layer in layers]
    picture = PILImage.fromarray(pictures[0].pixels).convert("RGB")
    pixels = blip2.parts.processor(images=picture, return_tensors="pt")["pixel_values"]
    ids = torch.tensor([[tokenizer.convert_tokens_to_ids("<image>")] * tiny_blip2.N_QUERIES + [1]])
    labels = tokenizer("large nodule", return_tensors="pt").input_ids
    loss = model(pixel_values=pixels, input_ids=ids, labels=labels).loss
    (-loss * labels.shape[1]).backward()
    for hook in hooks:
        hook.remove()
    expected = sum(
        (weights * weights.grad).clamp(min=0)[0].mean(0).sum(0)[1:] / 2 for weights in kept
    )
    model.zero_grad()
    found = blip2.attribute(pictures[0], "large nodule")
    assert (found.shape, found.dtype) == ((4, 4), np.float32)
    np.testing.assert_allclose(found.ravel(), expected.detach().numpy(), rtol=1e-3, atol=1e-6)
    assert len(kept) == 2
    assert found.max() > 1e-4


def test_map_depends_on_text_and_image(blip2: Blip2, pictures: list[Image]) -> None:
    """A map that is the same for every phrase explains nothing; gradients are left nowhere."""
    maps = [blip2.attribute(image, text) for image in pictures[:2] for text in ("normal", "nodule")]
    shares = [grid / grid.sum() for grid in maps]
    assert min(np.abs(a - b).max() for i, a in enumerate(shares) for b in shares[:i]) > 1e-3
    assert all(np.isfinite(grid).all() and (grid >= 0).all() for grid in maps)
    np.testing.assert_array_equal(blip2.attribute(pictures[1], "nodule"), maps[3])
    assert all(parameter.grad is None for parameter in blip2.parts.model.parameters())


def test_two_loads_agree_to_the_last_bit(folder: Path, blip2: Blip2, pictures: list[Image]) -> None:
    """Nothing random is left: no dropout, no newly drawn weight."""
    again = loaded(folder)
    first, second = (m.score_answers(pictures[0], QUESTION, CANDIDATES) for m in (blip2, again))
    np.testing.assert_array_equal(first.log_likelihood, second.log_likelihood)
    np.testing.assert_array_equal(again.encode_images(pictures), blip2.encode_images(pictures))
    assert again.card == blip2.card


def test_bfloat16_is_near_and_recorded(folder: Path, blip2: Blip2, pictures: list[Image]) -> None:
    """Half the memory, other numbers, float32 results; the softmax is taken in float32."""
    half = loaded(folder, dtype="bfloat16")
    assert {p.dtype for p in half.parts.model.parameters()} == {torch.bfloat16}
    assert half.card.options["dtype"] == "bfloat16"
    assert half.card.fingerprint != blip2.card.fingerprint
    near, exact = (m.score_answers(pictures[0], QUESTION, CANDIDATES) for m in (half, blip2))
    difference = np.abs(near.log_likelihood - exact.log_likelihood).max()
    assert 0 < difference < 0.5
    assert half.encode_dense(pictures).dtype == half.encode_images(pictures).dtype == np.float32
    assert half.attribute(pictures[0], "nodule").dtype == np.float32
    assert len(half.generate(pictures, [QUESTION] * 3)) == 3


def test_geometry_is_the_whole_image_unless_padded(
    folder: Path, blip2: Blip2, pictures: list[Image]
) -> None:
    """The published preprocessing squashes: nothing is cut off."""
    assert blip2.geometry(pictures[0]) == Geometry(0, 0, 70, 110)
    assert loaded(folder, fit="pad").geometry(pictures[0]) == Geometry(-20, 0, 110, 110)


def test_special_tokens_in_a_text_are_refused(blip2: Blip2, pictures: list[Image]) -> None:
    """A question that spells ``<image>`` or ``</s>`` would be read as one."""
    image = pictures[0]
    with pytest.raises(InputError, match=r"texts\[0\]: contains the special token '<image>'"):
        blip2.generate([image], ["is <image> normal?"])
    with pytest.raises(InputError, match=r"texts\[1\]: contains the special token '</s>'"):
        blip2.score_answers(image, QUESTION, ["yes", "no</s>"])
    with pytest.raises(InputError, match="expected non-empty candidate answers"):
        blip2.attribute(image, " ")


def test_one_prompt_belongs_to_one_image(blip2: Blip2, pictures: list[Image]) -> None:
    """Lists of different length would be paired wrongly in silence."""
    with pytest.raises(InputError, match="expected one prompt an image, got 2 for 3"):
        blip2.generate(pictures, ["which side", ""])


def test_a_tied_head_is_refused(copied: Path) -> None:
    """Without its key, or saved after tying, the head is the embedding and answers are nonsense."""
    state = tiny_blip2.read_shards(copied)
    state["language_model.lm_head.weight"] = state["language_model.shared.weight"]
    tiny_blip2.save_shards(copied, state)
    with pytest.raises(ModelError, match=r"lm_head.weight. is the input embedding"):
        loaded(copied)
    del state["language_model.lm_head.weight"]
    tiny_blip2.save_shards(copied, state)
    with pytest.raises(ModelError, match=r"lm_head.weight. is the input embedding"):
        loaded(copied)


def test_an_encoder_with_another_embedding_is_refused(copied: Path) -> None:
    """An older library took the head for the encoder's embedding; that must not pass."""
    state = tiny_blip2.read_shards(copied)
    state["language_model.encoder.embed_tokens.weight"] = state["language_model.lm_head.weight"]
    tiny_blip2.save_shards(copied, state)
    with pytest.raises(ModelError, match=r"the embedding of T5Stack is not .*shared.weight"):
        loaded(copied)


def test_a_missing_tensor_is_named(copied: Path) -> None:
    """Strict loading goes through both shards."""
    state = tiny_blip2.read_shards(copied)
    del state["language_projection.bias"]
    tiny_blip2.save_shards(copied, state)
    with pytest.raises(ModelError, match=r"missing: language_projection.bias"):
        loaded(copied)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "without processor_config.json; a layout of before 2024"),
        ("{", "expected a JSON object with num_query_tokens"),
        ("{}", "expected a JSON object with num_query_tokens"),
        ('{"num_query_tokens": 32}', "num_query_tokens is 32 in processor_config.json and 6 in"),
    ],
    ids=["missing", "broken", "without", "other"],
)
def test_the_number_of_queries_must_agree(content: str | None, message: str, copied: Path) -> None:
    """In the old layout the prompt had no room for the image."""
    path = copied / "processor_config.json"
    path.unlink()
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        loaded(copied)


def test_another_language_model_is_refused(copied: Path) -> None:
    """BLIP-2 also exists with a decoder-only model, which answers in another form."""
    config = json.loads((copied / "config.json").read_text(encoding="utf-8"))
    config["text_config"]["model_type"] = "opt"
    tiny.write_json(copied / "config.json", config)
    with pytest.raises(ModelError, match=r"expected config.json of BLIP-2 with a T5"):
        loaded(copied)


def test_a_tokenizer_with_other_ids_is_refused(copied: Path, tmp_path: Path) -> None:
    """The right size alone proves nothing: the image token must have the model's id."""
    words = tiny_blip2.pieces()
    words.insert(4, ("▁shifted", -3.0))
    tiny_blip2.write_tokenizer(copied, words)
    with pytest.raises(ModelError, match=r"token '<image>' is \d+ in the tokenizer and \d+ in"):
        loaded(copied)


def test_missing_tokenizer_files_are_noticed(copied: Path) -> None:
    """Without them transformers makes up a tokenizer of sentinels."""
    names = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
    for name in (*names, "added_tokens.json"):
        (copied / name).unlink()
    with pytest.raises(ModelError, match="tokenizer"):
        loaded(copied)


def test_loading_advises_nothing_about_tying(
    folder: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """The library's advice to tie would break the model; its log level is put back."""
    from transformers.utils import logging as library

    before = library.get_verbosity()
    with caplog.at_level(logging.WARNING):
        loaded(folder)
    assert "tie" not in capsys.readouterr().err + caplog.text
    assert library.get_verbosity() == before


def test_the_real_repository_id_loads_offline(
    folder: Path, hub_cache: Path, pictures: list[Image], no_network: list[str]
) -> None:
    """Files in the hub's cache under the genuine id are found, hashed and loaded."""
    repo = catalog.MODELS["blip2"].repo
    tiny.offline_hub(hub_cache, repo, folder, revision=REVISION)
    model = catalog.load_model("blip2", device="cpu")
    assert (model.card.source, model.card.revision) == (repo, REVISION)
    assert set(tiny_blip2.SHARDS) < set(model.card.weights)
    assert model.encode_images(pictures).shape == (3, tiny_blip2.QFORMER_WIDTH)


def test_architecture_without_weights_has_the_genuine_size(folder: Path) -> None:
    """From a configuration alone, on the meta device: 3 942 million parameters, head untied."""
    config = {
        "model_type": "blip-2", "num_query_tokens": 32, "image_token_index": 32100,
        "vision_config": {"model_type": "blip_2_vision_model"},
        "qformer_config": {"model_type": "blip_2_qformer"},
        "text_config": {
            "model_type": "t5", "d_model": 2048, "d_ff": 5120, "d_kv": 64, "num_heads": 32,
            "num_layers": 24, "num_decoder_layers": 24, "vocab_size": 32128,
            "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False,
        },
    }  # fmt: skip
    with torch.device("meta"):
        network = architecture(config)
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    assert n_parameters == pytest.approx(3942e6, rel=1e-3)
    tiny_config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    stored = sum(value.size for value in tiny_blip2.read_shards(folder).values())
    assert sum(p.numel() for p in architecture(tiny_config).parameters()) == stored
    assert loaded(folder).n_parameters == stored
