"""Geometry of embeddings: the definitions. Where do images and texts lie in a space?

Rows are samples, columns dimensions. Everything is computed in float64. Unless a function says
otherwise its rows must have length one, as encoders give them: lengths are never changed in
silence.
"""

import numpy as np
from jaxtyping import Float

from vesalius.errors import InputError

Rows = Float[np.ndarray, "..."]  # its axes are checked below, with a message

_UNIT_TOLERANCE = 1e-3  # rows are rounded to float32, or to bfloat16 before that


def modality_gap(first: Rows, second: Rows) -> float:
    """Distance between the centroids of two sets of unit rows, such as images and texts.

    In [0, 2]; 0 when the centroids coincide. It says where the sets lie, not whether they match:
    neither direction is better. The sets may have different numbers of rows. Symmetric. NaN when
    either set is empty.

    Source: Liang et al. (2022), arXiv:2203.02053.

    >>> modality_gap(np.array([[1.0, 0.0]]), np.array([[-1.0, 0.0]]))
    2.0
    """
    x, y = _unit(first, name="first"), _unit(second, name="second")
    _same(x, y, axis=1)
    if not len(x) or not len(y):
        return float("nan")
    return float(np.linalg.norm(x.mean(axis=0) - y.mean(axis=0)))


def row_cosines(first: Rows, second: Rows) -> Float[np.ndarray, " n"]:
    """Cosine of the two rows of each pair.

    In [-1, 1], higher is closer. NaN where a row is zero or not finite.

    >>> row_cosines(np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[2.0, 0.0], [1.0, 0.0]]))
    array([0.6, nan])
    """
    _same(first, second, axis=0)
    _same(first, second, axis=1)
    x, y = (np.asarray(rows, dtype=np.float64) for rows in (first, second))
    with np.errstate(invalid="ignore", divide="ignore"):
        norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
        cosines: np.ndarray = (x * y).sum(axis=1) / norms
    return np.where(np.isfinite(cosines), cosines, np.nan)


def alignment(first: Rows, second: Rows) -> float:
    """Mean squared distance between the two unit rows of each pair.

    In [0, 4], lower is better: 0 when every pair coincides, 2 when pairs are orthogonal.
    Symmetric. NaN without pairs.

    Source: Wang and Isola (2020), arXiv:2005.10242, with exponent 2.

    >>> alignment(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))
    2.0
    """
    x, y = _unit(first, name="first"), _unit(second, name="second")
    _same(x, y, axis=0)
    _same(x, y, axis=1)
    if not len(x):
        return float("nan")
    return float(((x - y) ** 2).sum(axis=1).mean())


def uniformity(rows: Rows) -> float:
    """Logarithm of the mean of exp(−2 d²) over all pairs of different rows at distance d.

    In [−8, 0], lower is more evenly spread over the sphere; 0 when all rows coincide. NaN for
    fewer than two rows.

    Source: Wang and Isola (2020), arXiv:2005.10242, with t = 2.

    >>> uniformity(np.array([[1.0, 0.0], [-1.0, 0.0]]))
    -8.0
    """
    cosines = _cosines_of_pairs(_unit(rows, name="rows"))
    if not len(cosines):
        return float("nan")
    exponents = -2 * np.clip(2 - 2 * cosines, 0, 4)
    highest = exponents.max()  # keeps the exponentials in range
    return float(highest + np.log(np.exp(exponents - highest).mean()))


def mean_cosine(rows: Rows) -> float:
    """Mean cosine over all pairs of different unit rows: how far they huddle in one direction.

    In [−1/(n − 1), 1]; 0 for rows spread evenly in all directions, 1 when all coincide. NaN for
    fewer than two rows.

    Source: Ethayarajh (2019), doi:10.18653/v1/D19-1006 (anisotropy).

    >>> mean_cosine(np.array([[1.0, 0.0], [0.0, 1.0]]))
    0.0
    """
    cosines = _cosines_of_pairs(_unit(rows, name="rows"))
    return float(cosines.mean()) if len(cosines) else float("nan")


