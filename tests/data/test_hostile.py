"""Damaged and hostile files: every one ends as an image or as a named error, never as a crash."""

import gzip
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import nrrd
import numpy as np
import pytest
from imagefiles import dicom, nifti_bytes, saved, write_series
from PIL import Image as PillowImage
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from vesalius.data.readers import content_digest, read_image
from vesalius.data.reading import REASONS, Limits
from vesalius.errors import DataError

SMALL = Limits(max_file_bytes=1 << 24, max_bytes=1 << 24, max_pixels=1 << 22)
GREY = np.random.default_rng(1).integers(0, 4096, (64, 64)).astype(np.uint16)
VOXELS = GREY.reshape(16, 16, 16)


def _picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    PillowImage.fromarray((GREY >> 4).astype(np.uint8)).save(buffer, format=kind)
    return buffer.getvalue()


def _dicom(syntax: str | None = None) -> bytes:
    dataset = dicom(GREY, WindowCenter=2000, WindowWidth=4000, PixelSpacing=[1, 1])
    if syntax is not None:
        dataset.compress(syntax, generate_instance_uid=False)
    return saved(dataset)


def _npz() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, image=VOXELS)
    return buffer.getvalue()


def _npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, VOXELS)
    return buffer.getvalue()


def _nrrd() -> bytes:
    buffer = io.BytesIO()
    geometry = {"space": "LPS", "space directions": np.eye(3), "space origin": np.zeros(3)}
    nrrd.write(buffer, VOXELS, geometry)
    return buffer.getvalue()


GOOD = {
    "a.png": _picture("PNG"),
    "a.jpg": _picture("JPEG"),
    "a.tiff": _picture("TIFF"),
    "a.dcm": _dicom(),
    "rle.dcm": _dicom(RLELossless),
    "j2k.dcm": _dicom(JPEG2000Lossless),
    "jls.dcm": _dicom(JPEGLSLossless),
    "a.nii": nifti_bytes(VOXELS),
    "a.nii.gz": gzip.compress(nifti_bytes(VOXELS)),
    "a.npy": _npy(),
    "a.npz": _npz(),
    "a.nrrd": _nrrd(),
    "a.mha": b"NDims = 3\nDimSize = 16 16 16\nElementType = MET_USHORT\nOffset = 0 0 0\n"
    b"TransformMatrix = 1 0 0 0 1 0 0 0 1\nElementSpacing = 1 1 1\nElementDataFile = LOCAL\n"
    + VOXELS.tobytes(),
}


def _damaged(raw: bytes, seed: int) -> Iterator[bytes]:
    """Eight truncations, twelve bit flips and a shuffled head of one file."""
    rng = np.random.default_rng(seed)
    for cut in [1, 7, 130, *rng.integers(1, len(raw), 5)]:
        yield raw[: int(cut)]
    for index in range(12):
        # half of the flips fall into the header, where they do most harm
        reach = min(len(raw), 700) if index % 2 else len(raw)
        flipped = bytearray(raw)
        flipped[int(rng.integers(reach))] ^= 1 << int(rng.integers(8))
        yield bytes(flipped)
    yield bytes(rng.permutation(np.frombuffer(raw[:512], np.uint8)).tobytes()) + raw[512:]


@pytest.mark.parametrize("name", GOOD)
def test_good_files_are_read(tmp_path: Path, name: str) -> None:
    """The files that are damaged below are good before."""
    (tmp_path / name).write_bytes(GOOD[name])
    assert read_image(tmp_path / name, limits=SMALL).pixels.size == GREY.size


def _outcome(path: Path) -> str:
    """The axes of the image, or the reason code of the error."""
    try:
        return read_image(path, limits=SMALL).axes
    except DataError as error:
        return error.reason if error.where == str(path) else f"wrong place: {error.where}"


@pytest.mark.parametrize("name", GOOD)
def test_damaged_files_never_crash(tmp_path: Path, name: str) -> None:
    """21 damaged copies of each format (273 in all) give an image or a coded error.

    A flipped bit in uncompressed pixels is an image: only a content hash can tell.
    """
    outcomes = []
    for index, raw in enumerate(_damaged(GOOD[name], seed=sum(name.encode()))):
        path = tmp_path / f"{index}_{name}"
        path.write_bytes(raw)
        outcomes.append(_outcome(path))
    assert len(outcomes) == 21
    assert set(outcomes) <= {*REASONS, "yx", "yxc", "xyz"}
    assert sum(outcome in REASONS for outcome in outcomes) >= 8  # the truncations at least


PLACEHOLDERS = {
    "empty_file": b"",
    "lfs_pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    "html_page": b"\r\n <!DOCTYPE html><html><title>Sign in</title>",
    "unknown_format": os.urandom(16).join([b"\1", b"\2"]),
}


