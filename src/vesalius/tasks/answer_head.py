"""A classifier whose classes are train answers, on features of image and question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import log_softmax

from vesalius.tasks.probes import (
    Labelled,
    LinearModel,
    Scaler,
    fit_softmax,
    log_loss,
    standardiser,
)
from vesalius.tasks.question_features import Products, fit_products
from vesalius.tasks.vqa_questions import Asked, frequencies, meaning
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


@dataclass(frozen=True, slots=True)
class Classes:
    """The answers that a head can give.

    Attributes:
        answers: as most of train wrote them, the most frequent first.
        place: `meaning` of an answer → its class.
    """

    answers: tuple[str, ...]
    place: Mapping[str, int]

    def offered(self, one: Asked, /) -> list[tuple[str, int]]:
        """What may be answered to a question, with its class: choices, else every answer."""
        if not one.choices:
            return [(answer, i) for i, answer in enumerate(self.answers)]
        meant = [(choice, self.place.get(meaning(choice))) for choice in one.choices]
        return [(choice, i) for choice, i in meant if i is not None]

    def known(self, rows: Rows, /) -> Rows:
        """The rows whose reference is a class."""
        kept = [meaning(one.question.answer) in self.place for one in rows.asked]
        return rows.only(np.array(kept, dtype=np.bool_))

    def labelled(self, rows: Rows, space: Space, /) -> Labelled:
        """Features and classes of known rows."""
        truth = np.zeros((len(rows.asked), len(self.answers)), dtype=np.bool_)
        for row, one in enumerate(rows.asked):
            truth[row, self.place[meaning(one.question.answer)]] = True
        return Labelled(space(rows), truth)


def frequent_answers(rows: Rows, /, *, n: int) -> Classes:
    """The `n` most frequent references of some rows."""
    counted = frequencies(one.question.answer for one in rows.asked)
    answers = tuple(counted)[:n]
    return Classes(answers, {meaning(answer): i for i, answer in enumerate(answers)})


@dataclass(frozen=True, slots=True, eq=False)
class AnswerHead:
    """Log-probabilities of answers."""

    classes: Classes
    space: Space
    model: LinearModel

    def replies(self, rows: Rows, /) -> list[Reply]:
        """The likeliest answer to each question, of a closed one the likeliest choice."""
        if not len(rows.asked):
            return []
        logits = self.model(self.space(rows)).round(DIGITS)
        with np.errstate(invalid="ignore"):  # a missing image makes a row of NaN
            scores = log_softmax(logits, axis=1)
        return [self._best(*pair) for pair in zip(rows.asked, scores, strict=True)]

    def _best(self, one: Asked, scores: Float[np.ndarray, " answers"]) -> Reply:
        offered = self.classes.offered(one)
        if not offered or np.isnan(scores).any():
            return NO_REPLY
        answer, place = max(offered, key=lambda pair: scores[pair[1]])
        return picked(answer, log_likelihood=float(scores[place]))


def fit_head(train: Rows, val: Rows, learning: Learning, /) -> AnswerHead | None:
    """Fit on the frequent answers of train; the penalty with the lowest log-loss on val.

    Rows without an image embedding, and those with an answer that is no class, take no part.
    None without a row to learn from.
    """
    train = train.only(train.seen)
    if not len(train.asked):
        return None
    classes = frequent_answers(train, n=learning.max_answers)
    train, val = classes.known(train), classes.known(val.only(val.seen))
    space = fit_space(train, size=learning.size, seed=learning.seed)
    rows, held_out = (classes.labelled(part, space) for part in (train, val))
    as_is = Scaler(np.zeros(len(space.axes)), np.ones(len(space.axes)))
    if not len(held_out.truth):
        strength = learning.strength_without_val
        return AnswerHead(classes, space, fit_softmax(rows, as_is, strength=strength))
    models = [fit_softmax(rows, as_is, strength=c) for c in sorted(learning.strengths)]
    losses = [
        log_loss(held_out.truth, to_scores(model(held_out.features), multilabel=False))
        for model in models
    ]
    return AnswerHead(classes, space, models[int(np.argmin(losses))])
