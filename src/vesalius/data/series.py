"""A folder that holds one DICOM series, as a volume in RAS+ order.

File names and their order mean nothing. Hidden files and a DICOMDIR are passed over; every other
file must be a slice of the one series.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vesalius.data.dicom_header import Header, read_dicom
from vesalius.data.dicom_pixels import decode_frames
from vesalius.data.reading import Reading, read_bytes
from vesalius.data.stacking import stack
from vesalius.data.volumes import volume_image
from vesalius.records import Image


def series_files(folder: Path, reading: Reading) -> list[Path]:
    """The files of a series, by name; subfolders and links are refused.

    Raises:
        DataError: ``empty_file``, ``too_large``, ``unsupported`` or ``path_escapes``.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise reading.error("unreadable", f"cannot be listed ({error.strerror})") from error
    files = [path for path in entries if path.name[0] != "." and path.name != "DICOMDIR"]
    for path in files:
        if path.is_symlink():
            raise reading.error("path_escapes", f"{path.name} is a link; copy the file itself")
        if path.is_dir():
            raise reading.error("unsupported", f"expected one series, got a folder {path.name}")
    if not files:
        raise reading.error("empty_file", "the folder has no files")
    if len(files) > reading.limits.max_files:
        raise reading.error(
            "too_large", f"{len(files):,} files, the limit is {reading.limits.max_files:,}"
        )
    return files


def read_series(folder: Path, reading: Reading) -> Image:
    """Read all slices, sorted by ImagePositionPatient along the normal of the slices.

    Raises:
        DataError: as `series_files`, `read_dicom`, `decode_frames` and `stack`;
            ``mixed_series`` when there is more than one series or size.
    """
    files = series_files(folder, reading)
    names = [path.name for path in files]
    headers = [_header(path, reading) for path in files]
    _require_one_series(headers, names, reading)
    first = headers[0]
    reading.gate((len(files), first.rows, first.columns), 4)
    frames: np.ndarray | None = None
    for index, path in enumerate(files):
        here = replace(reading, source=f"{reading.source}/{path.name}")
        raw = read_bytes(path, here)
        dataset, header = read_dicom(raw, here, with_pixels=True)
        frame = decode_frames(dataset, header, raw, here)[0]
        if frames is None:
            frames = np.empty((len(files), *frame.shape), dtype=frame.dtype)
        frames[index] = frame
    assert frames is not None  # series_files gives at least one
    return volume_image(stack(frames, headers, names, reading), reading)


def _header(path: Path, reading: Reading) -> Header:
    here = replace(reading, source=f"{reading.source}/{path.name}")
    return read_dicom(read_bytes(path, here), here, with_pixels=False)[1]


def _require_one_series(headers: Sequence[Header], names: Sequence[str], reading: Reading) -> None:
    by_series: dict[str, list[str]] = {}
    for header, name in zip(headers, names, strict=True):
        by_series.setdefault(header.series, []).append(name)
    if len(by_series) > 1:
        listed = "; ".join(
            f"{uid or 'without SeriesInstanceUID'}: {len(members)} files such as {members[0]}"
            for uid, members in sorted(by_series.items())
        )
        raise reading.error(
            "mixed_series", f"{len(by_series)} series in one folder ({listed}); split them"
        )
    kinds = [
        (header.rows, header.columns, header.bits_allocated, header.signed) for header in headers
    ]
    for header, kind, name in zip(headers, kinds, names, strict=True):
        if kind != kinds[0]:
            raise reading.error(
                "mixed_series", f"{name} has another size or type than {names[0]}: {kind}"
            )
        if header.n_frames != 1 or header.n_channels != 1:
            raise reading.error(
                "mixed_series", f"{name} has several frames or colours; it is no slice of a series"
            )
