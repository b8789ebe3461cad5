"""A classifier whose classes are train answers, on features of image and question."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import log_softmax

from vesalius.metrics import normalise_answer
from vesalius.tasks.probes import (
    Labelled,
    LinearModel,
    Scaler,
    fit_softmax,
    log_loss,
    standardiser,
)
from vesalius.tasks.question_features import Products, fit_products
from vesalius.tasks.vqa_questions import Asked, frequencies, is_among
from vesalius.tasks.vqa_table import NO_REPLY, Reply, picked
from vesalius.tasks.zero_shot import DIGITS, to_scores

RANK_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Questions with the embeddings of their images and of themselves, (n, dim) each."""

    asked: Sequence[Asked]
    images: np.ndarray
    questions: np.ndarray

    def only(self, kept: Bool[np.ndarray, " n"], /) -> "Rows":
        """Some of the rows."""
        asked = [one for one, keep in zip(self.asked, kept, strict=True) if keep]
        return Rows(asked, self.images[kept], self.questions[kept])

    def of_type(self, kind: str, /) -> "Rows":
        """The closed or the open questions."""
        return self.only(np.array([a.question.type == kind for a in self.asked], dtype=np.bool_))

    @property
    def seen(self) -> Bool[np.ndarray, " n"]:
        """Whether there is an image embedding."""
        found: np.ndarray = np.isfinite(self.images).all(axis=1)
        return found


@dataclass(frozen=True, slots=True)
class Learning:
    """How a head is fitted; the fields are those of the task."""

    max_answers: int
    size: int
    seed: int
    strengths: tuple[float, ...]
    strength_without_val: float


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """Standardised features along the axes that the train rows span.

    What lies across them has no influence on a fit with an L2 penalty, which is the same in any
    rotation: a head with more features than rows becomes as cheap as one with as many.
    """

    products: Products
    scaler: Scaler
    axes: np.ndarray

    def __call__(self, rows: Rows, /) -> Float[np.ndarray, "n rank"]:
        """Features of the classifier."""
        features = self.products(rows.images, rows.questions)
        found: np.ndarray = self.scaler(features) @ self.axes.T
        return found


def fit_space(rows: Rows, /, *, size: int, seed: int) -> Space:
    """Scale and axes of these rows."""
    products = fit_products(rows.images, rows.questions, size=size, seed=seed)
    features = products(rows.images, rows.questions)
    scaler = standardiser(features)
    _, lengths, axes = np.linalg.svd(scaler(features), full_matrices=False)
    rank = int((lengths > RANK_TOLERANCE * lengths[0]).sum())
    return Space(products, scaler, axes[: max(1, rank)])


@dataclass(frozen=True, slots=True, eq=False)
class AnswerHead:
    """Log-probabilities of answers; without answers to learn there is no reply."""

    answers: tuple[str, ...]
    space: Space | None = None
    model: LinearModel | None = None

    def replies(self, rows: Rows, /) -> list[Reply]:
        """The likeliest answer to each question, of a closed one the likeliest choice."""
        if self.space is None or self.model is None or not len(rows.asked):
            return [NO_REPLY] * len(rows.asked)
        logits = self.model(self.space(rows)).round(DIGITS)
        with np.errstate(invalid="ignore"):  # a missing image makes a row of NaN
            scores = log_softmax(logits, axis=1)
        return [self._best(*pair) for pair in zip(rows.asked, scores, strict=True)]

    def _best(self, one: Asked, scores: Float[np.ndarray, " answers"]) -> Reply:
        offered = one.choices or self.answers
        place = {normalise_answer(answer): i for i, answer in enumerate(self.answers)}
        known = [(c, place[normalise_answer(c)]) for c in offered if normalise_answer(c) in place]
        if not known or np.isnan(scores).any():
            return NO_REPLY
        found = [float(scores[i]) for _, i in known]
        best = int(np.argmax(found))
        return picked(known[best][0], log_likelihood=found[best])


def fit_head(train: Rows, val: Rows, learning: Learning, /) -> AnswerHead:
    """Fit on the frequent answers of train; the penalty with the lowest log-loss on val.

    Rows without an image embedding, and those with an answer that is no class, take no part.
    """
    train = train.only(train.seen)
    counted = frequencies(one.question.answer for one in train.asked)
    answers = tuple(counted)[: learning.max_answers]
    train, val = _with_answers(train, answers), _with_answers(val.only(val.seen), answers)
    if not len(train.asked):
        return AnswerHead(())
    space = fit_space(train, size=learning.size, seed=learning.seed)
    rows, held_out = (_labelled(part, answers, space) for part in (train, val))
    rank = len(space.axes)
    as_is = Scaler(np.zeros(rank), np.ones(rank))
    if not len(held_out.truth):
        strength = learning.strength_without_val
        return AnswerHead(answers, space, fit_softmax(rows, as_is, strength=strength))
    models = [fit_softmax(rows, as_is, strength=c) for c in sorted(learning.strengths)]
    losses = [
        log_loss(held_out.truth, to_scores(model(held_out.features), multilabel=False))
        for model in models
    ]
    return AnswerHead(answers, space, models[int(np.argmin(losses))])


def _with_answers(rows: Rows, answers: Sequence[str]) -> Rows:
    kept = [is_among(one.question.answer, answers) for one in rows.asked]
    return rows.only(np.array(kept, dtype=np.bool_))


def _labelled(rows: Rows, answers: Sequence[str], space: Space) -> Labelled:
    truth = [[is_among(one.question.answer, (a,)) for a in answers] for one in rows.asked]
    matrix = np.array(truth, dtype=np.bool_).reshape(len(rows.asked), len(answers))
    return Labelled(space(rows), matrix)
