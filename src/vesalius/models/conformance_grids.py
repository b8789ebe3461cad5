"""Promises about grids: orientation, and where their cells lie in the original image."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from vesalius.capabilities import Attributor, DenseEncoder, Framed, TextEncoder
from vesalius.models.conformance_rows import array_faults, independence_faults, unit_faults
from vesalius.records import Geometry, Image


def dense_faults(model: DenseEncoder, images: Sequence[Image], tolerance: float) -> Iterator[str]:
    """Unit vectors if they claim the text space, independent grids, the right way up."""
    name = "encode_dense"
    grids = model.encode_dense(images)
    if model.dense_text_aligned:
        yield from unit_faults(name, grids)
        if isinstance(model, TextEncoder):
            width = model.encode_texts(["text"]).shape[-1]
            if width != grids.shape[-1]:
                yield f"{name}: {grids.shape[-1]} dimensions, but texts have {width}"
    yield from independence_faults(name, model.encode_dense, images, grids, tolerance)
    yield from _orientation_faults(model)


def _orientation_faults(model: DenseEncoder) -> Iterator[str]:
    """Change one corner of a picture at a time: the centre of the change must follow."""
    plain, *changed = _corner_pictures()
    grids = model.encode_dense([plain, *changed])
    shift = _shifts(np.linalg.norm(grids[1:] - grids[0], axis=-1))
    if shift[0, 0] < 0.1 or shift[1, 1] < 0.1:
        yield "encode_dense: the grid is not row-major with its origin at the top left"


def _corner_pictures() -> list[Image]:
    """Noise, and the same with one corner inverted: top left, top right, bottom left and right."""
    side, block = 256, 80
    noise = np.random.default_rng(0).integers(0, 2, (side // 8, side // 8)) * 255
    plain = np.kron(noise, np.ones((8, 8))).astype(np.uint8)
    corners = [(top, left) for top in (0, side - block) for left in (0, side - block)]
    changed = np.stack([plain] * 5)
    for index, (top, left) in enumerate(corners):
        changed[index + 1, top : top + block, left : left + block] ^= 255
    return [Image(p, "yx", "display", (0.0, 255.0)) for p in changed]


def _shifts(change: np.ndarray) -> np.ndarray:
    """How far the centre of four changes moves when the corner does, in parts of the grid.

    Entry (0, 0): along rows from top to bottom corners; (1, 1): along columns from left to right;
    (0, 1): along rows from left to right corners; (1, 0): along columns from top to bottom.
    """
    change = change / np.maximum(change.sum(axis=(1, 2), keepdims=True), np.finfo(float).tiny)
    rows = (change.sum(axis=2) * np.linspace(0, 1, change.shape[1])).sum(axis=1)
    columns = (change.sum(axis=1) * np.linspace(0, 1, change.shape[2])).sum(axis=1)
    return np.array(
        [
            [centre[2:].mean() - centre[:2].mean(), centre[1::2].mean() - centre[::2].mean()]
            for centre in (rows, columns)
        ]
    )


def place_faults(model: DenseEncoder, frame_of: Framed) -> Iterator[str]:
    """Invert one block of an oblong picture at a time: the cell that changes most must lie there.

    Block and cell are compared in pixels of the original image, through `geometry`.
    """
    for shape in ((160, 256), (256, 160)):
        picture = _noise(shape)
        frame = frame_of.geometry(picture)
        blocks = [_part(frame, top, left, side=0.3) for top in (0.1, 0.6) for left in (0.1, 0.6)]
        changed = [_inverted(picture, _covered(picture, block)) for block in blocks]
        grids = model.encode_dense([picture, *changed])
        change = np.linalg.norm(grids[1:] - grids[0], axis=-1)
        found = [_is_peak_in(c, block, frame) for c, block in zip(change, blocks, strict=True)]
        if sum(found) < 3:
            yield f"encode_dense: cells of a {shape} image do not lie where geometry puts them"


def _noise(shape: tuple[int, int]) -> Image:
    noise = np.random.default_rng(0).integers(0, 2, (shape[0] // 8, shape[1] // 8)) * 255
    pixels = np.kron(noise, np.ones((8, 8))).astype(np.uint8)
    return Image(pixels, "yx", "display", (0.0, 255.0))


def _part(frame: Geometry, top: float, left: float, *, side: float) -> Geometry:
    """A rectangle inside the frame, in parts of its sides."""
    return Geometry(
        frame.top + top * frame.height,
        frame.left + left * frame.width,
        side * frame.height,
        side * frame.width,
    )


def _is_peak_in(change: np.ndarray, block: Geometry, frame: Geometry) -> bool:
    """Whether the centre of the cell that changed most is in the block or within a cell of it."""
    row, column = np.unravel_index(int(change.argmax()), change.shape)
    height, width = frame.height / change.shape[0], frame.width / change.shape[1]
    y, x = frame.top + (row + 0.5) * height, frame.left + (column + 0.5) * width
    in_rows = block.top - height <= y <= block.top + block.height + height
    in_columns = block.left - width <= x <= block.left + block.width + width
    return bool(in_rows and in_columns)


def map_faults(model: Attributor, images: Sequence[Image], texts: Sequence[str]) -> Iterator[str]:
    """A finite float32 map that is not flat, is repeatable, and depends on image and text."""
    name = "attribute"
    first, second = (model.attribute(images[0], text) for text in texts[:2])
    malformed = list(array_faults(name, first, (None, None)))
    yield from malformed
    if malformed:
        return
    if np.ptp(first) == 0:
        yield f"{name}: the map is constant"
    if not np.array_equal(model.attribute(images[0], texts[0]), first):
        yield f"{name}: a second call gives other numbers"
    if _same_map(first, second):
        yield f"{name}: the text does not matter"
    if _same_map(first, model.attribute(images[1], texts[0])):
        yield f"{name}: the image does not matter"
    yield from _map_orientation_faults(model, texts[0])


def _same_map(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal up to the rounding of float32; maps have no scale of their own."""
    return one.shape == other.shape and bool(np.abs(one - other).max() <= 1e-6 * np.abs(one).max())


def _map_orientation_faults(model: Attributor, text: str) -> Iterator[str]:
    """As for dense grids, where the change follows the corner at all: attention is not local."""
    plain, *changed = (model.attribute(picture, text) for picture in _corner_pictures())
    shift = _shifts(np.abs(np.stack(changed).astype(np.float64) - plain))
    followed, crossed = np.diag(shift), shift[[0, 1], [1, 0]]
    if np.abs(shift).max() < 0.15:
        return  # nothing can be said
    if np.abs(crossed).max() > followed.max() or followed.min() < -0.15:
        yield "attribute: the map is not row-major with its origin at the top left"


def frame_faults(
    model: Framed,
    encode: Callable[[Sequence[Image]], np.ndarray],
    images: Sequence[Image],
    tolerance: float,
) -> Iterator[str]:
    """Nothing outside the rectangle changes the row, something inside does."""
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
