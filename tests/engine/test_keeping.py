"""Files that predictions refer to: opened by any viewer, named without the sample's id."""

import nibabel as nib
import numpy as np
import pytest
from PIL import Image as Pillow

from vesalius.engine.judges import Judges, judge_of
from vesalius.engine.keeping import Shelf
from vesalius.errors import InputError, ModelError
from vesalius.records import Cell, Image, Sample
from vesalius.views import Judge

CELL = Cell("mini:clip", "cohort/1", "segmentation", "zero-shot")
AFFINE = np.array([[0.0, 2.0, 0, 5], [1.0, 0, 0, -3], [0, 0, 3.0, 1], [0, 0, 0, 1]])


def _sample(name: str, tmp_path) -> Sample:
    return Sample(id=name, patient=name, split="test", image=tmp_path / "x")


def _shelf(tmp_path) -> Shelf:
    volume = Image(
        np.zeros((2, 3, 4), np.int16), "xyz", "hu", (0.0, 1.0), affine=AFFINE, digest="d"
    )
    return Shelf(tmp_path, CELL, lambda _: volume)


def test_a_mask_of_a_picture_is_a_black_and_white_png(tmp_path) -> None:
    """Booleans come back as 0 and 255; the path is relative and shows no id."""
    mask = np.eye(5, dtype=bool)
    place = _shelf(tmp_path).keep("zero-shot/left lung", mask, _sample("patient-77", tmp_path))
    assert place.startswith("maps/mini%3Aclip/cohort%2F1/segmentation/zero-shot/left%20lung/")
    assert "77" not in place.rsplit("/", 1)[0]
    assert "patient-77" not in place
    np.testing.assert_array_equal(np.asarray(Pillow.open(tmp_path / place)), mask * 255)


def test_grey_values_stay_what_they_are(tmp_path) -> None:
    """A heat map of uint8 is not scaled."""
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    place = _shelf(tmp_path).keep("map", grey, _sample("a", tmp_path))
    np.testing.assert_array_equal(np.asarray(Pillow.open(tmp_path / place)), grey)


def test_a_mask_of_a_volume_lies_where_the_volume_lies(tmp_path) -> None:
    """Another viewer must show it over the image."""
    mask = np.zeros((2, 3, 4), bool)
    mask[1, 2, 3] = True
    place = _shelf(tmp_path).keep("mask", mask, _sample("a", tmp_path))
    stored = nib.load(tmp_path / place)
    np.testing.assert_array_equal(np.asarray(stored.dataobj), mask)
    np.testing.assert_allclose(stored.affine, AFFINE)


def test_keeping_again_gives_the_same_bytes(tmp_path) -> None:
    """A resumed run leaves files untouched."""
    shelf, sample = _shelf(tmp_path), _sample("a", tmp_path)
    mask = np.ones((2, 3, 4), bool)
    place = shelf.keep("mask", mask, sample)
    before = (tmp_path / place).stat()
    assert shelf.keep("mask", mask, sample) == place
    after = (tmp_path / place).stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


@pytest.mark.parametrize(
    "array", [np.zeros((2, 2)), np.zeros(3, bool), np.zeros((1, 1, 1, 1), bool)]
)
def test_other_arrays_are_refused(tmp_path, array) -> None:
    """Floats would be cut to bytes in silence."""
    with pytest.raises(InputError, match="expected 2D or 3D booleans or uint8"):
        _shelf(tmp_path).keep("mask", array, _sample("a", tmp_path))


class Twins:
    """Every image and every text on the same axis."""

    logit_scale = 1.0

    def encode_images(self, images, /) -> np.ndarray:
        """Which place in its batch an image had."""
        return np.array([[float(i), 0.0] for i in range(len(images))], np.float32)

    def encode_texts(self, texts, /) -> np.ndarray:
        """All alike."""
        return np.tile(np.array([[1.0, 0.0]], np.float32), (len(texts), 1))


class ImagesOnly:
    """An encoder without texts."""

    def encode_images(self, images, /) -> np.ndarray:
        """All alike."""
        return np.ones((len(images), 1), np.float32)


def test_a_judge_is_loaded_once_and_works_in_batches() -> None:
    """40 images take two batches of at most 32."""
    loaded = []

    def load(name: str) -> Judge:
        loaded.append(name)
        return judge_of(name, Twins())

    judges = Judges(load)
    judge = judges.get("twins")
    assert judges.get("twins") is judge
    assert loaded == ["twins"]
    image = Image(np.zeros((2, 2), np.uint8), "yx", "display", (0.0, 255.0))
    rows = judge.image_features([image] * 40)
    np.testing.assert_array_equal(rows[:, 0], [*range(32), *range(8)])


def test_a_judge_must_embed_images() -> None:
    """And only a dual encoder has texts to compare them with."""
    assert judge_of("x", ImagesOnly()).text_features is None
    with pytest.raises(ModelError, match="judge 'x'"):
        judge_of("x", object())
