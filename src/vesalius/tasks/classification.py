"""What all classification protocols share: the question, the reference rows, the table.

A protocol is a function from samples to `Answers`. Everything else is done here, once: which
rows are asked, where the decision threshold comes from, what a row of the table holds.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from vesalius.capabilities import ImageEncoder
from vesalius.errors import InputError
from vesalius.records import DatasetCard, Predictions, Sample, Split
from vesalius.tasks import TaskData
from vesalius.tasks.thresholds import DEFAULT_THRESHOLD, best_f1_threshold

CHUNK = 64
LABEL_SEPARATOR = "|"
Kind = Literal["binary", "multiclass", "multilabel"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is asked of each image: which of the classes, or which of the findings.

    ``binary`` needs two classes and a declared positive one; two classes without it are treated
    like any other number of classes.
    """

    classes: tuple[str, ...]
    multilabel: bool
    positive: str | None

    @property
    def kind(self) -> Kind:
        """How scores become decisions: one threshold, arg max, or a threshold per finding."""
        if self.multilabel:
            return "multilabel"
        return "binary" if len(self.classes) == 2 and self.positive else "multiclass"

    @property
    def thresholded(self) -> tuple[str, ...]:
        """The classes that get a decision threshold."""
        if self.kind == "binary":
            assert self.positive is not None
            return (self.positive,)
        return self.classes if self.multilabel else ()

    def threshold_column(self, name: str, /, *, prefix: str = "threshold") -> str:
        """Column that holds a class's threshold."""
        return prefix if self.kind == "binary" else f"{prefix}:{name}"


