"""BioViL-T's adapter gives what the published code gives, prior study and map included."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_biovilt as tiny
import torch
from tiny_checkpoints import CANARY, offline_hub, save_weights, write_json

from conftest import TEXTS
from vesalius.capabilities import (
    Attributor,
    DenseEncoder,
    DualEncoder,
    PriorEncoder,
    TextScorer,
)
from vesalius.catalog import MODELS, load_model
from vesalius.errors import InputError, ModelError
from vesalius.models.biovilt import BiovilT, load
from vesalius.models.biovilt_image import ImageSizes, image_network, sine_positions, sizes_of
from vesalius.models.biovilt_input import Framing, geometry, model_input, read_framing, stretched
from vesalius.models.biovilt_text import text_network, tokens_of
from vesalius.models.checkpoint import FilePolicy, open_folder
from vesalius.models.conformance import check_adapter
from vesalius.models.request import ModelRequest
from vesalius.records import Geometry, Image

GOLDEN = json.loads((Path(__file__).parent / "golden" / "biovilt.json").read_text(encoding="utf-8"))
SHA = "0123456789abcdef0123456789abcdef01234567"


def loaded(folder: Path, **options: str) -> BiovilT:
    policy = FilePolicy(MODELS["biovil-t"].patterns, allow_pickles=True)
    return load(open_folder(folder, policy=policy), name="biovil-t", options=options, device="cpu")


def shown(pixels: np.ndarray) -> Image:
    axes = "yxc" if pixels.ndim == 3 else "yx"
    return Image(pixels, axes, "display", (0.0, 255.0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny repository in pickles, as published; never written to by a test."""
    return tiny.build_biovilt(tmp_path_factory.mktemp("hub") / "biovil-t")


@pytest.fixture(scope="module")
def safe_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in safetensors."""
    return tiny.build_biovilt(tmp_path_factory.mktemp("safe") / "biovil-t", pickle=False)


@pytest.fixture
def copy(safe_folder: Path, tmp_path: Path) -> Path:
    """A repository that a test may damage."""
    return Path(shutil.copytree(safe_folder, tmp_path / "biovil-t"))


@pytest.fixture(scope="module")
def model(folder: Path) -> BiovilT:
    """The tiny model with its default options."""
    return loaded(folder)


@pytest.fixture(scope="module")
def genuine(tmp_path_factory: pytest.TempPathFactory) -> BiovilT:
    """An image network of full size behind a tiny text network."""
    root = tmp_path_factory.mktemp("genuine")
    model = loaded(tiny.build_biovilt(root / "biovil-t", tiny.GENUINE_IMAGE))
    shutil.rmtree(root)
    return model


@pytest.fixture(scope="module")
def scenes() -> list[Image]:
    """The pictures behind the golden numbers: odd margins, colour, portrait."""
    pixels = [tiny.scene(70, 71, 0.0), tiny.scene(120, 80, 1.0, colour=True)]
    return [shown(picture) for picture in [*pixels, tiny.scene(90, 64, 2.0)]]


def test_input_is_exactly_the_published_one(scenes: list[Image]) -> None:
    """Stretch, grey, resize and crop as in hi-ml-multimodal, to the last bit."""
    for image, digest in zip(scenes, GOLDEN["input_sha256"], strict=True):
        (square,) = model_input([image], Framing(), fit="crop").numpy()
        assert hashlib.sha256(np.ascontiguousarray(square).tobytes()).hexdigest() == digest


def test_embeddings_equal_hi_ml(genuine: BiovilT, scenes: list[Image]) -> None:
    """Full-size network: alone, with a prior, and both mixed in one call."""
    first, second = GOLDEN["pairs"]
    images = [*scenes, scenes[first[0]], scenes[second[0]]]
    priors = [None, None, None, scenes[first[1]], scenes[second[1]]]
    order = [3, 0, 1, 4, 2]
    rows = genuine.encode_with_prior([images[k] for k in order], [priors[k] for k in order])
    expected = np.array([*GOLDEN["images"], *GOLDEN["with_prior"]])
    np.testing.assert_allclose(rows, expected[order], atol=1e-5)


def test_texts_equal_the_published_network(genuine: BiovilT) -> None:
    """CXR-BERT's own class from hi-ml, the final punctuation removed."""
    rows = genuine.encode_texts(GOLDEN["texts"])
    np.testing.assert_allclose(rows, GOLDEN["text_rows"], atol=1e-5)


