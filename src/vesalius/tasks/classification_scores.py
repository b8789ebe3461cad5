"""Metrics of a table of classification predictions; no model, no image.

A row without an answer (NaN scores) counts as wrong in every metric. Decisions: the other class;
with many classes the next one in the card's order. Ranks: behind every row if it is positive,
before every row if not. Probabilities: certain of what is wrong.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from vesalius.errors import InputError
from vesalius.metrics import METRICS
from vesalius.records import DatasetCard, Predictions
from vesalius.stats import BatchedStatistic, MeanOf, statistic
from vesalius.tasks import Scored
from vesalius.tasks.classification import LABEL_SEPARATOR, Problem, problem_of
from vesalius.tasks.spread import SPREADS, SpreadOf

RANKED = ("auroc", "auprc", "prevalence", "specificity@90sensitivity", "specificity@95sensitivity")
CALIBRATED = ("brier", "ece")
DECIDED = ("f1", "precision", "recall", "specificity", "accuracy", "balanced_accuracy", "mcc")
PER_CLASS = ("f1", "precision", "recall")
MULTICLASS_DECIDED = ("macro_f1", "accuracy", "balanced_accuracy", "mcc")
TEMPLATE_COLUMN = "template {}:{}"
TEMPLATE_THRESHOLD = "template {} {}"
ABOVE_ALL, BELOW_ALL = 2.0, -1.0  # scores lie in [0, 1]


@dataclass(frozen=True, slots=True)
class Named:
    """A statistic with its name and the class it speaks of."""

    metric: str
    statistic: BatchedStatistic
    class_name: str = ""

    @property
    def higher_is_better(self) -> bool:
        """Direction of the metric, whatever its qualifier; a spread is better small."""
        if self.metric.endswith("std]"):
            return False
        name = self.metric if self.metric in METRICS else self.metric.partition("[")[0]
        return METRICS[name].higher_is_better


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Arrays of one pass over the reference rows.

    Attributes:
        truth: which class each row has, (n, classes).
        scores: as stored, NaN where there is no answer, (n, classes).
        thresholds: decision threshold per row, (n, classes); NaN for classes without one.
    """

    truth: np.ndarray
    scores: np.ndarray
    thresholds: np.ndarray

    @property
    def missing(self) -> Bool[np.ndarray, " n"]:
        """Rows without an answer."""
        missing: np.ndarray = np.isnan(self.scores).any(axis=1)
        return missing

    @property
    def index(self) -> Int[np.ndarray, " n"]:
        """Index of the true class; single-label only."""
        index: np.ndarray = self.truth.argmax(axis=1)
        return index


