"""Visual question answering by generators, in their own words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vesalius.capabilities import Generator
from vesalius.records import DatasetCard, Json, Predictions, TaskCard
from vesalius.tasks import Scored, TaskData
from vesalius.tasks.controls import ModelFree
from vesalius.tasks.settings import from_settings, settings_of
from vesalius.tasks.vqa_model_free import model_free_replies, unsuitable_questions_for
from vesalius.tasks.vqa_questions import Asked, asked_in, keys_of, unsuitable_questions
from vesalius.tasks.vqa_scores import TEXT_METRICS, TextMetrics, score_answers
from vesalius.tasks.vqa_table import Reply, ReplyTo, answer_rows, free_reply
from vesalius.views import ModelView


@dataclass(frozen=True, slots=True)
class FreeText:
    """The bare question, put in the model's own form and answered greedily.

    Columns: ``question``, ``type``, ``question_type``, ``reference`` and ``accepted`` answers,
    ``prediction``, ``parsed`` (the choice it names), ``ambiguous``, ``unparsed``, ``answered``,
    ``correct``, and the text metrics of each answer.
    """

    prompt: Literal["the question, in the model's own form"] = (
        "the question, in the model's own form"
    )
    closed: Literal["the one choice named by whole words"] = "the one choice named by whole words"
    text_metrics: TextMetrics = TEXT_METRICS
    metrics_version: Literal[1] = 1

    @property
    def card(self) -> TaskCard:
        """Settings as data."""
        return TaskCard("vqa", "free-text", settings_of(self))

    @property
    def controls(self) -> tuple[str, ...]:
        """All of them; ``majority`` and the blank image know the question only."""
        return ("majority", "random", "blank-image", "shuffled-images", "gibberish-prompt")

    def unsuitable(self, view: ModelView, data: TaskData, /) -> str | None:
        """Why this model cannot be asked, or this dataset has nothing to ask."""
        reason = unsuitable_questions(data)
        if reason is not None:
            return reason
        if isinstance(view.model, ModelFree):
            return unsuitable_questions_for(view.model, data)
        return None if isinstance(view.model, Generator) else "model writes no text"

    def expected(self, data: TaskData, /) -> tuple[str, ...]:
        """Keys of the questions about test samples."""
        return keys_of(asked_in(data, "test"))

    def predict(
        self, view: ModelView, data: TaskData, done: frozenset[str], /
    ) -> Iterator[Predictions]:
        """Ask every question about a test sample."""
        if isinstance(view.model, ModelFree):
            reply_to = model_free_replies(view.model, data)
        else:
            reply_to = _asking(view)
        yield from answer_rows(asked_in(data, "test"), reply_to, data.card, done=done)

    def score(self, predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
        """Accuracy of closed questions after parsing; text metrics of open ones."""
        del card
        return score_answers(predictions, parsed=True)


def free_text(settings: Mapping[str, Json], /) -> FreeText:
    """The protocol with some settings changed."""
    return from_settings(FreeText, settings)


def _asking(view: ModelView) -> ReplyTo:
    def replies(asked: Sequence[Asked]) -> list[Reply]:
        texts = view.written([(one.sample, one.question.question) for one in asked])
        return [free_reply(*pair) for pair in zip(asked, texts, strict=True)]

    return replies