def test_similarity_map_equals_hi_ml(genuine: BiovilT, scenes: list[Image]) -> None:
    """The smoothed map of the published phrase grounding."""
    grid = genuine.attribute(scenes[0], GOLDEN["texts"][0])
    assert (grid.shape, grid.dtype) == ((14, 14), np.float32)
    np.testing.assert_allclose(grid, GOLDEN["similarity"], atol=1e-5)


def test_sizes_follow_from_the_tensors(genuine: BiovilT, model: BiovilT) -> None:
    """The published architecture is the default, and is buildable without memory."""
    state = genuine.image_network.state_dict()
    assert len(state) == 372
    assert sizes_of(state, source=Path("file")) == ImageSizes()
    with torch.device("meta"):
        empty = image_network()
    assert sum(p.numel() for p in empty.parameters()) == 27_349_928
    small = sizes_of(model.image_network.state_dict(), source=Path("file"))
    assert small == ImageSizes(8, (1, 2, 1, 1), 5, 16, 2, 16)
    n_text = sum(p.numel() for p in model.text_network.parameters())
    assert model.n_parameters == n_text + sum(p.numel() for p in model.image_network.parameters())


def test_genuine_text_network_needs_no_memory() -> None:
    """BERT-base without pooler, 128 dimensions: 109 million parameters on the meta device."""
    config = tiny.text_config(30522, 128) | {
        "hidden_size": 768, "intermediate_size": 3072, "max_position_embeddings": 512,
        "num_attention_heads": 12, "num_hidden_layers": 12,
    }  # fmt: skip
    with torch.device("meta"):
        network = text_network(config)
    head = 768 * 128 + 128 + 2 * 128 + 128 * 128 + 128
    assert sum(p.numel() for p in network.parameters()) == 108_891_648 + head
    assert {p.device.type for p in network.parameters()} == {"meta"}


def test_sine_positions_by_hand() -> None:
    """First y, then x; sines and cosines alternate; the last row is a full turn."""
    place = sine_positions(2, 3, 8).numpy()
    turn = 2 * np.pi
    first = [np.sin(turn / 2), np.cos(turn / 2), np.sin(turn / 200), np.cos(turn / 200)]
    first += [np.sin(turn / 3), np.cos(turn / 3), np.sin(turn / 300), np.cos(turn / 300)]
    np.testing.assert_allclose(place[0], first, atol=1e-5)
    np.testing.assert_allclose(place[5, [1, 5]], [1, 1], atol=1e-5)
    np.testing.assert_array_equal(place[:3, :4], np.repeat(place[:1, :4], 3, axis=0))


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_adapter_keeps_every_promise(fit: str, folder: Path, pictures: list[Image]) -> None:
    """Finite, unit, float32, deterministic, independent rows; dense grid and geometry in place."""
    model = loaded(folder, fit=fit)
    for capability in (DualEncoder, DenseEncoder, PriorEncoder, TextScorer, Attributor):
        assert isinstance(model, capability)
    check_adapter(model, pictures, TEXTS, tolerance=1e-5)
    assert model.encode_dense(pictures).shape == (3, 4, 4, 16)
    assert model.encode_with_prior([], []).shape == (0, 16)


def test_prior_matters_and_its_absence_is_encode_images(
    model: BiovilT, pictures: list[Image]
) -> None:
    """None gives the plain row; another prior gives another row; order and neighbours do not."""
    plain = model.encode_images(pictures)
    np.testing.assert_allclose(model.encode_with_prior(pictures, [None] * 3), plain, atol=2e-6)
    priors = [pictures[1], None, pictures[0]]
    mixed = model.encode_with_prior(pictures, priors)
    np.testing.assert_allclose(mixed[1], plain[1], atol=2e-6)
    assert np.abs(mixed[[0, 2]] - plain[[0, 2]]).max(axis=1).min() > 0.01
    swapped = model.encode_with_prior(pictures[::-1], priors[::-1])[::-1]
    np.testing.assert_allclose(swapped, mixed, atol=1e-5)
    (alone,) = model.encode_with_prior([pictures[0]], [priors[0]])
    np.testing.assert_allclose(alone, mixed[0], atol=1e-5)
    other = model.encode_with_prior(pictures[:1], [pictures[2]])
    assert np.abs(other - mixed[:1]).max() > 1e-4
    with pytest.raises(InputError, match="got 3 images and 2 priors"):
        model.encode_with_prior(pictures, priors[:2])


