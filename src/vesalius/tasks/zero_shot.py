"""Zero-shot classification by the similarity of an image with the names of the classes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from vesalius.capabilities import DualEncoder
from vesalius.records import DatasetCard, Json, Predictions, Sample, Split, TaskCard
from vesalius.tasks import Scored, TaskData
from vesalius.tasks.classification import (
    Answer,
    Answers,
    labelled,
    predict_rows,
    problem_of,
    tuned_thresholds,
    unsuitable_data,
)
from vesalius.tasks.classification_scores import (
    TEMPLATE_COLUMN,
    TEMPLATE_THRESHOLD,
    score_classification,
)
from vesalius.tasks.controls import ModelFree
from vesalius.tasks.model_free import model_free_answer, unsuitable_model_free
from vesalius.tasks.prompts import Average, Prompts, class_embeddings, class_prompts
from vesalius.tasks.settings import from_settings, settings_of
from vesalius.views import ModelView

TUNED_ON: tuple[Split, ...] = ("val", "train")  # nothing is fitted on train, so it may serve too
DIGITS = 9


@dataclass(frozen=True, slots=True)
class ZeroShot:
    """Softmax over scaled cosines with the classes, or per finding with present and absent.

    Attributes:
        templates: used instead of those of the dataset card; empty for the card's own.
        average: how the prompts of a class become one vector, see `class_embeddings`.
        absent: what a finding's name becomes in the absent prompt (multilabel).
        single_templates: whether each template is also scored alone, with its own threshold.
    """

    templates: tuple[str, ...] = ()
    average: Average = "normalised"
    absent: str = "no {}"
    single_templates: bool = True
    threshold: Literal["max-f1 on val, else train, else 0.5"] = (
        "max-f1 on val, else train, else 0.5"
    )
    metrics_version: Literal[2] = 2

    @property
    def card(self) -> TaskCard:
        """Settings as data."""
        return TaskCard("classification", "zero-shot", settings_of(self))

    @property
    def controls(self) -> tuple[str, ...]:
        """All of them."""
        return ("majority", "random", "blank-image", "shuffled-images", "gibberish-prompt")

    def unsuitable(self, view: ModelView, data: TaskData, /) -> str | None:
        """Why this model cannot be asked, or this dataset has nothing to ask."""
        reason = unsuitable_data(data, learns=False)
        if reason is not None:
            return reason
        if isinstance(view.model, ModelFree):
            return unsuitable_model_free(view.model, data)
        if not isinstance(view.model, DualEncoder):
            return "model has no text embedding in the image space"
        return None

    def expected(self, data: TaskData, /) -> tuple[str, ...]:
        """Ids of the labelled test rows."""
        return tuple(sample.id for sample in labelled(data, "test"))

    def predict(
        self, view: ModelView, data: TaskData, done: frozenset[str], /
    ) -> Iterator[Predictions]:
        """Ask for every labelled test row."""
        if isinstance(view.model, ModelFree):
            answer, tune_on = model_free_answer(view.model, data, TUNED_ON)
        else:
            answer, tune_on = self._tuned(self._answer(view, data.card), data), TUNED_ON
        yield from predict_rows(answer, data, done=done, tune_on=tune_on)

    def score(self, predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
        """All classification metrics, and the spread over single templates."""
        return score_classification(predictions, card)

    def _answer(self, view: ModelView, card: DatasetCard) -> Answer:
        problem = problem_of(card)
        assert isinstance(view.model, DualEncoder)
        scale = view.model.logit_scale
        heads = self._heads(view, card)

        def answer(samples: Sequence[Sample]) -> Answers:
            features = view.image_features(samples)
            logits = scale * products(features, heads[0])
            extra: dict[str, np.ndarray] = {}
            for i, head in enumerate(heads[1:], start=1):
                alone = to_scores(scale * products(features, head), multilabel=problem.multilabel)
                for place, name in enumerate(problem.classes):
                    extra[TEMPLATE_COLUMN.format(i, name)] = alone[:, place]
            return Answers(to_scores(logits, multilabel=problem.multilabel), logits, extra)

        return answer

    def _tuned(self, answer: Answer, data: TaskData) -> Answer:
        """The same answers, with a threshold of its own for every single template."""
        columns: dict[str, float | str] = {}
        for number in range(1, 1 + self._n_alone(data.card)):
            tuned = tuned_thresholds(_alone(answer, number, data.card), data, TUNED_ON)
            for name in map(problem_of(data.card).threshold_column, data.card.classes):
                if name in tuned:
                    columns[TEMPLATE_THRESHOLD.format(number, name)] = tuned[name]

        def complete(samples: Sequence[Sample]) -> Answers:
            found = answer(samples)
            constant = {name: np.full(len(samples), value) for name, value in columns.items()}
            return replace(found, extra={**found.extra, **constant})

        return complete

    def _n_alone(self, card: DatasetCard) -> int:
        """How many templates are also scored alone."""
        n_templates = class_prompts(card, templates=self.templates).n_templates
        return n_templates if self.single_templates and n_templates > 1 else 0

    def _heads(self, view: ModelView, card: DatasetCard) -> list[Float[np.ndarray, "classes dim"]]:
        """Class vectors of all templates together, then of each template alone."""
        present = class_prompts(card, templates=self.templates)
        parts = [present, *(present.only(i) for i in range(self._n_alone(card)))]
        heads = [self._embed(prompts, view) for prompts in parts]
        if not card.multilabel:
            return heads
        absent = class_prompts(card, templates=self.templates, wording=self.absent)
        absent_parts = [absent, *(absent.only(i) for i in range(len(parts) - 1))]
        # the softmax over (present, absent) depends on the difference of the two logits alone
        return [
            head - self._embed(prompts, view)
            for head, prompts in zip(heads, absent_parts, strict=True)
        ]

    def _embed(self, prompts: Prompts, view: ModelView) -> Float[np.ndarray, "classes dim"]:
        return class_embeddings(prompts, view.text_features, average=self.average)


def zero_shot(settings: Mapping[str, Json], /) -> ZeroShot:
    """The protocol with some settings changed."""
    return from_settings(ZeroShot, settings)


def _alone(answer: Answer, number: int, card: DatasetCard) -> Answer:
    """The scores of one template."""
    names = [TEMPLATE_COLUMN.format(number, name) for name in card.classes]

    def alone(samples: Sequence[Sample]) -> Answers:
        extra = answer(samples).extra
        return Answers(np.stack([extra[name] for name in names], axis=1))

    return alone


def products(
    features: Float[np.ndarray, "n dim"], rows: Float[np.ndarray, "classes dim"], /
) -> Float[np.ndarray, "n classes"]:
    """Inner products in double precision, rounded to 1e-9."""
    found: np.ndarray = features.astype(np.float64) @ rows.T
    # the last bits depend on how many rows are multiplied at once; equal rows must stay tied
    rounded: np.ndarray = found.round(DIGITS)
    return rounded


def to_scores(
    logits: Float[np.ndarray, "n classes"], /, *, multilabel: bool
) -> Float[np.ndarray, "n classes"]:
    """Softmax over the classes, or for each finding over (present, absent); exactly once.

    >>> to_scores(np.array([[0.0, np.log(3.0)]]), multilabel=False).round(6).tolist()
    [[0.25, 0.75]]
    """
    if multilabel:
        half = np.exp(-np.abs(logits))
        found: np.ndarray = np.where(logits >= 0, 1.0, half) / (1.0 + half)
        return found
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: np.ndarray = odds / odds.sum(axis=1, keepdims=True)
    return shares
