"""Distance between two sets of images, from features that some extractor gave them.

Conventions. Features are finite rows, one per image, of one extractor: its name belongs to the
metric, for values of two extractors are not comparable, and only features of Inception-v3 pool3
make a Fréchet distance an FID. Rows of the two sets are not paired. Both distances need
different images: rows that are repeated, as in a bootstrap resample, bias them upwards.
"""

import numpy as np
from jaxtyping import Float, Shaped

from vesalius.errors import InputError

Features = Shaped[np.ndarray, "..."]
NAN = float("nan")
_ROWS_AT_ONCE = 1024


def frechet_distance(reference: Features, images: Features) -> float:
    """Squared Fréchet distance between Gaussians with the two sets' means and covariances.

    |μ₁ - μ₂|² + tr Σ₁ + tr Σ₂ - 2 tr (Σ₁Σ₂)^½, covariances over n - 1. At least 0, lower is
    better; its size depends on the extractor. Biased upwards for few rows: see `frechet_caveat`.
    Symmetric. NaN when either set has fewer than two rows.

    The last trace is the sum of the singular values of the product of the two factors of the
    covariances. No covariance is inverted or taken a root of, so that fewer rows than dimensions
    do no harm and a set has the distance 0 from itself, to rounding.

    Raises:
        InputError: if the features are not finite rows of one dimension.

    Source: Dowson and Landau (1982), doi:10.1016/0047-259X(82)90077-X; Heusel et al. (2017),
    arXiv:1706.08500.
    """
    x, y = _pair(reference, images)
    if min(len(x), len(y)) < 2:
        return NAN
    shift = x.mean(axis=0) - y.mean(axis=0)
    first, second = _factor(x), _factor(y)
    shared = np.linalg.svd(first @ second.T, compute_uv=False).sum()
    return max(0.0, float(shift @ shift + (first**2).sum() + (second**2).sum() - 2 * shared))


def _factor(rows: Float[np.ndarray, "n dim"]) -> Float[np.ndarray, "rank dim"]:
    """A matrix whose product with itself is the covariance; it has few rows or `dim`."""
    centred: np.ndarray = (rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1)
    if len(rows) <= rows.shape[1]:
        return centred
    return np.asarray(np.linalg.qr(centred, mode="r"))


def frechet_caveat(*, n_reference: int, n_images: int, dim: int) -> str:
    """Why a Fréchet distance of so many rows must be read with care; empty when there is no reason.

    Source: Bińkowski et al. (2018), arXiv:1801.01401 (bias); Chong and Forsyth (2020),
    doi:10.1109/CVPR42600.2020.00611.
    """
    n = min(n_reference, n_images)
    if n < 2:
        return f"undefined: a covariance needs two rows, got {n}"
    if n <= dim:
        return (
            f"{n} rows in {dim} dimensions: the covariance is singular and the distance strongly "
            "biased upwards; read kid instead"
        )
    if n < 2048:
        return f"{n} rows: the distance is biased upwards; compare equal n only, or read kid"
    return ""


def kernel_distance(reference: Features, images: Features) -> float:
    """Kernel distance (KID): unbiased squared maximum mean discrepancy, cubic kernel.

    The kernel is (x · y / dimensions + 1)³; every pair of different rows is used once, nothing is
    sampled. Lower is better; around 0 for two sets of one distribution, where it is as often
    negative as positive. Symmetric. NaN when either set has fewer than two rows.

    Raises:
        InputError: if the features are not finite rows of one dimension.

    Source: Bińkowski et al. (2018), arXiv:1801.01401; Gretton et al. (2012), equation 3,
    https://jmlr.org/papers/v13/gretton12a.html.
    """
    x, y = _pair(reference, images)
    n, m = len(x), len(y)
    if min(n, m) < 2:
        return NAN
    within = [
        (_kernel_sum(rows, rows) - _kernel_diagonal(rows)) / (len(rows) * (len(rows) - 1))
        for rows in (x, y)
    ]
    return float(sum(within) - 2 * _kernel_sum(x, y) / (n * m))


def _kernel_sum(x: Float[np.ndarray, "n dim"], y: Float[np.ndarray, "m dim"]) -> float:
    total = 0.0
    for start in range(0, len(x), _ROWS_AT_ONCE):
        block = x[start : start + _ROWS_AT_ONCE] @ y.T / x.shape[1] + 1
        total += float((block * block * block).sum())
    return total


def _kernel_diagonal(rows: Float[np.ndarray, "n dim"]) -> float:
    return float((((rows * rows).sum(axis=1) / rows.shape[1] + 1) ** 3).sum())


def _pair(
    reference: np.ndarray, images: np.ndarray
) -> tuple[Float[np.ndarray, "n dim"], Float[np.ndarray, "m dim"]]:
    x, y = (np.asarray(a, dtype=np.float64) for a in (reference, images))
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or not x.shape[1]:
        raise InputError(f"features must be rows of one dimension, got {x.shape} and {y.shape}")
    for name, rows in (("reference", x), ("images", y)):
        if not np.isfinite(rows).all():
            bad = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise InputError(f"features must be finite, row {bad} of {name} is not")
    return x, y
