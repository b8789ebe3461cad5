"""Label maps made from masks published as pictures of 0 and 255 or as run lengths."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image as Pillow

from vesalius.data.reading import Reading, contained
from vesalius.data.recipes.pictures_out import picture_size, write_png
from vesalius.data.recipes.recipe import Source

_MIDDLE = 127


def merged_mask(
    parts: Mapping[int, Sequence[Path]], source: Source, relative: str, /, *, like: Path
) -> str:
    """One label map from pictures that show a structure in white; how a table names it.

    Args:
        parts: label value → pictures of it; a later value wins where two are white.
        source: where files come from and go to.
        relative: where the map is written.
        like: the image, for the size of a map without parts.

    Raises:
        DataError: a part is no picture, or another has another size.
    """
    columns, rows = picture_size(like, Reading(source=source.link(like)))
    labels = np.zeros((rows, columns), np.uint8)
    for value, paths in parts.items():
        for path in paths:
            white = _white(path, source)
            if white.shape != labels.shape:
                raise source.error(
                    path, f"expected {labels.shape} like its image, got {white.shape}"
                )
            labels[white] = value
    write_png(source.place(relative), labels)
    return relative


def _white(path: Path, source: Source) -> np.ndarray:
    """Where a picture is brighter than the middle; JPEG masks are not exactly 0 and 255."""
    with contained(Reading(source=source.link(path))), Pillow.open(path) as picture:
        return np.asarray(picture.convert("L")) > _MIDDLE


def relative_runs(
    texts: Sequence[str], shape: tuple[int, int], /
) -> UInt8[np.ndarray, "rows cols"]:
    """A mask from relative run lengths: pairs of pixels to skip and pixels to fill, by columns.

    Each start is counted from the end of the run before it. Runs of several texts are united.

    Raises:
        ValueError: the runs are incomplete or leave the picture.

    >>> relative_runs(["1 2 1 1"], (3, 2))
    array([[0, 0],
           [1, 1],
           [1, 0]], dtype=uint8)
    """
    flat = np.zeros(shape[0] * shape[1], np.uint8)
    for text in texts:
        numbers = [int(word) for word in text.split()]
        end = 0
        for skip, length in zip(numbers[::2], numbers[1::2], strict=True):
            start = end + skip
            end = start + length
            if not 0 <= start < end <= flat.size:
                raise ValueError(f"a run from {start} to {end} leaves {flat.size} pixels")
            flat[start:end] = 1
    return flat.reshape(shape, order="F")
