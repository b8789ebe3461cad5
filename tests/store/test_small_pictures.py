"""Small pictures know where they lie in their image."""

import numpy as np
import pytest
from PIL import Image as Pillow

from vesalius.store.pictures import (
    EDGE,
    Frame,
    encode_labels,
    encode_picture,
    labels_path,
    picture_path,
    read_frame,
    read_labels,
)


@pytest.mark.parametrize("frame", [Frame((300, 200)), Frame((40, 50, 9), 8)])
def test_a_picture_says_what_it_shows(tmp_path, frame):
    """Size and slice come back; the longer side has the stated length."""
    path = tmp_path / "a.jpg"
    path.write_bytes(encode_picture(np.zeros((300, 200), np.uint8), frame))
    assert read_frame(path) == frame
    with Pillow.open(path) as stored:
        assert max(stored.size) == EDGE


@pytest.mark.parametrize(
    "comment",
    [
        b"", b"not json", b"[]", b"{}", b'{"size": [4, 4]}', b'{"size": [4, 4], "index": 1}',
        b'{"size": [4, 4, 4], "index": null}', b'{"size": [4, 4, 4], "index": 4}',
        b'{"size": [], "index": null}', b'{"size": [0, 4], "index": null}',
    ],
)  # fmt: skip
def test_a_picture_that_does_not_say_has_no_frame(tmp_path, comment):
    """Other pictures can lie there, and older ones do."""
    path = tmp_path / "a.jpg"
    Pillow.new("L", (8, 8)).save(path, comment=comment)
    assert read_frame(path) is None


def test_missing_and_broken_files_have_neither_frame_nor_labels(tmp_path):
    """One bad file does not end a report."""
    broken = tmp_path / "b.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nrest")
    for path in (tmp_path / "none", broken):
        assert read_frame(path) is None
        assert read_labels(path) is None


@pytest.mark.parametrize("labels", [[[0, 255], [3, 0]], [[0, 256], [65535, 1]]])
def test_labels_come_back(tmp_path, labels):
    """In eight and in sixteen bits."""
    path = labels_path(tmp_path, "set", "name")
    path.parent.mkdir(parents=True)
    path.write_bytes(encode_labels(np.array(labels, np.uint16)))
    assert read_labels(path).tolist() == labels
    assert path.parent == picture_path(tmp_path, "set", "name").parent


def test_plane_of_a_volume_is_the_slice_as_shown_on_any_grid():
    """Anterior is up and the patient's right, where x is highest, is left."""
    frame = Frame((4, 6, 8), 5)
    volume = np.zeros((4, 6, 8), dtype=np.uint8)
    volume[3, 5, 5] = 1
    volume[0, 0, 5] = 2
    shown = frame.plane(volume)
    assert shown.shape == (6, 4)
    assert (shown[0, 0], shown[-1, -1]) == (1, 2)
    coarse = np.arange(4, dtype=np.uint8).reshape(1, 1, 4)  # two slices of eight in each
    assert frame.plane(coarse).item() == 2


def test_boxes_lie_where_the_mask_of_the_same_pixels_lies():
    """A box and the mask that fills it cover the same pixels, flat and in a volume."""
    flat = Frame((6, 4))
    mask = np.zeros((6, 4), dtype=bool)
    mask[1:3, 2:4] = True
    assert (flat.region((2, 1, 4, 3), shape=(6, 4)) == flat.plane(mask)).all()
    deep = Frame((4, 6, 8), 5)
    voxels = np.zeros((4, 6, 8), dtype=bool)
    voxels[2:4, 1:3, 4:6] = True
    box = (2, 1, 4, 4, 3, 6)
    assert (deep.region(box, shape=(6, 4)) == deep.plane(voxels)).all()
    assert not Frame((4, 6, 8), 6).region(box, shape=(6, 4)).any()
    assert deep.region(box, shape=(12, 8)).sum() == 4 * deep.plane(voxels).sum()


def test_the_smallest_box_is_still_seen():
    """Less than a pixel of the picture is one pixel, at the edge too."""
    frame = Frame((1000, 1000))
    assert frame.region((999, 999, 1000, 1000), shape=(10, 10)).sum() == 1
