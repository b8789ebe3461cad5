"""Classifiers on frozen embeddings: logistic regression and weighted nearest neighbours.

Rows of features without an answer (NaN) take no part in fitting and get NaN scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from sklearn.linear_model import LogisticRegression

MAX_ITERATIONS = 10_000
CONSTANT_BELOW = 1e-6  # unit rows are float32: a smaller spread is rounding
TEMPERATURE = 0.07
SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Features with their truth: (n, dim) and (n, classes)."""

    features: np.ndarray
    truth: np.ndarray

    def answered(self) -> "Labelled":
        """Only the rows that have features."""
        kept = np.isfinite(self.features).all(axis=1)
        return Labelled(self.features[kept].astype(np.float64), self.truth[kept])

    def only(self, place: int, /) -> "Labelled":
        """The same rows with one class."""
        return Labelled(self.features, self.truth[:, [place]])


@dataclass(frozen=True, slots=True, eq=False)
class Scaler:
    """``(features - shift) / scale``, per dimension."""

    shift: np.ndarray
    scale: np.ndarray

    def __call__(self, features: Float[np.ndarray, "n dim"], /) -> Float[np.ndarray, "n dim"]:
        """Scaled features in double precision."""
        scaled: np.ndarray = (features.astype(np.float64) - self.shift) / self.scale
        return scaled

    def unscaled(
        self, weights: Float[np.ndarray, "k dim"], intercepts: Float[np.ndarray, " k"], /
    ) -> "LinearModel":
        """The same logits as a function of features that are not scaled."""
        weights = weights / self.scale
        return LinearModel(weights, intercepts - weights @ self.shift)


def standardiser(features: Float[np.ndarray, "n dim"], /) -> Scaler:
    """Zero mean and unit variance per dimension; constant dimensions are only shifted."""
    spread = features.std(axis=0)
    return Scaler(features.mean(axis=0), np.where(spread > CONSTANT_BELOW, spread, 1.0))


def centring(features: Float[np.ndarray, "n dim"], /) -> Scaler:
    """Zero mean, one scale for all dimensions: the spread of a few rows says nothing on its own.

    The scale is ``1 / sqrt(dim)``, the root mean square of a coordinate of a unit row.
    """
    dim = features.shape[1]
    return Scaler(features.mean(axis=0), np.full(dim, 1.0 / np.sqrt(dim)))


@dataclass(frozen=True, slots=True, eq=False)
class LinearModel:
    """Logits as a linear function of features; weights (classes, dim)."""

    weights: np.ndarray
    intercepts: np.ndarray

    def __call__(self, features: Float[np.ndarray, "n dim"], /) -> Float[np.ndarray, "n classes"]:
        """Logits; minus infinity for a class that was not there to learn."""
        logits: np.ndarray = features.astype(np.float64) @ self.weights.T + self.intercepts
        return logits


def fit_softmax(rows: Labelled, scaler: Scaler, /, *, strength: float) -> LinearModel:
    """Multinomial logistic regression; `strength` is the inverse L2 penalty (C)."""
    n_classes = rows.truth.shape[1]
    weights = np.zeros((n_classes, rows.features.shape[1]))
    intercepts = np.full(n_classes, -np.inf)
    target = rows.truth.argmax(axis=1)
    present = np.unique(target)
    intercepts[present] = 0.0
    if len(present) > 1:
        fitted = _regression(strength).fit(scaler(rows.features), target)
        # of two classes only the second has weights; the first is their zero
        learnt = present if len(present) > 2 else present[1:]
        weights[learnt], intercepts[learnt] = fitted.coef_, fitted.intercept_
    return scaler.unscaled(weights, intercepts)


def fit_finding(rows: Labelled, scaler: Scaler, /, *, strength: float) -> LinearModel:
    """Logistic regression of one finding; a constant where there is no contrast to learn."""
    positive = rows.truth[:, 0]
    if positive.all() or not positive.any():
        certain = np.inf if len(positive) and positive.all() else -np.inf
        return LinearModel(np.zeros((1, rows.features.shape[1])), np.array([certain]))
    fitted = _regression(strength).fit(scaler(rows.features), positive)
    return scaler.unscaled(fitted.coef_, fitted.intercept_)


def stack(models: Sequence[LinearModel], /) -> LinearModel:
    """One model of the findings of several."""
    weights = np.concatenate([model.weights for model in models])
    return LinearModel(weights, np.concatenate([model.intercepts for model in models]))


def _regression(strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, max_iter=MAX_ITERATIONS)


def log_loss(
    truth: Bool[np.ndarray, "n classes"], scores: Float[np.ndarray, "n classes"], /
) -> float:
    """Mean negative log-probability of what is true, in nats; lower is better.

    For one class (a finding) its absence counts too. Probabilities are cut off at 1e-12.
    """
    single = truth.shape[1] == 1
    assigned = np.where(truth, scores, 1 - scores) if single else scores[truth]
    return float(-np.log(np.maximum(assigned, SMALLEST_PROBABILITY)).mean())


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """k-NN by cosine, each neighbour weighted by exp(cosine / 0.07).

    Neighbours with the same cosine (to six decimals) come in the order of the stored rows.

    Source: Wu et al. (2018), doi:10.1109/CVPR.2018.00393.
    """

    stored: Labelled

    def scores(
        self, features: Float[np.ndarray, "n dim"], /, *, ks: Sequence[int]
    ) -> list[Float[np.ndarray, "n classes"]]:
        """Weighted shares of the classes (or findings) among the k nearest, for each k."""
        cosine = features.astype(np.float64) @ self.stored.features.T
        missing = np.isnan(cosine).any(axis=1)
        cosine[missing] = 0.0
        order = np.argsort(-np.round(cosine, 6), axis=1, kind="stable")[:, : max(ks)]
        near = np.take_along_axis(cosine, order, axis=1)
        weights = np.exp((near - near[:, :1]) / TEMPERATURE)
        found = []
        for k in ks:
            votes = np.einsum("nk,nkc->nc", weights[:, :k], self.stored.truth[order[:, :k]])
            shares = votes / weights[:, :k].sum(axis=1, keepdims=True)
            shares[missing] = np.nan
            found.append(np.clip(shares, 0.0, 1.0))
        return found


def brier_score(
    truth: Bool[np.ndarray, "n classes"], scores: Float[np.ndarray, "n classes"], /
) -> float:
    """Mean squared distance between scores and truth; lower is better, finite for scores of 0."""
    return float(((scores - truth) ** 2).mean())
