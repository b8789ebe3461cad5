"""GIT's adapter gives what the model itself gives, and reads every image only once."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_checkpoints as tiny
import torch
from PIL import Image as Picture
from safetensors.numpy import load_file
from tiny_git import PATCHES, REPO, VISION_WIDTH, build_git, git_config, waves

from conftest import TEXTS
from vesalius import load_model
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
from vesalius.models.checkpoint import FilePolicy, open_folder
from vesalius.models.conformance import check_adapter
from vesalius.models.git import Git, architecture, load
from vesalius.models.git_decoder import MAX_NEW_TOKENS
from vesalius.models.towers import BATCH
from vesalius.records import Geometry, Image

QUESTION = "is there a nodule in the left lung?"
CANDIDATES = ("yes", "no", "a large nodule in the left lung", "pneumonia", "normal heart")
GOLDEN = json.loads((Path(__file__).parent / "golden" / "git.json").read_text(encoding="utf-8"))


def loaded(folder: Path, **options: str) -> Git:
    checkpoint = open_folder(folder, policy=FilePolicy(allow_pickles=True))
    return load(checkpoint, name="git", options=options, device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint in pickle form; never written to."""
    return build_git(tmp_path_factory.mktemp("git") / "git")


@pytest.fixture(scope="module")
def git(folder: Path) -> Git:
    """The tiny GIT with its default options."""
    return loaded(folder)


@pytest.fixture
def safe(tmp_path: Path) -> Path:
    """A copy in safetensors form that a test may damage."""
    return build_git(tmp_path / "git-safe", pickle=False)


def pixels_of(git: Git, image: Image) -> torch.Tensor:
    """The published preprocessing, through Pillow alone."""
    shown = Picture.fromarray(image.pixels).convert("RGB")
    return git.network.processor(images=[shown], return_tensors="pt")["pixel_values"]


def ids_of(git: Git, text: str) -> list[int]:
    return list(git.network.tokenizer(text, add_special_tokens=False)["input_ids"])


def by_labels(git: Git, image: Image, prompt: str, answer: str) -> tuple[float, int]:
    """Minus the summed loss of the model's own ``labels=``, for one answer without any cache."""
    asked, target = [101, *ids_of(git, prompt)], [*ids_of(git, answer), 102]
    with torch.no_grad():
        out = git.network.model(
            input_ids=torch.tensor([asked + target]),
            labels=torch.tensor([[-100] * len(asked) + target]),
            pixel_values=pixels_of(git, image),
        )
    return -float(out.loss) * len(target), len(target)


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_adapter_keeps_every_promise(folder: Path, fit: str, pictures: list[Image]) -> None:
    """Finite, unit, float32, deterministic, independent rows; dense grid and geometry in place."""
    model = loaded(folder, fit=fit)
    for capability in (
        ImageEncoder, DenseEncoder, AnswerScorer, Generator, TextScorer, Attributor,
    ):  # fmt: skip
        assert isinstance(model, capability)
    assert not isinstance(model, TextEncoder)
    check_adapter(model, pictures, TEXTS, tolerance=1e-5)


def test_numbers_are_those_of_plain_transformers(git: Git) -> None:
    """Golden values of the published path, made without this package."""
    image = Image(waves(), "yx", "display", (0.0, 255.0))
    scores = git.score_answers(image, GOLDEN["question"], GOLDEN["candidates"])
    np.testing.assert_allclose(scores.log_likelihood, GOLDEN["log_likelihood"], rtol=1e-5)
    np.testing.assert_allclose(git.encode_images([image])[0], GOLDEN["class_token"], atol=1e-5)
    np.testing.assert_allclose(git.encode_dense([image])[0, 0, 0], GOLDEN["first_patch"], atol=1e-5)
    (said,) = git.generate([image], [GOLDEN["question"]])
    assert said.startswith(GOLDEN["answer"])


