"""Slices of volumes: which, in what orientation, and back again."""

import numpy as np
import pytest

from vesalius.data.intensities import WINDOWS, robust_range
from vesalius.data.slices import body_range, foreground, slice_positions, slices
from vesalius.errors import InputError
from vesalius.placement import cut, place
from vesalius.records import Image, Window


def _volume(pixels: np.ndarray, intensity: str = "hu", **fields: object) -> Image:
    values = {"display_range": (-160.0, 240.0), "digest": "d", "source": "v", **fields}
    return Image(pixels=pixels, axes="xyz", intensity=intensity, **values)


def _body(first: int, last: int, n: int = 40) -> np.ndarray:
    pixels = np.full((6, 5, n), -1000, np.int16)
    pixels[1:5, 1:4, first:last] = 30
    return pixels


def test_axial_slice_shows_anterior_up_and_right_on_the_left() -> None:
    """One voxel at the patient's right, front, is at the top left of the picture."""
    voxels = np.zeros((4, 3, 2))
    voxels[3, 2, 1] = 1
    assert np.argwhere(cut(voxels, 1, axis="axial")).tolist() == [[0, 0]]
    assert cut(voxels, 1, axis="axial").shape == (3, 4)


def test_coronal_and_sagittal_slices_show_superior_up() -> None:
    """Top is superior in both; left is the patient's right, or anterior."""
    voxels = np.zeros((4, 3, 2))
    voxels[3, 2, 1] = 1
    assert np.argwhere(cut(voxels, 2, axis="coronal")).tolist() == [[0, 0]]
    assert cut(voxels, 2, axis="coronal").shape == (2, 4)
    assert np.argwhere(cut(voxels, 3, axis="sagittal")).tolist() == [[0, 0]]
    assert cut(voxels, 3, axis="sagittal").shape == (2, 3)


@pytest.mark.parametrize("axis", ["axial", "coronal", "sagittal"])
def test_place_undoes_cut(axis: str) -> None:
    """Maps computed on slices can be stacked back into the volume's own grid."""
    voxels = np.arange(24).reshape(4, 3, 2)
    rebuilt = np.zeros_like(voxels)
    extent = voxels.shape[{"sagittal": 0, "coronal": 1, "axial": 2}[axis]]
    for index in range(extent):
        place(rebuilt, cut(voxels, index, axis=axis), index, axis=axis)
    np.testing.assert_array_equal(rebuilt, voxels)


def test_body_range_leaves_out_air() -> None:
    """Slices of pure air above and below the patient do not count."""
    volume = _volume(_body(7, 31))
    assert body_range(volume) == (7, 31)
    assert body_range(volume, axis="sagittal") == (1, 5)
    assert foreground(volume).sum() == 4 * 3 * 24


def test_slices_are_evenly_spaced_inside_the_body() -> None:
    """Four parts of 24 slices from 7: their middles are 10, 16, 22 and 28."""
    assert slice_positions(_volume(_body(7, 31)), n=4) == (10, 16, 22, 28)
    assert slice_positions(_volume(_body(7, 31)), n=1) == (19,)


def test_few_slices_give_all_of_them() -> None:
    """No slice is repeated to reach the number."""
    assert slice_positions(_volume(_body(5, 8)), n=16) == (5, 6, 7)


def test_empty_volume_gives_slices_of_everything() -> None:
    """Without any foreground there is still something to look at."""
    assert body_range(_volume(np.full((3, 3, 9), -1000))) == (0, 9)
    constant = _volume(np.zeros((3, 3, 9)), "arbitrary", display_range=(0.0, 1.0))
    assert body_range(constant) == (0, 9)


def test_foreground_without_hounsfield_units_is_by_otsu() -> None:
    """Noise around the head is parted from the head."""
    rng = np.random.default_rng(0)
    pixels = rng.normal(10, 2, (8, 8, 20))
    pixels[2:6, 2:6, 5:15] = rng.normal(200, 20, (4, 4, 10))
    volume = _volume(pixels, "arbitrary", display_range=robust_range(pixels))
    assert body_range(volume) == (5, 15)
    binary = _volume((pixels > 100).astype(np.uint8), "arbitrary", display_range=(0.0, 1.0))
    assert body_range(binary) == (5, 15)


def test_slice_images_carry_window_spacing_and_derived_identity() -> None:
    """In-plane spacing is (row, column); the digest changes with whatever changes the picture."""
    volume = _volume(_body(0, 40), spacing_mm=(0.5, 0.7, 3.0))
    first, *_ = slices(volume, n=2)
    assert (first.axes, first.intensity, first.spacing_mm) == ("yx", "hu", (0.7, 0.5))
    assert first.display_range == (-160.0, 240.0)
    assert slices(volume, n=2, axis="coronal")[0].spacing_mm == (3.0, 0.5)
    assert slices(volume, n=2, axis="sagittal")[0].spacing_mm == (3.0, 0.7)
    lung = slices(volume, n=2, window=WINDOWS["lung"])
    assert lung[0].display_range == (-1350.0, 150.0)
    digests = {image.digest for image in [first, *lung, *slices(volume, n=2, axis="coronal")]}
    assert len(digests) == 5
    assert slices(volume, n=2)[0].digest == first.digest


def test_window_is_only_for_hounsfield_units() -> None:
    """An MR volume is not pushed through a CT window."""
    volume = _volume(_body(0, 9, 9), "arbitrary", display_range=(0.0, 30.0))
    assert slices(volume, n=1, window=Window(40, 400))[0].display_range == (0.0, 30.0)
    assert slices(volume, n=1)[0].spacing_mm is None


def test_pictures_and_zero_slices_are_refused() -> None:
    """Only volumes have slices, and at least one."""
    flat = Image(np.zeros((3, 3)), "yx", "display", (0.0, 1.0))
    with pytest.raises(InputError, match="expected a volume"):
        slices(flat)
    with pytest.raises(InputError, match="at least 1"):
        slices(_volume(_body(0, 9, 9)), n=0)


def test_robust_range_edge_cases() -> None:
    """Sparse, constant and empty-of-numbers arrays have a range that can be shown."""
    sparse = np.zeros(10_000)
    sparse[0] = 5
    assert robust_range(sparse) == (0.0, 5.0)
    assert robust_range(np.full(4, 3)) == (3.0, 4.0)
    assert robust_range(np.full(4, np.nan)) == (0.0, 1.0)
    assert robust_range(np.arange(1001.0)) == (5.0, 995.0)
