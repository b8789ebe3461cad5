"""A folder of DICOM slices: order, geometry, faults."""

from pathlib import Path

import numpy as np
import pytest
from imagefiles import write_dicom, write_series

from vesalius.data.readers import content_digest, read_image
from vesalius.data.reading import Limits
from vesalius.errors import DataError


def test_series_is_sorted_by_position_not_by_name(tmp_path: Path) -> None:
    """Slices in the order c, a, b come out from feet to head, in Hounsfield units."""
    image = read_image(write_series(tmp_path / "s", [4, 0, 2]))
    assert (image.axes, image.size) == ("xyz", (4, 3, 3))
    assert image.pixels[0, 0].tolist() == [-24, -4, 16]
    assert image.spacing_mm == (0.25, 0.5, 2.0)
    assert (image.intensity, image.display_range) == ("hu", (-160.0, 240.0))


def test_affine_from_lps_tags_by_hand(tmp_path: Path) -> None:
    """The first pixel lies at LPS (-10, -20, 0), so x and y are flipped to reach RAS+."""
    image = read_image(write_series(tmp_path / "s", [0, 2]))
    # RAS of the file's first voxel: (10, 20, 0); it is now the last in x (4) and y (3)
    np.testing.assert_allclose(
        image.affine,
        [[0.25, 0, 0, 10 - 3 * 0.25], [0, 0.5, 0, 20 - 2 * 0.5], [0, 0, 2, 0], [0, 0, 0, 1]],
    )


def test_rows_and_columns_are_not_exchanged(tmp_path: Path) -> None:
    """One bright pixel in row 0, column 1 ends at the patient's right front."""
    folder = tmp_path / "s"
    write_series(folder, [0, 2])
    marked = np.zeros((3, 4), np.uint16)
    marked[0, 1] = 7
    write_series(folder, [0, 2], PixelData=marked.tobytes())
    image = read_image(folder)
    # column 1 of 4 counts from the right: index 2; row 0 is the front: last index
    assert np.argwhere(image.pixels == 7 - 1024).tolist() == [[2, 2, 0], [2, 2, 1]]


def test_sagittal_series_is_turned(tmp_path: Path) -> None:
    """Slices along x with rows running down give a volume in RAS+ order."""
    folder = tmp_path / "s"
    write_series(folder, [0], ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    for index, x in enumerate((0.0, 3.0)):
        write_series(
            folder,
            [index],
            names=[f"{index}.dcm"],
            SeriesInstanceUID="1.2.3",
            ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
            ImagePositionPatient=[x, 0, 0],
        )
    (folder / "000.dcm").unlink()
    image = read_image(folder)
    assert image.size == (2, 4, 3)
    assert image.spacing_mm == pytest.approx((3.0, 0.25, 0.5))
    # x = 3 in LPS is further left: index 0 of the x axis
    assert image.pixels[:, 0, 0].tolist() == [1010 - 1024, 1000 - 1024]


def test_digest_does_not_depend_on_file_names(tmp_path: Path) -> None:
    """The same slices under other names are the same series; other slices are not."""
    first = write_series(tmp_path / "s", [0, 2])
    digest = content_digest(first)
    assert read_image(first).digest == digest
    (first / "000.dcm").rename(first / "zzz.dcm")
    assert content_digest(first) == digest
    write_series(first, [4], names=["extra.dcm"])
    assert content_digest(first) != digest


def test_hidden_files_and_dicomdir_are_passed_over(tmp_path: Path) -> None:
    """What operating systems and discs leave behind is no slice."""
    folder = write_series(tmp_path / "s", [0, 2])
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "DICOMDIR").write_bytes(b"x")
    assert read_image(folder).size == (4, 3, 2)


def test_single_slice_uses_its_thickness(tmp_path: Path) -> None:
    """One slice has no neighbour to measure; without thickness it is no volume."""
    assert read_image(write_series(tmp_path / "s", [0])).spacing_mm == (0.25, 0.5, 5.0)
    with pytest.raises(DataError, match="SliceThickness"):
        read_image(write_series(tmp_path / "t", [0], SliceThickness=None))


