"""NumPy files.

``.npy``: shape (rows, columns) grey, (rows, columns, 3) uint8 colour, or (x, y, z) a volume in
RAS+ order; an array of shape (…, 3) that is not uint8 is a volume of three slices.
``.npz``: the same under the key ``image``, with optional ``spacing_mm`` (one value per spatial
axis), ``affine`` (volumes: index → RAS+ mm) and ``intensity`` (``display``, ``hu``,
``arbitrary``). Object arrays are refused, because unpickling runs code.
"""

import io
import zipfile
from typing import Literal, cast, get_args

import numpy as np
from jaxtyping import Shaped
from numpy.lib import format as npy

from vesalius.data.intensities import display_of
from vesalius.data.pictures import picture_image
from vesalius.data.reading import Reading, contained
from vesalius.data.volumes import Grid, lowest_of, require_affine, volume_image
from vesalius.records import Image, Intensity

_KEYS = ("image", "spacing_mm", "affine", "intensity")
_MOST_PACKED = 1040
_VERSIONS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def decode_npy(raw: bytes, reading: Reading) -> Shaped[np.ndarray, "..."]:
    """Decode one array; its header is checked against limits and file size first."""
    file = io.BytesIO(raw)
    with contained(reading):
        version = npy.read_magic(file)
        if version not in _VERSIONS:
            raise reading.error("unsupported", f".npy version {version} is not read")
        shape, fortran, dtype = _VERSIONS[version](file)
    if dtype.hasobject:
        raise reading.error(
            "pickle_refused", "an array of Python objects; save it as numbers (allow_pickle=False)"
        )
    n_bytes = reading.gate(shape, dtype.itemsize) if shape else dtype.itemsize
    start = file.tell()
    if len(raw) - start < n_bytes:
        raise reading.error(
            "truncated", f"expected {n_bytes:,} bytes of data, got {len(raw) - start:,}"
        )
    stored = np.frombuffer(raw, dtype, count=int(np.prod(shape)), offset=start)
    stored = stored.reshape(shape, order="F" if fortran else "C")
    return stored.astype(dtype.newbyteorder("="), copy=False)


def decode_npz(raw: bytes, reading: Reading) -> dict[str, np.ndarray]:
    """Decode the arrays of an ``.npz``; only the documented keys may be there."""
    arrays: dict[str, np.ndarray] = {}
    with (
        contained(reading, zipfile.BadZipFile, zipfile.LargeZipFile),
        zipfile.ZipFile(io.BytesIO(raw)) as archive,
    ):
        for entry in archive.infolist():
            key = entry.filename.removesuffix(".npy")
            if key not in _KEYS or key in arrays:
                raise reading.error(
                    "bad_header", f"expected each of {', '.join(_KEYS)} at most once, got {key!r}"
                )
            _refuse_bomb(entry, reading)
            arrays[key] = decode_npy(archive.read(entry), reading)
    if "image" not in arrays:
        raise reading.error("bad_header", f"no array 'image', only {sorted(arrays)}")
    return arrays


def npy_image(pixels: Shaped[np.ndarray, "..."], reading: Reading) -> Image:
    """The `Image` of one array, by the axis rule of this module."""
    pixels = _numbers(pixels, reading)
    if _axes(pixels, reading) == "xyz":
        return volume_image(Grid(pixels, None, lowest=lowest_of(pixels.dtype)), reading)
    return picture_image(pixels, reading)


def npz_image(arrays: dict[str, np.ndarray], reading: Reading) -> Image:
    """The `Image` of the arrays of an ``.npz``."""
    pixels = _numbers(arrays["image"], reading)
    axes = _axes(pixels, reading)
    spacing_mm = _spacing(arrays.get("spacing_mm"), 3 if axes == "xyz" else 2, reading)
    intensity = _intensity(arrays.get("intensity"), reading)
    if axes == "xyz":
        affine = npz_affine(arrays, reading)
        lowest = lowest_of(pixels.dtype)
        return volume_image(Grid(pixels, affine, spacing_mm, lowest, intensity), reading)
    plain = picture_image(pixels, reading)
    shown = plain.display_range
    if intensity == "hu":
        shown = display_of(pixels, "hu", reading.window)
    return Image(
        pixels=plain.pixels,
        axes=plain.axes,
        intensity=intensity or plain.intensity,
        display_range=shown,
        spacing_mm=spacing_mm,
        digest=reading.digest,
        source=reading.source,
    )


def npz_affine(arrays: dict[str, np.ndarray], reading: Reading) -> np.ndarray | None:
    """The checked ``affine`` of an ``.npz``, if there is one."""
    if "affine" not in arrays:
        return None
    affine = arrays["affine"]
    if affine.shape != (4, 4) or affine.dtype.kind not in "iuf":
        raise reading.error("bad_affine", f"affine must be 4 × 4 numbers, got {affine.shape}")
    affine = affine.astype(np.float64)
    require_affine(affine, reading)
    return affine


def _refuse_bomb(entry: zipfile.ZipInfo, reading: Reading) -> None:
    if entry.file_size > reading.limits.max_bytes:
        raise reading.error(
            "bomb", f"{entry.filename} unpacks to {entry.file_size:,} bytes, over the limit"
        )
    if entry.file_size > _MOST_PACKED * max(entry.compress_size, 64):
        raise reading.error("bomb", f"{entry.filename} declares an impossible compression")


def _numbers(pixels: np.ndarray, reading: Reading) -> np.ndarray:
    if pixels.dtype.kind == "b":
        # false and true are shown black and white, like any bilevel picture
        return (
            pixels.astype(np.uint8) * np.uint8(255) if pixels.ndim == 2 else pixels.view(np.uint8)
        )
    if pixels.dtype.kind not in "iuf":
        raise reading.error("unsupported", f"expected numbers, got an array of {pixels.dtype}")
    if pixels.dtype == np.float16:
        return pixels.astype(np.float32)
    return pixels


def _axes(pixels: np.ndarray, reading: Reading) -> Literal["yx", "yxc", "xyz"]:
    if pixels.ndim == 2:
        return "yx"
    if pixels.ndim != 3:
        raise reading.error("bad_shape", f"expected 2 or 3 axes, got shape {pixels.shape}")
    return "yxc" if pixels.shape[2] == 3 and pixels.dtype == np.uint8 else "xyz"


def _spacing(values: np.ndarray | None, n_axes: int, reading: Reading) -> tuple[float, ...] | None:
    if values is None:
        return None
    if values.shape != (n_axes,) or values.dtype.kind not in "iuf" or not (values > 0).all():
        raise reading.error(
            "bad_header", f"spacing_mm must be {n_axes} positive numbers, got {values.tolist()}"
        )
    return tuple(float(value) for value in values)


def _intensity(value: np.ndarray | None, reading: Reading) -> Intensity | None:
    if value is None:
        return None
    if str(value) not in get_args(Intensity):
        raise reading.error(
            "bad_header", f"intensity must be one of {get_args(Intensity)}, got {str(value)!r}"
        )
    return cast("Intensity", str(value))
