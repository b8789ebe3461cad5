"""Promises about rows: form, length, independence of neighbours and batch size."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from vesalius.capabilities import ImageEncoder, PriorEncoder
from vesalius.records import Image

Item = TypeVar("Item")


def array_faults(name: str, value: object, shape: tuple[int | None, ...]) -> Iterator[str]:
    """What is wrong with an array of which the axes given as None may have any length."""
    if not isinstance(value, np.ndarray):
        yield f"{name}: expected a numpy array, got {type(value).__name__}"
        return
    if value.dtype != np.float32:
        yield f"{name}: expected float32, got {value.dtype}"
    fits = len(shape) == value.ndim and all(
        want in (None, got) for want, got in zip(shape, value.shape, strict=True)
    )
    if not fits:
        expected = ", ".join("any" if n is None else str(n) for n in shape)
        yield f"{name}: expected shape ({expected}), got {value.shape}"
    if value.size == 0:
        yield f"{name}: the array is empty, shape {value.shape}"
    if not np.isfinite(value).all():
        yield f"{name}: {np.count_nonzero(~np.isfinite(value))} values are not finite"


def unit_faults(name: str, vectors: np.ndarray) -> Iterator[str]:
    """Whether vectors along the last axis have length one."""
    off = np.abs(np.linalg.norm(vectors.astype(np.float64), axis=-1) - 1).max()
    if off > 1e-5:
        yield f"{name}: vectors are not of unit length (off by {off:.2g})"


def row_faults(
    name: str,
    encode: Callable[[Sequence[Item]], np.ndarray],
    items: Sequence[Item],
    tolerance: float,
) -> Iterator[str]:
    """Unit length, independence, and different rows for different inputs."""
    rows = encode(items)
    yield from unit_faults(name, rows)
    yield from independence_faults(name, encode, items, rows, tolerance)
    if np.ptp(rows, axis=0).max() <= tolerance:
        yield f"{name}: different inputs give the same row"


def independence_faults(
    name: str,
    encode: Callable[[Sequence[Item]], np.ndarray],
    items: Sequence[Item],
    rows: np.ndarray,
    tolerance: float,
) -> Iterator[str]:
    """Repeatable, and the same whatever else is in the batch and however large it is."""

    def differs(other: np.ndarray) -> bool:
        return other.shape != rows.shape or bool(np.abs(other - rows).max() > tolerance)

    if not np.array_equal(encode(items), rows):
        yield f"{name}: a second call gives other numbers"
        return
    if differs(np.concatenate([encode([item]) for item in items])):
        yield f"{name}: a row depends on the batch size"
    if differs(encode(list(items)[::-1])[::-1]) or differs(encode([*items, items[0]])[:-1]):
        yield f"{name}: a row depends on its neighbours or their order"


def prior_faults(model: PriorEncoder, images: Sequence[Image], tolerance: float) -> Iterator[str]:
    """A prior that is None changes nothing, another one does, and pairs do not touch each other."""
    name = "encode_with_prior"

    def encode(pairs: Sequence[tuple[Image, Image | None]]) -> np.ndarray:
        return model.encode_with_prior([image for image, _ in pairs], [prior for _, prior in pairs])

    without = encode([(image, None) for image in images])
    malformed = list(array_faults(name, without, (len(images), None)))
    yield from malformed
    if malformed:
        return
    if isinstance(model, ImageEncoder) and _apart(model.encode_images(images), without, tolerance):
        yield f"{name}: a prior of None gives another row than encode_images"
    pairs = list(zip(images, [*images[1:], images[0]], strict=True))
    with_next = encode(pairs)
    if not _apart(without, with_next, tolerance):
        yield f"{name}: the prior does not matter"
    if not _apart(
        encode([(images[0], prior) for _, prior in pairs][:2])[:1],
        encode([(images[0], prior) for _, prior in pairs][:2])[1:],
        tolerance,
    ):
        yield f"{name}: two different priors give the same row"
    yield from unit_faults(name, with_next)
    mixed = [*pairs[:-1], (images[-1], None)]
    yield from independence_faults(name, encode, mixed, encode(mixed), tolerance)


def _apart(one: np.ndarray, other: np.ndarray, tolerance: float) -> bool:
    return one.shape != other.shape or bool(np.abs(one - other).max() > tolerance)