def test_current_and_prior_are_told_apart(model: BiovilT, pictures: list[Image]) -> None:
    """A finding that came and one that went are not the same."""
    there, back = model.encode_with_prior(pictures[:2], pictures[1::-1])
    assert np.abs(there - back).max() > 0.01


def test_dense_vectors_average_to_the_image(model: BiovilT, pictures: list[Image]) -> None:
    """The global embedding is the mean of the projected patches before either is normalised."""
    with torch.inference_mode():
        inputs = model_input(pictures, model.framing, fit="crop")
        patches = model.image_network(inputs).numpy()
    mean = patches.mean(axis=(2, 3))
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(model.encode_images(pictures), mean, atol=2e-6)
    length = np.linalg.norm(patches, axis=1, keepdims=True)
    dense = (patches / length).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(model.encode_dense(pictures), dense, atol=2e-6)


def test_scores_are_scaled_cosines(model: BiovilT, pictures: list[Image]) -> None:
    """The scale is ours, documented and positive."""
    cosine = model.encode_images(pictures) @ model.encode_texts(TEXTS).T
    assert model.logit_scale == pytest.approx(1 / 0.07)
    np.testing.assert_allclose(model.score_texts(pictures, TEXTS), cosine / 0.07, atol=1e-5)


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("shape", [(300, 200), (200, 300), (240, 241), (256, 256)])
def test_map_and_geometry_find_the_same_place(
    shape: tuple[int, int], fit: str, model: BiovilT
) -> None:
    """A change at a known place of a non-square image moves the grid there, in original pixels."""
    fitted = replace(model, fit=fit)
    rng = np.random.default_rng(0)
    plain = rng.integers(0, 256, shape).astype(np.uint8)
    changed = plain.copy()
    row, column = int(shape[0] * 0.6), int(shape[1] * 0.4)
    changed[row - 20 : row + 20, column - 20 : column + 20] ^= 255
    before, after = fitted.encode_dense([shown(plain), shown(changed)])
    change = np.linalg.norm(after - before, axis=-1) ** 2
    y, x = np.mgrid[:4, :4] + 0.5
    place = fitted.geometry(shown(plain))
    found_row = place.top + (y * change).sum() / change.sum() / 4 * place.height
    found_column = place.left + (x * change).sum() / change.sum() / 4 * place.width
    cell = max(place.height, place.width) / 4
    assert abs(found_row - row) < cell
    assert abs(found_column - column) < cell
    assert fitted.attribute(shown(plain), TEXTS[0]).shape == (4, 4)


def test_geometry_by_hand() -> None:
    """Resized 70 × 71 → 512 × 519: 32 rows cut above and, rounded to even, 36 columns left."""
    image = shown(np.zeros((70, 71), np.uint8))
    place = geometry(image, Framing(), fit="crop")
    assert place.top == pytest.approx(32 * 70 / 512)
    assert place.left == pytest.approx(36 * 71 / 519)
    assert place.height == pytest.approx(448 * 70 / 512)
    assert place.width == pytest.approx(448 * 71 / 519)
    square = geometry(shown(np.zeros((100, 64), np.uint8)), Framing(64, 64), fit="pad")
    assert square == Geometry(0, -18, 100, 100)


def test_a_square_lands_where_the_geometry_says() -> None:
    """Pixels and geometry agree on the picture itself, without any network."""
    pixels = np.zeros((90, 161), np.uint8)
    pixels[40:50, 100:110] = 255
    image = shown(pixels)
    for fit in ("crop", "pad"):
        (seen,) = model_input([image], Framing(), fit=fit)[:, 0].numpy()
        place = geometry(image, Framing(), fit=fit)
        rows, columns = (index.mean() + 0.5 for index in np.nonzero(seen > 0.5))
        assert place.top + rows * place.height / 448 == pytest.approx(45, abs=0.2)
        assert place.left + columns * place.width / 448 == pytest.approx(105, abs=0.2)


def test_stretch_is_cut_off_and_survives_a_constant() -> None:
    """Values are truncated, not rounded; a blank image is black and finite."""
    assert stretched(np.array([[20, 30, 50]], np.uint8)).tolist() == [[0, 85, 255]]
    assert stretched(np.array([0, 1, 3], np.uint8)).tolist() == [0, 85, 255]
    assert stretched(np.full((2, 2), 77, np.uint8)).max() == 0


