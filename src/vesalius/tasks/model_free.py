"""Classification without a model: the majority of the train labels, and chance."""

from collections.abc import Sequence

import numpy as np

from vesalius.records import Sample, Split
from vesalius.tasks import TaskData
from vesalius.tasks.classification import (
    Answer,
    Answers,
    Problem,
    label_matrix,
    labelled,
    problem_of,
)
from vesalius.tasks.controls import ModelFree, seeded


def unsuitable_model_free(model: ModelFree, data: TaskData, /) -> str | None:
    """Why a control without model cannot answer."""
    if model.kind == "majority" and not labelled(data, "train"):
        return "no labelled train rows to take the majority of"
    return None


def model_free_answer(
    model: ModelFree, data: TaskData, tune_on: tuple[Split, ...], /
) -> tuple[Answer, tuple[Split, ...]]:
    """The control's answers, and the splits that set its threshold.

    ``majority`` scores every row with the class frequencies of train and keeps the threshold
    0.5, so that it really calls the majority. ``random`` draws uniform scores and has its
    threshold tuned like a model's: its F1 is then that of calling everything positive.
    """
    problem = problem_of(data.card)
    if model.kind == "random":
        return _random(problem, model.seed), tune_on
    frequencies = label_matrix(labelled(data, "train"), problem).mean(axis=0)
    return _constant(frequencies), ()


def _constant(scores: np.ndarray) -> Answer:
    def answer(samples: Sequence[Sample]) -> Answers:
        return Answers(np.tile(scores, (len(samples), 1)))

    return answer


def _random(problem: Problem, seed: int) -> Answer:
    """Uniform in [0, 1] per finding, or uniform over all ways to share 1 among the classes."""

    def answer(samples: Sequence[Sample]) -> Answers:
        generators = [seeded(seed, "random", sample.id) for sample in samples]
        if problem.multilabel:
            return Answers(np.array([rng.random(len(problem.classes)) for rng in generators]))
        shares = np.array([rng.exponential(size=len(problem.classes)) for rng in generators])
        return Answers(shares / shares.sum(axis=1, keepdims=True))

    return answer
