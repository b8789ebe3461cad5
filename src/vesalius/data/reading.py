"""What every decoder shares: limits, reason codes, and the gate that a file passes first.

A decoder is a function of bytes and a `Reading`. Files come from outside and may be damaged or
hostile, so each decoder checks its header against `Limits` before it allocates pixels, and calls
third-party code only inside `contained`.
"""

import binascii
import hashlib
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from vesalius.errors import DataError
from vesalius.records import Window

REASONS: Mapping[str, str] = MappingProxyType(
    {
        # the file as a whole
        "missing_file": "there is nothing at this path",
        "unreadable": "the operating system refuses to read it",
        "empty_file": "the file has no bytes",
        "lfs_pointer": "a Git LFS pointer stands where the file should be",
        "html_page": "a web page was saved instead of the file",
        "unknown_format": "neither content nor ending is one that can be read",
        "too_large": "file or pixels exceed the limits",
        "bomb": "it unpacks to far more than it declares or than the limits allow",
        "truncated": "the file ends before its data do",
        "undecodable": "the decoder gave up on damaged content",
        "decoder_crashed": "the separate decoding process died or timed out",
        "codec_missing": "an optional decoder is not installed",
        "unsupported": "valid, but a kind of content that is not read",
        # header and geometry
        "bad_header": "a required header field is absent or impossible",
        "bad_shape": "the array has an unusable number of dimensions or an extent of zero",
        "bad_affine": "orientation or spacing is absent, not finite or singular",
        "not_finite": "more than 0.1 % of the values are NaN or infinite",
        "multi_page": "several pictures in one file",
        "multi_frame": "several frames without a position in space",
        "pickle_refused": "the array holds Python objects, which could run code",
        "mixed_series": "a folder holds more than one series, size or orientation",
        "duplicate_slice": "two slices lie at the same position",
        "missing_slice": "the slices of a series are not evenly spaced",
        # masks
        "mask_shape": "a mask has another size than its image",
        "mask_grid": "a mask lies elsewhere in space than its image",
        "mask_values": "a mask holds something else than whole non-negative numbers",
        "unknown_structure": "a mask value is not listed under structures",
        # dataset.yaml and tables
        "bad_card": "dataset.yaml is absent or invalid",
        "bad_table": "a table cannot be read, is absent or stands there twice",
        "bad_row": "a row has a wrong number of cells or is not an object",
        "bad_value": "a cell is empty or is not what its column takes",
        "unknown_column": "a column looks like a misspelt one and would be ignored",
        "duplicate_id": "an id stands in more than one row of samples",
        "bad_split": "the split is none of train, val, test",
        "unknown_label": "a label is not among the classes",
        "path_escapes": "a path is absolute or leaves the dataset folder",
        "bad_box": "box coordinates are incomplete, reversed or outside the image",
        "unknown_sample": "a question or phrase names an id that samples do not have",
        "refused_sample": "a question or phrase names a sample that was itself refused",
        "patient_overlap": "one patient stands in several splits",
        "count_mismatch": "a public data set has another number of rows than its publisher states",
    }
)
"""Every reason code a `DataError` of this package can carry, and what it means."""

DECODER_ERRORS: tuple[type[BaseException], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,  # also RecursionError and NotImplementedError
    SyntaxError,  # how Pillow says "broken PNG"
    TypeError,
    ValueError,
    binascii.Error,
    struct.error,
    zlib.error,
)
"""What decoders were seen to raise on damaged files; formats add the types of their library."""

HEAD_BYTES = 2048
_SLACK_BYTES = 1 << 20
_FIRST_CHUNK_BYTES = 1 << 12
_CHUNK_BYTES = 1 << 20
_MOST_EMPTY_MEMBERS = 1000


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one file may ask for.

    Attributes:
        max_file_bytes: size on disk of one file.
        max_bytes: size of the decoded pixels of one image or volume.
        max_pixels: pixels of a 2D picture; Pillow's own ceiling of 179 million holds as well.
        max_files: files of one DICOM series.
        min_finite: share of the values that must be finite.
        timeout_s: time for a decoder in a process of its own.
    """

    max_file_bytes: int = 1 << 30
    max_bytes: int = 1 << 30
    max_pixels: int = 100_000_000
    max_files: int = 5000
    min_finite: float = 0.999
    timeout_s: float = 60.0


DEFAULT = Limits()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a decoder is told besides the bytes.

    Attributes:
        source: how messages call the file.
        digest: SHA-256 of its content.
        window: the window that fixes `display_range` of Hounsfield units.
        modality: a modality of `records.MODALITIES` for formats that do not say it themselves.
    """

    source: str
    digest: str = ""
    window: Window | None = None
    modality: str | None = None
    limits: Limits = DEFAULT

    def error(self, reason: str, message: str) -> DataError:
        """A `DataError` about this file."""
        return DataError(message, reason=reason, where=self.source)

    def gate(self, shape: tuple[int, ...], itemsize: int) -> int:
        """Bytes that pixels of this shape need, if the shape is possible and within the limits."""
        if not shape or min(shape) < 1:
            raise self.error(
                "bad_shape", f"expected extents of at least 1, the header says {shape}"
            )
        n_bytes = prod(shape) * itemsize
        if n_bytes > self.limits.max_bytes:
            raise self.error(
                "too_large",
                f"the header asks for {n_bytes:,} bytes of pixels (shape {shape}), the limit is "
                f"{self.limits.max_bytes:,}; raise Limits.max_bytes if the file is trusted",
            )
        return n_bytes


