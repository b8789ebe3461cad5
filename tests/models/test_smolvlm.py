"""SmolVLM's adapter gives what the model itself gives, with image and prompt encoded once."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_smolvlm
import torch

from conftest import TEXTS
from vesalius.capabilities import (
    CAPABILITIES,
    AnswerScorer,
    Attributor,
    DenseEncoder,
    Generator,
    ImageEncoder,
    SeveralImages,
    TextEncoder,
    TextScorer,
)
from vesalius.catalog import MODELS
from vesalius.errors import InputError
from vesalius.models.answers import BATCH
from vesalius.models.checkpoint import open_folder
from vesalius.models.conformance import check_adapter
from vesalius.models.smolvlm import SmolVlm, load
from vesalius.records import Geometry, Image, Json

GOLDEN = json.loads((Path(__file__).parent / "golden" / "smolvlm.json").read_text("utf-8"))
QUESTION = "is there a nodule?"
ANSWERS = ("yes", "no", "large nodule in the left lung")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint; never written to."""
    return tiny_smolvlm.build_smolvlm(tmp_path_factory.mktemp("hub") / "smolvlm")


def loaded(folder: Path, **options: Json) -> SmolVlm:
    return load(open_folder(folder), name="smolvlm", options=options, device="cpu")


@pytest.fixture(scope="module")
def whole(folder: Path) -> SmolVlm:
    """The image as one tile, the default."""
    return loaded(folder)


@pytest.fixture(scope="module")
def split(folder: Path) -> SmolVlm:
    """The image cut into tiles too."""
    return loaded(folder, image_splitting=True)


@pytest.fixture(params=["whole", "split"])
def both(request: pytest.FixtureRequest) -> tuple[SmolVlm, dict[str, list[Json]]]:
    """Each setting of the splitting with its golden values."""
    return request.getfixturevalue(request.param), GOLDEN[request.param]


def test_capabilities_are_those_of_the_catalog(whole: SmolVlm) -> None:
    """It has no text embedding, and says so by having no such method."""
    for kind in (ImageEncoder, DenseEncoder, AnswerScorer, Generator, TextScorer, Attributor):
        assert isinstance(whole, kind)
    assert not isinstance(whole, TextEncoder)
    stated = [CAPABILITIES[name] for name in MODELS["smolvlm"].capabilities]
    assert SeveralImages in stated
    assert all(isinstance(whole, kind) for kind in stated)
    assert not whole.dense_text_aligned


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("image_splitting", [False, True])
def test_adapter_keeps_every_promise(
    fit: str, image_splitting: bool, folder: Path, pictures: list[Image]
) -> None:
    """Finite, unit, float32, deterministic, independent rows; grid and geometry in place."""
    model = loaded(folder, fit=fit, image_splitting=image_splitting)
    check_adapter(model, pictures, TEXTS, tolerance=2e-5)
    assert model.card.options == {
        "fit": fit, "dtype": "float32", "image_splitting": image_splitting,
    }  # fmt: skip


def test_embeddings_equal_plain_transformers(
    both: tuple[SmolVlm, dict[str, list[Json]]], pictures: list[Image]
) -> None:
    """Patches of the last tile, their unit mean, and the row-major grid."""
    model, golden = both
    np.testing.assert_allclose(model.encode_images(pictures), golden["images"], atol=1e-5)
    dense = model.encode_dense(pictures)
    assert dense.shape == (3, 4, 4, 48)
    np.testing.assert_allclose(dense[2].reshape(16, 48), golden["dense_of_last"], atol=1e-5)


def test_likelihoods_equal_the_models_own_loss(
    both: tuple[SmolVlm, dict[str, list[Json]]], pictures: list[Image]
) -> None:
    """Encoding once changes nothing: -loss * n of the full forward pass, answer by answer."""
    model, golden = both
    for image, expected in zip(pictures, golden["scores"], strict=True):
        scores = model.score_answers(image, QUESTION, ANSWERS)
        np.testing.assert_allclose(scores.log_likelihood, expected, rtol=2e-6, atol=1e-5)
        tokens = model.processor.tokenizer([f" {answer}" for answer in ANSWERS])["input_ids"]
        assert scores.n_tokens.tolist() == [len(ids) + 1 for ids in tokens]
    captions = model.score_texts(pictures, ANSWERS)
    assert captions.dtype == np.float32
    np.testing.assert_allclose(captions, golden["captions"], rtol=2e-6, atol=1e-5)


