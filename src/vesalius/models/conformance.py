"""What `isinstance` cannot see: whether a model keeps the promises of its capabilities.

Works on any object with the methods of `vesalius.capabilities`, also on your own; numpy only.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from vesalius.capabilities import (
    DenseEncoder,
    DualEncoder,
    ImageEncoder,
    Model,
    TextEncoder,
    TextScorer,
)
from vesalius.errors import InputError, ModelError
from vesalius.records import Geometry, Image, ModelCard

CHECKED = (ImageEncoder, TextEncoder, DenseEncoder, TextScorer)

Item = TypeVar("Item")


@runtime_checkable
class Framed(Protocol):
    """A model that can say which part of an image it sees."""

    def geometry(self, image: Image, /) -> Geometry:
        """Where the model's input square lies in the original image."""
        ...


def check_adapter(
    model: object, images: Sequence[Image], texts: Sequence[str], /, *, tolerance: float = 1e-4
) -> None:
    """Raise if `model` breaks a promise of a capability that it has, and list all it breaks.

    Checked: the card; for encoders finite float32 rows of unit length, one a input, equal on
    repetition, independent of order, neighbours and batch size, and different for different
    inputs; for dense encoders a row-major grid with its origin at the top left; for scorers a
    score for each pair to which both image and text matter; for a `geometry`, that nothing
    outside the rectangle changes the embedding and something inside does.

    Args:
        model: any object with one of the capabilities `encode_images`, `encode_texts`,
            `encode_dense` or `score_texts`.
        images: at least two different 2D images, better of different shapes.
        texts: at least two texts of different meaning and length.
        tolerance: largest difference that counts as rounding.

    Raises:
        InputError: if there are fewer than two images or texts, or nothing can be checked.
        ModelError: if a promise is broken; the message lists every one.
    """
    if len(images) < 2 or len(texts) < 2:
        raise InputError(f"expected two images and texts, got {len(images)} and {len(texts)}")
    if not isinstance(model, CHECKED):
        raise InputError(f"{type(model).__name__} has none of the capabilities that are checked")
    broken = list(_broken_promises(model, images, texts, tolerance))
    if broken:
        raise ModelError(f"{type(model).__name__}: " + "; ".join(broken))


def _broken_promises(
    model: object, images: Sequence[Image], texts: Sequence[str], tolerance: float
) -> Iterator[str]:
    malformed = [*_card_faults(model), *_form_faults(model, images, texts)]
    yield from malformed
    if malformed:  # numbers of a wrong form cannot be compared
        return
    if isinstance(model, ImageEncoder):
        yield from _row_faults("encode_images", model.encode_images, images, tolerance)
    if isinstance(model, TextEncoder):
        yield from _row_faults("encode_texts", model.encode_texts, texts, tolerance)
    if isinstance(model, DualEncoder):
        yield from _scale_faults(model)
    if isinstance(model, DenseEncoder):
        yield from _dense_faults(model, images, tolerance)
    if isinstance(model, TextScorer):
        yield from _score_faults(model, images, texts, tolerance)
    if isinstance(model, Framed) and isinstance(model, ImageEncoder):
        yield from _frame_faults(model, model.encode_images, images, tolerance)


def _form_faults(model: object, images: Sequence[Image], texts: Sequence[str]) -> Iterator[str]:
    """Types, shapes and finiteness of all embeddings."""
    n, m = len(images), len(texts)
    if isinstance(model, ImageEncoder):
        yield from _array_faults("encode_images", model.encode_images(images), (n, None))
    if isinstance(model, TextEncoder):
        yield from _array_faults("encode_texts", model.encode_texts(texts), (m, None))
    if isinstance(model, DenseEncoder):
        yield from _array_faults("encode_dense", model.encode_dense(images), (n, None, None, None))
    if isinstance(model, DualEncoder):
        yield from _space_faults(model, images, texts)


def _card_faults(model: object) -> Iterator[str]:
    if isinstance(model, Model):  # optional: any object with the right methods is a model
        card: object = model.card
        if not isinstance(card, ModelCard):
            yield f"card: expected a ModelCard, got {type(card).__name__}"


def _array_faults(name: str, value: object, shape: tuple[int | None, ...]) -> Iterator[str]:
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


def _unit_faults(name: str, vectors: np.ndarray) -> Iterator[str]:
    off = np.abs(np.linalg.norm(vectors.astype(np.float64), axis=-1) - 1).max()
    if off > 1e-5:
        yield f"{name}: vectors are not of unit length (off by {off:.2g})"


def _row_faults(
    name: str,
    encode: Callable[[Sequence[Item]], np.ndarray],
    items: Sequence[Item],
    tolerance: float,
) -> Iterator[str]:
    rows = encode(items)
    yield from _unit_faults(name, rows)
    yield from _independence_faults(name, encode, items, rows, tolerance)
    if np.ptp(rows, axis=0).max() <= tolerance:
        yield f"{name}: different inputs give the same row"


def _independence_faults(
    name: str,
    encode: Callable[[Sequence[Item]], np.ndarray],
    items: Sequence[Item],
    rows: np.ndarray,
    tolerance: float,
) -> Iterator[str]:
    def differs(other: np.ndarray) -> bool:
        return other.shape != rows.shape or bool(np.abs(other - rows).max() > tolerance)

    if not np.array_equal(encode(items), rows):
        yield f"{name}: a second call gives other numbers"
        return
    if differs(np.concatenate([encode([item]) for item in items])):
        yield f"{name}: a row depends on the batch size"
    if differs(encode(list(items)[::-1])[::-1]) or differs(encode([*items, items[0]])[:-1]):
        yield f"{name}: a row depends on its neighbours or their order"


