"""Archives taken apart so that nothing lands outside their folder and nothing fills the disk.

An entry that is absolute, climbs out, is a link, a device or a repeated name is refused, not
renamed: an archive that has one is not what its publisher made.
"""

import gzip
import lzma
import secrets
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol, runtime_checkable

from vesalius.data.reading import Reading

MOST_FILES = 2_000_000
MOST_RATIO = 200
_SPARE_BYTES = 64 * 2**20
_SLACK_BYTES = 1 << 20
_CHUNK = 1 << 20
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, EOFError,
    NotImplementedError, RuntimeError,
)  # fmt: skip


@runtime_checkable
class _Readable(Protocol):
    """An entry of an archive, opened; the two libraries share no type."""

    def read(self, size: int = -1, /) -> bytes: ...


def unpack(archive: Path, folder: Path, /) -> int:
    """Unpack a zip or tar archive into `folder`; all of it or nothing. The number of files.

    Raises:
        DataError: ``path_escapes``, ``bomb``, ``too_large``, ``undecodable`` or
            ``unknown_format``.
    """
    reading = Reading(source=archive.name)
    building = folder / f".{archive.name}.{secrets.token_hex(8)}.tmp"
    building.mkdir(parents=True, mode=0o700)
    try:
        if zipfile.is_zipfile(archive):
            names = list(_unzipped(archive, building, reading))
        elif tarfile.is_tarfile(archive):
            names = list(_untarred(archive, building, reading))
        else:
            raise reading.error("unknown_format", "neither a zip nor a tar archive")
        for name in names:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (building / name).replace(target)
    except _BROKEN as error:
        raise reading.error(
            "undecodable", f"damaged archive ({type(error).__name__}); download it again"
        ) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return len(names)


def _unzipped(archive: Path, folder: Path, reading: Reading) -> Iterator[str]:
    with zipfile.ZipFile(archive) as packed:
        entries = packed.infolist()
        gate = _Gate(archive, folder, reading)
        gate.admit(sum(entry.file_size for entry in entries), len(entries))
        for entry in entries:
            is_link = (entry.external_attr >> 16) & 0o170000 == 0o120000
            name = gate.name(entry.filename, is_plain=not is_link)
            if not entry.is_dir():
                with packed.open(entry) as stream:
                    _write(stream, folder / name)
                yield name


def _untarred(archive: Path, folder: Path, reading: Reading) -> Iterator[str]:
    gate, n_bytes = _Gate(archive, folder, reading), 0
    with tarfile.open(archive) as packed:
        for number, entry in enumerate(packed, start=1):
            name = gate.name(entry.name, is_plain=entry.isreg() or entry.isdir())
            n_bytes += entry.size
            gate.admit(n_bytes, number)
            stream = packed.extractfile(entry)
            if stream is not None:
                _write(stream, folder / name)
                yield name


def _write(stream: _Readable, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        shutil.copyfileobj(stream, file, _CHUNK)


class _Gate:
    """What an entry and the whole archive must pass; remembers the names it has seen."""

    def __init__(self, archive: Path, folder: Path, reading: Reading) -> None:
        self._n_packed = archive.stat().st_size
        self._free = shutil.disk_usage(folder).free
        self._reading = reading
        self._seen: set[str] = set()

    def admit(self, n_bytes: int, n_files: int) -> None:
        """Refuse more files or bytes than an honest archive of this size has."""
        if n_files > MOST_FILES or n_bytes > MOST_RATIO * self._n_packed + _SLACK_BYTES:
            raise self._reading.error(
                "bomb", f"{n_files:,} files of {n_bytes:,} bytes from {self._n_packed:,} packed"
            )
        if n_bytes + _SPARE_BYTES > self._free:
            raise self._reading.error(
                "too_large", f"needs {n_bytes / 1e9:.2f} GB, {self._free / 1e9:.2f} GB are free"
            )

    def name(self, text: str, *, is_plain: bool) -> str:
        """The name of an entry, if it is one below the folder that has not come before."""
        path = PurePosixPath(text)
        outside = path.is_absolute() or ".." in path.parts or "\\" in text or text[1:2] == ":"
        if outside or "\0" in text or not is_plain:
            what = "leads out of its folder" if outside else "is a link or a device"
            raise self._reading.error("path_escapes", f"entry {text!r} {what}; nothing is unpacked")
        name = path.as_posix()
        if name in self._seen and not text.endswith("/"):
            raise self._reading.error("path_escapes", f"entry {text!r} stands twice")
        self._seen.add(name)
        return name