@pytest.mark.parametrize("prompt", ["", "heart", QUESTION])
def test_likelihood_is_the_models_own_loss(git: Git, pictures: list[Image], prompt: str) -> None:
    """The sum over answer and end token equals minus loss times count of ``labels=``."""
    scores = git.score_answers(pictures[0], prompt, CANDIDATES)
    expected = [by_labels(git, pictures[0], prompt, answer) for answer in CANDIDATES]
    np.testing.assert_allclose(scores.log_likelihood, [ll for ll, _ in expected], rtol=1e-5)
    np.testing.assert_array_equal(scores.n_tokens, [n for _, n in expected])


def test_reading_once_equals_reading_anew_for_every_candidate(
    git: Git, pictures: list[Image]
) -> None:
    """The cache of image and prompt changes nothing: one full forward pass of padded rows."""
    asked = [101, *ids_of(git, QUESTION)]
    targets = [[*ids_of(git, answer), 102] for answer in CANDIDATES]
    width = max(map(len, targets))
    rows = [asked + target + [0] * (width - len(target)) for target in targets]
    pixels = pixels_of(git, pictures[1]).expand(len(rows), -1, -1, -1)
    with torch.no_grad():
        out = git.network.model(input_ids=torch.tensor(rows), pixel_values=pixels)
    steps = out.logits[:, PATCHES + 1 :].log_softmax(-1)
    expected = [
        sum(float(steps[row, len(asked) - 1 + i, token]) for i, token in enumerate(target))
        for row, target in enumerate(targets)
    ]
    scores = git.score_answers(pictures[1], QUESTION, CANDIDATES)
    np.testing.assert_allclose(scores.log_likelihood, expected, rtol=1e-6)


def test_a_candidate_does_not_depend_on_the_others(git: Git, pictures: list[Image]) -> None:
    """Neither padding beside a longer one nor the split into inner batches counts."""
    many = [*CANDIDATES, *(f"nodule {n}" for n in range(BATCH))]
    together = git.score_answers(pictures[0], QUESTION, many)
    alone = [git.score_answers(pictures[0], QUESTION, [answer]) for answer in many]
    np.testing.assert_allclose(
        together.log_likelihood, [score.log_likelihood[0] for score in alone], rtol=1e-6
    )
    np.testing.assert_array_equal(together.n_tokens, [score.n_tokens[0] for score in alone])


def test_the_image_tower_runs_once_an_image(git: Git, pictures: list[Image]) -> None:
    """However many candidates, texts and new tokens: one run an image."""
    seen: list[int] = []
    tower = git.network.model.git.image_encoder

    def count(module: object, inputs: object, output: object) -> None:
        assert isinstance(inputs, tuple)
        seen.append(len(inputs[0]) if inputs else 1)

    hook = tower.vision_model.embeddings.patch_embedding.register_forward_hook(count)
    fresh = replace(pictures[0])  # the same picture, not known from another test
    try:
        git.score_answers(fresh, QUESTION, [f"nodule {n}" for n in range(BATCH + 3)])
        git.score_answers(fresh, "another question", ["nodule"])
        assert seen == [1]
        git.score_texts(pictures, TEXTS)
        assert seen == [1] * 4
        git.generate(pictures, ["", QUESTION, "heart"])
        assert seen[4:] == [3]
        git.attribute(pictures[0], "nodule")
        assert seen[5:] == [1]
    finally:
        hook.remove()


def test_texts_are_scored_as_captions(git: Git, pictures: list[Image]) -> None:
    """`score_texts` is the log-likelihood after an empty prompt, float32, one row an image."""
    scores = git.score_texts(pictures, TEXTS)
    assert scores.dtype == np.float32
    expected = [[by_labels(git, image, "", text)[0] for text in TEXTS] for image in pictures]
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert git.score_texts([], TEXTS).shape == (0, 3)
    assert git.score_texts(pictures, []).shape == (3, 0)


def test_image_question_and_answer_all_matter(git: Git, pictures: list[Image]) -> None:
    """Replacing any one of the three changes the score."""

    def of(image: Image, question: str, answer: str) -> float:
        return float(git.score_answers(image, question, [answer]).log_likelihood[0])

    start = of(pictures[0], QUESTION, "yes")
    assert abs(of(pictures[1], QUESTION, "yes") - start) > 1e-3
    assert abs(of(pictures[0], "is the heart enlarged?", "yes") - start) > 1e-3
    assert abs(of(pictures[0], QUESTION, "no") - start) > 1e-3