def _space_faults(
    model: DualEncoder, images: Sequence[Image], texts: Sequence[str]
) -> Iterator[str]:
    widths = [np.shape(f)[-1] for f in (model.encode_images(images), model.encode_texts(texts))]
    if widths[0] != widths[1]:
        yield f"dual encoder: images have {widths[0]} dimensions, texts {widths[1]}"


def _scale_faults(model: DualEncoder) -> Iterator[str]:
    if not (np.isfinite(model.logit_scale) and model.logit_scale > 0):
        yield f"logit_scale: expected a positive number, got {model.logit_scale!r}"


def _dense_faults(model: DenseEncoder, images: Sequence[Image], tolerance: float) -> Iterator[str]:
    name = "encode_dense"
    grids = model.encode_dense(images)
    if model.dense_text_aligned:
        yield from _unit_faults(name, grids)
        if isinstance(model, TextEncoder):
            width = model.encode_texts(["text"]).shape[-1]
            if width != grids.shape[-1]:
                yield f"{name}: {grids.shape[-1]} dimensions, but texts have {width}"
    yield from _independence_faults(name, model.encode_dense, images, grids, tolerance)
    yield from _orientation_faults(model)


def _orientation_faults(model: DenseEncoder) -> Iterator[str]:
    """Change one corner of a picture at a time: the centre of the change must follow."""
    side, block = 256, 80
    noise = np.random.default_rng(0).integers(0, 2, (side // 8, side // 8)) * 255
    plain = np.kron(noise, np.ones((8, 8))).astype(np.uint8)
    corners = [(top, left) for top in (0, side - block) for left in (0, side - block)]
    changed = np.stack([plain] * 5)
    for index, (top, left) in enumerate(corners):
        changed[index + 1, top : top + block, left : left + block] ^= 255
    grids = model.encode_dense([Image(p, "yx", "display", (0.0, 255.0)) for p in changed])
    change = np.linalg.norm(grids[1:] - grids[0], axis=-1)
    change = change / np.maximum(change.sum(axis=(1, 2), keepdims=True), np.finfo(float).tiny)
    rows = (change.sum(axis=2) * np.linspace(0, 1, change.shape[1])).sum(axis=1)
    columns = (change.sum(axis=1) * np.linspace(0, 1, change.shape[2])).sum(axis=1)
    if rows[2:].mean() - rows[:2].mean() < 0.1 or columns[1::2].mean() - columns[::2].mean() < 0.1:
        yield "encode_dense: the grid is not row-major with its origin at the top left"


def _score_faults(
    model: TextScorer, images: Sequence[Image], texts: Sequence[str], tolerance: float
) -> Iterator[str]:
    name = "score_texts"
    scores = model.score_texts(images, texts)
    malformed = list(_array_faults(name, scores, (len(images), len(texts))))
    yield from malformed
    if malformed:
        return
    if np.ptp(scores, axis=0).max() <= tolerance:
        yield f"{name}: the image does not matter"
    if np.ptp(scores, axis=1).max() <= tolerance:
        yield f"{name}: the text does not matter"
    single = np.stack([model.score_texts(images, [text])[:, 0] for text in texts], axis=1)
    scale = max(1.0, float(np.abs(scores).max()))
    if np.abs(single - scores).max() > tolerance * scale:
        yield f"{name}: a score depends on the other texts"


def _frame_faults(
    model: Framed,
    encode: Callable[[Sequence[Image]], np.ndarray],
    images: Sequence[Image],
    tolerance: float,
) -> Iterator[str]:
    for index, image in enumerate(images):
        frame = model.geometry(image)
        inside = _covered(image, frame)
        if not inside.any():
            yield f"geometry: images[{index}] of {image.size} is nowhere in {frame}"
            continue
        before = encode([image])
        outside = ~_covered(image, frame, margin=0.05)
        if np.abs(encode([_inverted(image, outside)]) - before).max() > tolerance:
            yield f"geometry: pixels of images[{index}] outside {frame} change its row"
        if np.abs(encode([_inverted(image, inside)]) - before).max() <= tolerance:
            yield f"geometry: pixels of images[{index}] inside {frame} do not change its row"


def _covered(image: Image, frame: Geometry, *, margin: float = 0.0) -> np.ndarray:
    """Pixels inside the frame widened by `margin` of its sides, to allow for the resize filter."""
    rows, columns = (np.arange(n) + 0.5 for n in image.size[:2])
    dy, dx = margin * frame.height, margin * frame.width
    in_rows = (rows > frame.top - dy) & (rows < frame.top + frame.height + dy)
    in_columns = (columns > frame.left - dx) & (columns < frame.left + frame.width + dx)
    return in_rows[:, None] & in_columns[None, :]


def _inverted(image: Image, where: np.ndarray) -> Image:
    low, high = image.display_range
    mask = where[..., None] if image.pixels.ndim > where.ndim else where
    values = np.where(mask, low + high - image.pixels.astype(np.float64), image.pixels)
    return replace(image, pixels=values.astype(image.pixels.dtype))
