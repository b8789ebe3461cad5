"""Metrics of a table of grounded phrases; no model, no image.

A phrase that is there and got no box has IoU 0 and is never left out. A phrase without an answer is
a miss too; if it is absent, it counts as a false alarm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from vesalius.metrics import METRICS
from vesalius.metrics.boxes import IOU_LEVELS, detections
from vesalius.records import Predictions
from vesalius.stats import BatchedStatistic, MeanOf, statistic
from vesalius.tasks import Scored
from vesalius.tasks.grounding_phrases import in_array_order
from vesalius.tasks.grounding_table import MAP_COLUMNS
from vesalius.tasks.row_subset import OnRows

HEADLINE = "iou[box]"
AP_IOU = 0.5
NAN = float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class OfBoxes:
    """A metric over boxes, addressed by the phrases that they belong to.

    Attributes:
        metric: name in the table of metrics.
        is_box, score: rows of `metrics.boxes.detections`.
        owner: row of the table that each of them belongs to, ascending.
    """

    metric: str
    is_box: np.ndarray
    score: np.ndarray
    owner: np.ndarray

    def __call__(self, rows: Int[np.ndarray, " n"], /) -> float:
        """Value on rows of the table; one that stands twice counts twice."""
        first, last = (np.searchsorted(self.owner, rows, side=s) for s in ("left", "right"))
        picked = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)])
        return METRICS[self.metric].function(self.is_box[picked], self.score[picked])

    def batched(self, weights: Float[np.ndarray, "b n"], /) -> Float[np.ndarray, " b"]:
        """Value per resample of the rows."""
        spread_out = weights.T[self.owner].T
        return statistic(self.metric, self.is_box, self.score).batched(spread_out)


def score_grounding(predictions: Predictions, /, *, maps: bool) -> list[Scored]:
    """IoU of boxes first, then what needs the boxes, the map (if there is one), each finding."""
    present = np.flatnonzero(~predictions["absent"])
    overlap = predictions["iou"][present]
    values = {HEADLINE: overlap}
    values |= {f"precision@iou{t}": (overlap >= t).astype(np.float64) for t in IOU_LEVELS}
    values["detection_rate"] = predictions["detected"][present].astype(np.float64)
    scored = [_mean(metric, column, present) for metric, column in values.items()]
    scored.append(Scored("ap@0.5", _average_precision(predictions)))
    if maps:
        scored += [
            _mean(metric, predictions[column][present], present)
            for column, metric in MAP_COLUMNS.items()
        ]
    absent = np.flatnonzero(predictions["absent"])
    alarm = (predictions["detected"] | ~predictions["answered"])[absent]
    scored.append(_mean("false_positive_rate[absent]", alarm.astype(np.float64), absent))
    return scored + _per_finding(predictions, present)


def _mean(
    metric: str, values: np.ndarray, rows: Int[np.ndarray, " n"], *, class_name: str = ""
) -> Scored:
    better = METRICS[metric].higher_is_better
    return Scored(metric, OnRows(statistic(metric, values), rows), class_name, rows, better)


def _average_precision(predictions: Predictions) -> OfBoxes:
    owner: list[int] = []
    is_box, score = [np.zeros(0, dtype=np.bool_)], [np.zeros(0)]
    listed = (predictions[name].tolist() for name in ("reference", "box", "box_score"))
    for row, (reference, boxes, scores) in enumerate(zip(*listed, strict=True)):
        n_axes = _n_axes([*reference, *boxes])
        truth, given = (in_array_order(rows, n_axes=n_axes) for rows in (reference, boxes))
        found, ranked = detections(truth, given, np.asarray(scores, float), iou_threshold=AP_IOU)
        is_box.append(found)
        score.append(ranked)
        owner += [row] * len(found)
    return OfBoxes("ap@0.5", np.concatenate(is_box), np.concatenate(score), np.array(owner, int))


def _n_axes(boxes: Sequence[Sequence[float]]) -> int:
    return len(boxes[0]) // 2 if boxes else 2


def _per_finding(predictions: Predictions, present: Int[np.ndarray, " n"]) -> list[Scored]:
    """Mean IoU of the phrases about each class, and the mean of these means."""
    findings, overlap = predictions["finding"][present], predictions["iou"][present]
    names = [name for name in np.unique(findings).tolist() if name]
    if not names:
        return []
    each: list[BatchedStatistic] = [
        statistic(HEADLINE, np.where(findings == name, overlap, NAN)) for name in names
    ]
    macro = OnRows(MeanOf(tuple(each)), present)
    scored = [Scored(f"{HEADLINE}[macro]", macro, rows=present)]
    for name in names:
        about = findings == name
        scored.append(_mean(HEADLINE, overlap[about], present[about], class_name=name))
    return scored
