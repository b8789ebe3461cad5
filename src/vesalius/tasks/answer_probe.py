"""Visual question answering by what can be read from frozen embeddings of image and question."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vesalius.capabilities import ImageEncoder
from vesalius.errors import InputError
from vesalius.records import SPLITS, DatasetCard, Json, Predictions, Split, TaskCard
from vesalius.tasks import Scored, TaskData
from vesalius.tasks.answer_head import Learning, Rows, fit_head
from vesalius.tasks.controls import ModelFree
from vesalius.tasks.question_features import QuestionEncoder, question_encoder
from vesalius.tasks.settings import from_settings, settings_of
from vesalius.tasks.vqa_model_free import model_free_replies, unsuitable_questions_for
from vesalius.tasks.vqa_questions import (
    CLOSED,
    OPEN,
    Asked,
    asked_in,
    frequencies,
    keys_of,
    samples_of,
    unsuitable_questions,
)
from vesalius.tasks.vqa_scores import TEXT_METRICS, TextMetrics, score_answers
from vesalius.tasks.vqa_table import NO_REPLY, Reply, ReplyTo, answer_rows
from vesalius.views import ModelView

LEARNT_FROM: tuple[Split, ...] = ("train", "val")


@dataclass(frozen=True, slots=True)
class AnswerProbe:
    """Logistic regression over the frequent train answers; one head for closed, one for open.

    It sees the image embedding, the question embedding and their product (`Products`). A closed
    question is answered by one of its choices. The control ``blank-image`` is fitted without
    images too: it says what the question alone tells. Columns beside those of `FreeText`:
    ``question_embedding``, and ``log_likelihood`` of the answer under the head.

    Attributes:
        max_answers: how many answers each head can give, the most frequent ones of train.
        size: length of the product of image and question.
        strengths: inverse L2 penalties (C) that are tried; the one with the lowest log-loss on
            val, of equals the smallest.
        strength_without_val: used when no val question has an answer that the head can give.

    Source: Nguyen et al. (2019), doi:10.1007/978-3-030-32251-9_57 (answers as classes); Kim et
        al. (2017), arXiv:1610.04325 (the product).
    """

    max_answers: int = 256
    size: int = 256
    strengths: tuple[float, ...] = (0.001, 0.01, 0.1)
    strength_without_val: float = 0.01
    question_embedding: Literal["text encoder, else tf-idf of train questions"] = (
        "text encoder, else tf-idf of train questions"
    )
    projection: Literal["random signs, by the seed of the run"] = (
        "random signs, by the seed of the run"
    )
    heads: Literal["closed and open apart"] = "closed and open apart"
    text_metrics: TextMetrics = TEXT_METRICS
    metrics_version: Literal[1] = 1

    @property
    def card(self) -> TaskCard:
        """Settings as data."""
        return TaskCard("vqa", "answer-probe", settings_of(self))

    @property
    def controls(self) -> tuple[str, ...]:
        """A probe learns to tell gibberish questions apart, so they take nothing away."""
        return ("majority", "random", "blank-image", "shuffled-images")

    def unsuitable(self, view: ModelView, data: TaskData, /) -> str | None:
        """Why nothing can be learnt from this model's embeddings on this dataset."""
        reason = unsuitable_questions(data)
        if reason is not None:
            return reason
        asked = {one.question.type for one in asked_in(data, "test")}
        if not any(_has_contrast(data, kind) for kind in sorted(asked)):
            return "fewer than two different answers in train"
        if isinstance(view.model, ModelFree):
            return unsuitable_questions_for(view.model, data)
        return None if isinstance(view.model, ImageEncoder) else "model has no image embedding"

    def expected(self, data: TaskData, /) -> tuple[str, ...]:
        """Keys of the questions about test samples."""
        return keys_of(asked_in(data, "test"))

    def predict(
        self, view: ModelView, data: TaskData, done: frozenset[str], /
    ) -> Iterator[Predictions]:
        """Fit on train, tune on val, ask every question about a test sample."""
        asked = asked_in(data, "test")
        if done.issuperset(keys_of(asked)):
            return
        if isinstance(view.model, ModelFree):
            reply_to, name = model_free_replies(view.model, data), ""
        else:
            encode = _encoder(view, data)
            reply_to, name = self._learn(view, data, encode), encode.name
        notes = {"question_embedding": name}
        yield from answer_rows(asked, reply_to, data.card, done=done, notes=notes)

    def score(self, predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
        """Accuracy of closed questions; text metrics of open ones."""
        del card
        return score_answers(predictions)

    def _learn(self, view: ModelView, data: TaskData, encode: QuestionEncoder) -> ReplyTo:
        train, val = (_rows(view, encode, asked_in(data, split)) for split in LEARNT_FROM)
        learning = Learning(
            max_answers=self.max_answers,
            size=self.size,
            seed=data.seed,
            strengths=self.strengths,
            strength_without_val=self.strength_without_val,
        )
        heads = {k: fit_head(train.of_type(k), val.of_type(k), learning) for k in (CLOSED, OPEN)}

        def replies(asked: Sequence[Asked]) -> list[Reply]:
            rows = _rows(view, encode, asked)
            found: dict[str, Reply] = {}
            for kind, head in heads.items():
                own = rows.of_type(kind)
                given = head.replies(own) if head else [NO_REPLY] * len(own.asked)
                found |= zip(keys_of(own.asked), given, strict=True)
            return [found[one.key] for one in asked]

        return replies


def answer_probe(settings: Mapping[str, Json], /) -> AnswerProbe:
    """The protocol with some settings changed.

    Raises:
        InputError: for an unknown setting, or a number of answers, size or strength below its
            least.
    """
    task = from_settings(AnswerProbe, settings)
    if task.max_answers < 2 or task.size < 1:
        raise InputError(
            f"expected max_answers of 2 and size of 1 at least, got {task.max_answers} and "
            f"{task.size}"
        )
    if not task.strengths or min(*task.strengths, task.strength_without_val) <= 0:
        raise InputError(f"strengths must be positive, got {list(task.strengths)}")
    return task


def _has_contrast(data: TaskData, kind: str) -> bool:
    train = (one.question for one in asked_in(data, "train"))
    return len(frequencies(q.answer for q in train if q.type == kind)) > 1


def _encoder(view: ModelView, data: TaskData) -> QuestionEncoder:
    train, val, test = (
        [one.question.question for one in asked_in(data, split)] for split in SPLITS
    )
    return question_encoder(view, train, [*val, *test])


def _rows(view: ModelView, encode: QuestionEncoder, asked: Sequence[Asked]) -> Rows:
    """Each image is asked for once, however many questions are about it."""
    samples = samples_of(asked)
    questions = encode([one.question.question for one in asked])
    if not samples:
        return Rows(asked, np.zeros((0, 0)), questions)
    place = {sample.id: row for row, sample in enumerate(samples)}
    images = view.image_features(samples)[[place[one.sample.id] for one in asked]]
    return Rows(asked, images, questions)
