"""Metrics of a table of outlined structures; no model, no image.

Rows whose reference is empty have no overlap with anything: they are left out of every mean, and
the false-positive rate tells what was predicted there. A row without an answer is a miss, or a
false positive where the reference is empty. A row whose mask could not be read says nothing about
a model that answered.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool

from vesalius.metrics import METRICS
from vesalius.records import Predictions
from vesalius.stats import BatchedStatistic, MeanOf, statistic
from vesalius.tasks import Scored
from vesalius.tasks.row_subset import OnRows
from vesalius.tasks.segmentation_table import TEMPLATE_DICE
from vesalius.tasks.spread import SPREADS, SpreadOf

EMPTY = "false_positive_rate[empty]"
NO_SPACING = "how large the pixels of these images are is not known"

Rows = Bool[np.ndarray, " n"]


def score_segmentation(
    predictions: Predictions, structures: Sequence[str], /, *, tolerance_mm: int
) -> list[Scored]:
    """Every metric as the mean over structures of their means, then per structure.

    Mean Dice over structures comes first. `n` counts rows: of the false-positive rate those with
    an empty reference, of all others those where the structure is.
    """
    known = predictions["reference_read"] | ~predictions["answered"]
    empty = predictions["empty_reference"]
    there = known & ~empty
    columns = {
        "dice": "dice",
        "iou": "iou",
        "hd95[voxel]": "hd95_mm",
        f"nsd[surfel,{tolerance_mm}mm]": "nsd",
        "auprc[pixel]": "auprc",
        "missed": "missed",
    }
    measured = [(metric, predictions[column], there) for metric, column in columns.items()]
    measured.append((EMPTY, predictions["false_positive"], empty))
    masks = {name: predictions["structure"] == name for name in structures}
    scored = [_macro(metric, values, rows, masks) for metric, values, rows in measured]
    scored += _single_templates(predictions, there, masks)
    return scored + [
        _mean(metric, values, rows & masks[name], name)
        for name in structures
        for metric, values, rows in measured
    ]


def _macro(metric: str, values: np.ndarray, members: Rows, masks: Mapping[str, Rows]) -> Scored:
    rows = np.flatnonzero(members)
    return _scored(metric, _over_structures(metric, values, rows, masks), rows, values)


def _over_structures(
    metric: str, values: np.ndarray, rows: np.ndarray, masks: Mapping[str, Rows]
) -> MeanOf:
    each: list[BatchedStatistic] = [
        statistic(metric, np.where(mask, values, np.nan)[rows]) for mask in masks.values()
    ]
    return MeanOf(tuple(each))


def _single_templates(
    predictions: Predictions, there: Rows, masks: Mapping[str, Rows]
) -> list[Scored]:
    """Dice of each prompt template with its own threshold, and how far the templates spread."""
    rows = np.flatnonzero(there)
    each: list[BatchedStatistic] = []
    while (column := TEMPLATE_DICE.format(len(each) + 1)) in predictions.columns:
        each.append(_over_structures("dice", predictions[column], rows, masks))
    if len(each) < 2:
        return []
    scored = [
        Scored(f"dice[template {i}]", OnRows(one, rows), rows=rows)
        for i, one in enumerate(each, start=1)
    ]
    return scored + [
        Scored(
            f"dice[templates, {kind}]",
            OnRows(SpreadOf(tuple(each), kind), rows),
            rows=rows,
            higher_is_better=kind != "std",
        )
        for kind in SPREADS
    ]


def _mean(metric: str, values: np.ndarray, members: Rows, name: str) -> Scored:
    rows = np.flatnonzero(members)
    return _scored(metric, statistic(metric, values[rows]), rows, values, class_name=name)


def _scored(
    metric: str,
    short: BatchedStatistic,
    rows: np.ndarray,
    values: np.ndarray,
    *,
    class_name: str = "",
) -> Scored:
    undefined = len(rows) > 0 and bool(np.isnan(values[rows]).all())
    return Scored(
        metric,
        OnRows(short, rows),
        class_name,
        rows,
        METRICS[metric].higher_is_better,
        reason=NO_SPACING if undefined else "",
    )
