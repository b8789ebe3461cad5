"""Calibration: the definitions. Do probabilities mean what they say?

Conventions as in `vesalius.metrics.classification`; here scores must be probabilities, and no
softmax or sigmoid is ever applied in silence. All of these are better when lower.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from vesalius.metrics.checks import binary_probabilities, class_probabilities
from vesalius.metrics.classification import ClassScores, Scores, Truth
from vesalius.metrics.weighted import mean_defined


def brier(y: Truth, score: Scores) -> float:
    """Mean squared difference between the probability of the positive class and the outcome.

    In [0, 1], lower is better. NaN without rows.

    Source: Brier (1950), doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.

    >>> brier(np.array([True, False]), np.array([0.5, 0.5]))
    0.25
    """
    truth, values = binary_probabilities(y, score)
    return mean_defined((values - truth) ** 2)


def ece(y: Truth, score: Scores, *, n_bins: int = 15) -> float:
    """Expected calibration error: mean gap between outcome and probability over equal-mass bins.

    A distinct score belongs to the bin of its midrank, so tied rows stay together. In [0, 1],
    lower is better; biased upwards in small samples. NaN without rows.

    Source: Nixon et al. (2019), arXiv:1904.01685 (adaptive bins); Naeini et al. (2015),
    doi:10.1609/aaai.v29i1.9602 (the error).

    >>> ece(np.array([True, True, False, False]), np.array([1.0, 1.0, 0.5, 0.5]), n_bins=2)
    0.25
    """
    truth, values = binary_probabilities(y, score)
    gap, mass = equal_mass_gaps(truth, values, n_bins=n_bins)
    return float(np.abs(gap).sum() / mass.sum()) if len(values) else float("nan")


def equal_mass_gaps(
    truth: Bool[np.ndarray, " n"], values: Float[np.ndarray, " n"], *, n_bins: int
) -> tuple[Float[np.ndarray, " bins"], Float[np.ndarray, " bins"]]:
    """Per equal-mass bin: sum of (outcome minus probability), and number of rows."""
    bin_index = equal_mass_bins(values, n_bins=n_bins)
    gap = np.bincount(bin_index, weights=truth - values, minlength=n_bins)
    gap = gap.astype(np.float64)
    return gap, np.bincount(bin_index, minlength=n_bins).astype(np.float64)


def equal_mass_bins(values: Float[np.ndarray, " n"], *, n_bins: int) -> Int[np.ndarray, " n"]:
    """Bin of every row: ⌊bins × (rows below + half the rows tied) / rows⌋."""
    _, inverse, repeats = np.unique(values, return_inverse=True, return_counts=True)
    twice_midrank = 2 * np.cumsum(repeats) - repeats
    bins: np.ndarray = (n_bins * twice_midrank // (2 * max(1, len(values))))[inverse]
    return bins


def brier_multiclass(y: Truth, probabilities: ClassScores) -> float:
    """Mean over rows of the squared distance between probabilities and the one-hot truth.

    In [0, 2], lower is better; for two classes it is twice `brier`. NaN without rows.

    Source: Brier (1950), doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2 (the original form).
    """
    return mean_defined(squared_distances(*class_probabilities(y, probabilities)))


def squared_distances(
    truth: Int[np.ndarray, " n"], scores: Float[np.ndarray, "n classes"]
) -> Float[np.ndarray, " n"]:
    """Squared distance of each row of probabilities from its one-hot truth."""
    one_hot = truth[:, None] == np.arange(scores.shape[1])
    distances: np.ndarray = ((scores - one_hot) ** 2).sum(axis=1)
    return distances


def ece_top_label(y: Truth, probabilities: ClassScores, *, n_bins: int = 15) -> float:
    """`ece` of the highest probability as forecast of the predicted class being right.

    In [0, 1], lower is better. The lowest index wins a tie. NaN without rows.

    Source: Guo et al. (2017), arXiv:1706.04599 (top label); bins as `ece`.
    """
    right, confidence = top_label(*class_probabilities(y, probabilities))
    return ece(right, confidence, n_bins=n_bins)


def top_label(
    truth: Int[np.ndarray, " n"], scores: Float[np.ndarray, "n classes"]
) -> tuple[Bool[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Whether the most probable class is the true one, and its probability."""
    return scores.argmax(axis=1) == truth, scores.max(axis=1)
