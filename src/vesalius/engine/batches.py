"""Work in batches that shrink where memory runs out."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from vesalius.errors import ModelError

T = TypeVar("T")
R = TypeVar("R")


def batches(items: Sequence[T], size: int, /) -> Iterator[Sequence[T]]:
    """Slices of `size` items, the last one shorter."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def in_halves(encode: Callable[[list[T]], list[R]], items: Sequence[T], /) -> list[R | None]:
    """One result per item, in halves where memory runs out; None for what does not fit alone."""
    if not items:
        return []
    try:
        return list(encode(list(items)))
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        if len(items) == 1:
            return [None]
        middle = len(items) // 2
        return in_halves(encode, items[:middle]) + in_halves(encode, items[middle:])


def halving(
    encode: Callable[[list[T]], np.ndarray], items: Sequence[T], /, *, ndim: int = 2
) -> list[np.ndarray | None]:
    """One row per item, in halves where memory runs out; None for what does not fit alone.

    Args:
        encode: items → an array of `ndim` axes, the first of which counts the items.
        items: any.
        ndim: 2 for vectors; more where a row is an array itself.

    Raises:
        ModelError: if the encoder does not give one row per item.
    """

    def checked(part: list[T]) -> list[np.ndarray]:
        rows = np.asarray(encode(part))
        if rows.ndim != ndim or len(rows) != len(part):
            raise ModelError(
                f"expected an array of {len(part)} rows from the encoder, got shape {rows.shape}"
            )
        return list(rows)

    return in_halves(checked, items)


def unit_rows(encode: Callable[[list[T]], np.ndarray], items: Sequence[T], /) -> np.ndarray:
    """Float32 unit rows of all items, which each fit into memory.

    Raises:
        MemoryError: if one does not.
        ModelError: as of `halving`.
    """
    rows = [row for row in halving(encode, items) if row is not None]
    if len(rows) < len(items):
        raise MemoryError(f"{len(items) - len(rows)} texts do not fit into memory alone")
    found = np.stack(rows)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    unit: np.ndarray = (found / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return unit


def _out_of_memory(error: MemoryError | RuntimeError) -> bool:
    # torch.OutOfMemoryError is a RuntimeError; some drivers raise a plain one with these words
    return isinstance(error, MemoryError) or "out of memory" in str(error).lower()
