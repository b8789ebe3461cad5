"""NIfTI: orientation by hand, scaling, header gates."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
from imagefiles import nifti_bytes, write_nifti

from vesalius.data.readers import read_image
from vesalius.data.reading import Limits
from vesalius.errors import DataError
from vesalius.records import Window

VOXELS = np.arange(24, dtype=np.int16).reshape(2, 3, 4)


def _read(tmp_path: Path, raw: bytes, name: str = "a.nii", **options: object):
    (tmp_path / name).write_bytes(raw)
    return read_image(tmp_path / name, **options)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_ras_file_is_unchanged(tmp_path: Path, name: str) -> None:
    """A file in RAS+ order keeps its array, affine and spacing, packed or not."""
    affine = np.array([[2.0, 0, 0, -5], [0, 3, 0, 6], [0, 0, 4, 7], [0, 0, 0, 1]])
    image = read_image(write_nifti(tmp_path / name, VOXELS, affine))
    np.testing.assert_array_equal(image.pixels, VOXELS)
    np.testing.assert_allclose(image.affine, affine)
    assert image.spacing_mm == (2.0, 3.0, 4.0)
    assert (image.axes, image.intensity) == ("xyz", "arbitrary")


def test_las_file_is_flipped_by_its_affine(tmp_path: Path) -> None:
    """Radiological storage (x towards the left) is mirrored, and the origin moves with it."""
    image = read_image(write_nifti(tmp_path / "a.nii", VOXELS, np.diag([-2.0, 1, 1, 1])))
    np.testing.assert_array_equal(image.pixels, VOXELS[::-1])
    # voxel 1 of the file lay at x = -2 and is now voxel 0
    np.testing.assert_allclose(image.affine[:3, 3], [-2, 0, 0])


def test_permuted_lps_file_is_turned(tmp_path: Path) -> None:
    """Axes stored as (superior, left, posterior) come out as x, y, z."""
    affine = np.array([[0, -1.0, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    image = read_image(write_nifti(tmp_path / "a.nii", VOXELS, affine))
    np.testing.assert_array_equal(image.pixels, VOXELS.transpose(1, 2, 0)[::-1, ::-1])
    assert image.spacing_mm == (1.0, 1.0, 1.0)


def test_reorientation_agrees_with_nibabel(tmp_path: Path) -> None:
    """An oblique, flipped and permuted file gives what nibabel's canonical order gives."""
    turn = np.array([[0.1, -0.9, 0.2], [0.2, 0.3, -1.9], [1.4, 0.1, 0.1]])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn, [5, 6, 7]
    path = write_nifti(tmp_path / "a.nii", VOXELS, affine)
    expected = nibabel.as_closest_canonical(nibabel.load(path))
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, np.asarray(expected.dataobj))
    np.testing.assert_allclose(image.affine, expected.affine, atol=1e-6)


def test_slope_and_intercept_apply(tmp_path: Path) -> None:
    """Stored 100 with slope 2 and intercept -1024 is -824."""
    raw = nifti_bytes(np.full((2, 2, 2), 100, np.int16), scl_slope=2, scl_inter=-1024)
    image = _read(tmp_path, raw, modality="ct", window=Window(center=-600, width=1500))
    assert np.unique(image.pixels).tolist() == [-824]
    assert (image.intensity, image.display_range) == ("hu", (-1350.0, 150.0))


def test_slope_of_zero_means_unscaled(tmp_path: Path) -> None:
    """The standard's "not scaled" does not blank the volume."""
    image = _read(tmp_path, nifti_bytes(VOXELS, scl_slope=0, scl_inter=0))
    np.testing.assert_array_equal(image.pixels, VOXELS)


@pytest.mark.parametrize(
    ("dtype", "intercept", "intensity"),
    [
        (np.uint8, 0, "arbitrary"),
        (np.int16, 0, "hu"),
        (np.uint16, 0, "arbitrary"),
        (np.uint16, -1024, "hu"),
        (np.float32, 0, "hu"),
    ],
)
def test_ct_is_hounsfield_only_if_air_can_be_stored(
    tmp_path: Path, dtype: type, intercept: int, intensity: str
) -> None:
    """A CT-derived mask in 8 bits is not shown through a CT window."""
    raw = nifti_bytes(VOXELS.astype(dtype), scl_slope=1, scl_inter=intercept)
    assert _read(tmp_path, raw, modality="ct").intensity == intensity


def test_micrometres_become_millimetres(tmp_path: Path) -> None:
    """Units of the header are honoured."""
    image = _read(tmp_path, nifti_bytes(VOXELS, np.diag([500.0, 500, 500, 1]), xyzt_units=3))
    assert image.spacing_mm == pytest.approx((0.5, 0.5, 0.5))