@contextmanager
def contained(reading: Reading, *extra: type[BaseException]) -> Iterator[None]:
    """Turn whatever a third-party decoder raises into ``undecodable``, and silence its warnings.

    Decoders quote header fields in their warnings, which may name a patient.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (*DECODER_ERRORS, *extra) as error:
        # the message of a decoder may quote header fields too, its type never does
        raise reading.error(
            "undecodable",
            f"the decoder stopped with {type(error).__name__}; the file is damaged or of an "
            "unusual kind. Get it again, or convert it with a tool that opens it",
        ) from error


def sha256_file(path: Path) -> str:
    """SHA-256 of the bytes of one file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_bytes(path: Path, reading: Reading) -> bytes:
    """The whole file, if it is a regular file of a possible size and no placeholder.

    Raises:
        DataError: ``missing_file``, ``unreadable``, ``empty_file``, ``too_large``,
            ``lfs_pointer`` or ``html_page``.
    """
    try:
        # unlike os.fdopen, open() closes the descriptor when it refuses a folder
        with open(path, "rb", opener=_without_waiting) as file:
            raw = _content(file, reading)
    except FileNotFoundError as error:
        raise reading.error("missing_file", "no such file") from error
    except OSError as error:
        raise reading.error("unreadable", f"cannot be opened ({error.strerror})") from error
    refuse_placeholder(raw, reading)
    return raw


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a named pipe must not wait for a writer


def _content(file: BinaryIO, reading: Reading) -> bytes:
    """All bytes of an open regular file; only as much memory as it has bytes is asked for."""
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise reading.error("unreadable", "not a regular file (a pipe, socket or device)")
    if status.st_size > reading.limits.max_file_bytes:
        limit = f"the limit is {reading.limits.max_file_bytes:,}"
        raise reading.error("too_large", f"{status.st_size:,} bytes, {limit}")
    raw = file.read(status.st_size + 1)
    if len(raw) > status.st_size:
        raise reading.error("unreadable", "grew while it was read; wait until it is complete")
    return raw


def refuse_placeholder(head: bytes, reading: Reading) -> None:
    """Raise if the bytes are none, a Git LFS pointer or a web page."""
    if not head:
        raise reading.error("empty_file", "the file is empty; copy it again")
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        raise reading.error(
            "lfs_pointer", "a Git LFS pointer, not the file itself; run `git lfs pull` there"
        )
    start = head[:HEAD_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) or (
        start.startswith(b"<?xml") and b"<html" in start
    ):
        raise reading.error(
            "html_page", "a web page, probably of a login; download the file again, signed in"
        )


def inflate(raw: bytes, n_bytes: int, reading: Reading) -> bytes:
    """The first `n_bytes` of gzip or zlib data, whose checksum must hold and which must end there.

    Raises:
        DataError: ``truncated`` when there are fewer, ``bomb`` when there are many more.
    """
    # deflate cannot shrink data below 1/1032; more is not there, whatever the header says
    if n_bytes > 1040 * len(raw):
        raise reading.error(
            "truncated", f"{len(raw):,} compressed bytes cannot hold the declared {n_bytes:,}"
        )
    # a little more than declared is unpacked, so that the checksum at the end is reached
    data, ended = _inflate_members(raw, n_bytes + _SLACK_BYTES, reading)
    if len(data) == n_bytes + _SLACK_BYTES:
        raise reading.error("bomb", f"unpacks to far more than the declared {n_bytes:,} bytes")
    if len(data) < n_bytes or not ended:
        raise reading.error(
            "truncated",
            f"the header declares {n_bytes:,} bytes, the file ends after {len(data):,}",
        )
    return data[:n_bytes]


def _inflate_members(raw: bytes, n_most: int, reading: Reading) -> tuple[bytes, bool]:
    """At most `n_most` bytes of all gzip members, and whether the last one was complete."""
    data, n_empty, position, ended = bytearray(), 0, 0, True
    with contained(reading):
        while position < len(raw) and len(data) < n_most:
            before = len(data)
            position, ended = _inflate_member(raw, position, data, n_most)
            n_empty += len(data) == before
            if n_empty > _MOST_EMPTY_MEMBERS:
                raise reading.error("bomb", f"more than {_MOST_EMPTY_MEMBERS:,} empty gzip members")
            if not ended or raw[position : position + 2] != b"\x1f\x8b":
                break
    return bytes(data), ended


def _inflate_member(raw: bytes, position: int, data: bytearray, n_most: int) -> tuple[int, bool]:
    """Add the member at `position` to `data`, up to `n_most` bytes; where and whether it ended.

    It is fed in growing chunks: zlib copies what it is given and does not use.
    """
    stream = zlib.decompressobj(wbits=47)  # 32 + 15: gzip or zlib, told by the header
    size = _FIRST_CHUNK_BYTES
    while position < len(raw) and len(data) < n_most and not stream.eof:
        chunk = raw[position : position + size]
        data += stream.decompress(chunk, n_most - len(data))
        position += len(chunk) - len(stream.unused_data) - len(stream.unconsumed_tail)
        size = min(2 * size, _CHUNK_BYTES)
    return position, stream.eof


def inflate_head(raw: bytes, reading: Reading) -> bytes:
    """The first bytes of gzip data, enough to recognise a format and to read its header."""
    with contained(reading):
        return zlib.decompressobj(wbits=47).decompress(raw, HEAD_BYTES)
