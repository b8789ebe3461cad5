"""Calibration metrics for many resamples at once; each equals its namesake in `calibration`."""

import numpy as np
from jaxtyping import Float

from vesalius.metrics.calibration import squared_distances, top_label
from vesalius.metrics.checks import binary_probabilities, class_probabilities
from vesalius.metrics.classification import ClassScores, Scores, Truth
from vesalius.metrics.classification_batched import PerResample, Weights
from vesalius.metrics.weighted import by_row, mean_defined_batched, ratio, segment_sums

_BINS_BLOCK = 1 << 21


def brier(y: Truth, score: Scores, *, weights: Weights) -> PerResample:
    """`calibration.brier` for every row of `weights`."""
    truth, values = binary_probabilities(y, score)
    return mean_defined_batched((values - truth) ** 2, weights=weights)


def ece(y: Truth, score: Scores, *, weights: Weights, n_bins: int = 15) -> PerResample:
    """`calibration.ece` for every row of `weights`."""
    truth, values = binary_probabilities(y, score)
    columns = by_row(weights, len(truth))
    distinct, segment = np.unique(values, return_inverse=True)
    member, n_segments = np.arange(len(values)), len(distinct)
    if not n_segments:
        return np.full(weights.shape[0], np.nan)
    step = max(1, _BINS_BLOCK // n_segments)
    blocks = []
    for start in range(0, weights.shape[0], step):
        block = np.ascontiguousarray(columns[:, start : start + step])
        drawn = segment_sums(block, segment, member, n_segments=n_segments)
        positive = segment_sums(block, segment[truth], np.flatnonzero(truth), n_segments=n_segments)
        blocks.append(_binned_error(distinct, drawn, positive, n_bins=n_bins))
    return np.concatenate(blocks) if blocks else np.zeros(0)


def _binned_error(
    distinct: Float[np.ndarray, " segments"],
    drawn: Float[np.ndarray, "segments b"],
    positive: Float[np.ndarray, "segments b"],
    *,
    n_bins: int,
) -> PerResample:
    upto = np.cumsum(drawn, axis=0, dtype=np.float64)
    n, n_resamples = upto[-1], drawn.shape[1]
    twice_midrank = 2 * upto - drawn
    bins = (n_bins * twice_midrank // np.maximum(1, 2 * n)).astype(np.int64)
    # a score that was not drawn may fall behind the last bin; it carries no rows
    flat = np.minimum(bins, n_bins - 1) * n_resamples + np.arange(n_resamples)
    gap = positive.astype(np.float64) - distinct[:, None] * drawn
    error = np.bincount(flat.ravel(), weights=gap.ravel(), minlength=n_bins * n_resamples)
    return ratio(np.abs(error.reshape(n_bins, n_resamples)).sum(axis=0), n)


def brier_multiclass(y: Truth, probabilities: ClassScores, *, weights: Weights) -> PerResample:
    """`calibration.brier_multiclass` for every row of `weights`."""
    distances = squared_distances(*class_probabilities(y, probabilities))
    return mean_defined_batched(distances, weights=weights)


def ece_top_label(
    y: Truth, probabilities: ClassScores, *, weights: Weights, n_bins: int = 15
) -> PerResample:
    """`calibration.ece_top_label` for every row of `weights`."""
    right, confidence = top_label(*class_probabilities(y, probabilities))
    return ece(right, confidence, weights=weights, n_bins=n_bins)
