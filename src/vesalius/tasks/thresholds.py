"""Decision thresholds, chosen on rows that are not scored."""

import numpy as np
from jaxtyping import Bool, Float

from vesalius.errors import InputError

DEFAULT_THRESHOLD = 0.5


def best_f1_threshold(positive: Bool[np.ndarray, " n"], score: Float[np.ndarray, " n"], /) -> float:
    """The threshold with the highest F1; a row counts as positive if ``score >= threshold``.

    It lies halfway between two neighbouring scores (or on the lowest score), so that it does not
    hang on the last digit of one row. Of several best ones the highest is taken.

    Raises:
        InputError: without a positive and a negative row, or if a score is NaN.

    >>> best_f1_threshold(np.array([False, True, True]), np.array([0.25, 0.5, 0.75]))
    0.375
    """
    if not positive.any() or positive.all() or np.isnan(score).any():
        raise InputError(
            f"a threshold needs finite scores of both classes, got {int(positive.sum())} positive "
            f"of {len(positive)} rows and {int(np.isnan(score).sum())} NaN scores"
        )
    levels, place = np.unique(-score, return_inverse=True)  # highest score first
    n_true = np.cumsum(np.bincount(place, weights=positive))
    n_called = np.cumsum(np.bincount(place))
    f1 = 2 * n_true / (n_called + positive.sum())
    best = int(np.argmax(f1))
    here = -levels[best]
    below = -levels[best + 1] if best + 1 < len(levels) else here
    return float(here / 2 + below / 2)
