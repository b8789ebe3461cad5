"""Grids of patches, and where they lie in the image or volume that they were computed from.

A 2D image is seen as one picture, a volume as several parallel slices. Pictures are in display
orientation (rows downwards, columns to the right); `cut` and `place` are the way between them and
an ``xyz`` array. Nothing here knows a model or a file.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Shaped

from vesalius.errors import InputError
from vesalius.records import Geometry

Plane = Literal["axial", "coronal", "sagittal"]
NORMAL: dict[Plane, int] = {"sagittal": 0, "coronal": 1, "axial": 2}
"""The axis of an ``xyz`` array that a plane is perpendicular to."""


def cut(
    voxels: Shaped[np.ndarray, "x y z"], index: int, *, axis: Plane = "axial"
) -> Shaped[np.ndarray, "rows cols"]:
    """One slice in display orientation, a view of the array."""
    plane: np.ndarray = np.take(voxels, index, axis=NORMAL[axis])
    return plane[::-1, ::-1].T


def place(
    volume: Shaped[np.ndarray, "x y z"],
    plane: Shaped[np.ndarray, "rows cols"],
    index: int,
    *,
    axis: Plane = "axial",
) -> None:
    """Write a slice in display orientation back into the volume: the inverse of `cut`."""
    where: list[slice | int] = [slice(None)] * 3
    where[NORMAL[axis]] = index
    volume[tuple(where)] = plane.T[::-1, ::-1]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one or more grids of patches lie in the grid of a sample.

    Attributes:
        size: of the sample: (rows, columns) of an image, (x, y, z) of a volume.
        frames: for each grid the rectangle it covers, in pixels of its picture.
        positions: for each grid the index of its slice, ascending; empty for an image.
        axis: plane of the slices.
    """

    size: tuple[int, ...]
    frames: tuple[Geometry, ...]
    positions: tuple[int, ...] = ()
    axis: Plane = "axial"

    @property
    def picture_size(self) -> tuple[int, int]:
        """Rows and columns of each picture."""
        if not self.positions:
            rows, columns = self.size
            return rows, columns
        across, down = (n for other, n in enumerate(self.size) if other != NORMAL[self.axis])
        return down, across


@dataclass(frozen=True, slots=True, eq=False)
class Patches:
    """Values of patches, shape (grids, rows, cols) or (grids, rows, cols, dim), and their place."""

    values: np.ndarray
    placement: Placement


def spread(
    values: Float[np.ndarray, "grids rows cols"], placement: Placement
) -> Float[np.ndarray, "*grid"]:
    """A map over the whole sample, float32: bilinear inside a grid, linear between slices.

    A patch's value holds at its centre; beyond the outermost centres it stays constant to the
    border of what the model saw. NaN where no grid reaches: outside its rectangle, and more than
    half a slice distance before the first or after the last slice.

    Raises:
        InputError: if there is not one frame per grid, an image has several grids, or positions of
            slices are not ascending.
    """
    _require_frames(values, placement)
    size = placement.picture_size
    pictures = np.stack(
        [
            _over_picture(one, frame, size)
            for one, frame in zip(values, placement.frames, strict=True)
        ]
    )
    if not placement.positions:
        whole: np.ndarray = pictures[0]
        return whole
    volume = np.full(placement.size, np.nan, dtype=np.float32)
    for index, lower, upper, share in _between(placement):
        plane = (
            pictures[lower]
            if lower == upper or share == 0
            else ((1 - share) * pictures[lower] + share * pictures[upper])
        )
        place(volume, plane, index, axis=placement.axis)
    return volume


def fractions(
    inside: Shaped[np.ndarray, "*grid"], placement: Placement, *, shape: tuple[int, int]
) -> Float[np.ndarray, "grids rows cols"]:
    """Share of each patch that `inside` covers, among the pixels of the sample that lie in it.

    NaN for a patch without any pixel of the sample, such as one in a padded margin. Pixels belong
    to the patch that holds their centre.

    Args:
        inside: booleans in the sample's own grid.
        placement: where the grids lie.
        shape: rows and columns of a grid.
    """
    if inside.shape != placement.size:
        raise InputError(f"expected a mask of {placement.size}, got {inside.shape}")
    found = []
    for number, frame in enumerate(placement.frames):
        picture = inside
        if placement.positions:
            picture = cut(inside, placement.positions[number], axis=placement.axis)
        found.append(_shares(picture, frame, shape))
    shares: np.ndarray = np.stack(found)
    return shares