def score_classification(predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
    """Every metric of one pass over the reference rows; the headline comes first."""
    problem = problem_of(card)
    named = metrics_of(read_table(predictions, problem), problem)
    named += template_metrics(predictions, problem)
    return [as_scored(one) for one in named]


def as_scored(named: Named, /, *, suffix: str = "", rows: np.ndarray | None = None) -> Scored:
    """A row of the metrics table to be."""
    metric = named.metric + suffix
    return Scored(metric, named.statistic, named.class_name, rows, named.higher_is_better)


def read_table(predictions: Predictions, problem: Problem, /, *, template: int = 0) -> Table:
    """Arrays of a table of predictions; with a number, those of one prompt template.

    Raises:
        InputError: if a label is not declared in the dataset card, or a column is not there.
    """
    thresholds = np.full((predictions.n_rows, len(problem.classes)), np.nan)
    for name in problem.thresholded:
        stored = problem.threshold_column(name)
        stored = TEMPLATE_THRESHOLD.format(template, stored) if template else stored
        thresholds[:, problem.classes.index(name)] = _column(predictions, stored)
    column = TEMPLATE_COLUMN.format(template, "{}") if template else "score:{}"
    scores = [_column(predictions, column.format(name)) for name in problem.classes]
    return Table(_truth(predictions["label"], problem), np.stack(scores, axis=1), thresholds)


def _column(predictions: Predictions, name: str) -> np.ndarray:
    if name not in predictions.columns:
        there = ", ".join(predictions.columns)
        raise InputError(f"predictions have no column {name!r}; there are: {there}")
    return predictions[name].astype(np.float64)


def _truth(labels: np.ndarray, problem: Problem) -> Bool[np.ndarray, "n classes"]:
    place = {name: i for i, name in enumerate(problem.classes)}
    truth = np.zeros((len(labels), len(place)), dtype=np.bool_)
    for row, joined in enumerate(labels.tolist()):
        for name in joined.split(LABEL_SEPARATOR) if joined else ():
            if name not in place:
                raise InputError(f"row {row}: label {name!r} is not one of: {', '.join(place)}")
            truth[row, place[name]] = True
    return truth


def metrics_of(table: Table, problem: Problem, /) -> list[Named]:
    """Metrics of the kind of problem, headline first."""
    if problem.kind == "binary":
        return _binary(table, problem)
    return _multilabel(table, problem) if problem.multilabel else _multiclass(table, problem)


def _binary(table: Table, problem: Problem) -> list[Named]:
    assert problem.positive is not None
    positive = problem.classes.index(problem.positive)
    overall = _of_class(table, positive, "")
    by_argmax = statistic("accuracy", table.index, _argmax(table))
    decided = _decisions(table, positive)
    found = [*overall, Named("accuracy[argmax]", by_argmax)]
    for place, name in enumerate(problem.classes):
        called = decided if place == positive else ~decided
        found += [
            Named(metric, statistic(metric, table.truth[:, place], called), name)
            for metric in PER_CLASS
        ]
    return found


def _multilabel(table: Table, problem: Problem) -> list[Named]:
    per_class = [_of_class(table, i, name) for i, name in enumerate(problem.classes)]
    by_metric = {
        same[0].metric: [n.statistic for n in same] for same in zip(*per_class, strict=True)
    }
    macro = [
        Named(f"macro_{metric}", MeanOf(tuple(by_metric[metric])))
        for metric in ("f1", "auroc", "auprc")
    ]
    others = ("brier", "ece", "balanced_accuracy")
    macro += [Named(f"{m}[macro]", MeanOf(tuple(by_metric[m]))) for m in others]
    return macro + [named for one in per_class for named in one]


def _multiclass(table: Table, problem: Problem) -> list[Named]:
    index, called = table.index, _argmax(table)
    found = [Named(m, statistic(m, index, called)) for m in MULTICLASS_DECIDED]
    ranked = _worst_ranks(table)
    found += [Named(m, statistic(m, index, ranked)) for m in ("macro_auroc", "macro_auprc")]
    certain = _worst_probabilities(table)
    calibrated = ("brier[multiclass]", "ece[top-label]")
    found += [Named(m, statistic(m, index, certain)) for m in calibrated]
    for place, name in enumerate(problem.classes):
        truth = table.truth[:, place]
        found += [Named(m, statistic(m, truth, ranked[:, place]), name) for m in RANKED]
        found += [
            Named(m, statistic(m, truth, called == place), name)
            for m in (*PER_CLASS, "specificity")
        ]
    return found


def _of_class(table: Table, place: int, class_name: str) -> list[Named]:
    """The metrics of one thresholded class."""
    truth = table.truth[:, place]
    decided, ranked = _decisions(table, place), _worst_ranks(table)[:, place]
    certain = np.where(table.missing, ~truth, table.scores[:, place])
    found = [Named(m, statistic(m, truth, decided), class_name) for m in DECIDED]
    found += [Named(m, statistic(m, truth, ranked), class_name) for m in RANKED]
    found += [Named(m, statistic(m, truth, certain), class_name) for m in CALIBRATED]
    return found


def _decisions(table: Table, place: int) -> Bool[np.ndarray, " n"]:
    called = table.scores[:, place] >= table.thresholds[:, place]
    decided: np.ndarray = np.where(table.missing, ~table.truth[:, place], called)
    return decided


def _argmax(table: Table) -> Int[np.ndarray, " n"]:
    """Most probable class, the first of equals; the class after the true one where missing."""
    best = np.nan_to_num(table.scores, nan=BELOW_ALL).argmax(axis=1)
    called: np.ndarray = np.where(table.missing, _wrong_class(table), best)
    return called


def _wrong_class(table: Table) -> Int[np.ndarray, " n"]:
    wrong: np.ndarray = (table.index + 1) % table.truth.shape[1]
    return wrong


def _worst_ranks(table: Table) -> Float[np.ndarray, "n classes"]:
    worst = np.where(table.truth, BELOW_ALL, ABOVE_ALL)
    ranked: np.ndarray = np.where(table.missing[:, None], worst, table.scores)
    return ranked


def _worst_probabilities(table: Table) -> Float[np.ndarray, "n classes"]:
    worst = np.eye(table.truth.shape[1])[_wrong_class(table)]
    certain: np.ndarray = np.where(table.missing[:, None], worst, table.scores)
    return certain


def template_metrics(predictions: Predictions, problem: Problem, /) -> list[Named]:
    """The threshold-free metric and the F1 for each single template, and how far they spread.

    Each template has its own threshold, from the rows that set the one of the ensemble. Nothing
    for a single template.
    """
    tables: list[Table] = []
    while TEMPLATE_COLUMN.format(len(tables) + 1, problem.classes[0]) in predictions.columns:
        tables.append(read_table(predictions, problem, template=len(tables) + 1))
    if len(tables) < 2:
        return []
    prefix = "" if problem.kind == "binary" else "macro_"
    ranked = [_threshold_free(table, problem) for table in tables]
    decided = [_f1(table, problem) for table in tables]
    return _spread(f"{prefix}auroc", ranked) + _spread(f"{prefix}f1", decided)


def _spread(metric: str, statistics: list[BatchedStatistic]) -> list[Named]:
    found = [Named(f"{metric}[template {i}]", one) for i, one in enumerate(statistics, start=1)]
    spreads = [Named(f"{metric}[templates, {s}]", SpreadOf(tuple(statistics), s)) for s in SPREADS]
    return found + spreads


def _f1(table: Table, problem: Problem) -> BatchedStatistic:
    if problem.kind == "multiclass":
        return statistic("macro_f1", table.index, _argmax(table))
    per_class = [
        statistic("f1", table.truth[:, place], _decisions(table, place))
        for place in map(problem.classes.index, problem.thresholded)
    ]
    return per_class[0] if problem.kind == "binary" else MeanOf(tuple(per_class))


def _threshold_free(table: Table, problem: Problem) -> BatchedStatistic:
    ranked = _worst_ranks(table)
    if problem.kind == "multiclass":
        return statistic("macro_auroc", table.index, ranked)
    per_class = [
        statistic("auroc", table.truth[:, place], ranked[:, place])
        for place in map(problem.classes.index, problem.thresholded)
    ]
    return per_class[0] if problem.kind == "binary" else MeanOf(tuple(per_class))
