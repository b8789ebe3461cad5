"""From embeddings to pictures in closed form: ridge regression on principal components."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import eigh

_NOTHING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """Principal components of pictures.

    Attributes:
        mean: shape (pixels,).
        components: orthonormal rows, most variance first, shape (k, pixels).
    """

    mean: np.ndarray
    components: np.ndarray

    def coordinates(
        self, pictures: Float[np.ndarray, "n pixels"], /
    ) -> Float[np.ndarray, "n components"]:
        """Coordinates of pictures along the components."""
        found: np.ndarray = (pictures - self.mean) @ self.components.T
        return found

    def pictures(
        self, coordinates: Float[np.ndarray, "n components"], /
    ) -> Float[np.ndarray, "n pixels"]:
        """Pictures with these coordinates."""
        found: np.ndarray = self.mean + coordinates @ self.components
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """A linear map with an offset.

    Attributes:
        centre: mean of the inputs, shape (dim,).
        offset: mean of the targets, shape (k,).
        weights: shape (dim, k).
        strength: the penalty that was chosen, relative to the mean variance of the inputs.
        residuals: of every train row, predicted by the fit to all others, shape (n, k).
    """

    centre: np.ndarray
    offset: np.ndarray
    weights: np.ndarray
    strength: float
    residuals: np.ndarray

    def __call__(self, inputs: Float[np.ndarray, "n dim"], /) -> Float[np.ndarray, "n k"]:
        """Predicted targets."""
        found: np.ndarray = self.offset + (inputs - self.centre) @ self.weights
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Inputs and their targets, row by row: (n, dim) and (n, k)."""

    inputs: np.ndarray
    targets: np.ndarray


def principal_components(pictures: Float[np.ndarray, "n pixels"], n_components: int, /) -> Basis:
    """The directions in which pictures vary most; at most one fewer than there are pictures."""
    mean = pictures.mean(axis=0)
    centred = pictures - mean
    n = len(pictures)
    k = max(0, min(n_components, n - 1))
    if not k:
        return Basis(mean, np.zeros((0, len(mean))))
    values, vectors = eigh(centred @ centred.T, subset_by_index=[n - k, n - 1])
    kept = values[::-1] > _NOTHING * max(float(values[-1]), 1.0)
    rows = vectors.T[::-1][kept] @ centred
    return Basis(mean, rows / np.linalg.norm(rows, axis=1, keepdims=True))


def fit_ridge(train: Pairs, validation: Pairs, /, *, strengths: Sequence[float]) -> Ridge:
    """Ridge regression with the strength of least squared error on the validation rows.

    The penalty is the strength times the mean squared singular value of the centred inputs; the
    offset is not penalised. Without validation rows each train row is predicted by the fit to all
    others, which has a closed form. The smallest of equal strengths wins.

    Source: Hoerl and Kennard (1970), doi:10.1080/00401706.1970.10488634; Allen (1974),
    doi:10.1080/00401706.1974.10489157 (leaving one out).
    """
    fits = [_fit(train, strength) for strength in sorted(strengths)]
    if len(validation.inputs):
        errors = [float(((f(validation.inputs) - validation.targets) ** 2).sum()) for f in fits]
    else:
        errors = [float((f.residuals**2).sum()) for f in fits]
    return fits[int(np.argmin(errors))]


def noise_root(residuals: Float[np.ndarray, "n k"], /) -> Float[np.ndarray, "k k"]:
    """A symmetric matrix whose square is the mean outer product of the residuals."""
    values, vectors = np.linalg.eigh(residuals.T @ residuals / max(len(residuals), 1))
    root: np.ndarray = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    return root


def _fit(train: Pairs, strength: float) -> Ridge:
    centre, offset = train.inputs.mean(axis=0), train.targets.mean(axis=0)
    inputs, targets = train.inputs - centre, train.targets - offset
    left, singular, right = np.linalg.svd(inputs, full_matrices=False)
    penalty = strength * max(float((singular**2).mean()), _NOTHING)
    shrunk = singular / (singular**2 + penalty)
    projected = left.T @ targets
    weights = right.T @ (shrunk[:, None] * projected)
    share = singular * shrunk
    leverage = 1 / len(inputs) + (left**2 * share).sum(axis=1)
    residuals = targets - left @ (share[:, None] * projected)
    left_out = residuals / np.maximum(1 - leverage, _NOTHING)[:, None]
    return Ridge(centre, offset, weights, strength, left_out)