def test_a_window_is_applied_before_the_stretch() -> None:
    """A metal marker beyond the window does not darken all the rest."""
    raw = np.tile(np.arange(64, dtype=np.int16) * 16, (64, 1))
    raw[0, 0] = 30000
    windowed = Image(raw, "yx", "display", (0.0, 1008.0))
    (seen,) = model_input([windowed], Framing(64, 64), fit="crop")[:, 0].numpy()
    assert seen[32, 63] == 1
    assert seen[32, 32] == pytest.approx(0.5, abs=0.02)
    with pytest.raises(InputError, match="expected pixels"):
        model_input([shown(np.zeros((0, 3), np.uint8))], Framing(), fit="crop")


def test_punctuation_case_and_length(model: BiovilT) -> None:
    """Final punctuation and case do not count; text beyond the context is cut off."""
    rows = model.encode_texts(["Lung NODULE?!.", "lung nodule", "lung, nodule"])
    np.testing.assert_array_equal(rows[0], rows[1])
    assert np.abs(rows[2] - rows[1]).max() > 1e-4
    long = "lung " * 100
    first, second = model.encode_texts([long, long + "normal"])
    np.testing.assert_allclose(first, second, atol=2e-6)
    tokens = tokens_of(["", "heart"], model.tokenizer, length=48)
    assert tokens["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]


def test_gradients_reach_pixels_of_both_images(model: BiovilT, pictures: list[Image]) -> None:
    """Attribution by gradient is possible, for the current and the prior image."""
    now, before = (
        model_input([image], model.framing, fit="crop").clone().requires_grad_()
        for image in pictures[:2]
    )
    model.image_network(now, before).mean(dim=(2, 3))[0, 0].backward()
    for pixels in (now, before):
        assert pixels.grad is not None
        assert pixels.grad.abs().max() > 0


def test_two_loads_and_both_file_forms_agree(
    folder: Path, safe_folder: Path, model: BiovilT, pictures: list[Image]
) -> None:
    """Nothing random is left; the global generator is not touched; no dropout."""
    before = torch.random.get_rng_state()
    again, safe = loaded(folder), loaded(safe_folder)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not any(
        m.training for m in [*again.text_network.modules(), *again.image_network.modules()]
    )
    for other in (again, safe):
        np.testing.assert_array_equal(other.encode_texts(TEXTS), model.encode_texts(TEXTS))
        priors = pictures[::-1]
        np.testing.assert_array_equal(
            other.encode_with_prior(pictures, priors), model.encode_with_prior(pictures, priors)
        )
    assert again.card == model.card
    assert f"{tiny.IMAGE_FILE}.pt" in model.card.weights
    assert f"{tiny.IMAGE_FILE}.safetensors" in safe.card.weights


def test_code_in_the_repository_never_runs(folder: Path, model: BiovilT) -> None:
    """The settings name classes of two Python files; neither is opened."""
    assert model.encode_texts(["normal"]).shape == (1, 16)
    assert (folder / "modeling_cxrbert.py").is_file()
    assert not (folder / CANARY).exists()


def test_only_the_pinned_pickle_loads(folder: Path) -> None:
    """Both pickles must be known by their hash; a pin for one is no pass for the other."""
    names = ("pytorch_model.bin", f"{tiny.IMAGE_FILE}.pt")
    hashes = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names]
    patterns = MODELS["biovil-t"].patterns
    for known, missing in ((hashes[:1], names[1]), (hashes[1:], names[0])):
        with pytest.raises(ModelError, match=f"{missing}: weights in pickle form"):
            open_folder(folder, policy=FilePolicy(patterns, frozenset(known)))
    opened = open_folder(folder, policy=FilePolicy(patterns, frozenset(hashes)))
    assert load(opened, name="biovil-t", options={}, device="cpu").card.adapter == "biovil-t"


def test_the_real_repository_loads_from_the_cache(
    folder: Path, hub_cache: Path, no_network: list[str], pictures: list[Image]
) -> None:
    """Genuine id and genuine loading code, with no attempt to connect."""
    entry = MODELS["biovil-t"]
    offline_hub(hub_cache, entry.repo, folder, revision=entry.revision or SHA)
    model = load_model("biovil-t", device="cpu", allow_pickle_weights=True)
    assert isinstance(model, BiovilT)
    assert isinstance(entry, type(ModelRequest("", entry, "hub", "").entry))
    assert (model.card.source, model.card.license) == (entry.repo, entry.license)
    assert model.score_texts(pictures, TEXTS).shape == (3, 3)
    assert no_network == []


Change = Callable[[dict[str, np.ndarray]], None]


