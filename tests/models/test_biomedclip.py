"""BiomedCLIP's adapter gives what open_clip gives, loads strictly, and keeps every promise."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_biomedclip as tiny
import tiny_checkpoints
import torch
from safetensors.numpy import load_file

from conftest import TEXTS
from vesalius.capabilities import Attributor, DenseEncoder, DualEncoder, TextScorer
from vesalius.catalog import MODELS, describe, load_model, parse_model
from vesalius.errors import InputError, ModelError
from vesalius.models.biomedclip import BiomedClip, load
from vesalius.models.biomedclip_input import model_input
from vesalius.models.checkpoint import open_folder
from vesalius.models.conformance import check_adapter
from vesalius.records import Geometry, Image

SHA = "0123456789abcdef0123456789abcdef01234567"
TENSOR = "visual.trunk.blocks.3.attn.qkv.weight"


def loaded(folder: Path, **options: str) -> BiomedClip:
    model = load_model(
        "biomedclip", source=folder, device="cpu", allow_pickle_weights=True, **options
    )
    assert isinstance(model, BiomedClip)
    return model


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint in both file forms; never written to by a test."""
    root = tmp_path_factory.mktemp("biomedclip")
    tiny.build(root / "pickle")
    tiny.build(root / "safe", pickle=False)
    return root


@pytest.fixture(scope="module")
def model(folders: Path) -> BiomedClip:
    """The tiny BiomedCLIP with its default options."""
    return loaded(folders / "pickle")


@pytest.fixture
def safe_copy(folders: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(folders / "safe", tmp_path / "copy"))


@pytest.fixture(scope="module")
def golden() -> dict[str, list[float]]:
    """What open_clip computes for the same folder; see ``golden/make_biomedclip.py``."""
    path = Path(__file__).parent / "golden" / "biomedclip.json"
    value: dict[str, list[float]] = json.loads(path.read_text(encoding="utf-8"))
    return value


@pytest.fixture(scope="module")
def scenes() -> list[Image]:
    """The pictures of the golden file."""
    return [
        Image(pixels, "yxc" if pixels.ndim == 3 else "yx", "display", (0.0, 255.0))
        for pixels in tiny.scenes()
    ]


def test_numbers_are_those_of_open_clip(
    model: BiomedClip, scenes: list[Image], golden: dict[str, list[float]]
) -> None:
    """Input, image, text, dense and logits, from the published implementation."""
    texts = list(map(str, golden["texts"]))
    pixels = model_input(scenes, model.framing).numpy()
    dense = model.encode_dense(scenes)
    n, m = int(golden["every_pixel"]), int(golden["every_patch"])  # type: ignore[call-overload]
    found = {
        "pixels": pixels[:, :, ::n, ::n],
        "images": model.encode_images(scenes),
        "text_rows": model.encode_texts(texts),
        "dense": dense[:, ::m, ::m],
    }
    for name, value in found.items():
        np.testing.assert_allclose(value.ravel(), golden[name], atol=1e-5, rtol=0, err_msg=name)
    logits = model.score_texts(scenes, texts).ravel()
    np.testing.assert_allclose(logits, golden["logits"], atol=1e-5 * model.logit_scale, rtol=0)


def test_maps_are_those_of_the_published_network(
    model: BiomedClip, scenes: list[Image], golden: dict[str, list[float]]
) -> None:
    """Attention times gradient through timm's own slow attention, for the last text."""
    maps = np.stack([model.attribute(scene, str(golden["texts"][-1])) for scene in scenes])
    expected = np.array(golden["maps_of_last_text"])
    assert expected.max() > 0
    np.testing.assert_allclose(maps.ravel(), expected, atol=1e-4 * expected.max(), rtol=0)


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_adapter_keeps_every_promise(folders: Path, pictures: list[Image], fit: str) -> None:
    """Finite, unit, float32, deterministic, independent rows; dense grid and geometry in place."""
    model = loaded(folders / "safe", fit=fit)
    for capability in (DualEncoder, DenseEncoder, TextScorer, Attributor):
        assert isinstance(model, capability)
    check_adapter(model, pictures, TEXTS, tolerance=2e-6)
    assert model.card.options == {"fit": fit}


def test_the_grid_has_one_unit_vector_a_patch(model: BiomedClip, pictures: list[Image]) -> None:
    """160 px in patches of 16; empty input has a shape too."""
    dense = model.encode_dense(pictures)
    assert dense.shape == (3, 10, 10, tiny.DIM)
    np.testing.assert_allclose(np.linalg.norm(dense, axis=-1), 1, atol=1e-6)
    assert model.dense_text_aligned
    assert model.encode_dense([]).shape == (0, 10, 10, tiny.DIM)
    assert model.encode_images([]).shape == model.encode_texts([]).shape == (0, tiny.DIM)