def test_extra_axes_of_one_are_dropped(tmp_path: Path) -> None:
    """(x, y, z, 1, 1) is one volume, (x, y, z, 2) is not."""
    assert _read(tmp_path, nifti_bytes(VOXELS[..., None, None])).size == (2, 3, 4)
    with pytest.raises(DataError, match="choose one"):
        _read(tmp_path, nifti_bytes(np.stack([VOXELS, VOXELS], axis=-1)))


def test_nifti_2_and_big_endian(tmp_path: Path) -> None:
    """The second version of the format and the other byte order read the same."""
    nibabel.save(nibabel.Nifti2Image(VOXELS, np.eye(4)), tmp_path / "b.nii")
    np.testing.assert_array_equal(read_image(tmp_path / "b.nii").pixels, VOXELS)
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(np.int16)
    nibabel.save(nibabel.Nifti1Image(VOXELS, np.eye(4), header), tmp_path / "c.nii")
    np.testing.assert_array_equal(read_image(tmp_path / "c.nii").pixels, VOXELS)


def test_several_gzip_members_are_one_stream(tmp_path: Path) -> None:
    """Files packed in blocks (bgzip) are whole."""
    raw = nifti_bytes(VOXELS)
    packed = gzip.compress(raw[:370]) + gzip.compress(raw[370:])
    np.testing.assert_array_equal(_read(tmp_path, packed, "a.nii.gz").pixels, VOXELS)


BAD_HEADERS = [
    ({"dim": [3, 32767, 32767, 32767, 1, 1, 1, 1]}, "too_large"),
    ({"dim": [3, -1, 3, 4, 1, 1, 1, 1]}, "bad_shape"),
    ({"dim": [3, 0, 3, 4, 1, 1, 1, 1]}, "bad_shape"),
    ({"dim": [2, 6, 4, 1, 1, 1, 1, 1]}, "bad_shape"),
    ({"dim": [3, 9, 9, 9, 1, 1, 1, 1]}, "truncated"),
    ({"datatype": 128}, "unsupported"),
    ({"datatype": 1792}, "unsupported"),
    ({"datatype": 77}, "undecodable"),
    ({"vox_offset": np.nan}, "bad_header"),
    ({"vox_offset": -352}, "bad_header"),
    ({"vox_offset": 1e30}, "bad_header"),
    ({"scl_slope": np.inf}, "bad_header"),
    ({"scl_slope": 1, "scl_inter": np.nan}, "bad_header"),
    ({"scl_slope": np.nan, "scl_inter": 5}, "bad_header"),
    ({"srow_x": [0, 0, 0, 0]}, "bad_affine"),
    ({"srow_y": [np.nan, 1, 0, 0]}, "bad_affine"),
    ({"xyzt_units": 7}, "bad_header"),
]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("fields", "reason"), BAD_HEADERS)
def test_header_gates(tmp_path: Path, fields: dict[str, object], reason: str, packed: bool) -> None:
    """An absurd header is refused with its code before memory is asked for."""
    raw = nifti_bytes(VOXELS, **fields)
    name, raw = ("a.nii.gz", gzip.compress(raw)) if packed else ("a.nii", raw)
    with pytest.raises(DataError) as caught:
        _read(tmp_path, raw, name)
    assert caught.value.reason == reason


def test_nan_volume_is_refused_but_a_few_nan_are_not(tmp_path: Path) -> None:
    """A failed export is caught; one undefined voxel in a thousand and more is not a reason."""
    values = np.zeros((20, 20, 20), np.float32)
    values[0, 0, 0] = np.nan
    assert _read(tmp_path, nifti_bytes(values)).size == (20, 20, 20)
    with pytest.raises(DataError, match="finite") as caught:
        _read(tmp_path, nifti_bytes(values * np.nan))
    assert caught.value.reason == "not_finite"


def test_gzip_bombs_are_not_unpacked(tmp_path: Path) -> None:
    """More data than declared are a bomb; a declared impossible ratio is not even tried."""
    with pytest.raises(DataError) as caught:
        _read(tmp_path, gzip.compress(nifti_bytes(VOXELS) + bytes(3 << 20)), "a.nii.gz")
    assert caught.value.reason == "bomb"
    fields = {"dim": [3, 600, 600, 600, 1, 1, 1, 1]}
    with pytest.raises(DataError, match="cannot hold") as caught:
        _read(tmp_path, gzip.compress(nifti_bytes(VOXELS, **fields)), "a.nii.gz")
    assert caught.value.reason == "truncated"


def test_limits_can_be_set(tmp_path: Path) -> None:
    """Limits of the caller hold for file and voxels."""
    raw = nifti_bytes(VOXELS)
    for limits in (Limits(max_bytes=47), Limits(max_file_bytes=300)):
        with pytest.raises(DataError) as caught:
            _read(tmp_path, raw, limits=limits)
        assert caught.value.reason == "too_large"
