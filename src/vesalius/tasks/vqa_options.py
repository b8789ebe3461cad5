"""Closed questions by generators: how likely the model finds each choice as the answer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from vesalius.capabilities import AnswerScorer
from vesalius.records import DatasetCard, Json, Predictions, TaskCard
from vesalius.tasks import Scored, TaskData
from vesalius.tasks.controls import ModelFree, blank_image
from vesalius.tasks.option_likelihood import CALIBRATED, DIGITS, PLAIN
from vesalius.tasks.settings import from_settings, settings_of
from vesalius.tasks.vqa_model_free import model_free_replies, unsuitable_questions_for
from vesalius.tasks.vqa_questions import Asked, asked_in, keys_of, unsuitable_questions
from vesalius.tasks.vqa_scores import TEXT_METRICS, TextMetrics, score_answers
from vesalius.tasks.vqa_table import NO_REPLY, Reply, ReplyTo, answer_rows, picked
from vesalius.views import ModelView


@dataclass(frozen=True, slots=True)
class VqaOptionLikelihood:
    """The choice with the highest log-likelihood per token; of equals the first.

    Only closed questions with choices are asked; a text that is not among any is no answer to
    an open one. A second set of rows, ``[calibrated]``, subtracts what the model answers to a
    blank image: a habit of saying yes then no longer counts as seeing. ``log_likelihood`` is the
    value per token by which the choice won.

    Source: Zhao et al. (2021), arXiv:2102.09690, for the calibration; Brown et al. (2020),
        arXiv:2005.14165, section 2.4, for the likelihood per token.
    """

    asked: Literal["closed questions with choices"] = "closed questions with choices"
    normalised: Literal["per token"] = "per token"
    ties: Literal["first choice"] = "first choice"
    text_metrics: TextMetrics = TEXT_METRICS
    metrics_version: Literal[1] = 1

    @property
    def card(self) -> TaskCard:
        """Settings as data."""
        return TaskCard("vqa", "option-likelihood", settings_of(self))

    @property
    def controls(self) -> tuple[str, ...]:
        """All of them; the question becomes gibberish, the choices stay."""
        return ("majority", "random", "blank-image", "shuffled-images", "gibberish-prompt")

    def unsuitable(self, view: ModelView, data: TaskData, /) -> str | None:
        """Why this model cannot be asked, or this dataset has nothing to ask."""
        reason = unsuitable_questions(data)
        if reason is not None:
            return reason
        if not _with_choices(data):
            return "no closed questions with choices about test samples"
        if isinstance(view.model, ModelFree):
            return unsuitable_questions_for(view.model, data)
        return (
            None if isinstance(view.model, AnswerScorer) else "model gives no likelihood of answers"
        )

    def expected(self, data: TaskData, /) -> tuple[str, ...]:
        """Keys of the closed test questions with choices, plain and calibrated."""
        keys = keys_of(_with_choices(data))
        return tuple(part.prefix + key for part in (PLAIN, CALIBRATED) for key in keys)

    def predict(
        self, view: ModelView, data: TaskData, done: frozenset[str], /
    ) -> Iterator[Predictions]:
        """Ask every closed question, then subtract the answers to a blank image."""
        asked = _with_choices(data)
        for part in (PLAIN, CALIBRATED):
            if isinstance(view.model, ModelFree):
                reply_to = model_free_replies(view.model, data)
            else:
                blank = blank_image(view, data) if part is CALIBRATED else None
                reply_to = _likeliest(view, blank)
            yield from answer_rows(asked, reply_to, data.card, done=done, part=part)

    def score(self, predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
        """Accuracy, first plain and then calibrated."""
        del card
        scored = []
        for part, suffix in ((PLAIN, ""), (CALIBRATED, "[calibrated]")):
            rows = np.flatnonzero(predictions["calibrated"] == part.columns["calibrated"])
            scored += score_answers(predictions, rows, suffix=suffix)
        return scored


def vqa_option_likelihood(settings: Mapping[str, Json], /) -> VqaOptionLikelihood:
    """The protocol with some settings changed."""
    return from_settings(VqaOptionLikelihood, settings)


def _with_choices(data: TaskData) -> tuple[Asked, ...]:
    return tuple(one for one in asked_in(data, "test") if one.choices)


def _likeliest(view: ModelView, blank: ModelView | None) -> ReplyTo:
    def reply(one: Asked) -> Reply:
        scores = _per_token(view, one)
        if np.isnan(scores).any():
            return NO_REPLY
        if blank is not None:
            scores = scores - _per_token(blank, one)
        scores = scores.round(DIGITS)
        best = int(np.argmax(scores))
        return picked(one.choices[best], log_likelihood=float(scores[best]))

    def replies(asked: Sequence[Asked]) -> list[Reply]:
        return [reply(one) for one in asked]

    return replies


def _per_token(view: ModelView, one: Asked) -> Float[np.ndarray, " choices"]:
    scores = view.answer_scores(one.sample, one.question.question, one.choices)
    found: np.ndarray = scores.log_likelihood / np.maximum(scores.n_tokens, 1)
    return found
