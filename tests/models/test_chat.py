"""The generic chat adapter: two architectures, their own templates, full forward passes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_chat
import tiny_checkpoints as tiny
import tiny_smolvlm
import torch

from conftest import TEXTS
from vesalius.capabilities import AnswerScorer, Generator, ImageEncoder, TextScorer
from vesalius.errors import InputError, ModelError
from vesalius.models import smolvlm
from vesalius.models.chat import HfChat, ReplyForm, load
from vesalius.models.checkpoint import open_folder
from vesalius.models.conformance import check_adapter
from vesalius.models.uncatalogued import CAPABILITIES
from vesalius.records import Image, Json

GOLDEN = json.loads((Path(__file__).parent / "golden" / "chat.json").read_text("utf-8"))
QUESTION = "is there a nodule?"
ANSWERS = ("yes", "no", "large nodule in the left lung")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two tiny checkpoints; never written to."""
    root = tmp_path_factory.mktemp("hub")
    return {
        "llava": tiny_chat.build_llava(root / "llava"),
        "idefics3": tiny_smolvlm.build_smolvlm(root / "idefics3"),
    }


def loaded(folder: Path, **options: Json) -> HfChat:
    return load(open_folder(folder), name="x", options=options, device="cpu")


@pytest.fixture(scope="module")
def llava(folders: dict[str, Path]) -> HfChat:
    """A CLIP tower and a Llama."""
    return loaded(folders["llava"])


@pytest.fixture
def copied(folders: dict[str, Path], tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(folders["llava"], tmp_path / "llava"))


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("name", ["llava", "idefics3"])
def test_adapter_keeps_every_promise(
    name: str, fit: str, folders: dict[str, Path], pictures: list[Image]
) -> None:
    """Scores are finite, repeatable and independent; both inputs matter."""
    model = loaded(folders[name], fit=fit)
    for kind in (Generator, AnswerScorer, TextScorer):
        assert isinstance(model, kind)
    assert not isinstance(model, ImageEncoder)
    assert all(hasattr(model, capability) for capability in CAPABILITIES["chat"])
    check_adapter(model, pictures, TEXTS, tolerance=2e-5)
    assert model.card.options == {"fit": fit, "dtype": "float32"}


def test_likelihoods_equal_the_models_own_loss(llava: HfChat, pictures: list[Image]) -> None:
    """-loss * n of plain transformers, for answers and captions."""
    for image, expected in zip(pictures, GOLDEN["scores"], strict=True):
        scores = llava.score_answers(image, QUESTION, ANSWERS)
        np.testing.assert_allclose(scores.log_likelihood, expected, rtol=2e-6, atol=1e-5)
        tokens = llava.processor.tokenizer([f" {answer}" for answer in ANSWERS])["input_ids"]
        assert scores.n_tokens.tolist() == [len(ids) + 1 for ids in tokens]
    captions = llava.score_texts(pictures, ANSWERS)
    np.testing.assert_allclose(captions, GOLDEN["captions"], rtol=2e-6, atol=1e-5)


def test_generated_texts_equal_plain_transformers(llava: HfChat, pictures: list[Image]) -> None:
    """Greedy tokens without the prompt."""
    decode = llava.processor.tokenizer.decode
    texts = [decode(ids, skip_special_tokens=True).strip() for ids in GOLDEN["generated"]]
    assert llava.generate(pictures, [QUESTION] * 3) == texts
    assert not any("USER" in text or QUESTION in text for text in texts)


def test_an_idefics3_gives_the_same_by_either_adapter(
    folders: dict[str, Path], pictures: list[Image]
) -> None:
    """The generic path is no second truth; its own preprocessing splits the image."""
    own = smolvlm.load(
        open_folder(folders["idefics3"]), name="smolvlm", options={"image_splitting": True},
        device="cpu",
    )  # fmt: skip
    generic = loaded(folders["idefics3"])
    assert generic.n_parameters == own.n_parameters
    np.testing.assert_allclose(
        generic.score_texts(pictures, TEXTS), own.score_texts(pictures, TEXTS), rtol=2e-6, atol=1e-5
    )
    assert generic.generate(pictures, [QUESTION] * 3) == own.generate(pictures, [QUESTION] * 3)


def test_candidates_do_not_disturb_each_other(llava: HfChat, pictures: list[Image]) -> None:
    """Padding and inner batches leave no trace."""
    candidates = ["large nodule", "yes", *("normal " * n for n in range(1, 5))]
    together = llava.score_answers(pictures[0], QUESTION, candidates)
    for index in (0, 1, 5):
        alone = llava.score_answers(pictures[0], QUESTION, candidates[index : index + 1])
        np.testing.assert_allclose(
            alone.log_likelihood[0], together.log_likelihood[index], rtol=2e-6, atol=1e-5
        )
        assert alone.n_tokens[0] == together.n_tokens[index]