def test_slices_scaled_one_by_one(tmp_path: Path) -> None:
    """Each slice keeps its own slope, as PET files have it."""
    folder = write_series(tmp_path / "s", [0], SeriesInstanceUID="1.2.3", Modality="PT")
    write_series(
        folder,
        [2],
        names=["b.dcm"],
        SeriesInstanceUID="1.2.3",
        Modality="PT",
        RescaleSlope=2,
        RescaleIntercept=0,
    )
    image = read_image(folder)
    assert image.pixels[0, 0].tolist() == [1000 - 1024, 1020 * 2]
    assert image.intensity == "arbitrary"


def _reason(folder: Path, **options: object) -> tuple[str, str]:
    with pytest.raises(DataError) as caught:
        read_image(folder, **options)
    return caught.value.reason, str(caught.value)


def test_duplicate_slice_names_both_files(tmp_path: Path) -> None:
    """Two slices at one place are told by name."""
    reason, message = _reason(write_series(tmp_path / "s", [0, 2, 2, 4]))
    assert reason == "duplicate_slice"
    assert "001.dcm = 002.dcm" in message


def test_missing_slice_says_where(tmp_path: Path) -> None:
    """A gap is told by its neighbours, never interpolated over."""
    reason, message = _reason(write_series(tmp_path / "s", [0, 2, 4, 8, 10]))
    assert reason == "missing_slice"
    assert "4 mm between 002.dcm and 003.dcm" in message


def test_rounded_positions_are_even_enough(tmp_path: Path) -> None:
    """Positions rounded by the scanner are no missing slices."""
    image = read_image(write_series(tmp_path / "s", [0, 1.67, 3.33, 5.0]))
    assert image.spacing_mm[2] == pytest.approx(5 / 3)


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"SeriesInstanceUID": "1.2.3"}, "mixed_series"),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}, "mixed_series"),
        ({"PixelSpacing": [0.5, 0.5]}, "mixed_series"),
        ({"ImagePositionPatient": None}, "bad_affine"),
        ({"PixelSpacing": [0, 0]}, "bad_affine"),
        ({"Rows": 1, "Columns": 12}, "mixed_series"),
    ],
)
def test_foreign_slices_are_found(tmp_path: Path, elements: dict[str, object], reason: str) -> None:
    """A slice of another series, direction, size or place stops the folder and is named."""
    folder = write_series(tmp_path / "s", [0, 2], SeriesInstanceUID="9.9")
    write_series(folder, [4], names=["odd.dcm"], **{"SeriesInstanceUID": "9.9", **elements})
    found, message = _reason(folder)
    assert found == reason
    assert "odd.dcm" in message


def test_frames_and_colours_are_no_slices(tmp_path: Path) -> None:
    """A film among the slices is named."""
    folder = tmp_path / "s"
    folder.mkdir()
    write_dicom(folder / "film.dcm", np.zeros((2, 3, 4), np.uint16))
    assert _reason(folder) == ("mixed_series", _reason(folder)[1])


def test_folders_that_are_no_series(tmp_path: Path) -> None:
    """Empty folders, subfolders, links, strangers and crowds have their codes."""
    empty = tmp_path / "empty"
    empty.mkdir()
    assert _reason(empty)[0] == "empty_file"
    nested = write_series(tmp_path / "nested", [0])
    (nested / "more").mkdir()
    assert _reason(nested)[0] == "unsupported"
    linked = write_series(tmp_path / "linked", [0])
    (linked / "b.dcm").symlink_to(linked / "000.dcm")
    assert _reason(linked)[0] == "path_escapes"
    strange = write_series(tmp_path / "strange", [0])
    (strange / "notes.txt").write_text("hello")
    assert "notes.txt" in _reason(strange)[1]
    crowd = write_series(tmp_path / "crowd", [0, 1, 2])
    assert _reason(crowd, limits=Limits(max_files=2))[0] == "too_large"
