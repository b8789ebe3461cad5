"""From a map of a phrase to its boxes: a rule with two numbers, both fitted on val.

Whether there is anything is decided by the map's peak, an absolute value that can be compared
between images. How far it reaches is decided by a share of the height of that peak above the
lowest value: peaks are of different height in different images.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from vesalius.metrics.boxes import region_iou
from vesalius.metrics.heatmaps import boxes_in_map
from vesalius.placement import Patches, fractions, spread
from vesalius.records import Split
from vesalius.tasks import TaskData
from vesalius.tasks.grounding_phrases import AskedPhrase, for_tuning, in_array_order
from vesalius.tasks.grounding_table import Found, Ground
from vesalius.tasks.thresholds import best_f1_threshold

TUNED_ON: tuple[Split, ...] = ("val", "train")  # nothing is fitted on train, so it may serve too
EXTENTS = tuple(round(0.1 + 0.05 * step, 2) for step in range(17))
DEFAULT_EXTENT = 0.5
CELLS = 48  # along the longest axis, while the extent is fitted
DIGITS = 9

Look = Callable[[AskedPhrase], Patches | None]
Heat = Float[np.ndarray, "*grid"]
Heats = Sequence[tuple[AskedPhrase, Float[np.ndarray, "..."]]]  # each on the grid of its own image


@dataclass(frozen=True, slots=True)
class MapRule:
    """What a protocol's card says about maps and boxes.

    Attributes:
        smoothing: standard deviation of a Gaussian within each grid, in patches.
        n_boxes: the largest connected components that become boxes.
        most: phrases that the two numbers are fitted on.
        scale: of the map that metrics see: its values, or shares of its peak.
    """

    smoothing: float
    n_boxes: int
    most: int
    scale: Literal["values", "shares of the peak"]


@dataclass(frozen=True, slots=True)
class FittedRule:
    """The two numbers, and the split that gave each (``default`` if none could)."""

    threshold: float = -np.inf
    threshold_source: str = "default"
    extent: float = DEFAULT_EXTENT
    extent_source: str = "default"


def heat_of(patches: Patches | None, /, *, smoothing: float) -> Heat | None:
    """The map over the sample's own grid; None without an answer.

    Where the model sees nothing stands the lowest value of the rest: no box begins there.
    """
    if patches is None or not np.isfinite(patches.values).all():
        return None
    heat = spread(smoothed(patches, smoothing), patches.placement)
    seen = ~np.isnan(heat)
    return np.where(seen, heat, heat[seen].min()) if seen.any() else None


def smoothed(patches: Patches, sigma: float, /) -> Float[np.ndarray, "grids rows cols"]:
    """Gaussian within each grid; patches in a padded margin lend their value to no other."""
    values = patches.values.astype(np.float64)
    if sigma == 0:
        return values
    whole = np.ones(patches.placement.size, dtype=np.bool_)
    _, rows, columns = values.shape
    share = fractions(whole, patches.placement, shape=(rows, columns))
    seen = (~np.isnan(share)).astype(np.float64)
    width = (0.0, sigma, sigma)
    weight = ndimage.gaussian_filter(seen, width, mode="constant")
    total = ndimage.gaussian_filter(values * seen, width, mode="constant")
    np.divide(total, weight, out=values, where=weight > 0)
    return values


def draw_boxes(
    heat: Heat, /, *, extent: float, n_boxes: int = 1
) -> tuple[Float[np.ndarray, "k corners"], Float[np.ndarray, " k"]]:
    """Boxes around the highest part of a map and the highest value in each, in array order.

    The part reaches from the peak down to `extent` of the way from the lowest value. A constant
    map has no highest part and gives no box.
    """
    floor, peak = float(heat.min()), float(heat.max())
    if floor == peak:
        return np.zeros((0, 2 * heat.ndim)), np.zeros(0)
    level = floor + extent * (peak - floor)
    window, first = _around(heat >= level)  # most of a volume is below, and costs most of the time
    boxes, scores = boxes_in_map(heat[window], threshold=level, n_boxes=n_boxes)
    return boxes + np.tile(first, 2), scores


def _around(marked: Bool[np.ndarray, "*grid"]) -> tuple[tuple[slice, ...], list[int]]:
    """The smallest window with all marked cells, and its first cell."""
    spans = [
        np.flatnonzero(marked.any(axis=tuple(a for a in range(marked.ndim) if a != axis)))
        for axis in range(marked.ndim)
    ]
    window = tuple(slice(int(span[0]), int(span[-1]) + 1) for span in spans)
    return window, [int(span[0]) for span in spans]


def fit_rule(look: Look, data: TaskData, rule: MapRule, /) -> FittedRule:
    """Threshold of the peak by its F1 for present phrases; extent by mean IoU of these.

    The first split that can decide does so; without any, each peak gives a box that reaches half
    way down.
    """
    threshold, extent = (-np.inf, "default"), (DEFAULT_EXTENT, "default")
    for split in TUNED_ON:
        if "default" not in (threshold[1], extent[1]):
            break
        pairs = _maps(look, for_tuning(data, split, most=rule.most), rule)
        present = np.array([bool(asked.boxes) for asked, _ in pairs], dtype=np.bool_)
        if extent[1] == "default" and present.any():
            extent = (_best_extent([p for p in pairs if p[0].boxes], rule), split)
        if threshold[1] == "default" and present.any() and not present.all():
            peaks = np.array([heat.max() for _, heat in pairs], dtype=np.float64)
            threshold = (best_f1_threshold(present, peaks), split)
    return FittedRule(*threshold, *extent)


def _maps(look: Look, phrases: Sequence[AskedPhrase], rule: MapRule) -> Heats:
    pairs = ((asked, heat_of(look(asked), smoothing=rule.smoothing)) for asked in phrases)
    return [(asked, heat) for asked, heat in pairs if heat is not None]


def _best_extent(pairs: Heats, rule: MapRule) -> float:
    """Of equally good ones the first; on a coarser grid, for it is only one number."""
    ious = np.zeros((len(pairs), len(EXTENTS)))
    for row, (asked, heat) in enumerate(pairs):
        step = -(-max(heat.shape) // CELLS)
        coarse = heat[tuple(slice(step // 2 if n > step else 0, None, step) for n in heat.shape)]
        reference = in_array_order(asked.boxes, n_axes=heat.ndim)
        for column, extent in enumerate(EXTENTS):
            boxes, _ = draw_boxes(coarse, extent=extent, n_boxes=rule.n_boxes)
            ious[row, column] = region_iou(reference, boxes * step)
    return EXTENTS[int(ious.mean(axis=0).round(DIGITS).argmax())]


def by_map(look: Look, rule: MapRule, fitted: FittedRule, /) -> Ground:
    """Answers with boxes drawn into maps."""

    def ground(asked: AskedPhrase) -> Found | None:
        heat = heat_of(look(asked), smoothing=rule.smoothing)
        if heat is None:
            return None
        peak = float(heat.max())
        boxes, scores = np.zeros((0, 2 * heat.ndim)), np.zeros(0)
        if peak >= fitted.threshold:
            boxes, scores = draw_boxes(heat, extent=fitted.extent, n_boxes=rule.n_boxes)
        if rule.scale == "shares of the peak" and peak > 0:
            heat = heat / peak
        return Found(boxes, scores, heat=heat, peak=peak)

    return ground