def _require_frames(values: np.ndarray, placement: Placement) -> None:
    n = len(placement.frames)
    if len(values) != n or len(placement.positions) not in (0, n) or not n:
        raise InputError(
            f"expected one frame, and in a volume one position, for each of {len(values)} grids; "
            f"got {n} frames and {len(placement.positions)} positions"
        )
    if n > 1 and not placement.positions:
        raise InputError(f"{n} grids are several pictures of one image; expected one")
    if list(placement.positions) != sorted(set(placement.positions)):
        raise InputError(f"positions must be ascending, got {placement.positions}")


def _over_picture(
    values: Float[np.ndarray, "rows cols"], frame: Geometry, size: tuple[int, int]
) -> Float[np.ndarray, "height width"]:
    rows, row_seen = _weights(size[0], frame.top, frame.height, values.shape[0])
    columns, column_seen = _weights(size[1], frame.left, frame.width, values.shape[1])
    found: np.ndarray = (rows @ values.astype(np.float64) @ columns.T).astype(np.float32)
    found[~row_seen] = np.nan
    found[:, ~column_seen] = np.nan
    return found


def _weights(
    n_pixels: int, start: float, length: float, n_patches: int
) -> tuple[Float[np.ndarray, "pixels patches"], Shaped[np.ndarray, " pixels"]]:
    """Linear interpolation from patch centres to pixel centres, and which pixels are covered."""
    where = (np.arange(n_pixels) + 0.5 - start) / length * n_patches
    seen = (where >= 0) & (where <= n_patches)
    centre = np.clip(where - 0.5, 0, n_patches - 1)
    lower = np.minimum(centre.astype(np.int64), max(n_patches - 2, 0))
    share = centre - lower
    weights = np.zeros((n_pixels, n_patches))
    pixels = np.arange(n_pixels)
    weights[pixels, lower] = 1 - share
    if n_patches > 1:
        weights[pixels, lower + 1] += share
    return weights, seen


def _between(placement: Placement) -> list[tuple[int, int, int, float]]:
    """For each slice that is reached: its index, the two grids around it, the share of the second.

    Half a step beyond the outermost positions the nearest grid is taken.
    """
    positions = np.array(placement.positions)
    reach = int(np.diff(positions).max(initial=1)) // 2
    first = max(0, int(positions[0]) - reach)
    last = min(placement.size[NORMAL[placement.axis]] - 1, int(positions[-1]) + reach)
    found = []
    for index in range(first, last + 1):
        upper = int(np.searchsorted(positions, index))
        lower = int(max(upper - (upper == len(positions) or positions[upper] != index), 0))
        upper = min(upper, len(positions) - 1)
        gap = int(positions[upper] - positions[lower])
        share = (index - int(positions[lower])) / gap if gap else 0.0
        found.append((index, lower, upper, share))
    return found


def _shares(
    picture: Shaped[np.ndarray, "height width"], frame: Geometry, shape: tuple[int, int]
) -> Float[np.ndarray, "rows cols"]:
    row_of = _cells(picture.shape[0], frame.top, frame.height, shape[0])
    column_of = _cells(picture.shape[1], frame.left, frame.width, shape[1])
    covered = row_of @ picture.astype(np.float64) @ column_of.T
    area = np.outer(row_of.sum(axis=1), column_of.sum(axis=1))
    with np.errstate(invalid="ignore"):
        shares: np.ndarray = np.where(area > 0, covered / np.maximum(area, 1), np.nan)
    return shares


def _cells(
    n_pixels: int, start: float, length: float, n_patches: int
) -> Float[np.ndarray, "patches pixels"]:
    """One where a pixel's centre lies in a patch."""
    cell = np.floor((np.arange(n_pixels) + 0.5 - start) / length * n_patches).astype(np.int64)
    inside: np.ndarray = (cell[None] == np.arange(n_patches)[:, None]).astype(np.float64)
    return inside
