"""MetaImage and NRRD: geometry by hand, packed data, refusals."""

import zlib
from pathlib import Path

import nrrd
import numpy as np
import pytest
from imagefiles import write_png

from vesalius.data.readers import content_digest, files_of, read_image
from vesalius.errors import DataError

VOXELS = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
FIELDS = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False",
    "TransformMatrix": "1 0 0 0 1 0 0 0 1",
    "Offset": "10 20 30",
    "ElementSpacing": "2 3 4",
    "DimSize": "2 3 4",
    "ElementType": "MET_SHORT",
}


def _header(data_file: str, **fields: str | None) -> bytes:
    lines = {**FIELDS, **fields, "ElementDataFile": data_file}
    text = "".join(f"{key} = {value}\n" for key, value in lines.items() if value is not None)
    return text.encode()


def _mha(tmp_path: Path, data: bytes, **fields: str | None) -> Path:
    (tmp_path / "a.mha").write_bytes(_header("LOCAL", **fields) + data)
    return tmp_path / "a.mha"


DATA = VOXELS.tobytes(order="F")


def test_mha_is_lps(tmp_path: Path) -> None:
    """Identity directions in LPS mean that x and y are flipped on the way to RAS+."""
    image = read_image(_mha(tmp_path, DATA), modality="ct")
    np.testing.assert_array_equal(image.pixels, VOXELS[::-1, ::-1])
    assert image.spacing_mm == (2.0, 3.0, 4.0)
    # voxel (0, 0, 0) of the file is at LPS (10, 20, 30), the last one at (12, 26, 42)
    np.testing.assert_allclose(image.affine[:3, 3], [-12, -26, 30])
    assert image.intensity == "hu"


def test_transform_matrix_lists_axis_directions(tmp_path: Path) -> None:
    """The first three numbers are the direction of the first axis, as ITK writes them."""
    image = read_image(_mha(tmp_path, DATA, TransformMatrix="0 0 1 -1 0 0 0 -1 0"))
    # axis 0 points up, axis 1 to the right, axis 2 to the front
    np.testing.assert_array_equal(image.pixels, VOXELS.transpose(1, 2, 0))
    assert image.spacing_mm == (3.0, 4.0, 2.0)


def test_packed_and_big_endian_mha(tmp_path: Path) -> None:
    """Zlib data and the other byte order give the same voxels."""
    image = read_image(_mha(tmp_path, zlib.compress(DATA), CompressedData="True"))
    np.testing.assert_array_equal(image.pixels, VOXELS[::-1, ::-1])
    big = VOXELS.astype(">i2").tobytes(order="F")
    image = read_image(_mha(tmp_path, big, BinaryDataByteOrderMSB="True"))
    np.testing.assert_array_equal(image.pixels, VOXELS[::-1, ::-1])


@pytest.mark.parametrize("name", ["a.mhd", "a.mha"])
def test_detached_data_belong_to_the_digest(tmp_path: Path, name: str) -> None:
    """The digest changes with the data file, not only with the header, whatever the ending."""
    (tmp_path / name).write_bytes(_header("a.raw"))
    (tmp_path / "a.raw").write_bytes(DATA)
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.pixels, VOXELS[::-1, ::-1])
    assert image.digest == content_digest(tmp_path / name)
    assert files_of(tmp_path / name) == (tmp_path / name, tmp_path / "a.raw")
    (tmp_path / "a.raw").write_bytes(DATA[::-1])
    assert image.digest != content_digest(tmp_path / name)


def test_other_content_under_a_metaimage_ending_keeps_its_own_digest(tmp_path: Path) -> None:
    """Content decides the format, in the digest as in reading."""
    write_png(tmp_path / "a.png", np.zeros((2, 3), np.uint8)).rename(tmp_path / "a.mha")
    assert read_image(tmp_path / "a.mha").digest == content_digest(tmp_path / "a.mha")
    assert files_of(tmp_path / "a.mha") == (tmp_path / "a.mha",)


@pytest.mark.parametrize(
    "name", ["../a.raw", "/etc/passwd", "sub/a.raw", "..", "a%03d.raw", "x\\y"]
)
def test_mhd_cannot_name_files_elsewhere(tmp_path: Path, name: str) -> None:
    """A header from outside does not choose what is read."""
    (tmp_path / "a.mhd").write_bytes(_header(name))
    with pytest.raises(DataError) as caught:
        read_image(tmp_path / "a.mhd")
    assert caught.value.reason == "path_escapes"