def test_generated_texts_equal_plain_transformers(
    both: tuple[SmolVlm, dict[str, list[Json]]], pictures: list[Image]
) -> None:
    """Greedy tokens up to the end of the turn, without the prompt."""
    model, golden = both
    texts = model.generate(pictures, [QUESTION] * 3)
    decode = model.processor.tokenizer.decode
    assert texts == [decode(ids, skip_special_tokens=True).strip() for ids in golden["generated"]]
    assert len(set(texts)) > 1
    assert not any(QUESTION in text for text in texts)


def test_maps_equal_a_calculation_by_hand(
    both: tuple[SmolVlm, dict[str, list[Json]]], pictures: list[Image]
) -> None:
    """Attention and gradient from the full forward pass, accumulated in numpy."""
    model, golden = both
    for image, expected in zip(pictures, golden["maps"], strict=True):
        grid = model.attribute(image, ANSWERS[2])
        assert (grid.shape, grid.dtype) == ((2, 2), np.float32)
        np.testing.assert_allclose(grid, expected, rtol=1e-4, atol=1e-5)


def test_maps_depend_on_text_and_image(whole: SmolVlm, pictures: list[Image]) -> None:
    """A map that is the same for any text explains nothing."""
    grid = whole.attribute(pictures[0], "nodule")
    assert grid.max() > 1e-4
    for other in (
        whole.attribute(pictures[0], "no effusion"),
        whole.attribute(pictures[1], "nodule"),
    ):
        assert np.abs(grid / grid.sum() - other / other.sum()).max() > 1e-3
    np.testing.assert_array_equal(grid, whole.attribute(pictures[0], "nodule"))
    assert all(parameter.grad is None for parameter in whole.model.parameters())


def test_image_and_prompt_run_once(split: SmolVlm, pictures: list[Image]) -> None:
    """Forty candidates cost one pass of the vision tower and one over the prompt."""
    lengths: dict[str, list[int]] = {"vision": [], "text": []}
    inner = split.model.model
    hooks = [
        inner.vision_model.encoder.register_forward_pre_hook(
            lambda _, __, given: lengths["vision"].append(len(given["inputs_embeds"])),
            with_kwargs=True,
        ),
        inner.text_model.layers[0].register_forward_pre_hook(
            lambda _, given: lengths["text"].append(given[0].shape[1])
        ),
    ]
    candidates = ["left lung", *("normal " * n for n in range(1, BATCH + 1))]
    fresh = replace(pictures[0])  # the same picture, not known from another test
    split.score_answers(fresh, QUESTION, candidates)
    prompt, *answers = lengths["text"]
    split.score_answers(fresh, "another question", candidates)
    for hook in hooks:
        hook.remove()
    assert lengths["vision"] == [5]
    assert prompt > 50
    assert len(answers) == 2
    assert max(answers) < 40


def test_candidates_do_not_disturb_each_other(whole: SmolVlm, pictures: list[Image]) -> None:
    """Right padding and the copied memory leave no trace, across inner batches as well."""
    candidates = ["large nodule", "yes", *("normal " * n for n in range(1, BATCH + 1))]
    together = whole.score_answers(pictures[0], QUESTION, candidates)
    for index in (0, 1, 2, len(candidates) - 1):
        alone = whole.score_answers(pictures[0], QUESTION, candidates[index : index + 1])
        np.testing.assert_allclose(
            alone.log_likelihood[0], together.log_likelihood[index], rtol=2e-6, atol=1e-5
        )
        assert alone.n_tokens[0] == together.n_tokens[index]


