"""Boxes against boxes: the phrase-grounding and detection values that need no heat map.

Conventions. A box is a row of 2 · axes numbers, the lower corner and then the upper corner, each in
the order that the caller uses for axes: (x0, y0, x1, y1) in 2D, (x0, y0, z0, x1, y1, z1) in 3D.
Corners are continuous and the upper one is exclusive, so that pixel i reaches from i to i + 1.
A phrase without reference box is *absent*: its overlap is NaN and `false_alarm` tells what was
found all the same. A phrase that has one and got no box is a miss: 0, never left out.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from vesalius.errors import InputError
from vesalius.metrics.checks import one_dimensional, truth_values
from vesalius.metrics.weighted import by_row, ratio, segment_sums

Boxes = Shaped[np.ndarray, "..."]
NAN = float("nan")
IOU_LEVELS = (0.1, 0.3, 0.5)


def check_boxes(boxes: Boxes, /, *, name: str = "boxes") -> Float[np.ndarray, "n corners"]:
    """The boxes as real numbers.

    Raises:
        InputError: if they are not rows of 4 or 6 finite numbers with upper above lower corners.
    """
    rows = np.asarray(boxes, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] not in (4, 6):
        raise InputError(f"{name} must be rows of 4 (2D) or 6 (3D) numbers, got {rows.shape}")
    lower, upper = np.split(rows, 2, axis=1)
    wrong = np.flatnonzero(~(np.isfinite(rows).all(axis=1) & (lower < upper).all(axis=1)))
    if len(wrong):
        raise InputError(
            f"{name} must have the lower corner below the upper one on every axis, row {wrong[0]} "
            f"is {rows[wrong[0]].tolist()}"
        )
    return rows


def _pair(reference: Boxes, prediction: Boxes) -> tuple[np.ndarray, np.ndarray]:
    first = check_boxes(reference, name="reference")
    second = check_boxes(prediction, name="prediction")
    if first.shape[1] != second.shape[1]:
        raise InputError(f"boxes must have equally many axes, got {first.shape}, {second.shape}")
    return first, second


def box_iou(reference: Boxes, prediction: Boxes) -> Float[np.ndarray, "n m"]:
    """Intersection over union of every reference box with every predicted box.

    In [0, 1], higher is better; 0 for boxes that only touch.

    Raises:
        InputError: as `check_boxes`.

    Source: Everingham et al. (2010), doi:10.1007/s11263-009-0275-4; no added pixel here.

    >>> box_iou(np.array([[0, 0, 2, 2]]), np.array([[1, 0, 3, 2]])).tolist()
    [[0.3333333333333333]]
    """
    first, second = _pair(reference, prediction)
    n_axes = first.shape[1] // 2
    lower = np.maximum(first[:, None, :n_axes], second[None, :, :n_axes])
    upper = np.minimum(first[:, None, n_axes:], second[None, :, n_axes:])
    shared = np.clip(upper - lower, 0, None).prod(axis=2)
    sizes = [(rows[:, n_axes:] - rows[:, :n_axes]).prod(axis=1) for rows in (first, second)]
    overlap: np.ndarray = shared / (sizes[0][:, None] + sizes[1][None, :] - shared)
    return overlap


def region_iou(reference: Boxes, prediction: Boxes) -> float:
    """Intersection over union of what all reference and all predicted boxes of a phrase cover.

    For one box each it is their `box_iou`. In [0, 1], higher is better. Symmetric where there are
    boxes on both sides. NaN for an absent phrase, 0 without predicted box.

    Raises:
        InputError: as `check_boxes`.
    """
    first, second = _pair(reference, prediction)
    if not len(first):
        return NAN
    n_axes = first.shape[1] // 2
    corners = np.concatenate([first, second])
    edges = [np.unique(corners[:, [axis, axis + n_axes]]) for axis in range(n_axes)]
    # between two neighbouring edges every box covers all or nothing: such cells are counted
    widths = [np.diff(edge) for edge in edges]
    volume = np.prod(np.meshgrid(*widths, indexing="ij"), axis=0)
    inside = [_covered(rows, edges) for rows in (first, second)]
    return float(volume[inside[0] & inside[1]].sum() / volume[inside[0] | inside[1]].sum())


def _covered(boxes: Float[np.ndarray, "n corners"], edges: list[np.ndarray]) -> np.ndarray:
    n_axes = len(edges)
    covered = np.zeros([len(edge) - 1 for edge in edges], dtype=np.bool_)
    for box in boxes:
        places = [np.searchsorted(edges[a], box[[a, a + n_axes]]) for a in range(n_axes)]
        covered[tuple(slice(first, last) for first, last in places)] = True
    return covered


def match_boxes(
    reference: Boxes,
    prediction: Boxes,
    score: Shaped[np.ndarray, "..."],
    *,
    iou_threshold: float = 0.5,
) -> Int[np.ndarray, " m"]:
    """Reference box that each predicted box of one image finds; -1 for none.

    Predictions take their turn by falling score (equal scores: the better placed one first). Each
    takes, of the reference boxes that are left, the one with the highest IoU, if that reaches
    `iou_threshold`. A second box on the same reference is a false positive.

    Raises:
        InputError: as `check_boxes`, or if there is not one finite score per predicted box.

    Source: Everingham et al. (2010), doi:10.1007/s11263-009-0275-4; Lin et al. (2014),
    arXiv:1405.0312 (the best box that is left).
    """
    overlap = box_iou(reference, prediction)
    values = one_dimensional(score, name="score").astype(np.float64)
    if len(values) != overlap.shape[1] or not np.isfinite(values).all():
        raise InputError(f"expected {overlap.shape[1]} finite scores, got {values.tolist()}")
    found = np.full(len(values), -1)
    best = overlap.max(axis=0, initial=0.0)
    for turn in np.lexsort((-best, -values)):
        open_ones = np.where(np.isin(np.arange(len(overlap)), found), -1.0, overlap[:, turn])
        if len(open_ones) and open_ones.max() >= iou_threshold:
            found[turn] = int(open_ones.argmax())
    return found


def detections(
    reference: Boxes,
    prediction: Boxes,
    score: Shaped[np.ndarray, "..."],
    *,
    iou_threshold: float = 0.5,
) -> tuple[Bool[np.ndarray, " rows"], Float[np.ndarray, " rows"]]:
    """The rows of one image that `detection_ap` takes: every predicted box, every missed one.

    Returns:
        Whether the row is a reference box, and its score; a missed one has the score -∞. Rows of
        all images one after the other are the whole evaluation, and rows can be resampled by
        patient, for boxes are matched within their image.

    Raises:
        InputError: as `match_boxes`.
    """
    found = match_boxes(reference, prediction, score, iou_threshold=iou_threshold)
    n_missed = len(np.asarray(reference)) - int((found >= 0).sum())
    is_box = np.append(found >= 0, np.ones(n_missed, dtype=np.bool_))
    return is_box, np.append(np.asarray(score, dtype=np.float64), np.full(n_missed, -np.inf))


def detection_ap(is_box: Shaped[np.ndarray, "..."], score: Shaped[np.ndarray, "..."]) -> float:
    """Area under the precision–recall curve of boxes, with precision made falling; all points.

    Takes the rows of `detections`. At each recall stands the best precision that is reached there
    or further on. In [0, 1], higher is better. Tied scores are one threshold. NaN without
    reference box, 0 when none is found.

    Raises:
        InputError: if a score is NaN or +∞, or -∞ for a row that is no reference box.

    Source: Everingham et al. (2010), doi:10.1007/s11263-009-0275-4, as revised in 2010: every
    point instead of eleven.
    """
    truth = truth_values(is_box, name="is_box")
    return float(detection_ap_batched(truth, score, weights=np.ones((1, len(truth))))[0])


def detection_ap_batched(
    is_box: Shaped[np.ndarray, "..."],
    score: Shaped[np.ndarray, "..."],
    *,
    weights: Shaped[np.ndarray, "b n"],
) -> Float[np.ndarray, " b"]:
    """`detection_ap` for every row of `weights`."""
    truth, values = truth_values(is_box, name="is_box"), one_dimensional(score, name="score")
    _check_detections(truth, values)
    columns = by_row(weights, len(truth))
    placed = np.isfinite(values)
    distinct, segment = np.unique(-values[placed], return_inverse=True)
    member, n_segments = np.flatnonzero(placed), len(distinct)
    hit = truth[placed]
    drawn = segment_sums(columns, segment, member, n_segments=n_segments)
    right = segment_sums(columns, segment[hit], member[hit], n_segments=n_segments)
    n_boxes = columns[truth].sum(axis=0, dtype=np.float64)
    precision = ratio(
        np.cumsum(right, axis=0, dtype=np.float64), np.cumsum(drawn, axis=0, dtype=np.float64)
    )
    # a threshold before the first drawn row has no precision; it gains no recall either
    precision = np.where(np.isnan(precision), 0.0, precision)
    best_from_here = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    return ratio((best_from_here * right).sum(axis=0), n_boxes)


def _check_detections(truth: np.ndarray, values: np.ndarray) -> None:
    if len(truth) != len(values):
        raise InputError(
            f"is_box and score must have one row each, got {len(truth)}, {len(values)}"
        )
    wrong = np.flatnonzero(np.isnan(values) | (values == np.inf) | ((values == -np.inf) & ~truth))
    if len(wrong):
        raise InputError(f"score must be finite (missed boxes: -∞), got {values[wrong[0]]}")


def phrase_values(reference: Boxes, prediction: Boxes) -> Mapping[str, float]:
    """All values of one phrase, under the names of the aggregates in `METRICS`.

    ``iou[box]`` is `region_iou`; ``precision@iou0.3`` is 1 where that reaches 0.3;
    ``detection_rate`` is 1 where any box was given. These three are NaN for an absent phrase, and
    ``false_positive_rate[absent]`` (1 where a box was given) for one that is there.

    Raises:
        InputError: as `check_boxes`.
    """
    overlap = region_iou(reference, prediction)
    answered, absent = float(len(prediction) > 0), np.isnan(overlap)
    levels = {f"precision@iou{t}": NAN if absent else float(overlap >= t) for t in IOU_LEVELS}
    return {
        "iou[box]": overlap,
        **levels,
        "detection_rate": NAN if absent else answered,
        "false_positive_rate[absent]": answered if absent else NAN,
    }
