"""Tar shards of the hub with pictures inside: ``SPLIT/0.tar``, ``SPLIT/1.tar`` and so on.

A sample is two neighbouring entries under one key, as the webdataset format lays them out:
``KEY.cls`` with the number of the class in ASCII, and ``KEY.webp``, ``.png`` or ``.jpg``. Beside
the shards stands ``nshards.txt`` with their number. A shard that holds anything else is refused.
"""

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from vesalius.data.reading import Reading, refuse_placeholder
from vesalius.data.recipes.recipe import Source
from vesalius.data.recipes.tabular import text_of

_ENTRY = re.compile(r"([A-Za-z0-9_-]+)\.(cls|webp|png|jpe?g)")
_LABEL = re.compile(rb"\s*[0-9]{1,6}\s*")
_END = bytes(2 * tarfile.BLOCKSIZE)
_MOST_BYTES = 64 * 2**20
_BROKEN = (tarfile.TarError, ValueError, ArithmeticError, EOFError)


@dataclass(frozen=True, slots=True)
class ShardSample:
    """A picture of a shard, not decoded, with the number of its class."""

    key: str
    label: int
    ending: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class _Part:
    key: str
    ending: str
    raw: bytes

    @property
    def is_label(self) -> bool:
        return self.ending == "cls"


def shard_files(split: str, source: Source, /) -> list[Path]:
    """The shards of a split, in the order of their numbers; none if there is no such folder."""
    return sorted(source.root.glob(f"{split}/[0-9]*.tar"), key=lambda path: int(path.stem))


def require_all_shards(split: str, source: Source, /) -> None:
    """Raise if there are other than the published number of shards.

    Raises:
        DataError: naming both numbers.
    """
    path = source.root / split / "nshards.txt"
    n_stated, n_here = int(text_of(path, source)), len(shard_files(split, source))
    if n_here != n_stated:
        raise source.error(
            path,
            f"expected {n_stated} shards, {n_here} are here; get the others, or take the folder "
            f"{split!r} away",
        )


def shard_samples(path: Path, source: Source, /) -> Iterator[ShardSample]:
    """The samples of one shard, in its order.

    Raises:
        DataError: it is a placeholder, cut or damaged, holds something that is neither a label
            nor a picture, or a sample lacks one of the two.
    """
    for key, group in groupby(_parts(path, source), key=attrgetter("key")):
        parts = sorted(group, key=attrgetter("is_label"))
        if [part.is_label for part in parts] != [False, True]:
            endings = ", ".join(part.ending for part in parts)
            raise source.error(path, f"{key}: expected a picture and its .cls, got {endings}")
        picture, label = parts
        if not _LABEL.fullmatch(label.raw):
            raise source.error(path, f"{key}.cls: expected a number, got {label.raw[:20]!r}")
        yield ShardSample(key, int(label.raw), picture.ending, picture.raw)


def keep_shard_picture(sample: ShardSample, split: str, source: Source, /) -> str:
    """Write a picture out as it is; its path as tables name it.

    Raises:
        DataError: there is one of this name already.
    """
    relative = f"images/{split}/{sample.key}.{sample.ending}"
    path = source.place(relative)
    if path.exists():
        raise source.error(source.root / split, f"{sample.key} stands in more than one place")
    path.write_bytes(sample.raw)
    return relative


def _parts(path: Path, source: Source) -> Iterator[_Part]:
    _refuse_cut(path, source)
    try:
        with tarfile.open(path, "r:") as packed:  # not compressed, so it cannot unpack to more
            for entry in packed:
                yield _part(packed, entry, path, source)
    except _BROKEN as error:
        message = f"not a tar archive, or damaged ({type(error).__name__}); get it again"
        raise source.error(path, message) from error


def _part(packed: tarfile.TarFile, entry: tarfile.TarInfo, path: Path, source: Source) -> _Part:
    found = _ENTRY.fullmatch(entry.name)
    is_plain = entry.isreg() and not entry.issparse()
    stream = packed.extractfile(entry) if is_plain else None
    if found is None or stream is None:
        raise source.error(path, f"entry {entry.name!r} is no file KEY.cls, .webp, .png or .jpg")
    if entry.size > _MOST_BYTES:
        raise source.error(path, f"{entry.name}: {entry.size:,} bytes, at most {_MOST_BYTES:,}")
    return _Part(found[1], found[2], stream.read())


def _refuse_cut(path: Path, source: Source) -> None:
    """A tar archive ends with two empty blocks; without them the library stops in silence."""
    with path.open("rb") as file:
        refuse_placeholder(file.read(64), Reading(source=path.relative_to(source.root).as_posix()))
        file.seek(-min(len(_END), path.stat().st_size), 2)
        if file.read() != _END:
            raise source.error(path, "cut off, or no tar archive; get it again")