def test_a_batch_of_prompts_equals_one_at_a_time(git: Git, pictures: list[Image]) -> None:
    """Padding on the left is hidden and takes no position."""
    prompts = ["", "nodule", QUESTION]
    together = git.generate(pictures, prompts)
    alone = [git.generate([image], [p])[0] for image, p in zip(pictures, prompts, strict=True)]
    assert together == alone
    assert len(set(together)) == 3


def test_the_prompt_is_not_echoed(git: Git, pictures: list[Image]) -> None:
    """The answer is what the model's own `generate` adds to the prompt, and only that."""
    asked = [101, *ids_of(git, QUESTION)]
    with torch.no_grad():
        out = git.network.model.generate(
            pixel_values=pixels_of(git, pictures[0]),
            input_ids=torch.tensor([asked]),
            max_new_tokens=MAX_NEW_TOKENS,
            do_sample=False,
        )
    assert out[0, : len(asked)].tolist() == asked
    words = git.network.tokenizer
    expected = words.decode(out[0, len(asked) :], skip_special_tokens=True).strip()
    (answer,) = git.generate(pictures[:1], [QUESTION])
    assert answer == expected
    assert not answer.startswith("is there")


def test_an_answer_ends_at_its_end_token(safe: Path, pictures: list[Image]) -> None:
    """A model that says its end token at once gives an empty answer beside a longer one."""
    state = load_file(safe / "model.safetensors")
    state["output.bias"][102] = 50.0
    tiny.save_weights(safe, state, pickle=False)
    assert loaded(safe).generate(pictures, ["", QUESTION, "heart"]) == ["", "", ""]


def test_many_prompts_keep_their_order(git: Git, pictures: list[Image]) -> None:
    """Inner batches are joined in order; no prompts give no answers."""
    n = BATCH + 1
    answers = git.generate([pictures[i % 3] for i in range(n)], [QUESTION] * n)
    assert answers[:3] == git.generate(pictures, [QUESTION] * 3)
    assert answers[-1] == answers[(n - 1) % 3]
    assert git.generate([], []) == []


def test_dense_vectors_and_class_token_are_the_towers_output(
    git: Git, pictures: list[Image]
) -> None:
    """After the last layer norm, patches row by row, and the class token as a unit row."""
    tower = git.network.model.git.image_encoder
    with torch.no_grad():
        tokens = torch.cat([tower(pixels_of(git, image)).last_hidden_state for image in pictures])
    dense = git.encode_dense(pictures)
    assert dense.shape == (3, 4, 4, VISION_WIDTH)
    assert not git.dense_text_aligned
    np.testing.assert_allclose(dense.reshape(3, 16, -1), tokens[:, 1:], atol=1e-5)
    first = torch.nn.functional.normalize(tokens[:, 0], dim=-1)
    np.testing.assert_allclose(git.encode_images(pictures), first, atol=1e-6)
    assert git.encode_images([]).shape == (0, VISION_WIDTH)
    assert git.encode_dense([]).shape == (0, 4, 4, VISION_WIDTH)


def by_hand(git: Git, image: Image, text: str) -> np.ndarray:
    """The map from one full forward pass without a cache."""
    ids = [101, *ids_of(git, text), 102]
    out = git.network.model(
        input_ids=torch.tensor([ids]),
        labels=torch.tensor([[-100, *ids[1:]]]),
        pixel_values=pixels_of(git, image),
        output_attentions=True,
    )
    likelihood = -out.loss * (len(ids) - 1)
    maps = out.attentions
    total = torch.zeros(PATCHES)
    for attention, gradient in zip(maps, torch.autograd.grad(likelihood, maps), strict=True):
        product = (attention * gradient)[0].clamp(min=0).mean(0)
        total += product[PATCHES + 1 : -1, 1 : PATCHES + 1].sum(0).detach()
    return total.reshape(4, 4).numpy()