@pytest.mark.parametrize("ending", ["png", "dcm", "nii.gz", "mha", "npz", ""])
@pytest.mark.parametrize("reason", PLACEHOLDERS)
def test_placeholders_are_named(tmp_path: Path, reason: str, ending: str) -> None:
    """What a failed download or copy leaves behind is called by its name, whatever its ending."""
    path = tmp_path / f"a.{ending}"
    path.write_bytes(PLACEHOLDERS[reason])
    with pytest.raises(DataError) as caught:
        read_image(path)
    by_ending = {"dcm": {"undecodable", "bad_header"}, "mha": {"bad_header"}}
    allowed = {reason} | (by_ending.get(ending, set()) if reason == "unknown_format" else set())
    assert caught.value.reason in allowed


def test_xhtml_and_missing_and_special_files(tmp_path: Path) -> None:
    """XHTML is a web page; absent files, pipes and closed folders do not hang or crash."""
    (tmp_path / "a.png").write_bytes(b"<?xml version='1.0'?><html xmlns='x'></html>")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    expected = {
        "a.png": "html_page",
        "none.png": "missing_file",
        "pipe.png": "unreadable",
        "loop.png": "unreadable",
    }
    for name, reason in expected.items():
        with pytest.raises(DataError) as caught:
            read_image(tmp_path / name)
        assert caught.value.reason == reason
        with pytest.raises(DataError):
            content_digest(tmp_path / name)


def _png_header(columns: int, rows: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def _zip_bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.npy", bytes(1 << 25))
    return buffer.getvalue()


def _zip_with(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, GOOD["a.npy"])
    return buffer.getvalue()


def _with_length(raw: bytes, length: bytes) -> bytes:
    """The file with another length of its pixel data."""
    start = raw.index(b"\xe0\x7f\x10\x00OW\0\0") + 8
    return raw[:start] + length + raw[start + 4 :]


def _nested_sequences() -> bytes:
    """Three thousand sequences of undefined length inside one another, never closed."""
    raw = GOOD["a.dcm"]
    level = b"\x00\x52\x29\x92SQ\0\0" + b"\xff" * 4 + b"\xfe\xff\x00\xe0" + b"\xff" * 4
    return raw[: raw.index(b"\xe0\x7f\x10\x00OW")] + level * 3000


HANDMADE = {
    "100k.png": (_png_header(100_000, 100_000), {"undecodable", "too_large", "bomb"}),
    "3k.png": (_png_header(3000, 3000), {"too_large"}),
    "zip_bomb.npz": (_zip_bomb(), {"bomb"}),
    "slip.npz": (_zip_with("../../evil.npy"), {"bad_header"}),
    "absolute.npz": (_zip_with("/tmp/evil.npy"), {"bad_header"}),
    "twice.npz": (_zip_with("image.npy").replace(b"image", b"imagf"), {"bad_header"}),
    "vl4gb.dcm": (
        _with_length(GOOD["a.dcm"], b"\xff\xff\xff\xf0"),
        {""},  # the length lies, but all pixels are there; no memory is asked for
    ),
    "nested.dcm": (_nested_sequences(), {"undecodable"}),
    "gzip_text.nii.gz": (gzip.compress(b"hello"), {"unknown_format"}),
    "pair.hdr": (nifti_bytes(VOXELS).replace(b"n+1\0", b"ni1\0"), {"unknown_format"}),
    "header_only.nii": (nifti_bytes(VOXELS)[:352], {"truncated"}),
    "npy_v9.npy": (b"\x93NUMPY\x09\x00" + GOOD["a.npy"][8:], {"unsupported", "undecodable"}),
    "npy_code.npy": (
        b"\x93NUMPY\x01\x00"
        + struct.pack("<H", 54)
        + b"__import__('os').system('touch pwned')".ljust(54),
        {"undecodable"},
    ),
    "huge.npy": (
        b"\x93NUMPY\x01\x00"
        + struct.pack("<H", 80)
        + b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999, 99999, 99)}".ljust(80),
        {"too_large"},
    ),
}


@pytest.mark.parametrize("name", HANDMADE)
def test_handmade_attacks(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bombs, absurd headers, paths in archives and code in headers are refused, nothing is run."""
    monkeypatch.chdir(tmp_path)
    raw, reasons = HANDMADE[name]
    (tmp_path / name).write_bytes(raw)
    try:
        read_image(tmp_path / name, limits=SMALL)
        reason = ""
    except DataError as error:
        reason = error.reason
    assert reason in reasons
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_one_damaged_slice_is_named(tmp_path: Path) -> None:
    """In a series the message tells which file is broken."""
    folder = write_series(tmp_path / "s", [0, 2, 4])
    raw = (folder / "001.dcm").read_bytes()
    (folder / "001.dcm").write_bytes(raw[:-4])
    with pytest.raises(DataError, match=r"s/001\.dcm"):
        read_image(folder)


def test_every_reason_is_explained() -> None:
    """The table of reason codes has a meaning for each, in the form of codes."""
    for reason, meaning in REASONS.items():
        assert reason.replace("_", "").isalpha()
        assert reason.islower()
        assert len(meaning) > 10
