"""NumPy files: the axis rule, the keys of .npz, refusals."""

from pathlib import Path

import numpy as np
import pytest

from vesalius.data.readers import read_image
from vesalius.errors import DataError
from vesalius.records import Window

VOLUME = np.arange(24, dtype=np.int16).reshape(2, 3, 4) * 100 - 1000
LAS = np.diag([-2.0, 1.0, 3.0, 1.0])


def _npz(tmp_path: Path, **arrays: object) -> Path:
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    return tmp_path / "a.npz"


def _npy(tmp_path: Path, array: np.ndarray, **options: object) -> Path:
    np.save(tmp_path / "a.npy", array, **options)
    return tmp_path / "a.npy"


@pytest.mark.parametrize(
    ("shape", "dtype", "axes"),
    [
        ((5, 4), np.uint8, "yx"),
        ((5, 4, 3), np.uint8, "yxc"),
        ((5, 4, 3), np.int16, "xyz"),
        ((5, 4, 6), np.uint8, "xyz"),
    ],
)
def test_axis_rule(tmp_path: Path, shape: tuple[int, ...], dtype: type, axes: str) -> None:
    """Two axes are grey, three with a last one of 3 bytes are colour, all else is a volume."""
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    image = read_image(_npy(tmp_path, array))
    assert image.axes == axes
    np.testing.assert_array_equal(image.pixels, array)


def test_fortran_order_and_big_endian_keep_values(tmp_path: Path) -> None:
    """Storage order is not meaning."""
    image = read_image(_npy(tmp_path, np.asfortranarray(VOLUME.astype(">i2"))))
    np.testing.assert_array_equal(image.pixels, VOLUME)
    assert image.pixels.dtype.isnative


def test_half_floats_and_booleans(tmp_path: Path) -> None:
    """float16 becomes float32; true is white in a picture and 1 in a volume."""
    assert read_image(_npy(tmp_path, np.ones((2, 2), np.float16))).pixels.dtype == np.float32
    assert read_image(_npy(tmp_path, np.eye(2, dtype=bool))).pixels.max() == 255
    assert read_image(_npy(tmp_path, np.ones((2, 2, 2), bool))).pixels.max() == 1


def test_npz_geometry_is_kept_and_reoriented(tmp_path: Path) -> None:
    """An affine with x towards the left flips the first axis."""
    image = read_image(_npz(tmp_path, image=VOLUME, affine=LAS, intensity="hu"))
    np.testing.assert_array_equal(image.pixels, VOLUME[::-1])
    assert image.spacing_mm == (2.0, 1.0, 3.0)
    assert image.intensity == "hu"
    assert image.display_range == (-160.0, 240.0)


def test_npz_picture_in_hounsfield_units(tmp_path: Path) -> None:
    """A 2D CT slice is shown through the window that is asked for."""
    path = _npz(tmp_path, image=VOLUME[0], spacing_mm=[0.5, 0.7], intensity="hu")
    image = read_image(path, window=Window(center=0, width=10))
    assert (image.intensity, image.display_range) == ("hu", (-5.0, 5.0))
    assert image.spacing_mm == (0.5, 0.7)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"picture": VOLUME}, "bad_header"),
        ({"spacing_mm": [1.0, 1.0, 1.0]}, "bad_header"),
        ({"image": VOLUME, "spacing_mm": [1.0, 1.0]}, "bad_header"),
        ({"image": VOLUME, "spacing_mm": [1.0, 1.0, 0.0]}, "bad_header"),
        ({"image": VOLUME, "intensity": "HU"}, "bad_header"),
        ({"image": VOLUME, "affine": np.eye(3)}, "bad_affine"),
        ({"image": VOLUME, "affine": np.zeros((4, 4))}, "bad_affine"),
        ({"image": VOLUME[None]}, "bad_shape"),
        ({"image": np.zeros((0, 3))}, "bad_shape"),
        ({"image": VOLUME.astype(complex)}, "unsupported"),
        ({"image": np.full((4, 4), np.nan)}, "not_finite"),
        ({"image": np.full((4, 4, 4), np.inf)}, "not_finite"),
    ],
)
def test_npz_that_cannot_be_meant_is_refused(
    tmp_path: Path, arrays: dict[str, object], reason: str
) -> None:
    """Nothing is guessed: unknown keys, impossible geometry and missing values have their code."""
    with pytest.raises(DataError) as caught:
        read_image(_npz(tmp_path, **arrays))
    assert caught.value.reason == reason


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    """A pickled array is refused by its header."""
    with pytest.raises(DataError) as caught:
        read_image(_npy(tmp_path, np.array([{"a": 1}]), allow_pickle=True))
    assert caught.value.reason == "pickle_refused"


def test_scalar_and_cut_arrays(tmp_path: Path) -> None:
    """An array without axes or without its data is not an image."""
    with pytest.raises(DataError, match="2 or 3 axes"):
        read_image(_npy(tmp_path, np.array(3.0)))
    path = _npy(tmp_path, VOLUME)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError) as caught:
        read_image(path)
    assert caught.value.reason == "truncated"