def test_map_is_attention_times_its_gradient(git: Git, pictures: list[Image]) -> None:
    """From the words that predict the text to the patches, summed over layers and words."""
    shown = git.attribute(pictures[0], TEXTS[0])
    assert shown.shape == (4, 4)
    assert shown.dtype == np.float32
    assert np.ptp(shown) > 1e-4
    np.testing.assert_allclose(shown, by_hand(git, pictures[0], TEXTS[0]), atol=1e-6)


def test_map_depends_on_text_and_image(git: Git, pictures: list[Image]) -> None:
    """Another text or image gives another map; the same call gives the same one."""
    first = git.attribute(pictures[0], TEXTS[0])
    assert np.abs(git.attribute(pictures[0], TEXTS[1]) - first).max() > 1e-4
    assert np.abs(git.attribute(pictures[1], TEXTS[0]) - first).max() > 1e-4
    with torch.no_grad():
        np.testing.assert_array_equal(git.attribute(pictures[0], TEXTS[0]), first)
    assert all(p.grad is None for p in git.network.model.parameters())


def test_two_loads_and_both_file_forms_agree_to_the_last_bit(
    folder: Path, safe: Path, git: Git, pictures: list[Image]
) -> None:
    """Nothing random is left in loading, and the file form is no part of the model."""
    for again in (loaded(folder), loaded(safe)):
        np.testing.assert_array_equal(again.encode_images(pictures), git.encode_images(pictures))
        first, second = (m.score_answers(pictures[0], QUESTION, CANDIDATES) for m in (again, git))
        np.testing.assert_array_equal(first.log_likelihood, second.log_likelihood)
    assert loaded(folder).card == git.card


def test_bfloat16_is_near_float32_and_recorded(
    folder: Path, git: Git, pictures: list[Image]
) -> None:
    """Half the memory, float32 at the boundary, another fingerprint."""
    half = loaded(folder, dtype="bfloat16")
    assert {p.dtype for p in half.network.model.parameters()} == {torch.bfloat16}
    rows, maps = half.encode_images(pictures), half.attribute(pictures[0], TEXTS[0])
    assert (rows.dtype, maps.dtype) == (np.float32, np.float32)
    assert (rows * git.encode_images(pictures)).sum(1).min() > 0.99
    np.testing.assert_allclose(
        half.score_texts(pictures, TEXTS), git.score_texts(pictures, TEXTS), rtol=0.1
    )
    assert len(half.generate(pictures, [QUESTION] * 3)) == 3
    assert half.card.options == {"fit": "crop", "dtype": "bfloat16"}
    assert half.card.fingerprint != git.card.fingerprint


def test_fit_changes_geometry(folder: Path, git: Git, pictures: list[Image]) -> None:
    """Crop sees the middle of a landscape picture, pad all of it."""
    assert git.geometry(pictures[0]).height == 70
    padded = loaded(folder, fit="pad").geometry(pictures[0])
    assert padded == Geometry(top=-20, left=0, height=110, width=110)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("output.bias"), "missing: output.bias"),
        (lambda state: state.update(extra=np.ones(3, np.float32)), "unexpected: extra"),
    ],
)
def test_tensors_that_do_not_fit_are_named(safe: Path, change: object, message: str) -> None:
    """A head filled with random numbers would answer at random."""
    state = load_file(safe / "model.safetensors")
    assert callable(change)
    change(state)
    tiny.save_weights(safe, state, pickle=False)
    with pytest.raises(ModelError, match=message):
        loaded(safe)


def test_an_unknown_pickle_needs_permission(folder: Path) -> None:
    """The published file is a pickle whose hash is not pinned yet."""
    with pytest.raises(ModelError, match="pickle form"):
        open_folder(folder)


def test_an_unknown_option_is_refused(folder: Path) -> None:
    """Options are checked at the adapter too, not only in the catalog."""
    with pytest.raises(InputError, match="git: unknown option 'image_splitting'"):
        loaded(folder, image_splitting="True")


def test_missing_words_are_noticed(safe: Path) -> None:
    """Without its files the tokenizer would map every word to [UNK]."""
    for name in ("tokenizer.json", "vocab.txt", "tokenizer_config.json"):
        (safe / name).unlink()
    (safe / "special_tokens_map.json").unlink()
    with pytest.raises(ModelError, match="tokenizer"):
        loaded(safe)


