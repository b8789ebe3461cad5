"""Small volumes keep their place: left stays left, and a block lies where its voxels lay."""

import nibabel as nib
import numpy as np
import pytest

from vesalius.store.volumes import (
    MOST_VOXELS,
    coarse_affine,
    encode_volume,
    mean_of_blocks,
    middle_of_blocks,
    read_volume,
    steps,
    volume_labels_path,
    volume_path,
)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((96, 97, 1), (1, 2, 1)), ((512, 512, 60), (6, 6, 1)), ((193, 192, 300), (3, 2, 4))],
)
def test_no_axis_has_more_voxels_than_the_limit(size, expected):
    """The smallest whole step that fits is taken, each axis by itself."""
    assert steps(size) == expected
    assert all(-(-n // s) <= MOST_VOXELS for n, s in zip(size, expected, strict=True))


def test_grey_values_are_means_and_labels_are_voxels():
    """Worked out by hand on five voxels in steps of two; the last block has one voxel only."""
    line = np.array([0, 10, 20, 41, 7], np.uint8).reshape(5, 1, 1)
    assert mean_of_blocks(line, (2, 1, 1)).ravel().tolist() == [5, 31, 7]
    assert middle_of_blocks(line, (2, 1, 1)).ravel().tolist() == [10, 41, 7]
    assert middle_of_blocks(line, (3, 1, 1)).ravel().tolist() == [10, 7]


def test_a_mark_stays_where_it_was_in_millimetres():
    """One marked block of an asymmetric volume has the same centre before and after."""
    affine = np.array([[2.0, 0, 0, -90], [0, 3, 0, 11], [0, 0, 5, 7], [0, 0, 0, 1]])
    voxels = np.zeros((200, 120, 40), np.uint8)
    step = steps(voxels.shape)
    assert step == (3, 2, 1)
    voxels[150:153, 20:22, 30:31] = 255
    small = mean_of_blocks(voxels, step)
    assert np.argwhere(small).tolist() == [[50, 10, 30]]
    assert small.max() == 255
    before = affine @ [151, 20.5, 30, 1]
    np.testing.assert_allclose(coarse_affine(affine, step) @ [50, 10, 30, 1], before)


@pytest.mark.parametrize(("highest", "kind"), [(255, np.uint8), (300, np.uint16), (1 << 20, None)])
def test_volumes_come_back_with_their_place(tmp_path, highest, kind):
    """In eight or sixteen bits; labels beyond that are clipped to the highest; bytes repeat."""
    voxels = np.zeros((3, 4, 5), np.int64)
    voxels[2, 0, 1] = highest
    affine = np.diag([1.5, 2, 3, 1])
    path = volume_path(tmp_path, "set", "name")
    path.parent.mkdir(parents=True)
    path.write_bytes(encode_volume(voxels, affine))
    found = read_volume(path)
    assert found.voxels.dtype == (kind or np.uint16)
    assert found.voxels[2, 0, 1] == min(highest, 65535)
    np.testing.assert_allclose(found.affine, affine)
    assert nib.aff2axcodes(found.affine) == ("R", "A", "S")
    assert path.read_bytes() == encode_volume(voxels, affine)


def test_missing_broken_and_flat_files_are_no_volumes(tmp_path):
    """One bad file does not end a report."""
    path = volume_labels_path(tmp_path, "set", "name")
    assert read_volume(path) is None
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\x1f\x8b broken")
    assert read_volume(path) is None
    flat = nib.Nifti1Image(np.zeros((4, 4), np.uint8), np.eye(4))
    nib.save(flat, path)
    assert read_volume(path) is None
    assert path.parent == volume_path(tmp_path, "set", "name").parent
