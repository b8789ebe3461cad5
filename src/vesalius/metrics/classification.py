"""Classification: the definitions.

Conventions. The reference comes first, the prediction second. Binary `y` is boolean (or 0 and 1),
`score` is any finite number that grows with the positive class. Class indices count from 0. Tied
scores are one threshold, so no value depends on row order. A value that has no meaning (a class
without cases, no rows) is NaN, never 0; a macro average runs over the classes for which the value
is defined. Every function here has a twin in `vesalius.metrics.classification_batched` for many
resamples at once; tests prove them equal.
"""

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from vesalius.metrics.checks import (
    binary_decisions,
    binary_scores,
    class_decisions,
    class_scores,
    truth_values,
)
from vesalius.metrics.weighted import mean_defined

Truth = Bool[np.ndarray, " n"] | Int[np.ndarray, " n"]
Scores = Shaped[np.ndarray, " n"]
ClassScores = Shaped[np.ndarray, "n classes"]
Number = float | np.integer | np.floating


def _ratio(numerator: Number, denominator: Number) -> float:
    return float(numerator / denominator) if denominator else float("nan")


def auroc(y: Truth, score: Scores) -> float:
    """Probability that a random positive scores above a random negative, ties counting half.

    In [0, 1], higher is better, 0.5 is chance. NaN unless both classes occur.

    Source: Hanley and McNeil (1982), doi:10.1148/radiology.143.1.7063747.

    >>> auroc(np.array([False, True, False, True]), np.array([0.1, 0.3, 0.3, 0.9]))
    0.875
    """
    truth, values = binary_scores(y, score)
    n_positive = int(truth.sum())
    n_negative = len(truth) - n_positive
    _, inverse, repeats = np.unique(values, return_inverse=True, return_counts=True)
    midrank = np.cumsum(repeats) - (repeats - 1) / 2
    above = midrank[inverse][truth].sum() - n_positive * (n_positive + 1) / 2
    return _ratio(above, n_positive * n_negative)


def auprc(y: Truth, score: Scores) -> float:
    """Average precision: precision at each threshold, weighted by the recall gained there.

    In [0, 1], higher is better; chance is `prevalence`. No interpolation. NaN without positives.

    Source: Davis and Goadrich (2006), doi:10.1145/1143844.1143874 (why not to interpolate).

    >>> auprc(np.array([True, False, True]), np.array([0.9, 0.8, 0.7])) == (1 + 2 / 3) / 2
    True
    """
    true_positives, selected = selected_from_top(*binary_scores(y, score))
    if not len(selected) or not true_positives[-1]:
        return float("nan")
    gained = np.diff(true_positives, prepend=0)
    return float((gained * true_positives / selected).sum() / true_positives[-1])


def selected_from_top(
    truth: Bool[np.ndarray, " n"], values: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " thresholds"], Float[np.ndarray, " thresholds"]]:
    """True positives and selected rows when each distinct score, from the top, is the threshold."""
    _, inverse, repeats = np.unique(-values, return_inverse=True, return_counts=True)
    positives = np.bincount(inverse, weights=truth, minlength=len(repeats)).astype(np.float64)
    return np.cumsum(positives), np.cumsum(repeats).astype(np.float64)


def specificity_at_sensitivity(y: Truth, score: Scores, *, percent: int) -> float:
    """Highest specificity among thresholds whose sensitivity reaches `percent` of the positives.

    In [0, 1], higher is better. The threshold is chosen on these very rows: it describes the ROC
    curve, not a deployed rule. NaN unless both classes occur.

    Source: Pepe (2003), The Statistical Evaluation of Medical Tests, section 4.3.
    """
    true_positives, selected = selected_from_top(*binary_scores(y, score))
    n_negative = selected[-1] - true_positives[-1] if len(selected) else 0.0
    if not n_negative or not true_positives[-1]:
        return float("nan")
    # whole numbers on both sides: 0.9 * 10 in floating point would miss the ninth positive
    reached = int(np.argmax(100 * true_positives >= percent * true_positives[-1]))
    return float(1 - (selected[reached] - true_positives[reached]) / n_negative)


def prevalence(y: Truth, prediction: Scores | None = None) -> float:
    """Share of positives; the chance level of `auprc`.

    In [0, 1]; it has no better direction. `prediction` is not used: the argument lets one loop
    serve all binary metrics. NaN without rows.

    >>> prevalence(np.array([True, False, False, False]))
    0.25
    """
    del prediction
    return mean_defined(truth_values(y).astype(np.float64))


def precision(y: Truth, predicted: Truth) -> float:
    """Share of predicted positives that are positive (positive predictive value).

    In [0, 1], higher is better. NaN when nothing is predicted positive.

    Source: Sokolova and Lapalme (2009), doi:10.1016/j.ipm.2009.03.002.

    >>> precision(np.array([True, False, True]), np.array([True, True, False]))
    0.5
    """
    truth, decided = binary_decisions(y, predicted)
    return _ratio((truth & decided).sum(), decided.sum())


