"""Visual question answering by dual encoders: the statement that is most like the image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from vesalius.capabilities import DualEncoder
from vesalius.errors import InputError
from vesalius.records import DatasetCard, Json, Predictions, TaskCard
from vesalius.tasks import Scored, TaskData
from vesalius.tasks.controls import ModelFree
from vesalius.tasks.settings import from_settings, settings_of
from vesalius.tasks.statements import Wording, statement
from vesalius.tasks.vqa_model_free import (
    candidates_of,
    model_free_replies,
    unsuitable_questions_for,
)
from vesalius.tasks.vqa_questions import (
    Asked,
    TrainAnswers,
    asked_in,
    keys_of,
    train_answers,
    unsuitable_questions,
)
from vesalius.tasks.vqa_scores import TEXT_METRICS, TextMetrics, score_answers
from vesalius.tasks.vqa_table import NO_REPLY, Reply, ReplyTo, answer_rows, picked
from vesalius.tasks.zero_shot import DIGITS
from vesalius.views import ModelView


@dataclass(frozen=True, slots=True)
class RankedCandidates:
    """The candidate whose statement has the highest cosine with the image; of equals the first.

    Attributes:
        present: statement of a thing that is there; ``{}`` is the thing.
        absent: statement of a thing that is not there.
        other: statement of any other question; ``{question}`` and ``{answer}``.
        max_candidates: how many train answers are tried, the most frequent ones.
    """

    present: str = "{} is present"
    absent: str = "no {}"
    other: str = "question: {question} answer: {answer}"
    max_candidates: int = 64
    candidates: Literal["choices, else train answers of the question type"] = (
        "choices, else train answers of the question type"
    )
    ties: Literal["first candidate"] = "first candidate"
    text_metrics: TextMetrics = TEXT_METRICS
    metrics_version: Literal[1] = 1

    @property
    def card(self) -> TaskCard:
        """Settings as data."""
        return TaskCard("vqa", "ranked-candidates", settings_of(self))

    @property
    def controls(self) -> tuple[str, ...]:
        """All of them; gibberish replaces the whole statements."""
        return ("majority", "random", "blank-image", "shuffled-images", "gibberish-prompt")

    def unsuitable(self, view: ModelView, data: TaskData, /) -> str | None:
        """Why this model cannot be asked, or this dataset has nothing to ask."""
        reason = unsuitable_questions(data)
        if reason is not None:
            return reason
        if not any(self._candidates(train_answers(data), asked_in(data, "test"))):
            return "no declared choices and no train answers"
        if isinstance(view.model, ModelFree):
            return unsuitable_questions_for(view.model, data)
        if not isinstance(view.model, DualEncoder):
            return "model has no text embedding in the image space"
        return None

    def expected(self, data: TaskData, /) -> tuple[str, ...]:
        """Keys of the questions about test samples."""
        return keys_of(asked_in(data, "test"))

    def predict(
        self, view: ModelView, data: TaskData, done: frozenset[str], /
    ) -> Iterator[Predictions]:
        """Rank the candidates of every question about a test sample."""
        asked = asked_in(data, "test")
        if done.issuperset(keys_of(asked)):
            return
        if isinstance(view.model, ModelFree):
            reply_to = model_free_replies(view.model, data)
        else:
            reply_to = self._ranking(view, data)
        yield from answer_rows(asked, reply_to, data.card, done=done)

    def score(self, predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
        """Accuracy of closed questions; text metrics of open ones."""
        del card
        return score_answers(predictions)

    def _candidates(self, train: TrainAnswers, asked: Sequence[Asked]) -> Iterator[tuple[str, ...]]:
        return (candidates_of(one, train, cap=self.max_candidates) for one in asked)

    def _statements(self, one: Asked, candidates: Sequence[str]) -> list[str]:
        wording = Wording(self.present, self.absent, self.other)
        return [statement(one.question.question, answer, wording) for answer in candidates]

    def _ranking(self, view: ModelView, data: TaskData) -> ReplyTo:
        """Embeds every statement about the test questions once, then compares with images."""
        asked, train = asked_in(data, "test"), train_answers(data)
        tried = dict(zip(keys_of(asked), self._candidates(train, asked), strict=True))
        texts = {one.key: self._statements(one, tried[one.key]) for one in asked}
        distinct = sorted({text for own in texts.values() for text in own})
        place = {text: row for row, text in enumerate(distinct)}
        rows = view.text_features(distinct).astype(np.float64)

        def replies(asked: Sequence[Asked]) -> list[Reply]:
            images = view.image_features([one.sample for one in asked]).astype(np.float64)
            return [
                _best(tried[one.key], rows[[place[text] for text in texts[one.key]]] @ image)
                for one, image in zip(asked, images, strict=True)
            ]

        return replies


def _best(candidates: Sequence[str], cosines: Float[np.ndarray, " n"]) -> Reply:
    """The first of the most similar; none without candidates or image."""
    if not candidates or np.isnan(cosines).any():
        return NO_REPLY
    rounded = cosines.round(DIGITS)
    best = int(np.argmax(rounded))
    return picked(candidates[best], cosine=float(rounded[best]))


def ranked_candidates(settings: Mapping[str, Json], /) -> RankedCandidates:
    """The protocol with some settings changed.

    Raises:
        InputError: for an unknown setting, a wording without its places, or no candidate at all.
    """
    task = from_settings(RankedCandidates, settings)
    if "{}" not in task.present or "{}" not in task.absent:
        raise InputError(
            f"present and absent need {{}} for the thing, got {task.present!r}, {task.absent!r}"
        )
    if "{answer}" not in task.other:
        raise InputError(f"other needs {{answer}}, got {task.other!r}")
    if task.max_candidates < 1:
        raise InputError(f"max_candidates must be at least 1, got {task.max_candidates}")
    return task
