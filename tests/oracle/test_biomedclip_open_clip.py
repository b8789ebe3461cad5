"""BiomedCLIP computed natively against open_clip, on the same folder."""

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_biomedclip as tiny
from open_clip_reference import Reference, compute
from PIL import Image as Picture

from vesalius import load_model
from vesalius.models.biomedclip import BiomedClip
from vesalius.models.biomedclip_input import model_input
from vesalius.records import Image

pytestmark = pytest.mark.oracle

TEXTS = (
    "chest x ray showing a large nodule",
    "normal",
    "no pneumonia in the left lung",
    "x " * 300,
)
GOLDEN = Path(__file__).parents[1] / "models" / "golden" / "biomedclip.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint."""
    return tiny.build(tmp_path_factory.mktemp("oracle") / "biomedclip")


@pytest.fixture(scope="module")
def expected(folder: Path) -> Reference:
    """What open_clip says."""
    shown = [Picture.fromarray(pixels) for pixels in tiny.scenes()]
    return compute(folder, shown, TEXTS, text_config=tiny.bert_config())


@pytest.fixture(scope="module")
def model(folder: Path) -> BiomedClip:
    """What this project says."""
    return load_model("biomedclip", source=folder, device="cpu", allow_pickle_weights=True)


@pytest.fixture(scope="module")
def images() -> list[Image]:
    """The same pictures as records."""
    return [
        Image(pixels, "yxc" if pixels.ndim == 3 else "yx", "display", (0.0, 255.0))
        for pixels in tiny.scenes()
    ]


def test_pixels_are_those_of_open_clip(
    model: BiomedClip, images: list[Image], expected: Reference
) -> None:
    """Resize, crop and normalisation, to the rounding of float32."""
    np.testing.assert_allclose(
        model_input(images, model.framing).numpy(), expected.pixels, atol=1e-6, rtol=0
    )


def test_embeddings_are_those_of_open_clip(
    model: BiomedClip, images: list[Image], expected: Reference
) -> None:
    """Image, text, dense and logits, with a text beyond the context among them."""
    np.testing.assert_allclose(model.encode_images(images), expected.images, atol=1e-5, rtol=0)
    np.testing.assert_allclose(model.encode_texts(TEXTS), expected.texts, atol=1e-5, rtol=0)
    np.testing.assert_allclose(model.encode_dense(images), expected.dense, atol=1e-5, rtol=0)
    logits = model.score_texts(images, TEXTS)
    np.testing.assert_allclose(logits, expected.logits, atol=1e-5 * model.logit_scale, rtol=0)


def test_maps_are_those_of_timms_own_attention(
    model: BiomedClip, images: list[Image], expected: Reference
) -> None:
    """The block computed a second time is the block that timm runs."""
    maps = np.stack([model.attribute(image, TEXTS[-1]) for image in images])
    np.testing.assert_allclose(maps, expected.maps, atol=1e-5 * expected.maps.max(), rtol=1e-3)


def test_the_golden_file_is_what_open_clip_says_today(expected: Reference) -> None:
    """The file that the default suite trusts was not edited."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    np.testing.assert_allclose(golden["images"], expected.images.ravel(), atol=1e-6, rtol=0)
    np.testing.assert_allclose(golden["text_rows"], expected.texts[:3].ravel(), atol=1e-6, rtol=0)
