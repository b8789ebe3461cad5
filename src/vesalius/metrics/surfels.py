"""Surface of a mask in small pieces: one surfel per cell of 2 × 2 (× 2) neighbouring voxels.

A cell whose corners are all inside or all outside holds no surface. Otherwise the surface runs
through the midpoints of the cell's edges, as in marching squares and marching cubes: around the
corners that are fewer when a face can be read in two ways. A polygon that is not flat is cut into
triangles such that its area in a unit cell is largest; equally large cuts are averaged, so that no
direction is preferred.

Sources: Lorensen and Cline (1987), doi:10.1145/37401.37422; Nikolov et al. (2021),
doi:10.2196/26151 (surfels for the distance between segmentations).
"""

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product

import numpy as np
from jaxtyping import Bool, Float, UInt8

Corner = tuple[int, int, int]
Edge = frozenset[Corner]
Triangle = tuple[int, int, int]

_CORNERS: tuple[Corner, ...] = tuple((i, j, k) for i, j, k in product((0, 1), repeat=3))
_AROUND = ((0, 0), (0, 1), (1, 1), (1, 0))


def cell_codes(mask: Bool[np.ndarray, "*grid"]) -> UInt8[np.ndarray, "*cells"]:
    """Which corners of each cell lie inside; bit i is corner i of the cell, last axis fastest.

    Every voxel outside the grid counts as outside the mask, so there is one cell more than voxels
    along each axis. A code without surface is 0 or the largest one.
    """
    padded = np.pad(mask, 1).astype(np.uint8)
    n_axes = mask.ndim
    codes = np.zeros([n + 1 for n in mask.shape], dtype=np.uint8)
    for bit, corner in enumerate(product((0, 1), repeat=n_axes)):
        window = tuple(slice(c, c + n + 1) for c, n in zip(corner, mask.shape, strict=True))
        codes |= padded[window] << np.uint8(bit)
    return codes


def surfel_sizes(spacing_mm: tuple[float, ...]) -> Float[np.ndarray, " codes"]:
    """Area in mm² (3D) or length in mm (2D) of the surface in a cell, by the cell's code."""
    return _lengths(*spacing_mm) if len(spacing_mm) == 2 else _areas(spacing_mm)


def _lengths(first_mm: float, second_mm: float) -> Float[np.ndarray, "16"]:
    slanted = np.hypot(first_mm, second_mm) / 2
    sizes = np.full(16, slanted)  # one corner alone, inside or outside
    sizes[[0, 15]] = 0.0
    sizes[[0b0011, 0b1100]] = second_mm  # two corners of one row: the line runs along the row
    sizes[[0b0101, 0b1010]] = first_mm
    sizes[[0b0110, 0b1001]] = 2 * slanted
    return sizes


def _areas(spacing_mm: tuple[float, ...]) -> Float[np.ndarray, "256"]:
    points, share, code = _triangles()
    scaled = points * np.array(spacing_mm)
    first, second = scaled[:, 1] - scaled[:, 0], scaled[:, 2] - scaled[:, 0]
    area = np.linalg.norm(np.cross(first, second), axis=1) / 2
    return np.bincount(code, weights=area * share, minlength=256)


@cache
def _triangles() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (n, 3, 3) in a unit cell, share and cell code (n,) of all triangles of all cells."""
    points, shares, codes = [], [], []
    for code in range(1, 255):
        for polygon in _polygons(code):
            cuts = _largest_cuts(polygon)
            for cut in cuts:
                points += [polygon[list(triangle)] for triangle in cut]
                shares += [1 / len(cuts)] * len(cut)
                codes += [code] * len(cut)
    return np.array(points), np.array(shares), np.array(codes)


def _faces() -> Iterator[list[Corner]]:
    """The four corners of each face in the order of a walk around it."""
    for axis, side in product(range(3), (0, 1)):
        others = [a for a in range(3) if a != axis]
        walk = []
        for place in _AROUND:
            corner = [side, side, side]
            corner[others[0]], corner[others[1]] = place
            walk.append((corner[0], corner[1], corner[2]))
        yield walk


def _polygons(code: int) -> list[Float[np.ndarray, "n 3"]]:
    """Closed polygons through the midpoints of the edges between inside and outside."""
    inside = {corner: bool(code >> bit & 1) for bit, corner in enumerate(_CORNERS)}
    fewer = sum(inside.values()) <= 4
    neighbours: dict[Edge, list[Edge]] = {}
    for walk in _faces():
        edges = [frozenset((walk[i], walk[(i + 1) % 4])) for i in range(4)]
        crossed = [e for e in edges if len({inside[corner] for corner in e}) == 2]
        pairs = [crossed] if len(crossed) == 2 else []
        if len(crossed) == 4:
            pairs = [[edges[i - 1], edges[i]] for i in range(4) if inside[walk[i]] == fewer]
        for one, other in pairs:
            neighbours.setdefault(one, []).append(other)
            neighbours.setdefault(other, []).append(one)
    return list(_walks(neighbours))


def _walks(neighbours: Mapping[Edge, list[Edge]]) -> Iterator[Float[np.ndarray, "n 3"]]:
    left = dict.fromkeys(neighbours)  # a set that keeps its order
    while left:
        here: Edge | None = next(iter(left))
        polygon = []
        while here is not None:
            del left[here]
            polygon.append(np.array(list(here)).mean(axis=0))
            here = next((edge for edge in neighbours[here] if edge in left), None)
        yield np.array(polygon)


def _largest_cuts(polygon: Float[np.ndarray, "n 3"]) -> list[list[Triangle]]:
    cuts = list(_cuts(0, len(polygon) - 1))
    area = np.array([sum(_area(polygon[list(triangle)]) for triangle in cut) for cut in cuts])
    return [cut for cut, size in zip(cuts, area, strict=True) if size > area.max() - 1e-9]


def _cuts(first: int, last: int) -> Iterator[list[Triangle]]:
    """All ways to cut the polygon first, …, last into triangles."""
    if last - first < 2:
        yield []
        return
    for apex in range(first + 1, last):
        for before, after in product(_cuts(first, apex), _cuts(apex, last)):
            yield [*before, *after, (first, apex, last)]


def _area(triangle: Float[np.ndarray, "3 3"]) -> float:
    corner, *others = triangle
    return float(np.linalg.norm(np.cross(others[0] - corner, others[1] - corner)) / 2)
