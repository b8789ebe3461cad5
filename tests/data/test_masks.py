"""Label maps: values, orientation, grid."""

from pathlib import Path

import numpy as np
import pytest
from imagefiles import write_dicom, write_nifti, write_png
from PIL import Image as PillowImage

from vesalius.data.masks import read_mask
from vesalius.data.readers import read_image
from vesalius.errors import DataError

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4)
LABELS = (GREY % 3).astype(np.uint8)
VOLUME = np.arange(24, dtype=np.int16).reshape(2, 3, 4)


def _image(tmp_path: Path):
    return read_image(write_png(tmp_path / "image.png", GREY))


def _volume(tmp_path: Path):
    return read_image(write_nifti(tmp_path / "image.nii", VOLUME, np.diag([2.0, 2, 2, 1])))


def test_grey_palette_and_bilevel_masks_give_label_numbers(tmp_path: Path) -> None:
    """Palette colours do not matter, indices do; bilevel is 0 and 1."""
    like = _image(tmp_path)
    np.testing.assert_array_equal(
        read_mask(write_png(tmp_path / "m.png", LABELS), like=like), LABELS
    )
    palette = PillowImage.fromarray(LABELS, mode=None).convert("P")
    palette = PillowImage.frombytes("P", (4, 3), LABELS.tobytes())
    palette.putpalette([9, 9, 9, 255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "p.png", like=like), LABELS)
    PillowImage.fromarray(LABELS > 0).save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "b.png", like=like), LABELS > 0)


@pytest.mark.parametrize("signs", [(-1, 1, 1), (1, -1, -1), (-1, -1, 1)])
def test_volume_mask_is_reoriented_by_its_own_affine(
    tmp_path: Path, signs: tuple[int, int, int]
) -> None:
    """A mask stored in another direction covers the same voxels as its image."""
    like = _volume(tmp_path)
    flips = tuple(slice(None, None, sign) for sign in signs)
    affine = np.diag([*(2.0 * sign for sign in signs), 1])
    affine[:3, 3] = [
        0 if sign > 0 else 2.0 * (extent - 1)
        for sign, extent in zip(signs, VOLUME.shape, strict=True)
    ]
    mask = write_nifti(tmp_path / "m.nii.gz", VOLUME[flips], affine)
    np.testing.assert_array_equal(read_mask(mask, like=like), VOLUME)


def test_arrays_are_masks_by_shape(tmp_path: Path) -> None:
    """.npy and .npz say nothing of space, so only the shape must agree."""
    like = _volume(tmp_path)
    np.save(tmp_path / "m.npy", VOLUME.astype(float))
    np.savez(
        tmp_path / "m.npz",
        image=VOLUME[::-1] > 3,
        affine=np.diag([-2.0, 2, 2, 1]) + np.eye(4, k=3) * 2,
    )
    found = read_mask(tmp_path / "m.npy", like=like)
    np.testing.assert_array_equal(found, VOLUME)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(read_mask(tmp_path / "m.npz", like=like), VOLUME > 3)


def _reason(path: Path, like: object) -> str:
    with pytest.raises(DataError) as caught:
        read_mask(path, like=like)
    return caught.value.reason


def test_masks_that_do_not_fit(tmp_path: Path) -> None:
    """Another size, another place, colours, and a DICOM image are told apart."""
    like, volume = _image(tmp_path), _volume(tmp_path)
    assert _reason(write_png(tmp_path / "a.png", LABELS[:2]), like) == "mask_shape"
    assert _reason(write_png(tmp_path / "b.png", np.stack([LABELS] * 3, -1)), like) == "mask_shape"
    assert _reason(write_nifti(tmp_path / "c.nii", VOLUME[:1], np.eye(4)), volume) == "mask_shape"
    moved = np.diag([2.0, 2, 2, 1])
    moved[0, 3] = 0.3
    assert _reason(write_nifti(tmp_path / "d.nii", VOLUME, moved), volume) == "mask_grid"
    moved[0, 3] = 0.1
    assert read_mask(write_nifti(tmp_path / "d.nii", VOLUME, moved), like=volume).shape == (2, 3, 4)
    assert _reason(write_dicom(tmp_path / "e.dcm", GREY), like) == "unsupported"
    assert _reason(write_nifti(tmp_path / "f.nii", VOLUME), like) == "mask_shape"


@pytest.mark.parametrize("value", [-1.0, 0.5, np.nan, 1e12])
def test_masks_hold_whole_numbers_from_zero(tmp_path: Path, value: float) -> None:
    """A mask resampled with linear interpolation is refused."""
    np.save(tmp_path / "m.npy", np.full((3, 4), value))
    assert _reason(tmp_path / "m.npy", _image(tmp_path)) == "mask_values"


@pytest.mark.parametrize("dtype", ["U3", "complex64", "M8[D]", [("a", "u1")]])
def test_masks_of_anything_but_numbers_are_refused(tmp_path: Path, dtype: object) -> None:
    """Text, dates or records end as a reason, not as a crash."""
    np.save(tmp_path / "m.npy", np.zeros(GREY.shape, dtype))
    with pytest.raises(DataError, match="expected whole label numbers, got"):
        read_mask(tmp_path / "m.npy", like=_image(tmp_path))