def test_maps_see_image_and_text(model: BiomedClip, pictures: list[Image]) -> None:
    """A finite float32 grid that both inputs change, the same at every call."""
    maps = [model.attribute(pictures[0], text) for text in TEXTS[:2]]
    for one in maps:
        assert (one.shape, one.dtype) == ((10, 10), np.float32)
        assert np.isfinite(one).all()
        assert one.max() > 0 <= one.min()
    assert np.abs(maps[0] - maps[1]).max() > 0.05 * maps[0].max()
    assert np.abs(maps[0] - model.attribute(pictures[1], TEXTS[0])).max() > 0.05 * maps[0].max()
    np.testing.assert_array_equal(maps[0], model.attribute(pictures[0], TEXTS[0]))
    assert all(parameter.grad is None for parameter in model.network.parameters())


def test_padding_and_truncation_change_nothing(model: BiomedClip) -> None:
    """A text beside a long one is the text alone; beyond 256 tokens nothing counts."""
    long = "lung " * 400
    rows = model.encode_texts(["normal", long, long + "normal"])
    np.testing.assert_allclose(rows[:1], model.encode_texts(["normal"]), atol=2e-6)
    np.testing.assert_allclose(rows[1], rows[2], atol=2e-6)
    with pytest.raises(InputError, match="one string"):
        model.encode_texts("normal")


def test_two_loads_and_both_file_forms_agree_to_the_last_bit(
    folders: Path, model: BiomedClip, pictures: list[Image]
) -> None:
    """Nothing random is left, and the file form is no part of the numbers."""
    for folder in ("pickle", "safe"):
        again = loaded(folders / folder)
        np.testing.assert_array_equal(again.encode_images(pictures), model.encode_images(pictures))
        np.testing.assert_array_equal(again.encode_texts(TEXTS), model.encode_texts(TEXTS))


def test_loading_leaves_the_global_generator_alone(folders: Path) -> None:
    """A caller's own random numbers must not depend on which models were loaded."""
    before = torch.get_rng_state()
    loaded(folders / "safe")
    assert torch.equal(before, torch.get_rng_state())


def test_safetensors_are_preferred(folders: Path, safe_copy: Path) -> None:
    """With both files there, the pickle is neither hashed nor read."""
    shutil.copy(folders / "pickle" / "open_clip_pytorch_model.bin", safe_copy)
    model = load_model("biomedclip", source=safe_copy, device="cpu")
    assert "open_clip_model.safetensors" in model.card.weights
    assert "open_clip_pytorch_model.bin" not in model.card.weights


def test_the_card_says_what_really_runs(folders: Path, model: BiomedClip) -> None:
    """The processor is the one written here, and the card is known before loading."""
    assert model.card.processor.startswith("native/pil (transformers ")
    assert model.card.adapter == "biomedclip"
    request = parse_model(f"biomedclip={folders / 'pickle'}", allow_pickle_weights=True)
    assert describe(request) == model.card
    assert model.logit_scale == pytest.approx(np.exp(tiny.LOGIT_SCALE), rel=1e-6)
    assert model.n_parameters == sum(value.size for value in tiny.state().values())


def test_the_real_repository_loads_from_the_cache_without_network(
    folders: Path, hub_cache: Path, no_network: list[str], pictures: list[Image]
) -> None:
    """Genuine id and genuine file names; the second repository of the text tower is not asked."""
    entry = MODELS["biomedclip"]
    assert entry.repo == tiny.REPO
    revision = entry.revision or SHA
    tiny_checkpoints.offline_hub(hub_cache, tiny.REPO, folders / "pickle", revision=revision)
    with pytest.raises(ModelError, match="allow_pickle_weights"):
        load_model("biomedclip", device="cpu")
    model = load_model("biomedclip", device="cpu", allow_pickle_weights=True)
    assert (model.card.source, model.card.revision) == (tiny.REPO, revision)
    assert model.score_texts(pictures, TEXTS).shape == (3, 3)
    assert no_network == []


def altered(folder: Path, change: Callable[[dict[str, np.ndarray]], object]) -> Path:
    state = load_file(folder / "open_clip_model.safetensors")
    change(state)
    tiny.save(folder, state, pickle=False)
    return folder


def test_a_missing_tensor_is_named(safe_copy: Path) -> None:
    """A gap would be filled with whatever lay in memory."""
    with pytest.raises(ModelError, match=f"missing: {TENSOR}"):
        loaded(altered(safe_copy, lambda state: state.pop(TENSOR)))


def test_missing_last_blocks_are_named(safe_copy: Path) -> None:
    """The depth is not read off the weights, so a shortened file cannot pass for a small model."""

    def shorten(state: dict[str, np.ndarray]) -> None:
        for name in [name for name in state if "blocks.5." in name]:
            del state[name]

    with pytest.raises(ModelError, match=r"missing: visual\.trunk\.blocks\.5\.attn\.proj\.bias"):
        loaded(altered(safe_copy, shorten))


