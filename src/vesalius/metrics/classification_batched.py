"""Classification metrics for many resamples at once, in numpy.

Every function equals its namesake in `vesalius.metrics.classification` on the rows repeated as
often as `weights` says. Two ideas carry the speed. The order of the scores does not depend on the
resample, so it is found once. And a rank metric changes only at scores that a positive has, so the
rows in between are summed first (`_at_positive_scores`): with few positives little is left to scan.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from vesalius.metrics.checks import (
    binary_decisions,
    binary_scores,
    class_decisions,
    class_scores,
    truth_values,
)
from vesalius.metrics.classification import (
    ClassScores,
    Scores,
    Truth,
)
from vesalius.metrics.weighted import (
    by_row,
    counts,
    mean_defined_batched,
    mean_over,
    ratio,
    segment_sums,
)

Weights = Shaped[np.ndarray, "b n"]
PerResample = Float[np.ndarray, " b"]


def auroc(y: Truth, score: Scores, *, weights: Weights) -> PerResample:
    """`classification.auroc` for every row of `weights`."""
    truth, values = binary_scores(y, score)
    columns = by_row(weights, len(truth))
    distinct = np.unique(values[truth])
    positive = _positives(columns, truth, np.searchsorted(distinct, values[truth]), len(distinct))
    negative = np.flatnonzero(~truth)
    below = np.searchsorted(distinct, values[negative])
    upto = np.searchsorted(distinct, values[negative], side="right")
    tied = upto > below
    added = segment_sums(
        columns,
        np.concatenate([below, upto[tied]]),
        np.concatenate([negative, negative[tied]]),
        share=np.concatenate([np.where(tied, 0.5, 1.0), np.full(int(tied.sum()), 0.5)]),
        n_segments=len(distinct) + 1,
    )
    n_above, n_positive, n_negative = np.zeros((3, weights.shape[0]))
    for gained, passed in zip(positive, added[:-1], strict=True):
        n_negative += passed
        n_positive += gained
        n_above += gained * n_negative
    n_negative += added[-1]
    return ratio(n_above, n_positive * n_negative)


def _positives(
    columns: Float[np.ndarray, "n b"],
    truth: Bool[np.ndarray, " n"],
    segment: Int[np.ndarray, " m"],
    n_segments: int,
) -> Float[np.ndarray, "segments b"]:
    return segment_sums(columns, segment, np.flatnonzero(truth), n_segments=n_segments)


def _at_positive_scores(
    truth: Bool[np.ndarray, " n"], values: Float[np.ndarray, " n"], columns: np.ndarray
) -> tuple[Float[np.ndarray, "segments b"], Float[np.ndarray, "segments_and_rest b"]]:
    """Positives at each distinct score of a positive, from the top, and negatives newly selected.

    The last row of the second array are the negatives below every positive.
    """
    distinct = np.unique(-values[truth])
    segment = np.searchsorted(distinct, -values[truth])
    negative = np.flatnonzero(~truth)
    selected = segment_sums(
        columns,
        np.searchsorted(distinct, -values[negative]),
        negative,
        n_segments=len(distinct) + 1,
    )
    return _positives(columns, truth, segment, len(distinct)), selected


def auprc(y: Truth, score: Scores, *, weights: Weights) -> PerResample:
    """`classification.auprc` for every row of `weights`."""
    truth, values = binary_scores(y, score)
    positive, negative = _at_positive_scores(truth, values, by_row(weights, len(truth)))
    total, true_positives, selected, precision = np.zeros((4, weights.shape[0]))
    for gained, passed in zip(positive, negative[:-1], strict=True):
        true_positives += gained
        selected += gained
        selected += passed
        # where nothing is selected yet, nothing is gained either: the stale precision counts 0
        np.divide(true_positives, selected, out=precision, where=selected > 0)
        total += precision * gained
    return ratio(total, true_positives)


def specificity_at_sensitivity(
    y: Truth, score: Scores, *, weights: Weights, percent: int
) -> PerResample:
    """`classification.specificity_at_sensitivity` for every row of `weights`."""
    truth, values = binary_scores(y, score)
    positive, negative = _at_positive_scores(truth, values, by_row(weights, len(truth)))
    if not len(positive):
        return np.full(weights.shape[0], np.nan)
    true_positives = np.cumsum(positive, axis=0, dtype=np.float64)
    false_positives = np.cumsum(negative, axis=0, dtype=np.float64)
    n_positive, n_negative = true_positives[-1], false_positives[-1]
    reached = (100 * true_positives >= percent * n_positive).argmax(axis=0)
    wrong = np.take_along_axis(false_positives, reached[None], axis=0)[0]
    return np.where(n_positive > 0, 1 - ratio(wrong, n_negative), np.nan)


def prevalence(y: Truth, prediction: Scores | None = None, *, weights: Weights) -> PerResample:
    """`classification.prevalence` for every row of `weights`."""
    del prediction
    return mean_defined_batched(truth_values(y).astype(np.float64), weights=weights)


def _decision_counts(y: Truth, predicted: Truth, weights: Weights) -> Float[np.ndarray, "3 b"]:
    """Positives, predicted positives, and both at once."""
    truth, decided = binary_decisions(y, predicted)
    return counts(weights, np.stack([truth, decided, truth & decided], axis=1)).T


def precision(y: Truth, predicted: Truth, *, weights: Weights) -> PerResample:
    """`classification.precision` for every row of `weights`."""
    _, decided, both = _decision_counts(y, predicted, weights)
    return ratio(both, decided)


def recall(y: Truth, predicted: Truth, *, weights: Weights) -> PerResample:
    """`classification.recall` for every row of `weights`."""
    positive, _, both = _decision_counts(y, predicted, weights)
    return ratio(both, positive)


def specificity(y: Truth, predicted: Truth, *, weights: Weights) -> PerResample:
    """`classification.specificity` for every row of `weights`."""
    truth, decided = binary_decisions(y, predicted)
    return recall(~truth, ~decided, weights=weights)


def f1(y: Truth, predicted: Truth, *, weights: Weights) -> PerResample:
    """`classification.f1` for every row of `weights`."""
    positive, decided, both = _decision_counts(y, predicted, weights)
    return ratio(2 * both, positive + decided)


def accuracy(y: Truth, predicted: Truth, *, weights: Weights) -> PerResample:
    """`classification.accuracy` for every row of `weights`."""
    truth, decided = class_decisions(y, predicted)
    return mean_defined_batched((truth == decided).astype(np.float64), weights=weights)


def _class_counts(y: Truth, predicted: Truth, weights: Weights) -> Float[np.ndarray, "3 classes b"]:
    """Per class: rows of it, rows predicted as it, rows of it that are predicted as it."""
    truth, decided = class_decisions(y, predicted)
    classes = np.arange(1 + int(max(truth.max(initial=0), decided.max(initial=0))))
    of, predicted_as = truth[:, None] == classes, decided[:, None] == classes
    indicators = np.concatenate([of, predicted_as, of & predicted_as], axis=1)
    return counts(weights, indicators).T.reshape(3, len(classes), weights.shape[0])


def balanced_accuracy(y: Truth, predicted: Truth, *, weights: Weights) -> PerResample:
    """`classification.balanced_accuracy` for every row of `weights`."""
    of, _, correct = _class_counts(y, predicted, weights)
    return mean_over(ratio(correct, of))


def macro_f1(y: Truth, predicted: Truth, *, weights: Weights) -> PerResample:
    """`classification.macro_f1` for every row of `weights`."""
    of, predicted_as, correct = _class_counts(y, predicted, weights)
    return mean_over(ratio(2 * correct, of + predicted_as))


def mcc(y: Truth, predicted: Truth, *, weights: Weights) -> PerResample:
    """`classification.mcc` for every row of `weights`."""
    of, predicted_as, correct = _class_counts(y, predicted, weights)
    n = of.sum(axis=0)
    covariance = correct.sum(axis=0) * n - (of * predicted_as).sum(axis=0)
    spread = (n**2 - (of**2).sum(axis=0)) * (n**2 - (predicted_as**2).sum(axis=0))
    return ratio(covariance, np.sqrt(spread))


def _one_against_rest(
    metric: Callable[..., PerResample],
    y: Truth,
    probabilities: ClassScores,
    *,
    weights: Weights,
) -> PerResample:
    truth, scores = class_scores(y, probabilities)
    shared = by_row(weights, len(truth)).T  # converted once, not once per class
    return mean_over(
        np.stack([metric(truth == c, s, weights=shared) for c, s in enumerate(scores.T)])
    )


def macro_auroc(y: Truth, probabilities: ClassScores, *, weights: Weights) -> PerResample:
    """`classification.macro_auroc` for every row of `weights`."""
    return _one_against_rest(auroc, y, probabilities, weights=weights)


def macro_auprc(y: Truth, probabilities: ClassScores, *, weights: Weights) -> PerResample:
    """`classification.macro_auprc` for every row of `weights`."""
    return _one_against_rest(auprc, y, probabilities, weights=weights)
