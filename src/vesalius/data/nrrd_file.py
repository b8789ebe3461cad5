"""NRRD volumes with header and data in one file, raw or gzip; the header is parsed by pynrrd.

The data are unpacked here, under limits. Detached headers (``data file:``) are refused, because
they may point anywhere. ``space`` must be one of the anatomical frames LPS, RAS or LAS.
"""

import io
from collections.abc import Mapping
from typing import Any

import nrrd
import numpy as np
from nrrd.errors import NRRDError

from vesalius.data.reading import Reading, contained, inflate
from vesalius.data.volumes import Grid, lowest_of, require_affine

MAGIC = b"NRRD000"
_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("longlong", "long long", "int64", "int64_t"), "i8"),
    "float": "f4",
    "double": "f8",
}
_TO_RAS = {
    "left-posterior-superior": (-1.0, -1.0, 1.0),
    "lps": (-1.0, -1.0, 1.0),
    "right-anterior-superior": (1.0, 1.0, 1.0),
    "ras": (1.0, 1.0, 1.0),
    "left-anterior-superior": (-1.0, 1.0, 1.0),
    "las": (-1.0, 1.0, 1.0),
}
_MOST_HEADER_BYTES = 65536


def decode_nrrd(raw: bytes, reading: Reading) -> Grid:
    """Decode an attached NRRD file.

    Raises:
        DataError: ``bad_header``, ``bad_shape``, ``bad_affine``, ``too_large``, ``truncated``,
            ``bomb``, ``unsupported`` or ``undecodable``.
    """
    end = raw.find(b"\n\n", 0, _MOST_HEADER_BYTES)
    if end < 0:
        raise reading.error("bad_header", "no empty line ends the header; is it cut off?")
    with contained(reading, NRRDError):
        header = nrrd.read_header(io.BytesIO(raw[: end + 2]))
        return _grid(header, raw[end + 2 :], reading)


def _grid(header: Mapping[str, Any], data: bytes, reading: Reading) -> Grid:
    if "data file" in header or "datafile" in header:
        raise reading.error("unsupported", "a detached header; save header and data in one .nrrd")
    shape = tuple(int(size) for size in header["sizes"])
    if len(shape) != 3:
        raise reading.error("bad_shape", f"expected 3 axes, the header says {shape}")
    dtype = _dtype(header, reading)
    n_bytes = reading.gate(shape, dtype.itemsize)
    if header["encoding"] in ("gzip", "gz"):
        data = inflate(data, n_bytes, reading)
    elif header["encoding"] != "raw":
        raise reading.error("unsupported", f"encoding must be raw or gzip: {header['encoding']!r}")
    if len(data) < n_bytes:
        raise reading.error("truncated", f"expected {n_bytes:,} bytes of data, got {len(data):,}")
    stored = np.frombuffer(data, dtype, count=int(np.prod(shape))).reshape(shape, order="F")
    return Grid(
        voxels=stored.astype(dtype.newbyteorder("="), copy=False),
        affine=_affine(header, reading),
        lowest=lowest_of(dtype),
    )


def _dtype(header: Mapping[str, Any], reading: Reading) -> np.dtype:
    if header["type"] not in _TYPES or "line skip" in header or "byte skip" in header:
        raise reading.error("unsupported", f"type {header['type']!r} or a skip is not read")
    big = header.get("endian", "little") == "big"
    return np.dtype((">" if big else "<") + _TYPES[header["type"]])


def _affine(header: Mapping[str, Any], reading: Reading) -> np.ndarray:
    space = str(header.get("space", "")).lower()
    if space not in _TO_RAS or "space directions" not in header or "space origin" not in header:
        raise reading.error(
            "bad_affine", f"space, space directions and space origin are needed; space: {space!r}"
        )
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(header["space directions"], dtype=np.float64).T
    affine[:3, 3] = np.asarray(header["space origin"], dtype=np.float64)
    affine = np.diag([*_TO_RAS[space], 1.0]) @ affine
    require_affine(affine, reading)
    return affine
