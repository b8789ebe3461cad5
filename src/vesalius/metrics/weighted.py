"""Means, medians and counts over rows, plain and for many weightings at once.

A weighting is a vector of multiplicities: how often a resample drew each row. All batched metrics
take `weights` of shape (b, n), non-negative whole numbers in any dtype. They are fastest when
`weights` is the transpose of a C-ordered float32 array (n, b), which is what `vesalius.stats`
passes; anything else is copied into that form first. Working memory is a small multiple of
`weights` itself, so the caller bounds it by how many resamples it passes at once.
"""

import numpy as np
from jaxtyping import Float, Shaped
from scipy.sparse import coo_array

from vesalius.errors import InputError
from vesalius.metrics.checks import one_dimensional

_EXACT_IN_FLOAT32 = 1 << 22  # rows; sums of multiplicities then stay far below 2^24
_BLOCK_VALUES = 1 << 22


def by_row(weights: Shaped[np.ndarray, "b n"], n_rows: int, /) -> Float[np.ndarray, "n b"]:
    """The transpose of `weights`, C-ordered; float32 where that counts exactly, else float64.

    Raises:
        InputError: if `weights` has not one column per row of the data.
    """
    if weights.ndim != 2 or weights.shape[1] != n_rows:
        raise InputError(f"weights must be resamples × {n_rows} rows, got shape {weights.shape}")
    dtype = np.dtype(np.float32 if n_rows < _EXACT_IN_FLOAT32 else np.float64)
    columns: np.ndarray = np.ascontiguousarray(weights.T, dtype=dtype)
    return columns


def counts(
    weights: Shaped[np.ndarray, "b n"], indicators: Shaped[np.ndarray, "n k"], /
) -> Float[np.ndarray, "b k"]:
    """How many drawn rows each 0/1 column of `indicators` marks, exactly."""
    columns = by_row(weights, len(indicators))
    total: np.ndarray = columns.T @ indicators.astype(columns.dtype)
    return total.astype(np.float64)


def sums(
    weights: Shaped[np.ndarray, "b n"], values: Shaped[np.ndarray, "n k"], /
) -> Float[np.ndarray, "b k"]:
    """Weighted sums of real-valued columns, in double precision."""
    columns = by_row(weights, len(values))
    total = np.zeros((weights.shape[0], values.shape[1]))
    step = max(1, _BLOCK_VALUES // max(1, weights.shape[0]))
    for start in range(0, len(values), step):
        block = slice(start, start + step)
        total += columns[block].T.astype(np.float64) @ values[block]
    return total


def segment_sums(
    columns: Float[np.ndarray, "n b"],
    segment: Shaped[np.ndarray, " m"],
    member: Shaped[np.ndarray, " m"],
    *,
    share: Shaped[np.ndarray, " m"] | None = None,
    n_segments: int,
) -> Float[np.ndarray, "segments b"]:
    """Sum over members of each segment: row `member[i]` adds `share[i]` of itself to `segment[i]`.

    A sparse product, because it reads every row of `columns` once and contiguously.
    """
    data = np.ones(len(segment)) if share is None else share
    shape = (n_segments, len(columns))
    matrix = coo_array((data.astype(columns.dtype), (segment, member)), shape=shape).tocsr()
    result: np.ndarray = matrix @ columns
    return result


def ratio(
    numerator: Float[np.ndarray, "*shape"], denominator: Float[np.ndarray, "*shape"], /
) -> Float[np.ndarray, "*shape"]:
    """Quotient, NaN where the denominator is 0."""
    undefined = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, out=undefined, where=denominator != 0)
    return undefined


def mean_defined(values: Float[np.ndarray, " n"], /) -> float:
    """Mean over the values that are not NaN; NaN when there is none.

    Unit, range and direction are those of the values.

    >>> mean_defined(np.array([1.0, np.nan, 0.0]))
    0.5
    """
    array = one_dimensional(values, name="values").astype(np.float64)
    defined = array[~np.isnan(array)]
    return float(defined.mean()) if len(defined) else float("nan")


def mean_defined_batched(
    values: Float[np.ndarray, " n"], *, weights: Shaped[np.ndarray, "b n"]
) -> Float[np.ndarray, " b"]:
    """`mean_defined` for many weightings of the rows."""
    array = one_dimensional(values, name="values").astype(np.float64)
    defined = ~np.isnan(array)
    total = sums(weights, np.where(defined, array, 0.0)[:, None])[:, 0]
    return ratio(total, counts(weights, defined[:, None])[:, 0])


def mean_over(values: Float[np.ndarray, "k b"], /) -> Float[np.ndarray, " b"]:
    """Column means over the entries that are not NaN; NaN for a column without any."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=0), defined.sum(axis=0).astype(np.float64))


def median_defined(values: Float[np.ndarray, " n"], /) -> float:
    """Median of the values that are not NaN, the mean of the middle two when even; else NaN.

    >>> median_defined(np.array([4.0, 1.0, np.nan, 2.0, 3.0]))
    2.5
    """
    array = one_dimensional(values, name="values").astype(np.float64)
    defined = array[~np.isnan(array)]
    return float(np.median(defined)) if len(defined) else float("nan")


def median_defined_batched(
    values: Float[np.ndarray, " n"], *, weights: Shaped[np.ndarray, "b n"]
) -> Float[np.ndarray, " b"]:
    """`median_defined` for many weightings of the rows."""
    array = one_dimensional(values, name="values").astype(np.float64)
    columns = by_row(weights, len(array))
    member = np.flatnonzero(~np.isnan(array))
    distinct, segment = np.unique(array[member], return_inverse=True)
    if not len(distinct):
        return np.full(weights.shape[0], np.nan)
    drawn = segment_sums(columns, segment, member, n_segments=len(distinct))
    upto = np.cumsum(drawn, axis=0, dtype=np.float64)
    total = upto[-1]
    lower = (upto > np.floor((total - 1) / 2)).argmax(axis=0)
    upper = (upto > np.floor(total / 2)).argmax(axis=0)
    middle = (distinct[lower] + distinct[upper]) / 2
    return np.where(total > 0, middle, np.nan)