def problem_of(card: DatasetCard, /) -> Problem:
    """The classification problem that a dataset card declares."""
    return Problem(tuple(card.classes), card.multilabel, card.positive)


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Scores of a batch, rows as the samples came; NaN rows where the model has no answer.

    Attributes:
        scores: probability-like scores in [0, 1], shape (n, classes); rows sum to 1 unless
            multilabel.
        logits: what the scores were made from, same shape; None where there is no such thing.
        extra: further columns of the table.
    """

    scores: np.ndarray
    logits: np.ndarray | None = None
    extra: Mapping[str, np.ndarray] = field(default_factory=dict)


Answer = Callable[[Sequence[Sample]], Answers]


@dataclass(frozen=True, slots=True)
class Part:
    """One of several passes over the reference rows: prefix of its keys, constant columns."""

    prefix: str = ""
    columns: Mapping[str, int] = field(default_factory=dict)


def labelled(data: TaskData, split: Split, /) -> tuple[Sample, ...]:
    """Labelled samples of a split by id, so that no result depends on the order of a file."""
    chosen = (s for s in data.samples if s.split == split and s.labelled)
    return tuple(sorted(chosen, key=lambda s: s.id))


def label_matrix(samples: Sequence[Sample], problem: Problem, /) -> Bool[np.ndarray, "n classes"]:
    """Which class each sample has.

    Raises:
        InputError: for a label that the dataset card does not declare, or a single-label row
            without exactly one label.
    """
    place = {name: i for i, name in enumerate(problem.classes)}
    matrix = np.zeros((len(samples), len(problem.classes)), dtype=np.bool_)
    for row, sample in enumerate(samples):
        if not problem.multilabel and len(sample.labels) != 1:
            raise InputError(
                f"sample {sample.id!r}: expected one label, got {list(sample.labels)}; "
                "set multilabel: true in dataset.yaml if several are meant"
            )
        for name in sample.labels:
            if name not in place:
                declared = ", ".join(problem.classes)
                raise InputError(f"sample {sample.id!r}: label {name!r} is not one of: {declared}")
            matrix[row, place[name]] = True
    return matrix


def unsuitable_data(data: TaskData, /, *, learns: bool) -> str | None:
    """Why the dataset has no such problem; `learns` if train rows of two classes are needed."""
    problem = problem_of(data.card)
    if not problem.classes:
        return "dataset declares no classes"
    if len(problem.classes) < 2 and not problem.multilabel:
        return "dataset declares a single class"
    if not labelled(data, "test"):
        return "no labelled test rows"
    if learns and not _has_contrast(label_matrix(labelled(data, "train"), problem), problem):
        return "fewer than two classes present in train"
    return None


def unsuitable_model(model: object, /) -> str | None:
    """Why a model cannot be probed."""
    return None if isinstance(model, ImageEncoder) else "model has no image embedding"


def _has_contrast(labels: np.ndarray, problem: Problem) -> bool:
    if problem.multilabel:
        return bool((labels.any(axis=0) & ~labels.all(axis=0)).any())
    return int(labels.any(axis=0).sum()) >= 2


def predict_rows(
    answer: Answer,
    data: TaskData,
    /,
    *,
    done: frozenset[str],
    tune_on: Sequence[Split],
    part: Part | None = None,
) -> Iterator[Predictions]:
    """Ask for every labelled test row that is not done, in batches.

    Batches have fixed borders whatever is done already, so that a resumed run multiplies the
    same matrices and gets the same bits.

    Args:
        answer: the protocol.
        data: test rows to ask for, and the rows the threshold is tuned on.
        done: keys that have a row already.
        tune_on: splits that may set the threshold, best first; never test.
        part: for protocols that pass over the rows several times.
    """
    part = part or Part()
    problem = problem_of(data.card)
    reference = labelled(data, "test")
    if all(part.prefix + s.id in done for s in reference):
        return
    thresholds = tuned_thresholds(answer, data, tune_on)
    for start in range(0, len(reference), CHUNK):
        chunk = reference[start : start + CHUNK]
        keys = [part.prefix + sample.id for sample in chunk]
        wanted = np.array([key not in done for key in keys])
        if wanted.any():
            columns = sample_columns(chunk, keys, data.card)
            columns |= {name: np.full(len(chunk), v) for name, v in part.columns.items()}
            columns |= _answer_columns(answer(chunk), problem)
            columns |= {name: np.full(len(chunk), value) for name, value in thresholds.items()}
            yield Predictions({name: values[wanted] for name, values in columns.items()})


def sample_columns(
    samples: Sequence[Sample], keys: Sequence[str], card: DatasetCard, /
) -> dict[str, np.ndarray]:
    """The columns that come from the reference: identity, label, declared subgroups."""
    columns = {
        "id": [s.id for s in samples],
        "patient": [s.patient for s in samples],
        "split": [s.split for s in samples],
        "key": list(keys),
        "label": [LABEL_SEPARATOR.join(s.labels) for s in samples],
    }
    for name in card.subgroups:
        columns[f"subgroup:{name}"] = [_group(s.extra.get(name)) for s in samples]
    return {name: np.array(values, dtype=np.str_) for name, values in columns.items()}


def _group(value: str | float | None) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _answer_columns(answers: Answers, problem: Problem) -> dict[str, np.ndarray]:
    columns = {f"score:{c}": answers.scores[:, i] for i, c in enumerate(problem.classes)}
    if answers.logits is not None:
        columns |= {f"logit:{c}": answers.logits[:, i] for i, c in enumerate(problem.classes)}
    return columns | dict(answers.extra)


def tuned_thresholds(
    answer: Answer, data: TaskData, tune_on: Sequence[Split], /
) -> dict[str, float | str]:
    """Column → threshold, or the split it comes from, for every class that has one.

    The first split with a positive and a negative row decides; else 0.5, source ``default``.
    """
    problem = problem_of(data.card)
    open_classes = list(problem.thresholded)
    found: dict[str, tuple[float, str]] = {}
    found |= dict.fromkeys(open_classes, (DEFAULT_THRESHOLD, "default"))
    for split in tune_on:
        samples = labelled(data, split)
        if not (open_classes and samples):
            continue
        labels, scores = label_matrix(samples, problem), _in_chunks(answer, samples)
        for name in list(open_classes):
            column = problem.classes.index(name)
            answered = ~np.isnan(scores[:, column])
            positive = labels[answered, column]
            if positive.any() and not positive.all():
                found[name] = (best_f1_threshold(positive, scores[answered, column]), split)
                open_classes.remove(name)
    columns: dict[str, float | str] = {}
    for name, (value, source) in found.items():
        columns[problem.threshold_column(name)] = value
        columns[problem.threshold_column(name, prefix="threshold_source")] = source
    return columns


def _in_chunks(answer: Answer, samples: Sequence[Sample]) -> Float[np.ndarray, "n classes"]:
    starts = range(0, len(samples), CHUNK)
    return np.concatenate([answer(samples[start : start + CHUNK]).scores for start in starts])