def test_extra_and_misshapen_tensors_are_named(safe_copy: Path) -> None:
    """A pooler or another width belongs to another network."""
    wrong = {
        "text.transformer.pooler.dense.bias": np.ones(48, np.float32),
        "visual.head.proj.weight": np.ones((5, 64), np.float32),
    }
    expected = (
        r"unexpected: text.transformer.pooler.dense.bias; "
        r"of another shape: visual.head.proj.weight \(file \(5, 64\), model \(32, 64\)\)"
    )
    with pytest.raises(ModelError, match=expected):
        loaded(altered(safe_copy, lambda state: state.update(wrong)))


def test_half_precision_weights_are_read_as_float32(safe_copy: Path) -> None:
    """Numbers must not depend on a kernel for short floats."""

    def halve(state: dict[str, np.ndarray]) -> None:
        state.update({name: value.astype(np.float16) for name, value in state.items()})

    model = loaded(altered(safe_copy, halve))
    assert {parameter.dtype for parameter in model.network.parameters()} == {torch.float32}
    assert not any(module.training for module in model.network.modules())


def test_a_foreign_or_missing_tokenizer_is_noticed(safe_copy: Path) -> None:
    """Without its files every text would be the same; with another padding the mask would lie."""
    words = tiny.words()
    swapped = [words[101], *words[1:101], words[0], *words[102:]]
    tokenizer = (safe_copy / "tokenizer.json").read_text(encoding="utf-8")
    value = json.loads(tokenizer)
    value["model"]["vocab"] = {word: place for place, word in enumerate(swapped)}
    value["added_tokens"] = []
    value["post_processor"] = None
    tiny_checkpoints.write_json(safe_copy / "tokenizer.json", value)
    with pytest.raises(ModelError, match=r"pads texts with token 0, the tokenizer with 101"):
        loaded(safe_copy)
    for name in ("tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json"):
        (safe_copy / name).unlink()
    with pytest.raises(ModelError, match="tokenizer"):
        loaded(safe_copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_cfg": None}, "expected a section model_cfg, got None"),
        ({"model_cfg": {**tiny.config()["model_cfg"], "embed_dim": 512.0}}, "embed_dim: expected"),
        ({"preprocess_cfg": []}, "expected a section preprocess_cfg"),
        ({"preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5, 0.5, 0]}}, "std: expected three"),
        (
            {"preprocess_cfg": {**tiny.config()["preprocess_cfg"], "interpolation": "bilinear"}},
            "interpolation is 'bilinear'.*'bicubic' only",
        ),
    ],
)
def test_a_broken_configuration_is_named(
    safe_copy: Path, change: dict[str, object], message: str
) -> None:
    """Every message says which key of which file."""
    path = safe_copy / "open_clip_config.json"
    tiny_checkpoints.write_json(path, {**tiny.config(), **change})
    with pytest.raises(ModelError, match=f"open_clip_config.json: {message}"):
        loaded(safe_copy)


def test_an_unreadable_configuration_is_named(safe_copy: Path) -> None:
    """Neither JSON nor an object nor there; a config.json beside it is no substitute."""
    path = safe_copy / "open_clip_config.json"
    for text, message in (("{", "expected JSON"), ("[]", "expected a JSON object, got list")):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ModelError, match=message):
            loaded(safe_copy)
    path.rename(safe_copy / "config.json")
    with pytest.raises(ModelError, match="without"):
        loaded(safe_copy)
    with pytest.raises(ModelError, match=r"without open_clip_config.json"):
        load(open_folder(safe_copy), name="biomedclip", options={}, device="cpu")


def test_geometry_follows_the_crop_of_torchvision(folders: Path, model: BiomedClip) -> None:
    """Half a pixel of the crop goes to the even side; padding shows the whole image."""
    # 160 × 163: the excess of 3 is cut as 2 and 1, because round(1.5) is 2
    wide = Image(np.zeros((160, 163), np.uint8), "yx", "display", (0.0, 255.0))
    assert model.geometry(wide) == Geometry(top=0, left=2, height=160, width=160)
    wide = Image(np.zeros((160, 165), np.uint8), "yx", "display", (0.0, 255.0))
    assert model.geometry(wide) == Geometry(top=0, left=2, height=160, width=160)
    padded = loaded(folders / "safe", fit="pad")
    assert padded.geometry(wide) == Geometry(top=-2, left=0, height=165, width=165)


def test_a_volume_must_be_cut_first(model: BiomedClip) -> None:
    """A 2D model refuses a volume and says how to go on."""
    volume = Image(np.zeros((4, 4, 4)), "xyz", "hu", (-160.0, 240.0))
    for encode in (model.encode_images, model.encode_dense):
        with pytest.raises(InputError, match="take slices first"):
            encode([volume])
