"""Classification by what can be read from frozen embeddings: linear probe and k-NN."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vesalius.errors import InputError
from vesalius.records import DatasetCard, Json, Predictions, Sample, Split, TaskCard
from vesalius.tasks import Scored, TaskData
from vesalius.tasks.classification import (
    Answer,
    Answers,
    label_matrix,
    labelled,
    predict_rows,
    problem_of,
    unsuitable_data,
    unsuitable_model,
)
from vesalius.tasks.classification_scores import score_classification
from vesalius.tasks.controls import ModelFree
from vesalius.tasks.model_free import model_free_answer
from vesalius.tasks.probes import (
    Labelled,
    LinearModel,
    Neighbours,
    Scaler,
    brier_score,
    fit_finding,
    fit_softmax,
    log_loss,
    stack,
    standardiser,
)
from vesalius.tasks.settings import from_settings, settings_of
from vesalius.tasks.zero_shot import to_scores
from vesalius.views import ModelView

# scores of train rows come from the very rows that were learnt: they cannot set a threshold
TUNED_ON: tuple[Split, ...] = ("val",)
CONTROLS = ("majority", "random", "blank-image", "shuffled-images")
ThresholdRule = Literal["max-f1 on val, else 0.5"]


def asked_of(data: TaskData, /) -> tuple[str, ...]:
    """Ids of the labelled test rows."""
    return tuple(sample.id for sample in labelled(data, "test"))


def predict_learnt(
    view: ModelView, data: TaskData, done: frozenset[str], /, *, learn: Callable[[], Answer]
) -> Iterator[Predictions]:
    """Ask for every labelled test row; `learn` runs only if a row is missing."""
    if done.issuperset(asked_of(data)):
        return
    if isinstance(view.model, ModelFree):
        answer, tune_on = model_free_answer(view.model, data, TUNED_ON)
    else:
        answer, tune_on = learn(), TUNED_ON
    yield from predict_rows(answer, data, done=done, tune_on=tune_on)


@dataclass(frozen=True, slots=True)
class LinearProbe:
    """Logistic regression on train; the L2 penalty with the lowest log-loss on val.

    Attributes:
        strengths: inverse L2 penalties (C) that are tried; of equals the smallest is taken.
        strength_without_val: used when there is no labelled val row.
    """

    strengths: tuple[float, ...] = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)
    strength_without_val: float = 0.1
    scaling: Literal["standardised on train"] = "standardised on train"
    multilabel: Literal["one probe and one penalty per finding"] = (
        "one probe and one penalty per finding"
    )
    threshold: ThresholdRule = "max-f1 on val, else 0.5"
    metrics_version: Literal[1] = 1

    @property
    def card(self) -> TaskCard:
        """Settings as data."""
        return TaskCard("classification", "linear-probe", settings_of(self))

    @property
    def controls(self) -> tuple[str, ...]:
        """Without prompts there is none for the text."""
        return CONTROLS

    def unsuitable(self, view: ModelView, data: TaskData, /) -> str | None:
        """Why nothing can be learnt."""
        return unsuitable_probe(view, data)

    def expected(self, data: TaskData, /) -> tuple[str, ...]:
        """Ids of the labelled test rows."""
        return asked_of(data)

    def predict(
        self, view: ModelView, data: TaskData, done: frozenset[str], /
    ) -> Iterator[Predictions]:
        """Fit on train, tune on val, ask for every labelled test row."""
        return predict_learnt(
            view, data, done, learn=lambda: linear_answer(self._fit(view, data), view, data.card)
        )

    def score(self, predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
        """All classification metrics."""
        return score_classification(predictions, card)

    def _fit(self, view: ModelView, data: TaskData) -> LinearModel:
        train, val = learning_rows(view, data, "train"), learning_rows(view, data, "val")
        scaler = standardiser(train.features)
        if not data.card.multilabel:
            return self._best(val, False, lambda c: fit_softmax(train, scaler, strength=c))

        findings = range(train.truth.shape[1])
        return stack([self._fit_one(train.only(i), val.only(i), scaler) for i in findings])

    def _fit_one(self, train: Labelled, val: Labelled, scaler: Scaler) -> LinearModel:
        return self._best(val, True, lambda c: fit_finding(train, scaler, strength=c))

    def _best(
        self, val: Labelled, multilabel: bool, fit: Callable[[float], LinearModel]
    ) -> LinearModel:
        """The fit with the lowest log-loss on val; the strongest penalty of equals."""
        if not len(val.truth):
            return fit(self.strength_without_val)
        models = [fit(strength) for strength in sorted(self.strengths)]
        scores = [to_scores(model(val.features), multilabel=multilabel) for model in models]
        return models[int(np.argmin([log_loss(val.truth, s) for s in scores]))]


@dataclass(frozen=True, slots=True)
class Knn:
    """Nearest neighbours among train, by cosine; the k with the lowest Brier score on val.

    Attributes:
        ks: numbers of neighbours that are tried, as far as train has them; of equals the
            smallest is taken.
        k_without_val: used when there is no labelled val row.
    """

    ks: tuple[int, ...] = (1, 3, 5, 10, 20, 50)
    k_without_val: int = 10
    weights: Literal["exp(cosine / 0.07)"] = "exp(cosine / 0.07)"
    ties: Literal["by id"] = "by id"
    threshold: ThresholdRule = "max-f1 on val, else 0.5"
    metrics_version: Literal[1] = 1

    @property
    def card(self) -> TaskCard:
        """Settings as data."""
        return TaskCard("classification", "knn", settings_of(self))

    @property
    def controls(self) -> tuple[str, ...]:
        """Without prompts there is none for the text."""
        return CONTROLS

    def unsuitable(self, view: ModelView, data: TaskData, /) -> str | None:
        """Why there are no neighbours."""
        return unsuitable_probe(view, data)

    def expected(self, data: TaskData, /) -> tuple[str, ...]:
        """Ids of the labelled test rows."""
        return asked_of(data)

    def predict(
        self, view: ModelView, data: TaskData, done: frozenset[str], /
    ) -> Iterator[Predictions]:
        """Store train, choose k on val, ask for every labelled test row."""
        return predict_learnt(view, data, done, learn=lambda: self._answer(view, data))

    def score(self, predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
        """All classification metrics."""
        return score_classification(predictions, card)

    def _answer(self, view: ModelView, data: TaskData) -> Answer:
        neighbours = Neighbours(learning_rows(view, data, "train"))
        k = self._choose_k(neighbours, learning_rows(view, data, "val"))

        def answer(samples: Sequence[Sample]) -> Answers:
            return Answers(neighbours.scores(view.image_features(samples), ks=[k])[0])

        return answer

    def _choose_k(self, neighbours: Neighbours, val: Labelled) -> int:
        n_stored = len(neighbours.stored.truth)
        if not len(val.truth):
            return min(self.k_without_val, n_stored)
        ks = sorted({min(k, n_stored) for k in self.ks})
        losses = [brier_score(val.truth, s) for s in neighbours.scores(val.features, ks=ks)]
        return ks[int(np.argmin(losses))]


def unsuitable_probe(view: ModelView, data: TaskData, /) -> str | None:
    """Why nothing can be learnt from this model's embeddings on this dataset."""
    reason = unsuitable_data(data, learns=True)
    if reason is not None or isinstance(view.model, ModelFree):
        return reason
    return unsuitable_model(view.model)


def learning_rows(view: ModelView, data: TaskData, split: Split, /) -> Labelled:
    """Labelled rows of a split that have features.

    Raises:
        InputError: for ``test``: nothing is ever learnt from it.
    """
    if split == "test":
        raise InputError("test rows are never learnt from; ask for train or val")
    samples = labelled(data, split)
    truth = label_matrix(samples, problem_of(data.card))
    if not samples:
        return Labelled(np.zeros((0, 0)), truth)
    return Labelled(view.image_features(samples), truth).answered()


def linear_answer(model: LinearModel, view: ModelView, card: DatasetCard, /) -> Answer:
    """Answers of a fitted linear model."""

    def answer(samples: Sequence[Sample]) -> Answers:
        logits = model(view.image_features(samples))
        return Answers(to_scores(logits, multilabel=card.multilabel), logits)

    return answer


def linear_probe(settings: Mapping[str, Json], /) -> LinearProbe:
    """The protocol with some settings changed."""
    return from_settings(LinearProbe, settings)


def knn(settings: Mapping[str, Json], /) -> Knn:
    """The protocol with some settings changed."""
    return from_settings(Knn, settings)