def test_mhd_data_file_may_not_be_a_link(tmp_path: Path) -> None:
    """A link beside the header is a way out of the folder."""
    (tmp_path / "a.mhd").write_bytes(_header("a.raw"))
    (tmp_path / "a.raw").symlink_to("/etc/passwd")
    with pytest.raises(DataError, match="plain name"):
        read_image(tmp_path / "a.mhd")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"NDims": "2"}, "bad_shape"),
        ({"NDims": None}, "bad_header"),
        ({"DimSize": "2 3"}, "bad_header"),
        ({"DimSize": "2 3 x"}, "bad_header"),
        ({"DimSize": "2 0 4"}, "bad_shape"),
        ({"DimSize": "99999 99999 99999"}, "too_large"),
        ({"DimSize": "2 3 5"}, "truncated"),
        ({"ElementType": "MET_STRING"}, "unsupported"),
        ({"ElementNumberOfChannels": "3"}, "unsupported"),
        ({"HeaderSize": "-1"}, "unsupported"),
        ({"ElementSpacing": "0 1 1"}, "bad_affine"),
        ({"Offset": "nan 0 0"}, "bad_header"),
        ({"CompressedData": "True"}, "undecodable"),
    ],
)
def test_mha_gates(tmp_path: Path, fields: dict[str, str | None], reason: str) -> None:
    """Impossible headers have their code."""
    with pytest.raises(DataError) as caught:
        read_image(_mha(tmp_path, DATA, **fields))
    assert caught.value.reason == reason


def test_text_that_is_no_header(tmp_path: Path) -> None:
    """A text file called .mha is a bad header, not a crash."""
    (tmp_path / "a.mha").write_text("hello\nworld\n")
    with pytest.raises(DataError, match="ElementDataFile"):
        read_image(tmp_path / "a.mha")


GEOMETRY = {
    "space": "left-posterior-superior",
    "space directions": np.diag([2.0, 3.0, 4.0]),
    "space origin": np.array([10.0, 20.0, 30.0]),
}


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_nrrd_is_placed_by_its_space(tmp_path: Path, encoding: str) -> None:
    """The same geometry as the MetaImage above gives the same volume."""
    nrrd.write(str(tmp_path / "a.nrrd"), VOXELS, {**GEOMETRY, "encoding": encoding})
    image = read_image(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(image.pixels, VOXELS[::-1, ::-1])
    np.testing.assert_allclose(image.affine[:3, 3], [-12, -26, 30])


def test_nrrd_in_ras_is_unchanged(tmp_path: Path) -> None:
    """RAS files keep their array."""
    nrrd.write(str(tmp_path / "a.nrrd"), VOXELS, {**GEOMETRY, "space": "right-anterior-superior"})
    np.testing.assert_array_equal(read_image(tmp_path / "a.nrrd").pixels, VOXELS)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"sizes: 2 3 4", b"sizes: 2 3 9", "truncated"),
        (b"sizes: 2 3 4", b"sizes: 99999 99999 99999", "too_large"),
        (b"sizes: 2 3 4", b"sizes: 6 4", "bad_shape"),
        (b"sizes: 2 3 4", b"sizes: a b", "undecodable"),
        (b"type: int16", b"type: block", "unsupported"),
        (b"encoding: raw", b"encoding: bzip2", "unsupported"),
        (b"encoding: raw", b"encoding: raw\ndata file: /etc/passwd", "unsupported"),
        (b"space: left-posterior-superior", b"space: scanner-xyz", "bad_affine"),
        (b"dimension: 3", b"dimension 3", "undecodable"),
        (b"\n\n", b"\n", "bad_header"),
    ],
)
def test_nrrd_gates(tmp_path: Path, old: bytes, new: bytes, reason: str) -> None:
    """Impossible headers and detached data have their code."""
    path = tmp_path / "a.nrrd"
    nrrd.write(str(path), VOXELS, {**GEOMETRY, "encoding": "raw"})
    raw = path.read_bytes()
    assert old in raw
    path.write_bytes(raw.replace(old, new, 1))
    with pytest.raises(DataError) as caught:
        read_image(path)
    assert caught.value.reason == reason
