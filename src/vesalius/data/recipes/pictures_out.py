"""Files that have to be converted because no reader knows their published form."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8
from numpy.lib import format as npy
from PIL import Image as Pillow

from vesalius.data.reading import Reading, contained, refuse_placeholder

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def write_png(path: Path, pixels: UInt8[np.ndarray, "rows cols *channels"], /) -> None:
    """Write a grey or colour picture, or a label map."""
    Pillow.fromarray(pixels).save(path, compress_level=1)


def items_of_npz(path: Path, key: str, reading: Reading, /) -> Iterator[Shaped[np.ndarray, "..."]]:
    """The items of one array of an ``.npz`` along its first axis, without holding all of them.

    Raises:
        DataError: there is no such array, it holds Python objects, or the file is damaged.
    """
    with path.open("rb") as file:
        refuse_placeholder(file.read(64), reading)
    with (
        contained(reading, zipfile.BadZipFile, zipfile.LargeZipFile),
        zipfile.ZipFile(path) as archive,
        archive.open(f"{key}.npy") as stream,
    ):
        # checks and header are read inside `contained`: a damaged file is named, not raised raw
        shape, fortran, dtype = _HEADERS[npy.read_magic(stream)](stream)
        if dtype.hasobject or (fortran and len(shape) > 1):
            raise reading.error("unsupported", f"{key}: expected numbers in C order")
        n_bytes = dtype.itemsize * int(np.prod(shape[1:]))
        reading.gate((*shape[1:], 1), dtype.itemsize)
        for _ in range(shape[0]):
            raw = stream.read(n_bytes)
            if len(raw) != n_bytes:
                raise reading.error("truncated", f"{key} ends before its {shape[0]} items")
            yield np.frombuffer(raw, dtype).reshape(shape[1:])


def suffix_of(raw: bytes, /) -> str:
    """The ending of an embedded picture: ``.png`` or ``.jpg``, told by its content."""
    return ".png" if raw.startswith(b"\x89PNG") else ".jpg"


def picture_size(path: Path, reading: Reading, /) -> tuple[int, int]:
    """Columns and rows of a picture file; only its header is read.

    Raises:
        DataError: it is no picture.
    """
    with contained(reading), Pillow.open(path) as picture:
        return picture.size