def test_begin_and_end_token_must_be_the_tokenizers(safe: Path) -> None:
    """With another end token no answer would ever end, and every likelihood would be wrong."""
    size = len((safe / "vocab.txt").read_text(encoding="utf-8").split())
    tiny.write_json(safe / "config.json", git_config(size) | {"eos_token_id": 5})
    with pytest.raises(ModelError, match=r"\(101, 102\) by the tokenizer, with \(101, 5\)"):
        loaded(safe)


def test_a_video_checkpoint_is_refused(safe: Path) -> None:
    """Its decoder expects several frames; one image would be read as something else."""
    size = len((safe / "vocab.txt").read_text(encoding="utf-8").split())
    tiny.write_json(safe / "config.json", git_config(size) | {"num_image_with_embedding": 6})
    state = load_file(safe / "model.safetensors")
    frames = {f"git.img_temporal_embedding.{i}": np.zeros((1, 1, 64), np.float32) for i in range(6)}
    tiny.save_weights(safe, state | frames, pickle=False)
    with pytest.raises(ModelError, match="6 video frames"):
        loaded(safe)


def test_wrong_calls_are_explained(git: Git, pictures: list[Image]) -> None:
    """No candidate, a lost bracket, lists of different length, more words than positions."""
    with pytest.raises(InputError, match="non-empty candidate"):
        git.score_answers(pictures[0], QUESTION, [])
    with pytest.raises(InputError, match="one string 'yes'"):
        git.score_answers(pictures[0], QUESTION, "yes")
    with pytest.raises(InputError, match="one prompt an image, got 1 for 3"):
        git.generate(pictures, [QUESTION])
    with pytest.raises(InputError, match="non-empty"):
        git.attribute(pictures[0], " ")
    for call in (
        lambda: git.score_answers(pictures[0], "lung " * 190, ["yes", "no heart"]),
        lambda: git.generate(pictures[:1], ["lung " * 64]),
        lambda: git.attribute(pictures[0], "lung " * 192),
    ):
        with pytest.raises(InputError, match="193 tokens, GIT has 192 positions"):
            call()
    volume = Image(np.zeros((4, 4, 4)), "xyz", "hu", (-160.0, 240.0))
    with pytest.raises(InputError, match="take slices first"):
        git.score_answers(volume, QUESTION, ["yes"])


def test_the_real_name_loads_from_an_offline_cache(
    safe: Path, hub_cache: Path, no_network: list[str], pictures: list[Image]
) -> None:
    """`load_model("git")` finds the repository by its id, without a connection."""
    revision = "1234567890abcdef1234567890abcdef12345678"
    tiny.offline_hub(hub_cache, REPO, safe, revision=revision)
    model = load_model("git", device="cpu")
    assert isinstance(model, Git)
    assert (model.card.source, model.card.revision) == (REPO, revision)
    assert model.card.license == "MIT"
    assert model.score_answers(pictures[0], "", ["normal"]).n_tokens.tolist() == [2]


def test_the_genuine_architecture_has_its_published_size() -> None:
    """GIT-large by its configuration, without weights: 394.2 million parameters."""
    vision = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
              "num_attention_heads": 16, "patch_size": 14, "image_size": 224}  # fmt: skip
    network = architecture({"model_type": "git", "vision_config": vision})
    assert {p.device.type for p in network.parameters()} == {"meta"}
    n_parameters = sum(p.numel() for p in network.parameters())
    assert n_parameters == 394_196_026
    out = network(
        input_ids=torch.zeros((1, 3), dtype=torch.long, device="meta"),
        pixel_values=torch.zeros((1, 3, 224, 224), device="meta"),
    )
    assert out.logits.shape == (1, 257 + 3, 30522)


def test_parameters_are_counted(git: Git, folder: Path) -> None:
    """As many numbers as the weight file holds, position indices apart."""
    state = torch.load(folder / "pytorch_model.bin", weights_only=True)
    expected = sum(t.numel() for name, t in state.items() if not name.endswith("position_ids"))
    assert git.n_parameters == expected
