"""MetaImage volumes: ``.mha`` (all in one) and ``.mhd`` with its data file in the same folder.

Positions are LPS as ITK writes them: ``TransformMatrix`` lists the direction of each axis in
turn. The data file is named by the header, so its name must be a plain one: no folder, no link.
"""

from pathlib import Path

import numpy as np

from vesalius.data.reading import Reading, inflate
from vesalius.data.volumes import LPS_TO_RAS, Grid, lowest_of, require_affine

_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
MOST_HEADER_BYTES = 65536
_Fields = dict[str, str]


def decode_metaimage(raw: bytes, data: bytes, reading: Reading) -> Grid:
    """Decode a header (`raw`) and the data that `data_file` found for it.

    Raises:
        DataError: ``bad_header``, ``bad_shape``, ``bad_affine``, ``too_large``, ``truncated``,
            ``bomb`` or ``unsupported``.
    """
    fields, _ = _fields(raw, reading)
    if _text(fields, "NDims", reading) != "3":
        raise reading.error("bad_shape", f"expected NDims = 3, got {fields['NDims']}")
    sizes = _numbers(fields, "DimSize", 3, reading)
    shape = (int(sizes[0]), int(sizes[1]), int(sizes[2]))
    dtype = _dtype(fields, reading)
    n_bytes = reading.gate(shape, dtype.itemsize)
    packed = fields.get("CompressedData", "False").lower() == "true"
    voxels = inflate(data, n_bytes, reading) if packed else data
    if len(voxels) < n_bytes:
        raise reading.error("truncated", f"expected {n_bytes:,} bytes of data, got {len(voxels):,}")
    stored = np.frombuffer(voxels, dtype, count=int(np.prod(shape)))
    return Grid(
        voxels=stored.astype(dtype.newbyteorder("="), copy=False).reshape(shape, order="F"),
        affine=_affine(fields, reading),
        lowest=lowest_of(dtype),
    )


def data_file(raw: bytes, path: Path, reading: Reading) -> tuple[bytes, Path | None]:
    """The data bytes that follow the header, or the path of the file that holds them."""
    fields, end = _fields(raw, reading)
    name = fields["ElementDataFile"]
    if name == "LOCAL":
        return raw[end:], None
    plain = name not in ("", ".", "..") and not set(name) & set("/\\\0%")
    beside = path.parent / name
    if not plain or beside.is_symlink():
        raise reading.error(
            "path_escapes",
            f"ElementDataFile must be a plain name of a file beside it, got {name!r}",
        )
    return b"", beside


def _fields(raw: bytes, reading: Reading) -> tuple[_Fields, int]:
    """The header lines, and where the data begin; ``ElementDataFile`` is by rule the last line."""
    fields: _Fields = {}
    position = 0
    while position < min(len(raw), MOST_HEADER_BYTES):
        end = raw.find(b"\n", position)
        end = len(raw) if end < 0 else end
        key, equals, value = raw[position:end].decode("latin-1").partition("=")
        if not equals:
            break
        fields[key.strip()] = value.strip()
        position = end + 1
        if key.strip() == "ElementDataFile":
            return fields, position
    raise reading.error("bad_header", "no line 'ElementDataFile = …' in the header")


def _text(fields: _Fields, key: str, reading: Reading) -> str:
    if key not in fields:
        raise reading.error("bad_header", f"no line '{key} = …' in the header")
    return fields[key]


def _numbers(fields: _Fields, key: str, n: int, reading: Reading) -> np.ndarray:
    text = _text(fields, key, reading)
    try:
        values = np.array([float(word) for word in text.split()])
    except ValueError:
        values = np.empty(0)
    if values.shape != (n,) or not np.isfinite(values).all():
        raise reading.error("bad_header", f"{key} must be {n} numbers, got {text!r}")
    return values


def _dtype(fields: _Fields, reading: Reading) -> np.dtype:
    kind = _text(fields, "ElementType", reading)
    if kind not in _TYPES or fields.get("ElementNumberOfChannels", "1") != "1":
        raise reading.error("unsupported", f"expected one channel of numbers, got {kind}")
    if fields.get("BinaryData", "True").lower() != "true" or "HeaderSize" in fields:
        raise reading.error("unsupported", "text data and HeaderSize are not read")
    big = fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False"))
    return np.dtype((">" if big.lower() == "true" else "<") + _TYPES[kind])


def _affine(fields: _Fields, reading: Reading) -> np.ndarray:
    origin = next((key for key in ("Offset", "Position", "Origin") if key in fields), "Offset")
    matrix = next(
        (key for key in ("TransformMatrix", "Rotation", "Orientation") if key in fields),
        "TransformMatrix",
    )
    spacing = "ElementSpacing" if "ElementSpacing" in fields else "ElementSize"
    directions = _numbers(fields, matrix, 9, reading).reshape(3, 3).T
    affine = np.eye(4)
    affine[:3, :3] = directions * _numbers(fields, spacing, 3, reading)
    affine[:3, 3] = _numbers(fields, origin, 3, reading)
    affine = LPS_TO_RAS @ affine
    require_affine(affine, reading)
    return affine
