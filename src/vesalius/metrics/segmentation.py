"""Segmentation: one reference mask against one predicted mask, in 2D or 3D.

Conventions. Masks are boolean grids of one shape; `spacing_mm` has one positive number per axis of
the array, in the order of the axes. Outside the grid there is nothing. One policy for empty masks,
whatever the metric: without a reference there is nothing to overlap with, so the value is NaN and
the case is left out of means (`false_positive` tells what was predicted there); with a reference
and no prediction the case is *missed* and gets the worst value, never none: overlap 0 and, as
distance, the diagonal of the grid.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped
from scipy.spatial import cKDTree

from vesalius.errors import InputError
from vesalius.metrics.classification import auprc
from vesalius.metrics.surfels import cell_codes, surfel_sizes

# what comes in is checked at run time too, with a message; here only that it is an array
Mask = Shaped[np.ndarray, "..."]
NAN = float("nan")
TOLERANCES_MM = (1, 2, 5)


def dice(reference: Mask, prediction: Mask) -> float:
    """Overlap of two masks over their mean size: 2 TP / (2 TP + FP + FN).

    In [0, 1], higher is better. NaN without reference; 0 when it is missed.

    Source: Dice (1945), doi:10.2307/1932409.

    >>> dice(np.array([[True, True, False]]), np.array([[False, True, True]]))
    0.5
    """
    _check_pair(reference, prediction)
    n_reference, n_prediction, n_both = _counts(reference, prediction)
    return 2 * n_both / (n_reference + n_prediction) if n_reference else NAN


def iou(reference: Mask, prediction: Mask) -> float:
    """Intersection of two masks over their union: TP / (TP + FP + FN).

    In [0, 1], higher is better. NaN without reference; 0 when it is missed.

    Source: Jaccard (1912), doi:10.1111/j.1469-8137.1912.tb05611.x.
    """
    _check_pair(reference, prediction)
    n_reference, n_prediction, n_both = _counts(reference, prediction)
    return n_both / (n_reference + n_prediction - n_both) if n_reference else NAN


def _counts(reference: Mask, prediction: Mask) -> tuple[int, int, int]:
    return int(reference.sum()), int(prediction.sum()), int((reference & prediction).sum())


def missed(reference: Mask, prediction: Mask) -> float:
    """1 when there is a reference and nothing is predicted, else 0.

    Lower is better; the mean is the share of structures that were missed. NaN without reference.
    """
    _check_pair(reference, prediction)
    return float(not prediction.any()) if reference.any() else NAN


def false_positive(reference: Mask, prediction: Mask) -> float:
    """1 when something is predicted though there is no reference, else 0.

    Lower is better; the mean is the false-positive rate on empty references. NaN with reference.
    """
    _check_pair(reference, prediction)
    return NAN if reference.any() else float(prediction.any())


def hd95(reference: Mask, prediction: Mask, *, spacing_mm: tuple[float, ...]) -> float:
    """Larger of the two directed 95th percentiles of distances between borders, in mm.

    The border of a mask are its voxels with a face towards the outside (an edge in 2D); distances
    run between voxel centres; percentiles are interpolated linearly. At least 0, lower is better.
    Symmetric where both masks are there. NaN without reference; the diagonal of the grid when it
    is missed, which is more than any true distance.

    Raises:
        InputError: if the masks are not boolean grids of one shape in 2D or 3D, or `spacing_mm`
            has not one positive number per axis.

    Source: Huttenlocher, Klanderman and Rucklidge (1993), doi:10.1109/34.232073; border and
    percentile as in Maier-Hein, Reinke et al. (2024), doi:10.1038/s41592-023-02151-z.
    """
    _check_pair(reference, prediction, spacing_mm=spacing_mm)
    if not reference.any():
        return NAN
    if not prediction.any():
        return float(np.linalg.norm(np.multiply(reference.shape, spacing_mm)))
    masks = _cropped(reference, prediction)
    there, back = _distances(*(_border(mask) for mask in masks), spacing_mm=spacing_mm)
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


def nsd(
    reference: Mask, prediction: Mask, *, spacing_mm: tuple[float, ...], tolerance_mm: float
) -> float:
    """Share of the two surfaces that lies within `tolerance_mm` of the other surface.

    Surfaces are made of surfels (`vesalius.metrics.surfels`), weighted by area, or by length in
    2D. In [0, 1], higher is better. Symmetric where both masks are there. NaN without reference;
    0 when it is missed.

    Raises:
        InputError: as `hd95`, and if `tolerance_mm` is negative.

    Source: Nikolov et al. (2021), doi:10.2196/26151.
    """
    _check_pair(reference, prediction, spacing_mm=spacing_mm)
    _check_tolerance(tolerance_mm)
    if not reference.any():
        return NAN
    if not prediction.any():
        return 0.0
    return _surfels(reference, prediction, spacing_mm).within(tolerance_mm)


def pixel_auprc(reference: Mask, score: Shaped[np.ndarray, "..."]) -> float:
    """Average precision of a map over the pixels or voxels of one case; no threshold is needed.

    In [0, 1], higher is better; chance is the share of the grid that the reference fills. NaN
    without reference. Tied values are one threshold.

    Source: as `classification.auprc`.
    """
    _check_shapes(reference, score, names="reference and score")
    return auprc(reference.ravel(), score.ravel())


def case_values(
    reference: Mask, prediction: Mask, *, spacing_mm: tuple[float, ...]
) -> Mapping[str, float]:
    """All values of one structure of one case, under the names of the aggregates in `METRICS`.

    The aggregate is the mean over the cases where the value is defined.

    Raises:
        InputError: as `hd95`.
    """
    tolerances = {f"nsd[surfel,{t}mm]": t for t in TOLERANCES_MM}
    values = {
        "dice": dice(reference, prediction),
        "iou": iou(reference, prediction),
        "hd95[voxel]": hd95(reference, prediction, spacing_mm=spacing_mm),
        "missed": missed(reference, prediction),
        "false_positive_rate[empty]": false_positive(reference, prediction),
    }
    if reference.any() and prediction.any():
        surfels = _surfels(reference, prediction, spacing_mm)
        shares = {name: surfels.within(t) for name, t in tolerances.items()}
    else:
        shares = dict.fromkeys(tolerances, 0.0 if reference.any() else NAN)
    return {**values, **shares}


@dataclass(frozen=True, slots=True, eq=False)
class _Surfels:
    """Distance of each surfel to the other surface, in mm, and its size; both surfaces in one."""

    distance: np.ndarray
    size: np.ndarray

    def within(self, tolerance_mm: float) -> float:
        # a distance that is a multiple of the spacing must not miss by its last bit
        near = self.distance <= tolerance_mm * (1 + 1e-12)
        return float(self.size[near].sum() / self.size.sum())


def _surfels(reference: Mask, prediction: Mask, spacing_mm: tuple[float, ...]) -> _Surfels:
    sizes = surfel_sizes(spacing_mm)
    codes = [cell_codes(mask) for mask in _cropped(reference, prediction)]
    surfaces = [(code > 0) & (code < len(sizes) - 1) for code in codes]
    return _Surfels(
        distance=np.concatenate(_distances(*surfaces, spacing_mm=spacing_mm)),
        size=np.concatenate([sizes[c[s]] for c, s in zip(codes, surfaces, strict=True)]),
    )


def _cropped(reference: Mask, prediction: Mask) -> tuple[Mask, Mask]:
    """Both masks inside the smallest box that holds them: the rest of the grid is empty."""
    either = reference | prediction
    box = []
    for axis in range(either.ndim):
        others = tuple(a for a in range(either.ndim) if a != axis)
        filled = np.flatnonzero(either.any(axis=others))
        box.append(slice(filled[0], filled[-1] + 1))
    return reference[tuple(box)], prediction[tuple(box)]


def _border(mask: Mask) -> Mask:
    padded = np.pad(mask, 1)
    core = tuple(slice(1, -1) for _ in mask.shape)
    inner = mask.copy()
    for axis in range(mask.ndim):
        for window in (slice(0, -2), slice(2, None)):
            inner &= padded[(*core[:axis], window, *core[axis + 1 :])]
    border: np.ndarray = mask & ~inner
    return border


def _distances(
    first: Mask, second: Mask, *, spacing_mm: tuple[float, ...]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " m"]]:
    """Distance of every cell of one surface to the nearest of the other, and the other way."""
    return _nearest(first, second, spacing_mm), _nearest(second, first, spacing_mm)


def _nearest(start: Mask, goal: Mask, spacing_mm: tuple[float, ...]) -> Float[np.ndarray, " n"]:
    away = ~goal[start]  # cells that both surfaces share are at distance 0 and need no search
    distance = np.zeros(len(away))
    if away.any():
        # a regular lattice needs no balancing: an unbalanced tree is built several times faster
        tree = cKDTree(_points(goal, spacing_mm), balanced_tree=False, compact_nodes=False)
        distance[away], _ = tree.query(_points(start, spacing_mm)[away])
    return distance


def _points(mask: Mask, spacing_mm: tuple[float, ...]) -> Float[np.ndarray, "n axes"]:
    points: np.ndarray = np.argwhere(mask) * np.array(spacing_mm)
    return points


def _check_shapes(reference: np.ndarray, other: np.ndarray, /, *, names: str) -> None:
    if reference.shape != other.shape:
        raise InputError(f"{names} must be one grid, got {reference.shape} and {other.shape}")


def _check_pair(
    reference: np.ndarray, prediction: np.ndarray, /, *, spacing_mm: tuple[float, ...] | None = None
) -> None:
    for name, mask in (("reference", reference), ("prediction", prediction)):
        if mask.dtype != np.bool_:
            raise InputError(f"{name} must be a boolean mask, got dtype {mask.dtype}")
    _check_shapes(reference, prediction, names="reference and prediction")
    if spacing_mm is None:
        return
    if reference.ndim not in (2, 3):
        raise InputError(f"surfaces are measured in 2D or 3D, got a grid {reference.shape}")
    sound = len(spacing_mm) == reference.ndim and all(0 < s < np.inf for s in spacing_mm)
    if not sound:
        raise InputError(
            f"spacing_mm must be {reference.ndim} positive numbers, got {tuple(spacing_mm)}"
        )


def _check_tolerance(tolerance_mm: float) -> None:
    if not tolerance_mm >= 0:
        raise InputError(f"tolerance_mm must be at least 0, got {tolerance_mm}")