def effective_rank(rows: Rows) -> float:
    """Exponential of the entropy of the singular values, as shares of their sum, after centring.

    In [1, min(n − 1, dim)]: how many directions the rows use, as if each were used equally. The
    rows are centred first, so that their common offset is no direction. Rows may have any length.
    NaN when all rows are equal, or there are none.

    Source: Roy and Vetterli (2007), EUSIPCO, pp. 606–610.

    >>> round(effective_rank(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])), 12)
    2.0
    """
    x = _finite(rows, name="rows")
    if not _varies(x):
        return float("nan")
    singular = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    shares = singular / singular.sum()
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def linear_cka(first: Rows, second: Rows) -> float:
    """Linear centred kernel alignment of two representations of the same samples.

    In [0, 1], 1 when they are equal up to rotation, reflection, one common factor and an offset.
    Symmetric. Biased upwards when there are fewer samples than dimensions: see
    `linear_cka_unbiased`. The representations may differ in dimension and row lengths. NaN when
    all rows of either are equal, or there are none.

    Source: Kornblith et al. (2019), arXiv:1905.00414.

    >>> round(linear_cka(np.array([[0.0], [1.0], [3.0]]), np.array([[1.0], [3.0], [7.0]])), 12)
    1.0
    """
    x, y = _two_representations(first, second)
    if not (_varies(x) and _varies(y)):
        return float("nan")
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    shared = np.linalg.norm(x.T @ y) ** 2
    return float(shared / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)))


def linear_cka_unbiased(first: Rows, second: Rows) -> float:
    """`linear_cka` with the unbiased estimator of the independence criterion.

    At most 1, about 0 for independent representations whatever their dimension; it may be slightly
    negative. NaN for fewer than four rows, when all rows of either are equal, or when an estimated
    self-similarity is not positive.

    Source: Song et al. (2012), JMLR 13, 1393–1434 (estimator); Nguyen et al. (2021),
    arXiv:2010.15327 (its use in CKA).
    """
    x, y = _two_representations(first, second)
    if len(x) < 4 or not (_varies(x) and _varies(y)):
        return float("nan")
    kernel_x, kernel_y = _gram(x), _gram(y)
    own = _independence(kernel_x, kernel_x) * _independence(kernel_y, kernel_y)
    if not own > 0:
        return float("nan")
    return float(_independence(kernel_x, kernel_y) / np.sqrt(own))


def _gram(rows: np.ndarray) -> np.ndarray:
    """Inner products with an empty diagonal; centring spares digits and changes no result."""
    centred = rows - rows.mean(axis=0)
    gram: np.ndarray = centred @ centred.T
    np.fill_diagonal(gram, 0.0)
    return gram


def _independence(first: np.ndarray, second: np.ndarray) -> float:
    """Unbiased Hilbert–Schmidt independence criterion of two kernels with an empty diagonal."""
    n = len(first)
    own = float((first * second).sum())
    totals = float(first.sum() * second.sum()) / ((n - 1) * (n - 2))
    crossed = float(first.sum(axis=0) @ second.sum(axis=0)) * 2 / (n - 2)
    return (own + totals - crossed) / (n * (n - 3))


def _two_representations(first: object, second: object) -> tuple[np.ndarray, np.ndarray]:
    x, y = _finite(first, name="first"), _finite(second, name="second")
    _same(x, y, axis=0)
    return x, y


def _cosines_of_pairs(rows: np.ndarray) -> np.ndarray:
    above, beside = np.triu_indices(len(rows), k=1)
    cosines: np.ndarray = (rows @ rows.T)[above, beside]
    return cosines


def _varies(rows: np.ndarray) -> bool:
    return bool(len(rows)) and bool((rows != rows[0]).any())


def _finite(rows: object, /, *, name: str) -> np.ndarray:
    array = np.asarray(rows, dtype=np.float64)
    if array.ndim != 2:
        raise InputError(f"{name} must be rows × dimensions, got shape {array.shape}")
    if not np.isfinite(array).all():
        bad = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise InputError(f"{name} must be finite, row {bad} is not; leave such rows out first")
    return array


def _unit(rows: object, /, *, name: str) -> np.ndarray:
    array = _finite(rows, name=name)
    lengths = np.linalg.norm(array, axis=1)
    wrong = np.flatnonzero(np.abs(lengths - 1) > _UNIT_TOLERANCE)
    if len(wrong):
        raise InputError(
            f"{name}: expected vectors of length 1, row {wrong[0]} has {lengths[wrong[0]]:.4g}; "
            "divide each row by its length first"
        )
    return array


def _same(first: np.ndarray, second: np.ndarray, *, axis: int) -> None:
    if first.shape[axis] != second.shape[axis]:
        what = ("rows", "dimensions")[axis]
        raise InputError(
            f"first and second must have the same number of {what}, got {first.shape[axis]} and "
            f"{second.shape[axis]}"
        )