def without(name: str) -> Change:
    def remove(state: dict[str, np.ndarray]) -> None:
        del state[name]

    return remove


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("encoder.encoder.conv1.weight"), "without encoder.encoder.conv1.weight"),
        (without("encoder.encoder.fc.bias"), "missing: encoder.encoder.fc.bias"),
        (without("encoder.vit_pooler.type_embed"), "missing: encoder.vit_pooler.type_embed"),
        (without("projector.model.1.running_var"), "missing: projector.model.1.running_var"),
        (lambda s: s.update(classifier=np.ones(2, np.float32)), "unexpected: classifier"),
        (
            lambda s: s.update({"encoder.backbone_to_vit.weight": np.ones((12, 256, 1, 1), "f4")}),
            "12 channels, expected a multiple of 8",
        ),
        (
            lambda s: s.update({"projector.model.3.bias": np.ones(3, np.float32)}),
            r"projector.model.3.bias \(file \(3,\), model \(16,\)\)",
        ),
    ],
)
def test_image_tensors_must_fit(change: Change, message: str, copy: Path) -> None:
    """Missing, left-over and misshapen tensors are named."""
    state = tiny.image_state(tiny.Sizes(), seed=5)
    change(state)
    tiny.save_image_weights(copy, state, pickle=False)
    with pytest.raises(ModelError, match=message):
        loaded(copy)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cls_projection_head.dense_to_output.bias", "missing: cls_projection_head.dense_to"),
        ("bert.encoder.layer.1.output.dense.weight", "missing: bert.encoder.layer.1"),
        ("+cls.seq_relationship.weight", "unexpected: cls.seq_relationship.weight"),
    ],
)
def test_text_tensors_must_fit(name: str, message: str, copy: Path, folder: Path) -> None:
    """What is listed as unused may be there; anything else may not."""
    state = {n: t.numpy() for n, t in torch.load(folder / "pytorch_model.bin").items()}
    if name.startswith("+"):
        state[name[1:]] = np.ones(2, np.float32)
    else:
        del state[name]
    save_weights(copy, state, pickle=False)
    with pytest.raises(ModelError, match=message):
        loaded(copy)


@pytest.mark.parametrize("name", ["model.safetensors", f"{tiny.IMAGE_FILE}.safetensors"])
def test_both_weight_files_are_needed(name: str, copy: Path) -> None:
    """Half a model is none."""
    (copy / name).unlink()
    with pytest.raises(ModelError, match=r"without (model|biovil_t)"):
        loaded(copy)


def test_another_text_architecture_is_refused(copy: Path) -> None:
    """A configuration without a projection, or of another model, is named."""
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    for change in ({"model_type": "roberta"}, {"projection_size": None}):
        altered = {k: v for k, v in (config | change).items() if v is not None}
        write_json(copy / "config.json", altered)
        with pytest.raises(ModelError, match="expected model_type bert or cxr-bert and a proj"):
            loaded(copy)


def test_a_foreign_vocabulary_is_refused(copy: Path) -> None:
    """Without its vocabulary a BERT would read every word as unknown."""
    (copy / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n", encoding="utf-8")
    with pytest.raises(ModelError, match="the tokenizer has 5 entries"):
        loaded(copy)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "two whole numbers; "),
        ('{"resize": 144}', "got {'resize': 144}"),
        ('{"resize": 144, "crop": 120}', "multiple of 32"),
        ('{"resize": 96, "crop": 128}', "at most resize"),
        ('{"resize": 144.0, "crop": 128}', "two whole numbers"),
        ('{"resize": 144, "crop": 128, "mean": 0}', "mean"),
    ],
)
def test_a_frame_of_another_form_is_refused(text: str, message: str, copy: Path) -> None:
    """A setting that is not understood must not be ignored."""
    (copy / "preprocessor_config.json").write_text(text, encoding="utf-8")
    opened = open_folder(copy, policy=FilePolicy(MODELS["biovil-t"].patterns))
    with pytest.raises(ModelError, match=message):
        read_framing(opened)


def test_without_a_frame_the_genuine_one_holds(copy: Path) -> None:
    """The published repository says nothing about its input: 512 and 448."""
    (copy / "preprocessor_config.json").unlink()
    model = loaded(copy)
    assert model.framing == Framing(512, 448)
    assert model.encode_dense([shown(tiny.scene(64, 64, 0.0))]).shape == (1, 14, 14, 16)


def test_an_unknown_option_is_refused(folder: Path) -> None:
    """Options are checked at the adapter too, not only in the catalog."""
    with pytest.raises(InputError, match=r"biovil-t: unknown option 'dtype'"):
        loaded(folder, dtype="float16")
