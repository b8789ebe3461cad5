"""Pipelines draw what diffusers draws, the same each time, and run no code of the folder."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_pipeline
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from vesalius.api import Settings, evaluate
from vesalius.capabilities import ImageGenerator
from vesalius.catalog import describe, is_on_disk, load_model, parse_model
from vesalius.data.phantom import write_phantom
from vesalius.errors import InputError, ModelError, WeightsMissingError
from vesalius.models.conformance import check_adapter
from vesalius.models.pipeline import Pipeline
from vesalius.models.pipeline_files import complete_pipeline, parts_of
from vesalius.records import Image

TEXTS = ("chest x ray showing a large nodule", "normal")
UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny pipeline; never written to by a test."""
    return tiny_pipeline.build(tmp_path_factory.mktemp("pipelines") / "tiny")


@pytest.fixture(scope="module")
def model(folder: Path) -> Pipeline:
    """The tiny pipeline, loaded."""
    found = load_model(str(folder), device="cpu", steps=4)
    assert isinstance(found, Pipeline)
    return found


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_a_picture_is_what_the_library_draws(folder: Path, model: Pipeline) -> None:
    """From noise of the seed and the text, with the options' steps and guidance."""
    direct = StableDiffusionPipeline.from_pretrained(folder, low_cpu_mem_usage=False)
    direct.set_progress_bar_config(disable=True)
    digest = hashlib.sha256(f"0\x1f{TEXTS[0]}".encode()).digest()
    noise = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    expected = direct(
        TEXTS[0], num_inference_steps=4, guidance_scale=7.5, generator=noise, output_type="pil"
    ).images[0]
    (found,) = model.generate_images(TEXTS[:1])
    assert (found.axes, found.intensity) == ("yxc", "display")
    np.testing.assert_allclose(
        found.pixels.astype(int), np.asarray(expected).astype(int), rtol=0, atol=1
    )
    assert found.pixels.std() > 10


def test_a_picture_depends_on_its_text_and_the_seed_alone(folder: Path, model: Pipeline) -> None:
    """Neither on order nor on company."""
    first, second = (image.pixels for image in model.generate_images(TEXTS))
    again = [image.pixels for image in model.generate_images(TEXTS[::-1])]
    np.testing.assert_array_equal(again[0], second)
    np.testing.assert_array_equal(again[1], first)
    assert (first != second).any()
    other = load_model(str(folder), device="cpu", steps=4, seed=1)
    assert (other.generate_images(TEXTS[:1])[0].pixels != first).any()
    assert model.generate_images([]) == []


def test_it_keeps_what_every_adapter_promises(model: Pipeline) -> None:
    """As `check_adapter` asks of users' own models."""
    grey = [np.full((8, 8), level, np.uint8) for level in (10, 90, 200)]
    images = [Image(one, "yx", "display", (0.0, 255.0)) for one in grey]
    check_adapter(model, images, [*TEXTS, "no pneumonia"])


def test_its_pictures_are_compared_with_the_true_ones(folder: Path, tmp_path: Path) -> None:
    """A folder with weights is all that a user names: numbers with intervals, and controls."""
    found = evaluate(
        models=[f"{folder}[steps=4]"],
        datasets=[write_phantom(tmp_path / "cohort", n_patients=16, seed=0)],
        tasks="generation",
        out=tmp_path / "run",
        settings=Settings(protocols=("external",), n_resamples=50, cache=tmp_path / "cache"),
    )
    rows = {(r.cell.model, r.estimate.metric): r.estimate for r in found.metrics if not r.subgroup}
    own = rows["tiny[steps=4]", "ssim"]
    assert own.low < own.value < own.high
    assert own.value < rows["control:majority", "ssim"].value
    assert np.isfinite(rows["tiny[steps=4]", "fd[mini:biomedclip]"].value)


def test_identity_is_every_file_that_is_read(folder: Path, model: Pipeline) -> None:
    """The card is known without loading, and changes with each part."""
    request = parse_model(str(folder))
    assert isinstance(model, ImageGenerator)
    assert describe(request, {"steps": 4}) == model.card
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert set(model.card.weights) == files
    assert model.card.name == "tiny"
    assert str(folder) not in json.dumps(dict(model.card.options))
    assert is_on_disk(request)
    networks = (model.pipe.unet, model.pipe.vae, model.pipe.text_encoder)
    assert model.n_parameters == sum(p.numel() for net in networks for p in net.parameters())


def test_a_safety_checker_is_left_out(copied: Path) -> None:
    """It blackens pictures, and comes with a class of its own."""
    edit(copied, safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"])
    model = load_model(str(copied), device="cpu", steps=4)
    assert model.pipe.safety_checker is None
    assert "safety_checker" not in {part.name for part in parts_of(copied)}


def edit(folder: Path, **entries: object) -> None:
    path = folder / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def without_tensor(folder: Path) -> None:
    tensors = load_file(folder / UNET)
    del tensors["conv_in.weight"]
    save_file(tensors, folder / UNET)


def as_pickle(folder: Path) -> None:
    tensors = load_file(folder / UNET)
    (folder / UNET).unlink()
    torch.save(tensors, folder / "unet" / "diffusion_pytorch_model.bin")


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (
            lambda f: edit(f, unet=["mine", "Net"]),
            ModelError,
            "unet: expected a class of",
        ),
        (lambda f: edit(f, unet="Net", _class_name=3), ModelError, "the pipeline's class"),
        (lambda f: (f / "model_index.json").write_text("{"), ModelError, "expected JSON"),
        (
            lambda f: edit(f, unet=["diffusers", "NoNet"]),
            ModelError,
            "unet: diffusers has no",
        ),
        (lambda f: edit(f, _class_name="NoPipeline"), ModelError, "cannot read the pipeline"),
        (lambda f: shutil.rmtree(f / "vae"), WeightsMissingError, "without the folder vae"),
        (lambda f: (f / UNET).unlink(), WeightsMissingError, "unet: without model.safetensors"),
        (as_pickle, ModelError, "unet/diffusion_pytorch_model.bin: weights in pickle form"),
        (without_tensor, ModelError, "missing: conv_in.weight"),
        (lambda f: (f / UNET).write_bytes(b"x" * 9), ModelError, "unet: cannot read the weights"),
    ],
)
def test_what_is_wrong_is_named(
    copied: Path, damage: Callable[[Path], object], error: type[Exception], message: str
) -> None:
    """The part and what to do; nothing is filled up with random numbers."""
    damage(copied)
    with pytest.raises(error, match=message):
        load_model(str(copied), device="cpu")


def test_a_pickle_beside_safetensors_is_not_read(copied: Path) -> None:
    """Whatever it is called."""
    (copied / "unet" / "diffusion_pytorch_model.fp16.bin").write_bytes(b"no weights")
    assert "unet/diffusion_pytorch_model.fp16.bin" not in complete_pipeline(copied)


def test_without_the_library_the_command_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an extra; a folder is recognised without it."""
    monkeypatch.setattr("vesalius.models.pipeline_files.find_spec", lambda name: None)
    request = parse_model(str(folder))
    with pytest.raises(ModelError, match=r"pip install 'vesalius\[diffusers\]'"):
        describe(request)


def test_options_are_a_closed_list(folder: Path) -> None:
    """So that a card says all."""
    with pytest.raises(InputError, match="option steps must be one of 25, 10, 50, 100, 4, got 3"):
        load_model(str(folder), device="cpu", steps=3)
