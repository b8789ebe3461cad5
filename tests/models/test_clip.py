"""CLIP's adapter gives what the model itself gives, as promised by the protocols."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PILImage

from conftest import TEXTS
from vesalius.capabilities import DenseEncoder, DualEncoder, TextScorer
from vesalius.errors import InputError
from vesalius.models.checkpoint import FilePolicy, open_folder
from vesalius.models.clip import Clip, load
from vesalius.models.conformance import check_adapter
from vesalius.models.towers import BATCH, check_texts
from vesalius.records import Geometry, Image

Copy = Callable[[str], Path]


def loaded(folder: Path, **options: str) -> Clip:
    checkpoint = open_folder(folder, policy=FilePolicy(allow_pickles=True))
    return load(checkpoint, name="clip", options=options, device="cpu")


@pytest.fixture(scope="module")
def clip(checkpoints: Path) -> Clip:
    """The tiny CLIP with its default options."""
    return loaded(checkpoints / "clip")


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("name", ["clip", "pubmedclip"])
def test_adapter_keeps_every_promise(
    name: str, fit: str, checkpoints: Path, pictures: list[Image]
) -> None:
    """Finite, unit, float32, deterministic, independent rows; dense grid and geometry in place."""
    model = loaded(checkpoints / name, fit=fit)
    assert isinstance(model, DualEncoder)
    assert isinstance(model, DenseEncoder)
    assert isinstance(model, TextScorer)
    check_adapter(model, pictures, TEXTS, tolerance=2e-6)


def test_scores_equal_the_models_own_logits(
    checkpoints: Path, clip: Clip, pictures: list[Image]
) -> None:
    """The whole path from pixels and words to logits is the published one."""
    from transformers import CLIPModel, CLIPProcessor

    model = CLIPModel.from_pretrained(checkpoints / "clip", dtype=torch.float32)
    processor = CLIPProcessor.from_pretrained(checkpoints / "clip", backend="pil")
    pil = [PILImage.fromarray(image.pixels).convert("RGB") for image in pictures]
    inputs = processor(
        text=list(TEXTS), images=pil, padding="max_length", max_length=77, truncation=True,
        return_tensors="pt",
    )  # fmt: skip
    with torch.no_grad():
        logits = model(**inputs).logits_per_image.numpy()
    np.testing.assert_allclose(clip.score_texts(pictures, TEXTS), logits, atol=1e-4)
    assert clip.logit_scale == pytest.approx(np.exp(4.6052), rel=1e-6)
    by_hand = clip.encode_images(pictures) @ clip.encode_texts(TEXTS).T * clip.logit_scale
    np.testing.assert_allclose(by_hand, logits, atol=1e-4)


def test_dense_vectors_are_the_value_path_of_the_last_block(
    clip: Clip, pictures: list[Image]
) -> None:
    """MaskCLIP by hand, in numpy, from the input of the last block on."""
    from vesalius.models.preprocessing import model_input

    model = clip.towers.model
    state = {name: value.double().numpy() for name, value in model.state_dict().items()}
    entering = {}

    def remember(module: object, inputs: tuple[torch.Tensor, ...], kwargs: dict) -> None:  # type: ignore[type-arg]
        entering["x"] = (inputs[0] if inputs else kwargs["hidden_states"]).double().numpy()

    hook = model.vision_model.encoder.layers[-1].register_forward_pre_hook(
        remember, with_kwargs=True
    )
    with torch.no_grad():
        model.get_image_features(**model_input(pictures, clip.towers.processor, fit="crop"))
    hook.remove()

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return x * state[f"{name}.weight"] + state[f"{name}.bias"]

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    layer = "vision_model.encoder.layers.2"
    value = linear(norm(entering["x"], f"{layer}.layer_norm1"), f"{layer}.self_attn.v_proj")
    value = linear(value, f"{layer}.self_attn.out_proj")
    patches = norm(value, "vision_model.post_layernorm")[:, 1:]
    patches = patches @ state["visual_projection.weight"].T
    patches /= np.linalg.norm(patches, axis=-1, keepdims=True)
    dense = clip.encode_dense(pictures)
    assert clip.dense_text_aligned
    assert dense.shape == (3, 4, 4, 32)
    np.testing.assert_allclose(dense.reshape(3, 16, 32), patches, atol=1e-5)


def test_batches_larger_than_the_inner_one_are_joined(clip: Clip, pictures: list[Image]) -> None:
    """Order and number of rows survive the split into inner batches."""
    many = (pictures * BATCH)[: 2 * BATCH + 1]
    rows = clip.encode_images(many)
    np.testing.assert_allclose(rows[-1:], clip.encode_images(many[-1:]), atol=2e-6)
    assert rows.shape == (2 * BATCH + 1, 32)


def test_nothing_gives_no_rows(clip: Clip) -> None:
    """An empty list has a shape too, so that callers need no special case."""
    assert clip.encode_images([]).shape == (0, 32)
    assert clip.encode_texts([]).shape == (0, 32)
    assert clip.encode_dense([]).shape == (0, 4, 4, 32)


def test_long_texts_are_cut_off_at_the_context(clip: Clip) -> None:
    """Text beyond 77 tokens neither fails nor counts."""
    long = "lung " * 200
    rows = clip.encode_texts([long, long + "normal"])
    np.testing.assert_allclose(rows[0], rows[1], atol=2e-6)


def test_case_does_not_matter(clip: Clip) -> None:
    """CLIP's vocabulary is lower case; the tokenizer's own normaliser must be active."""
    rows = clip.encode_texts(["Chest X RAY", "chest x ray"])
    np.testing.assert_array_equal(rows[0], rows[1])


def test_one_string_is_not_a_list_of_letters(clip: Clip) -> None:
    """A forgotten bracket would score every letter on its own."""
    with pytest.raises(InputError, match=r"one string 'normal'; write \['normal'\]"):
        clip.encode_texts("normal")
    with pytest.raises(InputError, match=r"texts\[1\]: expected a string, got None"):
        check_texts(["normal", None])


def test_a_volume_must_be_cut_first(clip: Clip) -> None:
    """A 2D model refuses a volume and says how to go on."""
    volume = Image(np.zeros((4, 4, 4)), "xyz", "hu", (-160.0, 240.0))
    for encode in (clip.encode_images, clip.encode_dense):
        with pytest.raises(InputError, match="take slices first"):
            encode([volume])


def test_two_loads_agree_to_the_last_bit(
    checkpoints: Path, clip: Clip, pictures: list[Image]
) -> None:
    """Nothing random is left in loading or in the forward pass."""
    again = loaded(checkpoints / "clip")
    np.testing.assert_array_equal(again.encode_images(pictures), clip.encode_images(pictures))
    np.testing.assert_array_equal(again.encode_texts(TEXTS), clip.encode_texts(TEXTS))
    assert again.card == clip.card


def test_pickle_and_safetensors_give_the_same_numbers(
    checkpoints: Path, clip: Clip, pictures: list[Image]
) -> None:
    """The file form is no part of the model."""
    safe = loaded(checkpoints / "clip-safe")
    np.testing.assert_array_equal(safe.encode_images(pictures), clip.encode_images(pictures))


def test_fit_changes_numbers_geometry_and_card(
    checkpoints: Path, clip: Clip, pictures: list[Image]
) -> None:
    """The option does what it says and is recorded."""
    padded = loaded(checkpoints / "clip", fit="pad")
    assert clip.geometry(pictures[0]).height == 70
    assert padded.geometry(pictures[0]) == Geometry(top=-20, left=0, height=110, width=110)
    change = padded.encode_images(pictures[:1]) - clip.encode_images(pictures[:1])
    assert np.abs(change).max() > 0.01
    assert padded.card.options == {"fit": "pad"}
    assert padded.card.fingerprint != clip.card.fingerprint


def test_an_unknown_option_is_refused(checkpoints: Path) -> None:
    """Options are checked at the adapter too, not only in the catalog."""
    with pytest.raises(InputError, match=r"clip: unknown option 'pooling'"):
        loaded(checkpoints / "clip", pooling="eos")
