"""Parquet files of the hub with pictures inside: ``data/SPLIT-00000-of-0000N-….parquet``.

A picture is a struct of ``bytes`` and ``path``, as the hub's client stores features of type Image.
It is written out under the hash of its bytes, so that a picture asked about twice is one file.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vesalius.data.reading import Reading, refuse_placeholder
from vesalius.data.recipes.pictures_out import suffix_of
from vesalius.data.recipes.recipe import Source
from vesalius.data.recipes.tabular import require
from vesalius.records import Json

_BATCH = 64


def parquet_rows(
    source: Source, split: str, /, *, needed: tuple[str, ...]
) -> Iterator[dict[str, Json]]:
    """Rows of every file of a split, in the order of their numbers.

    Raises:
        DataError: no file of the split is there, or one is damaged or lacks a column.
    """
    files = sorted(source.root.glob(f"data/{split}-*.parquet"))
    if not files:
        raise source.error(source.root / "data", f"no file {split}-*.parquet")
    for path in files:
        yield from _rows(path, source, needed)


def _rows(path: Path, source: Source, needed: tuple[str, ...]) -> Iterator[dict[str, Json]]:
    name = path.relative_to(source.root).as_posix()
    with path.open("rb") as stream:
        refuse_placeholder(stream.read(64), Reading(source=name))
    try:
        with pq.ParquetFile(path) as file:
            require(file.schema_arrow.names, needed, path, source)
            for batch in file.iter_batches(batch_size=_BATCH, columns=list(needed)):
                yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise source.error(path, f"not Parquet ({type(error).__name__})") from error


def keep_picture(raw: bytes, source: Source, /) -> tuple[str, str]:
    """Write an embedded picture out once; its key, and its path as tables name it."""
    key = hashlib.sha256(raw).hexdigest()[:24]
    relative = f"images/{key}{suffix_of(raw)}"
    path = source.place(relative)
    if not path.exists():
        path.write_bytes(raw)
    return key, relative
