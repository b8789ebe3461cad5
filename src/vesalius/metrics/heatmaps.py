"""Heat maps against reference boxes or masks, and the boxes that a heat map draws.

Conventions. A heat map is a finite grid in 2D or 3D that is high where the phrase is seen; `inside`
marks the cells of the same grid that the reference covers. Without any such cell a phrase is absent
and every value is NaN. Boxes follow `vesalius.metrics.boxes`, with axes in the order of the array.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy import ndimage

from vesalius.errors import InputError
from vesalius.metrics.boxes import Boxes, check_boxes
from vesalius.metrics.weighted import mean_defined

Heat = Shaped[np.ndarray, "..."]
NAN = float("nan")
MAP_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)


def cells_inside(boxes: Boxes, *, shape: tuple[int, ...]) -> Bool[np.ndarray, "*grid"]:
    """Cells of a grid whose centre lies in any of the boxes.

    Raises:
        InputError: if the boxes have another number of axes than the grid.
    """
    rows = check_boxes(boxes)
    if rows.shape[1] != 2 * len(shape):
        raise InputError(f"boxes of a grid {shape} must have {2 * len(shape)} numbers each")
    inside = np.zeros(shape, dtype=np.bool_)
    for lower, upper in zip(*np.split(rows, 2, axis=1), strict=True):
        first = np.ceil(lower - 0.5).astype(int).clip(0)
        last = np.ceil(upper - 0.5).astype(int).clip(0)
        inside[tuple(slice(a, b) for a, b in zip(first, last, strict=True))] = True
    return inside


def pointing_game(inside: Heat, heat: Heat) -> float:
    """1 when the highest cell of the map lies inside, else 0.

    Higher is better; the mean is the share of hits. Several highest cells must all lie inside, so
    that a constant map earns nothing. NaN for an absent phrase.

    Source: Zhang et al. (2018), doi:10.1007/s11263-017-1059-x; without their margin of 15 pixels.
    """
    marked, values = _check(inside, heat)
    return float(marked[values == values.max()].all()) if marked.any() else NAN


def cnr(inside: Heat, heat: Heat, *, signed: bool) -> float:
    """Contrast-to-noise ratio: mean inside minus mean outside, over √(variance in + variance out).

    Variances are those of the population. Higher is better; signed it is negative for a map that
    points elsewhere, absolute it is at least 0 and rewards such a map. NaN when nothing is inside
    or nothing outside, and when the map is constant in both.

    Source: Boecking et al. (2022), doi:10.1007/978-3-031-20059-5_1 (absolute).

    >>> cnr(np.array([[True, True, False, False]]), np.array([[3.0, 5.0, 0.0, 0.0]]), signed=True)
    4.0
    """
    marked, values = _check(inside, heat)
    if marked.all() or not marked.any():
        return NAN
    within, without = values[marked], values[~marked]
    noise = float(np.sqrt(within.var() + without.var()))
    contrast = float(within.mean() - without.mean())
    if np.ptp(within) == 0 and np.ptp(without) == 0:  # rounding may leave a variance above 0
        return NAN
    return (contrast if signed else abs(contrast)) / noise


def mean_iou(inside: Heat, heat: Heat, *, thresholds: Sequence[float] = MAP_THRESHOLDS) -> float:
    """Mean over thresholds of the IoU between the reference and the cells at or above it.

    The thresholds are values of the map, such as cosines: a map is not rescaled. In [0, 1], higher
    is better. NaN for an absent phrase.

    Source: Boecking et al. (2022), doi:10.1007/978-3-031-20059-5_1, with thresholds 0.1 to 0.5.
    """
    marked, values = _check(inside, heat)
    if not marked.any():
        return NAN
    chosen = [values >= threshold for threshold in thresholds]
    return mean_defined(np.array([(c & marked).sum() / (c | marked).sum() for c in chosen]))


def energy_inside(inside: Heat, heat: Heat) -> float:
    """Share of the map's positive values that lies inside; negative cells count as 0.

    In [0, 1], higher is better; chance is the share of the grid that is inside. NaN for an absent
    phrase, or when no cell is positive.

    Source: Wang et al. (2020), doi:10.1109/CVPRW50498.2020.00020.
    """
    marked, values = _check(inside, heat)
    positive = np.clip(values, 0, None)
    total = float(positive.sum())
    return float(positive[marked].sum() / total) if marked.any() and total else NAN


def boxes_in_map(
    heat: Heat, *, threshold: float, n_boxes: int = 1
) -> tuple[Float[np.ndarray, "k corners"], Float[np.ndarray, " k"]]:
    """Boxes around the connected cells at or above `threshold`, the largest components first.

    Cells are connected through faces (edges in 2D). A map without such cells gives no box.

    Args:
        heat: the map, smoothed before where that is wanted.
        threshold: a value of the map, fitted elsewhere.
        n_boxes: how many components at most; equally large ones by their highest cell.

    Returns:
        Boxes with axes in the order of the array, and the highest value in each component.

    Raises:
        InputError: if the map is not a finite grid in 2D or 3D, or `n_boxes` is below 1.
    """
    values = _check_heat(heat)
    if n_boxes < 1:
        raise InputError(f"n_boxes must be at least 1, got {n_boxes}")
    labels, n_components = ndimage.label(values >= threshold)
    size = np.bincount(labels.ravel(), minlength=n_components + 1)[1:]
    highest = np.full(n_components, -np.inf)
    np.maximum.at(highest, labels[labels > 0] - 1, values[labels > 0])
    kept = np.lexsort((-highest, -size))[:n_boxes]
    windows = ndimage.find_objects(labels)
    corners = [
        [*(w.start for w in windows[i]), *(w.stop for w in windows[i])] for i in kept.tolist()
    ]
    return np.array(corners, dtype=np.float64).reshape(-1, 2 * values.ndim), highest[kept]


def map_values(inside: Heat, heat: Heat) -> Mapping[str, float]:
    """All values of one map, under the names of the aggregates in `METRICS`.

    Raises:
        InputError: if map and reference are not one grid in 2D or 3D, or the map is not finite.
    """
    return {
        "pointing_game": pointing_game(inside, heat),
        "cnr[absolute]": cnr(inside, heat, signed=False),
        "cnr[signed]": cnr(inside, heat, signed=True),
        "miou[0.1-0.5]": mean_iou(inside, heat),
        "energy_in_box": energy_inside(inside, heat),
    }


def _check_heat(heat: np.ndarray, /) -> Float[np.ndarray, "*grid"]:
    values = np.asarray(heat, dtype=np.float64)
    if values.ndim not in (2, 3) or not values.size or not np.isfinite(values).all():
        raise InputError(f"heat must be a finite grid in 2D or 3D, got shape {values.shape}")
    return values


def _check(
    inside: np.ndarray, heat: np.ndarray, /
) -> tuple[Bool[np.ndarray, "*grid"], Float[np.ndarray, "*grid"]]:
    values = _check_heat(heat)
    if inside.dtype != np.bool_ or inside.shape != values.shape:
        raise InputError(
            f"inside must be a boolean grid {values.shape}, got {inside.dtype} {inside.shape}"
        )
    return inside, values
