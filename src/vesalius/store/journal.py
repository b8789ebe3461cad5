r"""Append-only journals: one file per worker, one fsynced and checksummed line per batch.

A line is ``<crc32 hex> <json>\n``. A line whose checksum fails is never believed; the torn tail
that a killed process leaves is cut off before the run goes on. Merging is by content key, and
the first valid line wins, so nothing here depends on which worker wrote what, or in which order.
"""

import json
import os
import secrets
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from vesalius.errors import RunError
from vesalius.records import Json
from vesalius.store.files import make_folder, sync_folder, write_all


def encode_line(record: Mapping[str, Json], /) -> bytes:
    """One journal line, checksum first."""
    body = json.dumps(record, separators=(",", ":"), allow_nan=False).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def decode_line(line: bytes, /) -> dict[str, Json] | None:
    """The record of a line, or None when the line is torn or damaged."""
    checksum, separator, body = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or not separator or checksum != b"%08x" % zlib.crc32(body):
        return None
    record: dict[str, Json] = json.loads(body)
    return record


def read_journal(path: Path, /) -> Iterator[dict[str, Json]]:
    """Yield the valid records of one journal, in order; damaged lines are passed over."""
    with path.open("rb") as stream:
        for line in stream:
            record = decode_line(line)
            if record is not None:
                yield record


def truncate_torn_tail(path: Path, /) -> int:
    """Cut an incomplete last line off; the number of bytes removed."""
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end == len(content):
        return 0
    with path.open("r+b") as stream:
        stream.truncate(end)
        os.fsync(stream.fileno())
    return len(content) - end


class Journal:
    """The one writer of one journal file; the file appears with the first append."""

    def __init__(self, folder: Path, /) -> None:
        self._path = folder / f"{os.getpid():d}-{secrets.token_hex(6)}.jsonl"
        self._descriptor: int | None = None

    def append(self, record: Mapping[str, Json], /) -> None:
        """Write one record and return only when it is on disk.

        Raises:
            RunError: when the disk refuses; a partial line is cut back first.
        """
        descriptor = self._open()
        start = os.fstat(descriptor).st_size
        try:
            write_all(descriptor, encode_line(record))
            os.fsync(descriptor)
        except OSError as error:
            os.ftruncate(descriptor, start)
            raise RunError(
                f"could not append to the journal: {error.strerror}; what was acknowledged is "
                "kept: free space and run the same command again"
            ) from error

    def close(self) -> None:
        """Close the file if it was opened."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        if self._descriptor is None:
            make_folder(self._path.parent)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            self._descriptor = os.open(self._path, flags, 0o600)
            sync_folder(self._path.parent)
        return self._descriptor
