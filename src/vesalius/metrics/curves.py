"""Curves and tables behind the classification numbers, as arrays; drawing is done elsewhere."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from vesalius.errors import InputError
from vesalius.metrics.calibration import equal_mass_bins
from vesalius.metrics.checks import binary_probabilities, binary_scores, class_decisions
from vesalius.metrics.classification import Scores, Truth, selected_from_top
from vesalius.metrics.weighted import ratio


@dataclass(frozen=True, slots=True, eq=False)
class PrecisionRecallCurve:
    """One point per distinct score, from the highest threshold down; step-wise, never linear.

    `precision` and `recall` are in [0, 1]; `recall` is NaN throughout without positives.
    A row is selected when its score is at least the threshold.
    """

    threshold: np.ndarray
    precision: np.ndarray
    recall: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class RocCurve:
    """From (0, 0) at threshold ∞ to (1, 1), one point per distinct score.

    A rate is NaN throughout when its class does not occur.
    """

    threshold: np.ndarray
    false_positive_rate: np.ndarray
    true_positive_rate: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class ReliabilityCurve:
    """Per non-empty equal-mass bin: mean probability, share of positives, number of rows."""

    mean_probability: np.ndarray
    share_positive: np.ndarray
    n: np.ndarray


def precision_recall_curve(y: Truth, score: Scores) -> PrecisionRecallCurve:
    """Precision and recall at every distinct score; `auprc` is the area under its steps.

    Source: Davis and Goadrich (2006), doi:10.1145/1143844.1143874.
    """
    truth, values = binary_scores(y, score)
    true_positives, selected = selected_from_top(truth, values)
    n_positive = np.full(len(selected), float(truth.sum()))
    return PrecisionRecallCurve(
        threshold=np.unique(values)[::-1],
        precision=true_positives / selected,
        recall=ratio(true_positives, n_positive),
    )


def roc_curve(y: Truth, score: Scores) -> RocCurve:
    """True against false positive rate at every distinct score; `auroc` is its area.

    Source: Fawcett (2006), doi:10.1016/j.patrec.2005.10.010.
    """
    truth, values = binary_scores(y, score)
    true_positives, selected = (np.append(0.0, a) for a in selected_from_top(truth, values))
    n_positive = np.full(len(selected), float(truth.sum()))
    return RocCurve(
        threshold=np.append(np.inf, np.unique(values)[::-1]),
        false_positive_rate=ratio(selected - true_positives, len(truth) - n_positive),
        true_positive_rate=ratio(true_positives, n_positive),
    )


def reliability_curve(y: Truth, score: Scores, *, n_bins: int = 15) -> ReliabilityCurve:
    """What share of the rows came true, by how probable they were called; bins as in `ece`.

    Source: Niculescu-Mizil and Caruana (2005), doi:10.1145/1102351.1102430.
    """
    truth, values = binary_probabilities(y, score)
    _, index, n = np.unique(
        equal_mass_bins(values, n_bins=n_bins), return_inverse=True, return_counts=True
    )
    return ReliabilityCurve(
        mean_probability=np.bincount(index, weights=values, minlength=len(n)) / n,
        share_positive=np.bincount(index, weights=truth, minlength=len(n)) / n,
        n=n,
    )


def confusion_matrix(
    y: Truth, predicted: Truth, *, n_classes: int
) -> Int[np.ndarray, "reference prediction"]:
    """Number of rows per true class (first axis) and predicted class (second axis).

    Raises:
        InputError: if an index is not below `n_classes`.

    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), n_classes=2).tolist()
    [[1, 0], [1, 1]]
    """
    truth, decided = class_decisions(y, predicted)
    highest = int(max(truth.max(initial=0), decided.max(initial=0)))
    if highest >= n_classes:
        raise InputError(f"class indices must be below {n_classes}, got {highest}")
    flat = np.bincount(truth * n_classes + decided, minlength=n_classes**2)
    return flat.reshape(n_classes, n_classes)


def thin(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], *, n_points: int
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """At most `n_points` points of a curve, evenly spread along it, both ends kept.

    For drawing only: no number is computed from a thinned curve.

    Raises:
        InputError: if fewer than the two ends are asked for.
    """
    if n_points < 2:
        raise InputError(f"n_points must be at least 2, got {n_points}")
    if len(x) <= n_points:
        return x, y
    length = np.append(0.0, np.cumsum(np.hypot(np.diff(x), np.diff(y))))
    wanted = np.linspace(0, length[-1], n_points)
    kept = np.unique(np.minimum(np.searchsorted(length, wanted), len(x) - 1))
    kept = np.unique(np.concatenate([[0], kept[1:-1], [len(x) - 1]]))
    return x[kept], y[kept]
