"""Ridge regression on one-hot classes: the linear head, in closed form for every penalty."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize_scalar

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
_SHARPEST = 6.0  # natural log of the largest factor from score to logit
_TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """A linear classifier with calibrated probabilities.

    Attributes:
        centre: weighted mean of the inputs, shape (dim,).
        weights: shape (dim, classes).
        offset: shape (classes,).
        strength: of the penalty, relative to the mean squared singular value.
        sharpness: factor from score to logit.
    """

    centre: np.ndarray
    weights: np.ndarray
    offset: np.ndarray
    strength: float
    sharpness: float = 1.0

    @property
    def n_parameters(self) -> int:
        """Numbers that were fitted."""
        return self.weights.size + self.offset.size

    def logits(self, x: Float[np.ndarray, "n dim"], /) -> Float[np.ndarray, "n classes"]:
        """Natural-log odds up to a constant per row."""
        scores: np.ndarray = self.offset + (x - self.centre) @ self.weights
        return scores * self.sharpness

    def __call__(self, x: Float[np.ndarray, "n dim"], /) -> Float[np.ndarray, "n classes"]:
        """Class probabilities."""
        return softmax(self.logits(x))


def silent(dim: int, n_classes: int, /) -> Linear:
    """All classes are equally likely: where there is nothing to learn from."""
    return Linear(np.zeros(dim), np.zeros((dim, n_classes)), np.zeros(n_classes), np.inf)


def softmax(logits: Float[np.ndarray, "n classes"], /) -> Float[np.ndarray, "n classes"]:
    """Probabilities of natural-log odds."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: np.ndarray = shifted / shifted.sum(axis=1, keepdims=True)
    return found


def log_loss(
    probabilities: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, " n"], /
) -> float:
    """Mean negative natural log of the probability of the true class."""
    own = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(own, _TINY)).mean())


def class_weights(labels: Int[np.ndarray, " n"], n_classes: int, /) -> Float[np.ndarray, " n"]:
    """Weight of each row, so that all classes that occur count the same; the mean is 1."""
    counts = np.bincount(labels, minlength=n_classes)
    occurring = int((counts > 0).sum())
    found: np.ndarray = len(labels) / (occurring * counts[labels])
    return found


def fit_linear(
    x: Float[np.ndarray, "n dim"],
    labels: Int[np.ndarray, " n"],
    n_classes: int,
    /,
    *,
    x_val: Float[np.ndarray, "m dim"],
    labels_val: Int[np.ndarray, " m"],
    strengths: Sequence[float] = STRENGTHS,
) -> Linear:
    """Weighted ridge regression; penalty and sharpness are those of least log-loss on val.

    Every class counts the same, however rare. Of equal losses the larger penalty wins.

    Source: Hoerl and Kennard (1970), doi:10.1080/00401706.1970.10488634; the sharpness is the
    temperature of Guo et al. (2017), arXiv:1706.04599.
    """
    fits = [
        _sharpened(one, x_val, labels_val)
        for one in _fits(x, labels, n_classes, sorted(strengths, reverse=True))
    ]
    losses = [log_loss(one(x_val), labels_val) for one in fits]
    return fits[int(np.argmin(losses))]


def _fits(
    x: np.ndarray, labels: np.ndarray, n_classes: int, strengths: Sequence[float]
) -> list[Linear]:
    """One fit per strength; the decomposition is shared."""
    root = np.sqrt(class_weights(labels, n_classes))[:, None]
    targets = np.eye(n_classes)[labels]
    total = float((root**2).sum())
    centre, offset = (root**2 * x).sum(axis=0) / total, (root**2 * targets).sum(axis=0) / total
    left, singular, right = np.linalg.svd(root * (x - centre), full_matrices=False)
    projected = left.T @ (root * (targets - offset))
    unit = max(float((singular**2).mean()), _TINY) if len(singular) else 1.0
    return [
        Linear(
            centre,
            right.T @ ((singular / (singular**2 + s * unit))[:, None] * projected),
            offset,
            s,
        )
        for s in strengths
    ]


def _sharpened(one: Linear, x: np.ndarray, labels: np.ndarray) -> Linear:
    """The fit with the factor that makes its probabilities of val rows most likely."""
    scores = one.logits(x)
    found = minimize_scalar(
        lambda log_factor: log_loss(softmax(scores * np.exp(log_factor)), labels),
        bounds=(-_SHARPEST, _SHARPEST),
        method="bounded",
    )
    return Linear(one.centre, one.weights, one.offset, one.strength, float(np.exp(found.x)))