def test_padding_on_the_left_changes_no_text(llava: HfChat, pictures: list[Image]) -> None:
    """Batches of prompts of different length answer as each alone; an empty one captions."""
    prompts = ["", "is there a large nodule in the left lung or in the right?", "normal", "a", "b"]
    images = [*pictures, *pictures[:2]]
    alone = [llava.generate([i], [p])[0] for i, p in zip(images, prompts, strict=True)]
    assert llava.generate(images, prompts) == alone
    assert alone[0] == llava.generate(images[:1], ["Describe this image."])[0]


def test_the_form_of_an_answer_is_read_off_the_template(
    llava: HfChat, folders: dict[str, Path], copied: Path
) -> None:
    """Blank and end token come from the template, or the end token from the tokenizer."""
    assert llava.form == ReplyForm(" ", "<|im_end|>")
    assert loaded(folders["idefics3"]).form == ReplyForm(" ", "<end_of_utterance>")
    tight = tiny_chat.TEMPLATE.replace("}}: ", "}}:").replace("part.text }} ", "part.text }}\n")
    (copied / "chat_template.jinja").write_text(tight, encoding="utf-8")
    assert loaded(copied).form == ReplyForm("", "<|im_end|>")
    thinking = tiny_chat.TEMPLATE.replace("ASSISTANT:{%", "ASSISTANT:<think>{%")
    (copied / "chat_template.jinja").write_text(thinking, encoding="utf-8")
    assert loaded(copied).form == ReplyForm("", "<|im_end|>")


def test_a_template_that_writes_the_start_token_gets_no_second_one(
    copied: Path, pictures: list[Image]
) -> None:
    """Two start tokens are a text that the model never saw."""
    written = "{{ bos_token }}" + tiny_chat.TEMPLATE
    (copied / "chat_template.jinja").write_text(written, encoding="utf-8")
    model = loaded(copied)
    asked = []
    hook = model.model.register_forward_pre_hook(
        lambda _, __, given: asked.append(given["input_ids"]), with_kwargs=True
    )
    model.score_answers(pictures[0], QUESTION, ["yes"])
    hook.remove()
    assert (asked[0] == model.processor.tokenizer.bos_token_id).sum() == 1


def test_half_precision_is_recorded_and_close(
    folders: dict[str, Path], llava: HfChat, pictures: list[Image]
) -> None:
    """bfloat16 is another set of numbers, near the first."""
    half = loaded(folders["llava"], dtype="bfloat16")
    assert {parameter.dtype for parameter in half.model.parameters()} == {torch.bfloat16}
    scores, full = half.score_texts(pictures, TEXTS), llava.score_texts(pictures, TEXTS)
    np.testing.assert_allclose(scores, full, atol=1.5)
    assert np.abs(scores - full).max() > 1e-4
    assert half.card.fingerprint != llava.card.fingerprint
    assert half.generate(pictures[:1], [QUESTION])[0]


def test_nothing_gives_nothing_and_bad_texts_are_refused(
    llava: HfChat, pictures: list[Image]
) -> None:
    """Shapes of empty lists; special tokens and unequal lists."""
    assert llava.score_texts([], TEXTS).shape == (0, 3)
    assert llava.score_texts(pictures, []).shape == (3, 0)
    assert llava.generate([], []) == []
    with pytest.raises(InputError, match="special token '<image>'"):
        llava.score_answers(pictures[0], "what is <image>?", ["yes"])
    with pytest.raises(InputError, match="expected one prompt an image"):
        llava.generate(pictures, ["a"])


def test_an_architecture_that_adds_positions_is_refused(
    llava: HfChat, pictures: list[Image]
) -> None:
    """Logits that do not stand at the tokens would be read in the wrong places."""
    hook = llava.model.register_forward_hook(
        lambda _, __, output: type(output)(logits=output.logits[:, 1:])
    )
    with pytest.raises(ModelError, match="needs an adapter of its own"):
        llava.score_answers(pictures[0], QUESTION, ["yes"])
    hook.remove()


def _of_text_only(folder: Path) -> None:
    tiny_smolvlm.change_json(folder / "config.json", model_type="gpt2")


def _template_for_text_only(folder: Path) -> None:
    text = "{{ raise_exception('only text') }}"
    (folder / "chat_template.jinja").write_text(text, encoding="utf-8")


def _without_end(folder: Path) -> None:
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        tiny_smolvlm.change_json(folder / name, eos_token=None)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_of_text_only, "model_type 'gpt2' neither has one tower"),
        (_template_for_text_only, "chat template cannot write .*only text"),
        (_without_end, "neither the chat template nor the tokenizer has a token that ends"),
    ],
)
def test_what_cannot_be_driven_is_refused(
    damage: Callable[[Path], None], message: str, copied: Path
) -> None:
    """Each refusal says what is missing."""
    damage(copied)
    with pytest.raises(ModelError, match=message):
        loaded(copied)


def test_weights_are_checked_key_by_key(copied: Path) -> None:
    """A generic loader is as strict as any."""
    from safetensors.numpy import load_file

    state = load_file(copied / "model.safetensors")
    del state["lm_head.weight"]
    tiny.save_weights(copied, state, pickle=False)
    with pytest.raises(ModelError, match=r"missing: lm_head\.weight"):
        loaded(copied)
