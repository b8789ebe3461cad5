"""NIfTI-1 and NIfTI-2 in one file (``.nii``, ``.nii.gz``).

The header is checked before any voxel is read, because its numbers decide how much memory is
asked for. Orientation is the sform, else the qform, else the pixel sizes in the historical
left-handed order (x towards the left), as nibabel and the Analyze convention read it.
Metres and micrometres become millimetres. Extra axes of length one are dropped; a real fourth
axis is refused.
"""

from typing import Any, cast

import nibabel
import numpy as np
from nibabel.spatialimages import HeaderDataError

from vesalius.data.reading import HEAD_BYTES, Reading, contained, inflate, inflate_head
from vesalius.data.volumes import Grid, lowest_of, require_affine, rescaled

_MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_FIRST_VOXEL = {348: 352, 540: 544}
GZIP = b"\x1f\x8b"


def is_nifti(head: bytes, /) -> bool:
    """Whether these (unpacked) bytes begin a NIfTI file."""
    return head[344:348] == b"n+1\0" or head[4:8] == b"n+2\0"


def decode_nifti(raw: bytes, reading: Reading) -> Grid:
    """Decode a NIfTI file, packed or not.

    Raises:
        DataError: ``bad_header``, ``bad_shape``, ``bad_affine``, ``too_large``, ``truncated``,
            ``bomb``, ``unsupported`` or ``undecodable``.
    """
    packed = raw.startswith(GZIP)
    header = _header(inflate_head(raw, reading) if packed else raw[:HEAD_BYTES], reading)
    shape = _shape(header, reading)
    dtype = _dtype(header, reading)
    offset = _offset(header, reading)
    slope, intercept = _scaling(header, reading)
    affine = _affine(header, reading)
    reading.gate(shape, max(dtype.itemsize, 1 if (slope, intercept) == (1, 0) else 4))
    n_bytes = offset + int(np.prod(shape)) * dtype.itemsize
    data = inflate(raw, n_bytes, reading) if packed else raw
    if len(data) < n_bytes:
        raise reading.error(
            "truncated", f"the header declares {n_bytes:,} bytes, only {len(data):,} are there"
        )
    stored = np.frombuffer(data, dtype, count=int(np.prod(shape)), offset=offset)
    stored = stored.astype(dtype.newbyteorder("="), copy=False).reshape(shape, order="F")
    return Grid(
        voxels=rescaled(stored, slope=slope, intercept=intercept),
        affine=affine,
        lowest=lowest_of(dtype, slope=slope, intercept=intercept),
    )


def _header(head: bytes, reading: Reading) -> Any:
    kind = nibabel.Nifti2Header if head[4:8] == b"n+2\0" else nibabel.Nifti1Header
    n_bytes = kind.sizeof_hdr
    if len(head) < n_bytes:
        raise reading.error("truncated", f"a header has {n_bytes} bytes, the file {len(head)}")
    with contained(reading, HeaderDataError):
        return kind(head[:n_bytes], check=False)


def _shape(header: Any, reading: Reading) -> tuple[int, int, int]:
    n_axes = int(header["dim"][0])
    if not 3 <= n_axes <= 7:
        raise reading.error("bad_shape", f"expected 3 axes, the header declares {n_axes}")
    extents = tuple(int(extent) for extent in header["dim"][1 : n_axes + 1])
    if min(extents) < 1:
        raise reading.error("bad_shape", f"extents must be at least 1, the header says {extents}")
    if any(extent != 1 for extent in extents[3:]):
        raise reading.error(
            "bad_shape", f"expected one volume, got a series of shape {extents}; choose one"
        )
    return cast("tuple[int, int, int]", extents[:3])


def _dtype(header: Any, reading: Reading) -> np.dtype:
    with contained(reading, HeaderDataError):
        dtype: np.dtype = np.dtype(header.get_data_dtype())
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise reading.error(
            "unsupported", f"voxels of type {dtype} (code {int(header['datatype'])}) are not read"
        )
    return dtype


def _offset(header: Any, reading: Reading) -> int:
    offset, first = float(header["vox_offset"]), _FIRST_VOXEL[header.sizeof_hdr]
    if not first <= offset <= reading.limits.max_file_bytes:
        raise reading.error("bad_header", f"vox_offset must be at least {first}, got {offset}")
    return int(offset)


def _scaling(header: Any, reading: Reading) -> tuple[float, float]:
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    # the standard: a slope of 0 means "not scaled"; many writers put NaN in both for the same
    if slope == 0 or (np.isnan(slope) and (np.isnan(intercept) or intercept == 0)):
        return 1.0, 0.0
    if not (np.isfinite(slope) and np.isfinite(intercept)):
        raise reading.error(
            "bad_header", f"scl_slope and scl_inter must be finite, got {slope} and {intercept}"
        )
    return slope, intercept


def _affine(header: Any, reading: Reading) -> np.ndarray:
    with contained(reading, HeaderDataError):
        affine = np.asarray(header.get_best_affine(), dtype=np.float64)
        # the lowest three bits are the unit of length, the rest the unit of time
        unit = _MM_PER_UNIT.get(int(header["xyzt_units"]) % 8)
    if unit is None:
        raise reading.error("bad_header", f"unknown unit of length {header['xyzt_units']}")
    affine[:3] *= unit
    require_affine(affine, reading)
    return affine