def recall(y: Truth, predicted: Truth) -> float:
    """Share of positives that are predicted positive (sensitivity).

    In [0, 1], higher is better. NaN without positives.

    Source: Sokolova and Lapalme (2009), doi:10.1016/j.ipm.2009.03.002.
    """
    truth, decided = binary_decisions(y, predicted)
    return _ratio((truth & decided).sum(), truth.sum())


def specificity(y: Truth, predicted: Truth) -> float:
    """Share of negatives that are predicted negative.

    In [0, 1], higher is better. NaN without negatives.

    Source: Altman and Bland (1994), doi:10.1136/bmj.308.6943.1552.
    """
    truth, decided = binary_decisions(y, predicted)
    return _ratio((~truth & ~decided).sum(), (~truth).sum())


def f1(y: Truth, predicted: Truth) -> float:
    """Harmonic mean of precision and recall of the positive class: 2 TP / (2 TP + FP + FN).

    In [0, 1], higher is better. NaN when nothing is positive and nothing is predicted positive;
    0 when only one of the two is empty.

    Source: Sokolova and Lapalme (2009), doi:10.1016/j.ipm.2009.03.002.

    >>> f1(np.array([True, True, False]), np.array([True, False, True]))
    0.5
    """
    truth, decided = binary_decisions(y, predicted)
    return _ratio(2 * (truth & decided).sum(), truth.sum() + decided.sum())


def accuracy(y: Truth, predicted: Truth) -> float:
    """Share of rows whose predicted class is the true one; two classes or more.

    In [0, 1], higher is better. NaN without rows.

    Source: Sokolova and Lapalme (2009), doi:10.1016/j.ipm.2009.03.002.

    >>> accuracy(np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2]))
    0.75
    """
    truth, decided = class_decisions(y, predicted)
    return mean_defined((truth == decided).astype(np.float64))


def _class_counts(
    y: Truth, predicted: Truth
) -> tuple[Int[np.ndarray, " classes"], Int[np.ndarray, " classes"], Int[np.ndarray, " classes"]]:
    """Per class: rows of it, rows predicted as it, rows of it that are predicted as it."""
    truth, decided = class_decisions(y, predicted)
    n_classes = 1 + int(max(truth.max(initial=0), decided.max(initial=0)))
    hits = truth[truth == decided]
    of, predicted_as, correct = (
        np.bincount(values, minlength=n_classes) for values in (truth, decided, hits)
    )
    return of, predicted_as, correct


def balanced_accuracy(y: Truth, predicted: Truth) -> float:
    """Mean over the classes that occur of the share of their rows that is found.

    In [0, 1], higher is better; chance is 1 / classes. NaN without rows.

    Source: Brodersen et al. (2010), doi:10.1109/ICPR.2010.764.
    """
    of, _, correct = _class_counts(y, predicted)
    return mean_defined(np.array([_ratio(c, n) for c, n in zip(correct, of, strict=True)]))


def macro_f1(y: Truth, predicted: Truth) -> float:
    """Unweighted mean of `f1` over the classes that occur in reference or prediction.

    In [0, 1], higher is better. NaN without rows.

    Source: Opitz and Burst (2019), arXiv:1911.03347 (the mean of F1, not the F1 of means).
    """
    of, predicted_as, correct = _class_counts(y, predicted)
    triples = zip(of, predicted_as, correct, strict=True)
    return mean_defined(np.array([_ratio(2 * c, n + p) for n, p, c in triples]))


def mcc(y: Truth, predicted: Truth) -> float:
    """Matthews correlation between true and predicted class; two classes or more.

    In [-1, 1], higher is better, 0 is chance. NaN when reference or prediction is constant.

    Source: Matthews (1975), doi:10.1016/0005-2795(75)90109-9; Gorodkin (2004),
    doi:10.1016/j.compbiolchem.2004.09.006 (many classes).
    """
    of, predicted_as, correct = (c.astype(np.float64) for c in _class_counts(y, predicted))
    n = of.sum()
    covariance = correct.sum() * n - of @ predicted_as
    spread = (n**2 - of @ of) * (n**2 - predicted_as @ predicted_as)
    return _ratio(covariance, np.sqrt(spread))


def macro_auroc(y: Truth, probabilities: ClassScores) -> float:
    """Mean of `auroc` of each class against the rest, over the classes where it is defined.

    In [0, 1], higher is better. NaN when no class is defined.

    Source: Provost and Domingos (2003), doi:10.1023/A:1024099825458 (one against the rest).
    """
    truth, scores = class_scores(y, probabilities)
    return mean_defined(np.array([auroc(truth == c, s) for c, s in enumerate(scores.T)]))


def macro_auprc(y: Truth, probabilities: ClassScores) -> float:
    """Mean of `auprc` of each class against the rest, over the classes that have rows.

    In [0, 1], higher is better. NaN without rows.

    Source: as `auprc`.
    """
    truth, scores = class_scores(y, probabilities)
    return mean_defined(np.array([auprc(truth == c, s) for c, s in enumerate(scores.T)]))
