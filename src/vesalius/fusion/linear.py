"""Ridge regression on classes or vectors: the linear head, in closed form for every penalty."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar

from vesalius.fusion.answers import TINY, Answers, log_loss, softmax

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
_SHARPEST = 6.0  # natural log of the largest factor from score to logit


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """A linear map to vectors, or a linear classifier with calibrated probabilities.

    Attributes:
        centre: weighted mean of the inputs, shape (dim,).
        weights: shape (dim, outputs).
        offset: shape (outputs,).
        strength: of the penalty, relative to the mean squared singular value.
        sharpness: factor from score to logit; None where outputs are vectors.
    """

    centre: np.ndarray
    weights: np.ndarray
    offset: np.ndarray
    strength: float
    sharpness: float | None = None

    @property
    def n_parameters(self) -> int:
        """Numbers that were fitted."""
        return self.weights.size + self.offset.size

    def scores(self, x: Float[np.ndarray, "n dim"], /) -> Float[np.ndarray, "n outputs"]:
        """What the regression says."""
        found: np.ndarray = self.offset + (x - self.centre) @ self.weights
        return found

    def __call__(self, x: Float[np.ndarray, "n dim"], /) -> Float[np.ndarray, "n outputs"]:
        """Class probabilities, or vectors."""
        scores = self.scores(x)
        return scores if self.sharpness is None else softmax(scores * self.sharpness)


def silent(dim: int, answers: Answers, /) -> Linear:
    """Always the prior: where there is nothing to learn from."""
    prior = answers.prior()
    is_class = answers.labels is not None
    return Linear(
        np.zeros(dim), np.zeros((dim, len(prior))), prior, np.inf, 1.0 if is_class else None
    )


def fit_linear(
    x: Float[np.ndarray, "n dim"],
    answers: Answers,
    /,
    *,
    x_val: Float[np.ndarray, "m dim"],
    answers_val: Answers,
    strengths: Sequence[float] = STRENGTHS,
) -> Linear:
    """Weighted ridge regression; penalty and sharpness are those of least loss on val.

    Of equal losses the larger penalty wins.

    Source: Hoerl and Kennard (1970), doi:10.1080/00401706.1970.10488634; the sharpness is the
    temperature of Guo et al. (2017), arXiv:1706.04599.
    """
    fits = _fits(x, answers, sorted(strengths, reverse=True))
    if answers.labels is not None:
        fits = [_sharpened(one, x_val, answers_val) for one in fits]
    losses = [answers_val.loss(one(x_val)) for one in fits]
    return fits[int(np.argmin(losses))]


def _fits(x: np.ndarray, answers: Answers, strengths: Sequence[float]) -> list[Linear]:
    """One fit per strength; the decomposition is shared."""
    root = np.sqrt(answers.weights)[:, None]
    total = float((root**2).sum())
    centre = (root**2 * x).sum(axis=0) / total
    offset = (root**2 * answers.targets).sum(axis=0) / total
    design, wanted = root * (x - centre), root * (answers.targets - offset)
    directions, squares, projected = _decomposed(design, wanted)
    unit = max(float(squares.sum()) / max(1, min(x.shape)), TINY)
    return [
        Linear(centre, directions @ (projected / (squares + s * unit)[:, None]), offset, s)
        for s in strengths
    ]


def _decomposed(
    design: Float[np.ndarray, "n dim"], wanted: Float[np.ndarray, "n outputs"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right singular vectors as columns, squared singular values, and targets along them.

    From the product of the design with itself where it has more rows than columns, which is much
    the faster way; the penalties lie far above the precision that this costs.
    """
    n, dim = design.shape
    if n >= dim:
        squares, vectors = np.linalg.eigh(design.T @ design)
        return vectors, np.clip(squares, 0.0, None), vectors.T @ (design.T @ wanted)
    left, singular, right = np.linalg.svd(design, full_matrices=False)
    return right.T, singular**2, singular[:, None] * (left.T @ wanted)


def _sharpened(one: Linear, x: np.ndarray, answers: Answers) -> Linear:
    """The fit with the factor that makes its probabilities of val rows most likely."""
    scores, labels = one.scores(x), answers.labels
    assert labels is not None
    found = minimize_scalar(
        lambda log_factor: log_loss(softmax(scores * np.exp(log_factor)), labels),
        bounds=(-_SHARPEST, _SHARPEST),
        method="bounded",
    )
    return replace(one, sharpness=float(np.exp(found.x)))