def test_image_and_question_both_matter(whole: SmolVlm, pictures: list[Image]) -> None:
    """A likelihood that ignores one of them is no answer to the question."""
    first = whole.score_answers(pictures[0], QUESTION, ["yes"]).log_likelihood
    other_image = whole.score_answers(pictures[1], QUESTION, ["yes"]).log_likelihood
    other_question = whole.score_answers(pictures[0], "normal", ["yes"]).log_likelihood
    assert np.abs(first - other_image) > 0.01
    assert np.abs(first - other_question) > 0.01


def test_padding_on_the_left_changes_no_text(
    both: tuple[SmolVlm, dict[str, list[Json]]], pictures: list[Image]
) -> None:
    """Prompts of different length in one batch answer as each alone; an empty one captions."""
    model, _ = both
    prompts = ["", "is there a large nodule in the left lung or in the right lung?", "normal"]
    alone = [model.generate([i], [p])[0] for i, p in zip(pictures, prompts, strict=True)]
    assert model.generate(pictures, prompts) == alone
    assert alone[0] == model.generate(pictures[:1], ["Describe this image."])[0]


@pytest.mark.parametrize("token", ["<end_of_utterance>", "<|im_end|>"])
def test_either_end_token_ends_a_text(token: str, whole: SmolVlm, pictures: list[Image]) -> None:
    """The turn's own end counts, although the generation settings name only another."""
    end = whole.processor.tokenizer.convert_tokens_to_ids(token)
    calls = []

    def force(module: object, inputs: object, logits: torch.Tensor) -> torch.Tensor:
        calls.append(logits.shape)
        if len(calls) > 2:
            logits[..., end] = 1e4
        return logits

    hook = whole.model.lm_head.register_forward_hook(force)
    text = whole.generate(pictures[:1], [QUESTION])[0]
    hook.remove()
    free = whole.generate(pictures[:1], [QUESTION])[0]
    assert len(calls) == 3
    assert 0 < len(text) < len(free)
    assert free.startswith(text)


def test_nothing_gives_nothing(whole: SmolVlm, pictures: list[Image]) -> None:
    """Empty lists have shapes too."""
    assert whole.encode_images([]).shape == (0, 48)
    assert whole.encode_dense([]).shape == (0, 4, 4, 48)
    assert whole.score_texts([], TEXTS).shape == (0, 3)
    assert whole.score_texts(pictures, []).shape == (3, 0)
    assert whole.generate([], []) == []


def test_bad_texts_are_refused(whole: SmolVlm, pictures: list[Image]) -> None:
    """A special token inside a text would be read as one; lists must match."""
    with pytest.raises(InputError, match=r"special token '<image>'"):
        whole.generate(pictures[:1], ["what is <image>?"])
    with pytest.raises(InputError, match=r"texts\[1\]: contains the special token"):
        whole.score_answers(pictures[0], "", ["yes", "no<end_of_utterance>"])
    with pytest.raises(InputError, match="expected one prompt an image, got 2 for 1"):
        whole.generate(pictures[:1], ["a", "b"])
    with pytest.raises(InputError, match="one string 'yes'"):
        whole.score_answers(pictures[0], "", "yes")
    with pytest.raises(InputError, match="non-empty"):
        whole.attribute(pictures[0], " ")


@pytest.mark.parametrize("grey", [127, 128])
@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_middle_grey_is_not_taken_for_padding(grey: int, fit: str, folder: Path) -> None:
    """The model drops tiles that are exactly zero; no 8-bit picture may become one."""
    model = loaded(folder, fit=fit, image_splitting=True)
    image = Image(np.full((60, 100), grey, np.uint8), "yx", "display", (0.0, 255.0))
    assert np.isfinite(model.encode_images([image])).all()
    assert np.isfinite(model.score_answers(image, QUESTION, ["yes"]).log_likelihood).all()
    assert isinstance(model.generate([image], [QUESTION])[0], str)


