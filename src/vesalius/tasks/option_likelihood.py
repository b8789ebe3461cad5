"""Classification by generators: how likely the model finds each answer to a question."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from vesalius.capabilities import AnswerScorer, AnswerScores
from vesalius.errors import InputError
from vesalius.records import DatasetCard, Json, Predictions, Sample, Split, TaskCard
from vesalius.tasks import Scored, TaskData
from vesalius.tasks.classification import (
    Answer,
    Answers,
    Part,
    labelled,
    predict_rows,
    problem_of,
    unsuitable_data,
)
from vesalius.tasks.classification_scores import as_scored, metrics_of, read_table
from vesalius.tasks.controls import ModelFree, blank_image
from vesalius.tasks.model_free import model_free_answer, unsuitable_model_free
from vesalius.tasks.prompts import fill
from vesalius.tasks.row_subset import OnRows
from vesalius.tasks.settings import from_settings, settings_of
from vesalius.tasks.zero_shot import to_scores
from vesalius.views import ModelView

TUNED_ON: tuple[Split, ...] = ("val", "train")  # nothing is fitted on train, so it may serve too
PLAIN, CALIBRATED = Part("", {"calibrated": 0}), Part("calibrated/", {"calibrated": 1})
DIGITS = 5  # float32 networks repeat their log-likelihoods to about 1e-6

Ask = Callable[[str, Sequence[str]], AnswerScores]


@dataclass(frozen=True, slots=True)
class OptionLikelihood:
    """Log-likelihood per token of every class as an answer, or of yes against no per finding.

    A second set of rows, ``[calibrated]``, subtracts what the model answers to a blank image:
    a habit of saying yes then no longer counts as seeing.

    Attributes:
        question: what is asked when an image has one class; the names of the classes answer.
        presence: what is asked of each finding (multilabel); ``{}`` is its first name.
        options: the answers that mean present and absent.

    Source: Zhao et al. (2021), arXiv:2102.09690, for the calibration; Brown et al. (2020),
        arXiv:2005.14165, section 2.4, for the likelihood per token.
    """

    question: str = "What does the image show?"
    presence: str = "Is {} present?"
    options: tuple[str, ...] = ("yes", "no")
    normalised: Literal["per token"] = "per token"
    threshold: Literal["max-f1 on val, else train, else 0.5"] = (
        "max-f1 on val, else train, else 0.5"
    )
    metrics_version: Literal[1] = 1

    @property
    def card(self) -> TaskCard:
        """Settings as data."""
        return TaskCard("classification", "option-likelihood", settings_of(self))

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
        if not isinstance(view.model, AnswerScorer):
            return "model gives no likelihood of answers"
        return None

    def expected(self, data: TaskData, /) -> tuple[str, ...]:
        """Ids of the labelled test rows, plain and calibrated."""
        ids = [sample.id for sample in labelled(data, "test")]
        return tuple(part.prefix + name for part in (PLAIN, CALIBRATED) for name in ids)

    def predict(
        self, view: ModelView, data: TaskData, done: frozenset[str], /
    ) -> Iterator[Predictions]:
        """Ask for every labelled test row, then subtract the answers to a blank image."""
        for part in (PLAIN, CALIBRATED):
            if isinstance(view.model, ModelFree):
                answer, tune_on = model_free_answer(view.model, data, TUNED_ON)
            else:
                answer, tune_on = self._answer(view, data, part=part), TUNED_ON
            yield from predict_rows(answer, data, done=done, tune_on=tune_on, part=part)

    def score(self, predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
        """All classification metrics, first plain and then calibrated."""
        problem = problem_of(card)
        scored = []
        for part, suffix in ((PLAIN, ""), (CALIBRATED, "[calibrated]")):
            rows = np.flatnonzero(predictions["calibrated"] == part.columns["calibrated"])
            columns = {name: values[rows] for name, values in predictions.columns.items()}
            for named in metrics_of(read_table(Predictions(columns), problem), problem):
                placed = replace(named, statistic=OnRows(named.statistic, rows))
                scored.append(as_scored(placed, suffix=suffix, rows=rows))
        return scored

    def _answer(self, view: ModelView, data: TaskData, *, part: Part) -> Answer:
        card = data.card
        habit = np.zeros(len(card.classes))
        if part is CALIBRATED:
            blank = blank_image(view, data)
            habit = self._logits(_asking(blank, data.samples[0]), card)

        def answer(samples: Sequence[Sample]) -> Answers:
            rows = [self._logits(_asking(view, sample), card) for sample in samples]
            logits = (np.stack(rows) - habit).round(DIGITS)
            return Answers(to_scores(logits, multilabel=card.multilabel), logits)

        return answer

    def _logits(self, ask: Ask, card: DatasetCard) -> Float[np.ndarray, " classes"]:
        """Per class its log-likelihood per token; per finding that of present minus absent."""
        names = [words[0] if words else label for label, words in card.classes.items()]
        if not card.multilabel:
            return _per_token(ask(self.question, names))
        asked = [_per_token(ask(fill(self.presence, name), self.options)) for name in names]
        return np.array([present - absent for present, absent in asked])


def option_likelihood(settings: Mapping[str, Json], /) -> OptionLikelihood:
    """The protocol with some settings changed.

    Raises:
        InputError: for an unknown setting, or options that are not two.
    """
    task = from_settings(OptionLikelihood, settings)
    if len(task.options) != 2:
        raise InputError(f"options: expected present and absent, got {list(task.options)}")
    fill(task.presence, "")  # refuses a question without a place for the name
    return task


def _asking(view: ModelView, sample: Sample) -> Ask:
    return lambda prompt, candidates: view.answer_scores(sample, prompt, candidates)


def _per_token(scores: AnswerScores) -> Float[np.ndarray, " n"]:
    found: np.ndarray = scores.log_likelihood / np.maximum(scores.n_tokens, 1)
    return found
