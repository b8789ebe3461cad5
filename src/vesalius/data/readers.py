"""`read_image`: one picture, DICOM file, DICOM series or volume → `Image`.

The content decides the format, the ending only where content cannot (MetaImage, DICOM without
its preamble). Formats and their rules: ``pictures``, ``arrays``, ``dicom``, ``series``,
``nifti``, ``metaimage``, ``nrrd_file``. Every failure is a `DataError` with a code of
`reading.REASONS`.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from vesalius.data.arrays import decode_npy, decode_npz, npy_image, npz_image
from vesalius.data.dicom import decode_dicom
from vesalius.data.metaimage import MOST_HEADER_BYTES, data_file, decode_metaimage
from vesalius.data.nifti import GZIP, decode_nifti, is_nifti
from vesalius.data.nrrd_file import MAGIC as NRRD
from vesalius.data.nrrd_file import decode_nrrd
from vesalius.data.pictures import decode_picture
from vesalius.data.reading import DEFAULT, Limits, Reading, inflate_head, read_bytes
from vesalius.data.series import read_series, series_files
from vesalius.data.volumes import Grid, volume_image
from vesalius.errors import InputError
from vesalius.records import MODALITIES, Image, Window

Format = Literal["picture", "npy", "npz", "dicom", "nifti", "nrrd", "metaimage"]

_MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"\x89PNG\r\n", "picture"),
    (b"\xff\xd8\xff", "picture"),
    (b"II*\0", "picture"),
    (b"MM\0*", "picture"),
    (b"II+\0", "picture"),
    (b"MM\0+", "picture"),
    (b"BM", "picture"),
    (b"\x93NUMPY", "npy"),
    (b"PK\x03\x04", "npz"),
    (NRRD, "nrrd"),
)
_DICOM_ENDINGS = (".dcm", ".dicom", ".ima")
_METAIMAGE_ENDINGS = (".mha", ".mhd")


def read_image(
    path: str | Path,
    *,
    window: Window | None = None,
    modality: str | None = None,
    limits: Limits = DEFAULT,
    name: str = "",
) -> Image:
    """Read one image file, or a folder that holds one DICOM series.

    Args:
        path: the file or folder.
        window: what to show of Hounsfield units. Default: for a DICOM file of one frame its own
            window if it has one; for series, several frames and other volumes soft-tissue.
        modality: one of `records.MODALITIES`, for formats that do not say it: with ``ct`` the
            numbers of a volume are ``hu`` if their stored type can hold −1000, otherwise
            ``arbitrary``. DICOM files say it themselves.
        limits: how much the file may ask for.
        name: how messages call it; default the path as given.

    Returns:
        Pixels as stored (rescaled where the file says so), with spacing, orientation, the kind of
        intensity and the range to show. Volumes are in RAS+ order. `digest` equals
        `content_digest(path)`.

    Raises:
        DataError: the file cannot be used; `reason` is a code of `reading.REASONS`.
        InputError: `modality` is not a known one.
    """
    if modality is not None and modality not in MODALITIES:
        raise InputError(f"modality must be one of {', '.join(MODALITIES)}, got {modality!r}")
    place = Path(path)
    reading = Reading(source=name or str(path), window=window, modality=modality, limits=limits)
    if place.is_dir():
        digest = content_digest(place, limits=limits, name=name)
        return read_series(place, replace(reading, digest=digest))
    raw = read_bytes(place, reading)
    kind = format_of(raw, place, reading)
    if kind == "metaimage":
        data, digest = _metaimage_data(raw, place, reading)
        grid = decode_metaimage(raw, data, reading)
        return volume_image(grid, replace(reading, digest=digest))
    return _DECODERS[kind](raw, replace(reading, digest=hashlib.sha256(raw).hexdigest()))


def content_digest(path: str | Path, *, limits: Limits = DEFAULT, name: str = "") -> str:
    """SHA-256 of what an image is read from, in hexadecimal.

    Of a file: its bytes. Of a series folder: the sorted hashes of its files, so that their names
    do not matter. Of a MetaImage with its data in a second file: the hash of the header and the
    hash of the data.

    Raises:
        DataError: the file is absent, empty, too large or a placeholder.
    """
    place = Path(path)
    reading = Reading(source=name or str(path), limits=limits)
    if place.is_dir():
        hashes = [
            hashlib.sha256(
                read_bytes(file, replace(reading, source=f"{reading.source}/{file.name}"))
            ).hexdigest()
            for file in series_files(place, reading)
        ]
        return _joined(sorted(hashes))
    raw = read_bytes(place, reading)
    if _is_metaimage(raw, place, reading):
        return _metaimage_data(raw, place, reading)[1]
    return hashlib.sha256(raw).hexdigest()


def format_of(raw: bytes, path: Path, reading: Reading) -> Format:
    """The format that content, or failing that the ending, shows.

    Raises:
        DataError: ``unknown_format``.
    """
    head = inflate_head(raw, reading) if raw.startswith(GZIP) else raw
    by_content = _by_content(head)
    if by_content is not None:
        return by_content
    ending = path.suffix.lower()
    if ending in _METAIMAGE_ENDINGS:
        return "metaimage"
    if ending in _DICOM_ENDINGS:
        return "dicom"
    raise reading.error(
        "unknown_format",
        f"begins with {raw[:8]!r} and ends in {ending or 'nothing'!r}; expected PNG, JPEG, TIFF, "
        "BMP, WebP, DICOM, NIfTI (.nii, .nii.gz), MetaImage, NRRD, .npy or .npz",
    )


def read_grid(path: Path, reading: Reading) -> tuple[Format, bytes, Grid | None]:
    """Format and bytes of a file, with its voxels if the format is one of volumes."""
    raw = read_bytes(path, reading)
    kind = format_of(raw, path, reading)
    if kind == "metaimage":
        return kind, raw, decode_metaimage(raw, _metaimage_data(raw, path, reading)[0], reading)
    return kind, raw, _GRIDS[kind](raw, reading) if kind in _GRIDS else None


def files_of(path: Path) -> tuple[Path, ...]:
    """The files whose content an image is read from: of a folder all, of a MetaImage also its data.

    Raises:
        DataError: a MetaImage header is damaged or names a file that may not be read.
        OSError: the folder cannot be listed or the header not be read.
    """
    if path.is_dir():
        return tuple(sorted(path.iterdir()))
    if path.suffix.lower() not in _METAIMAGE_ENDINGS:
        return (path,)
    with path.open("rb") as file:
        head = file.read(MOST_HEADER_BYTES)
    reading = Reading(source=path.name)
    if not _is_metaimage(head, path, reading):
        return (path,)
    beside = data_file(head, path, reading)[1]
    return (path,) if beside is None else (path, beside)


def _is_metaimage(raw: bytes, path: Path, reading: Reading) -> bool:
    """Whether content and ending make it a MetaImage; the digest must agree with `format_of`."""
    if path.suffix.lower() not in _METAIMAGE_ENDINGS:
        return False
    return format_of(raw, path, reading) == "metaimage"


def _by_content(head: bytes) -> Format | None:
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "picture"
    if head[128:132] == b"DICM":
        return "dicom"
    return "nifti" if is_nifti(head) else None


def _metaimage_data(raw: bytes, path: Path, reading: Reading) -> tuple[bytes, str]:
    """The data bytes of a MetaImage, and the digest of header and data."""
    data, beside = data_file(raw, path, reading)
    digest = hashlib.sha256(raw).hexdigest()
    if beside is None:
        return data, digest
    data = read_bytes(beside, replace(reading, source=f"{reading.source} → {beside.name}"))
    return data, _joined([digest, hashlib.sha256(data).hexdigest()])


def _joined(hashes: list[str]) -> str:
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


_GRIDS: Mapping[str, Callable[[bytes, Reading], Grid]] = MappingProxyType(
    {"nifti": decode_nifti, "nrrd": decode_nrrd}
)
_DECODERS: Mapping[str, Callable[[bytes, Reading], Image]] = MappingProxyType(
    {
        "picture": decode_picture,
        "npy": lambda raw, reading: npy_image(decode_npy(raw, reading), reading),
        "npz": lambda raw, reading: npz_image(decode_npz(raw, reading), reading),
        "dicom": decode_dicom,
        "nifti": lambda raw, reading: volume_image(decode_nifti(raw, reading), reading),
        "nrrd": lambda raw, reading: volume_image(decode_nrrd(raw, reading), reading),
    }
)