def test_fit_says_what_the_tile_covers(folder: Path, whole: SmolVlm, pictures: list[Image]) -> None:
    """The whole image squashed, or the padded square around it."""
    assert whole.geometry(pictures[0]) == Geometry(top=0, left=0, height=70, width=110)
    padded = loaded(folder, fit="pad")
    assert padded.geometry(pictures[0]) == Geometry(top=-20, left=0, height=110, width=110)


def test_two_loads_agree_to_the_last_bit(
    folder: Path, whole: SmolVlm, pictures: list[Image]
) -> None:
    """Nothing random is left in loading or in the forward pass."""
    again = loaded(folder)
    np.testing.assert_array_equal(again.encode_images(pictures), whole.encode_images(pictures))
    np.testing.assert_array_equal(
        again.score_texts(pictures, TEXTS), whole.score_texts(pictures, TEXTS)
    )
    assert again.card == whole.card


def test_half_precision_is_recorded_and_close(
    folder: Path, whole: SmolVlm, pictures: list[Image]
) -> None:
    """bfloat16 is another set of numbers, near the first; results stay float32."""
    half = loaded(folder, dtype="bfloat16")
    assert {parameter.dtype for parameter in half.model.parameters()} == {torch.bfloat16}
    rows, scores = half.encode_images(pictures), half.score_texts(pictures, TEXTS)
    assert (rows.dtype, scores.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(rows, whole.encode_images(pictures), atol=0.05)
    np.testing.assert_allclose(scores, whole.score_texts(pictures, TEXTS), atol=1.5)
    assert np.abs(scores - whole.score_texts(pictures, TEXTS)).max() > 1e-4
    assert half.attribute(pictures[0], "nodule").dtype == np.float32
    assert half.generate(pictures[:1], [QUESTION])[0]
    assert half.card.fingerprint != whole.card.fingerprint


def test_one_of_several_images_is_the_single_image(
    both: tuple[SmolVlm, dict[str, list[Json]]], pictures: list[Image]
) -> None:
    """A volume of one slice is asked about in the words, and with the numbers, of a picture."""
    model, _ = both
    single = model.score_answers(pictures[0], QUESTION, ANSWERS)
    several = model.score_answers_about(pictures[:1], QUESTION, ANSWERS)
    np.testing.assert_allclose(several.log_likelihood, single.log_likelihood, atol=1e-5)
    np.testing.assert_array_equal(several.n_tokens, single.n_tokens)
    assert model.answer_about(pictures[:1], QUESTION) == model.generate(pictures[:1], [QUESTION])[0]


def test_several_images_stand_before_the_question_in_their_order(
    whole: SmolVlm, pictures: list[Image]
) -> None:
    """Every image counts, and so does its place; what was seen before is not shown again."""
    there = whole.score_answers_about(pictures[:2], QUESTION, ANSWERS).log_likelihood
    back = whole.score_answers_about(pictures[1::-1], QUESTION, ANSWERS).log_likelihood
    alone = whole.score_answers_about(pictures[:1], QUESTION, ANSWERS).log_likelihood
    again = whole.score_answers_about(pictures[:2], QUESTION, ANSWERS).log_likelihood
    np.testing.assert_allclose(again, there, atol=1e-5)
    assert np.abs(there - back).max() > 1e-4
    assert np.abs(there - alone).max() > 1e-4
    assert isinstance(whole.answer_about(pictures[:2], QUESTION), str)


def test_several_images_are_not_split(
    whole: SmolVlm, split: SmolVlm, pictures: list[Image]
) -> None:
    """Sixteen slices of seventeen tiles each would not fit into any context."""
    one, other = (m.score_answers_about(pictures[:2], QUESTION, ANSWERS) for m in (whole, split))
    np.testing.assert_allclose(one.log_likelihood, other.log_likelihood, atol=1e-5)


def test_a_question_about_no_image_is_refused(whole: SmolVlm) -> None:
    """Text alone has another form, and no place in a comparison."""
    with pytest.raises(InputError, match="expected an image with the question"):
        whole.score_answers_about([], QUESTION, ANSWERS)
