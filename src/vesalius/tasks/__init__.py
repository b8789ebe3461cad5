"""Tasks: frozen records of a protocol's settings that can predict and score.

``predict`` talks to a model; ``score`` talks only to the stored predictions and the dataset
card, so that every metric can be recomputed without a model or an image. Factories are named as
strings and resolved on use: listing the tasks imports nothing heavy.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import numpy as np

from vesalius.errors import InputError, RunError, UsageError
from vesalius.records import (
    DatasetCard,
    Json,
    Phrase,
    Predictions,
    Question,
    Sample,
    TaskCard,
)
from vesalius.views import ModelView


@dataclass(frozen=True, slots=True, eq=False)
class TaskData:
    """A dataset as a task sees it: everything but pixels.

    Attributes:
        samples: rows of all splits; their order carries no meaning.
        seed: what every random choice of the task starts from.
    """

    card: DatasetCard
    samples: tuple[Sample, ...]
    seed: int = 0
    questions: tuple[Question, ...] = ()
    phrases: tuple[Phrase, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """A metric of one table of predictions, still a function of its row indices.

    Attributes:
        metric: name as in the metrics table.
        statistic: row indices → value; NaN where undefined.
        class_name: class, finding or ``direction, relevance`` it speaks of; empty for all.
        rows: the rows it is defined on; None for all.
        reason: why the value is undefined, where that is known beforehand.
    """

    metric: str
    statistic: Callable[[np.ndarray], float]
    class_name: str = ""
    rows: np.ndarray | None = None
    higher_is_better: bool = True
    reason: str = field(default="", kw_only=True)


@runtime_checkable
class Task(Protocol):
    """One protocol of one task with its settings."""

    @property
    def card(self) -> TaskCard:
        """Task, protocol and every setting that can change a number; plain JSON."""
        ...

    @property
    def controls(self) -> tuple[str, ...]:
        """Names of the controls that make sense here, see `vesalius.tasks.controls`."""
        ...

    def unsuitable(self, view: ModelView, data: TaskData, /) -> str | None:
        """The true reason why this cell cannot have a number; None if it can."""
        ...

    def expected(self, data: TaskData, /) -> tuple[str, ...]:
        """Keys of the reference rows, in order; each must get a prediction row."""
        ...

    def predict(
        self, view: ModelView, data: TaskData, done: frozenset[str], /
    ) -> Iterator[Predictions]:
        """Yield batches of rows in the order of `expected`, leaving out keys in `done`.

        A reference row for which the model has no answer is still yielded, with NaN, and
        scores as wrong.
        """
        ...

    def score(self, predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
        """Every metric of a table of predictions; the headline comes first."""
        ...


Factory = Callable[[Mapping[str, Json]], Task]

TASKS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "classification": {
            "zero-shot": "vesalius.tasks.zero_shot:zero_shot",
            "linear-probe": "vesalius.tasks.probing:linear_probe",
            "knn": "vesalius.tasks.probing:knn",
            "few-shot": "vesalius.tasks.few_shot:few_shot",
            "option-likelihood": "vesalius.tasks.option_likelihood:option_likelihood",
        },
        "segmentation": {
            "zero-shot": "vesalius.tasks.zero_shot_segmentation:zero_shot",
            "dense-probe": "vesalius.tasks.dense_probe:dense_probe",
        },
        "generation": {
            "inversion": "vesalius.tasks.inversion:inversion",
            "text-to-image": "vesalius.tasks.text_to_image:text_to_image",
            "text-to-image-flow": "vesalius.tasks.text_to_image_flow:text_to_image_flow",
            "external": "vesalius.tasks.text_to_image:external",
        },
        "retrieval": {
            "embedding": "vesalius.tasks.retrieval:embedding",
            "image-embedding": "vesalius.tasks.retrieval:image_embedding",
            "likelihood": "vesalius.tasks.likelihood_retrieval:likelihood",
        },
        "grounding": {
            "similarity-map": "vesalius.tasks.grounding:similarity_map",
            "attribution": "vesalius.tasks.grounding:attribution",
            "text-box": "vesalius.tasks.text_box:text_box",
        },
        "vqa": {
            "free-text": "vesalius.tasks.free_text:free_text",
            "option-likelihood": "vesalius.tasks.vqa_options:vqa_option_likelihood",
            "ranked-candidates": "vesalius.tasks.ranked_candidates:ranked_candidates",
            "answer-probe": "vesalius.tasks.answer_probe:answer_probe",
        },
    }
)

ON_REQUEST = frozenset({("grounding", "text-box"), ("generation", "text-to-image-flow")})
"""Protocols that a run tries only by name.

No model here was trained for what the first asks; the second trains a network in every cell.
"""


def default_protocols(task: str, /) -> tuple[str, ...]:
    """The protocols that a run tries when none is named.

    Raises:
        UsageError: for an unknown task.
    """
    return tuple(name for name in _protocols(task) if (task, name) not in ON_REQUEST)


def make_task(task: str, protocol: str, settings: Mapping[str, Json] | None = None, /) -> Task:
    """A task by name; `settings` override the protocol's defaults.

    Raises:
        UsageError: for an unknown task or protocol.
        InputError: for an unknown setting or a value it cannot have.
    """
    protocols = _protocols(task)
    if protocol not in protocols:
        known = ", ".join(protocols)
        raise UsageError(f"{task} has no protocol {protocol!r}; there are: {known}")
    module, _, name = protocols[protocol].partition(":")
    factory: Factory = getattr(importlib.import_module(module), name)
    return factory(settings or {})


def task_from_card(card: TaskCard, /) -> Task:
    """The task that a stored card describes.

    Raises:
        RunError: if this version cannot compute exactly what the card says.
    """
    try:
        task = make_task(card.task, card.protocol, card.settings)
    except (InputError, UsageError) as error:
        raise RunError(
            f"task card {card.digest} ({card.task}, {card.protocol}): {error}; "
            "score it with the version that wrote it, or run again into a new folder"
        ) from error
    if task.card.digest != card.digest:
        raise RunError(
            f"task card {card.digest} ({card.task}, {card.protocol}) does not name every setting "
            "of this version; score it with the version that wrote it, or run again"
        )
    return task


def n_unanswered(predictions: Predictions, /) -> int:
    """Samples without an answer to at least one of their rows; such rows score as wrong.

    A sample counts once, however often shots, draws or directions ask for it.
    """
    missing = np.zeros(predictions.n_rows, dtype=np.bool_)
    for name, values in predictions.columns.items():
        if name.startswith("score:"):
            missing |= np.isnan(values)
        elif name == "answered":
            missing |= ~values
    return len(np.unique(predictions["id"][missing]))


def _protocols(task: str) -> Mapping[str, str]:
    if task not in TASKS:
        raise UsageError(f"unknown task {task!r}; there are: {', '.join(TASKS)}")
    return TASKS[task]
