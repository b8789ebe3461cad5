"""Ridge regression of shares on local embeddings, from sums that are gathered patch by patch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vesalius.errors import InputError

CONSTANT_BELOW = 1e-6  # embeddings are float32: a smaller spread is rounding


@dataclass(slots=True)
class Moments:
    """Sums over rows of inputs and targets: all that least squares needs.

    Attributes:
        n: rows so far.
        inputs, targets: their sums, (dim,) and (k,).
        products: of inputs with each other, (dim, dim).
        shared: products of inputs with targets, (dim, k).
        squares: sums of squared targets, (k,).
    """

    n: int
    inputs: np.ndarray
    targets: np.ndarray
    products: np.ndarray
    shared: np.ndarray
    squares: np.ndarray

    def add(self, inputs: Float[np.ndarray, "n dim"], targets: Float[np.ndarray, "n k"], /) -> None:
        """Add rows."""
        inputs, targets = inputs.astype(np.float64), targets.astype(np.float64)
        self.n += len(inputs)
        self.inputs += inputs.sum(axis=0)
        self.targets += targets.sum(axis=0)
        self.products += inputs.T @ inputs
        self.shared += inputs.T @ targets
        self.squares += (targets**2).sum(axis=0)


def no_rows(dim: int, n_targets: int, /) -> Moments:
    """The sums of nothing."""
    return Moments(
        0,
        np.zeros(dim),
        np.zeros(n_targets),
        np.zeros((dim, dim)),
        np.zeros((dim, n_targets)),
        np.zeros(n_targets),
    )


@dataclass(frozen=True, slots=True, eq=False)
class PatchRidge:
    """Shares as a linear function of embeddings: ``inputs @ weights.T + intercepts``.

    Attributes:
        weights: shape (k, dim); NaN for a target that never occurs in train.
        intercepts: shape (k,).
        strengths: the penalty of each target: added to the variances, which are 1.
    """

    weights: np.ndarray
    intercepts: np.ndarray
    strengths: np.ndarray


def fit_patch_ridge(
    train: Moments, validation: Moments | None, /, *, strengths: Sequence[float], default: float
) -> PatchRidge:
    """Ridge regression on standardised inputs; offsets are not penalised.

    Each target has the strength with the least squared error on the validation rows, the largest
    of equals; without such rows `default`. One decomposition serves all targets and strengths.

    Raises:
        InputError: without train rows.

    Source: Hoerl and Kennard (1970), doi:10.1080/00401706.1970.10488634.
    """
    if not train.n:
        raise InputError("a probe needs at least one patch of train")
    tried = [default] if validation is None else sorted(strengths, reverse=True)
    fits = _fits(train, tried)
    best = np.zeros(len(train.targets), dtype=np.int64)
    if validation is not None:
        best = np.argmin([_squared_error(fit, validation) for fit in fits], axis=0)
    weights = np.stack([fits[b].weights[k] for k, b in enumerate(best)])
    intercepts = np.array([fits[b].intercepts[k] for k, b in enumerate(best)])
    weights[train.targets == 0] = np.nan
    return PatchRidge(weights, intercepts, np.array(tried)[best])


def _fits(train: Moments, strengths: Sequence[float]) -> list[PatchRidge]:
    centre, offset = train.inputs / train.n, train.targets / train.n
    covariance = train.products / train.n - np.outer(centre, centre)
    spread = np.sqrt(np.clip(covariance.diagonal(), 0, None))
    scale = np.where(spread > CONSTANT_BELOW, spread, 1.0)
    shared = (train.shared / train.n - np.outer(centre, offset)) / scale[:, None]
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    rotated = vectors.T @ shared
    fits = []
    for strength in strengths:
        shrunk = rotated / (np.clip(values, 0, None) + strength)[:, None]
        weights = (vectors @ shrunk / scale[:, None]).T
        taken = np.full(len(offset), strength)
        fits.append(PatchRidge(weights, offset - weights @ centre, taken))
    return fits


def _squared_error(fit: PatchRidge, rows: Moments) -> Float[np.ndarray, " k"]:
    """Sum over the rows of the squared difference between prediction and target, per target."""
    weights, intercepts = fit.weights, fit.intercepts
    quadratic = np.einsum("kd,de,ke->k", weights, rows.products, weights, optimize=True)
    linear = intercepts * (weights @ rows.inputs) - np.einsum("kd,dk->k", weights, rows.shared)
    constant = rows.n * intercepts**2 - 2 * intercepts * rows.targets + rows.squares
    error: np.ndarray = quadratic + 2 * linear + constant
    return error
