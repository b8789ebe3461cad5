"""From metric rows to the records that every output shows: headline, controls, matrix."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from vesalius.records import TASKS, Cell, Done, Estimate, Failed, MetricRow, NotApplicable, Outcome
from vesalius.report.controls import (
    Clearance,
    clearance,
    controls_of,
    is_control,
    is_meant_for,
    signed,
    strongest,
)

# (metric, class name): the first that has a value wins, then the first row with a value in the
# order of the task, which lists its headline first. A binary task has `f1` of its positive class.
HEADLINE: Mapping[str, tuple[tuple[str, str], ...]] = {
    "classification": (("f1", ""), ("macro_f1", "")),
    "segmentation": (("dice", ""),),
    "generation": (("ssim", ""),),
    "retrieval": (("recall@5", ""),),
    "grounding": (("iou[box]", ""),),
    "vqa": (("accuracy", ""),),
}
COMPANION: Mapping[str, tuple[tuple[str, str], ...]] = {
    "classification": (("auroc", ""), ("macro_auroc", "")),
    "segmentation": (("iou", ""),),
    "generation": (("psnr", ""),),
    "retrieval": (("recall@5[chance]", ""),),
    "grounding": (("ap@0.5", ""),),
    "vqa": (("exact_match[normalised]", ""),),
}

_SHOTS = re.compile(r"\[(?P<shots>\d+)-shot\]$")

Status = Literal["done", "n/a", "failed", "not run"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One protocol of one model in the matrix, or one line of a printed table.

    Attributes:
        note: reason of an n/a cell, error of a failed one, reason of an undefined headline.
        headline: the headline estimate; None when the cell has no metric row for it.
        companion: a second, threshold-free estimate shown small.
        controls: the control rows that the headline is compared with.
        heat: position of the value between its strongest control (0) and the best model on the
            same dataset, task and metric (1); NaN when there is no control or no value.
    """

    cell: Cell
    status: Status
    note: str = ""
    headline: MetricRow | None = None
    companion: MetricRow | None = None
    controls: tuple[MetricRow, ...] = ()
    clearance: Clearance = "no control"
    heat: float = math.nan

    @property
    def is_control(self) -> bool:
        """Whether this is a control and not a model."""
        return is_control(self.cell.model)


@dataclass(frozen=True, slots=True)
class Matrix:
    """Models × tasks on one dataset; `places` holds at least one entry for each pair."""

    dataset: str
    models: tuple[str, ...]
    tasks: tuple[str, ...]
    places: Mapping[tuple[str, str], tuple[Entry, ...]]


def group_by_cell(rows: Iterable[MetricRow], /) -> dict[Cell, list[MetricRow]]:
    """Rows of each cell, in their order."""
    groups: dict[Cell, list[MetricRow]] = {}
    for row in rows:
        groups.setdefault(row.cell, []).append(row)
    return groups


def headline_of(task: str, rows: Sequence[MetricRow], /) -> MetricRow | None:
    """The row that stands for a cell: by `HEADLINE`, else the first in the order of the task.

    Few-shot metrics, such as ``f1[16-shot]``, stand for it with the most shots that have a value.
    An undefined row is taken only when no other without class and subgroup has a value.
    """
    names = HEADLINE.get(task, ())
    whole = [row for row in rows if not row.subgroup]
    plain = [row for row in whole if not row.class_name]
    defined = [row for row in plain if not math.isnan(row.estimate.value)]
    picked = _pick(defined, names) or _most_shots(defined, names) or next(iter(defined), None)
    return picked or _pick(plain, names) or next(iter([*plain, *whole]), None)


def _companion_of(headline: MetricRow, rows: Sequence[MetricRow]) -> MetricRow | None:
    """The threshold-free estimate by `COMPANION`, with as many shots as the headline."""
    names = COMPANION.get(headline.cell.task, ())
    shots = _SHOTS.search(headline.estimate.metric)
    if shots is not None:
        names = tuple((f"{metric}{shots[0]}", place) for metric, place in names)
    return _pick(rows, names)


def _pick(rows: Iterable[MetricRow], names: Sequence[tuple[str, str]]) -> MetricRow | None:
    found = {(row.estimate.metric, row.class_name): row for row in rows if not row.subgroup}
    there = [found[name] for name in names if name in found]
    defined = (row for row in there if not math.isnan(row.estimate.value))
    return next(defined, next(iter(there), None))


def _most_shots(rows: Iterable[MetricRow], names: Sequence[tuple[str, str]]) -> MetricRow | None:
    wanted = {metric for metric, _ in names}
    found = [(match, row) for row in rows if (match := _SHOTS.search(row.estimate.metric))]
    shots = {
        int(match["shots"]): row
        for match, row in found
        if row.estimate.metric[: match.start()] in wanted
    }
    return shots[max(shots)] if shots else None


def entries(outcomes: Sequence[Outcome], metrics: Sequence[MetricRow], /) -> tuple[Entry, ...]:
    """One entry for every cell that has an outcome or a metric row, controls included.

    Ordered by dataset, task (in the order of the contract), protocol, models before controls,
    model.
    """
    groups = group_by_cell(metrics)
    peers = _group_by_column(metrics)
    known = {outcome.cell: outcome for outcome in outcomes}
    cells = dict.fromkeys([*known, *groups])
    made = [_entry(c, known.get(c), groups.get(c, []), peers) for c in cells]
    return tuple(sorted(_with_heat(_with_failed_controls(made)), key=_order))


Column = tuple[str, str, str, str]


def _group_by_column(metrics: Iterable[MetricRow]) -> dict[Column, list[MetricRow]]:
    columns: dict[Column, list[MetricRow]] = {}
    for row in metrics:
        if is_control(row.cell.model) and not row.subgroup:
            columns.setdefault(_column(row), []).append(row)
    return columns


def _column(row: MetricRow) -> Column:
    return (row.cell.dataset, row.cell.task, row.estimate.metric, row.class_name)


def _order(entry: Entry) -> tuple[str, int, str, bool, str]:
    cell = entry.cell
    return (cell.dataset, task_rank(cell.task), cell.protocol, entry.is_control, cell.model)


def task_rank(task: str, /) -> int:
    """Place of a task in the contract's order; unknown ones come last."""
    return TASKS.index(task) if task in TASKS else len(TASKS)


def _entry(
    cell: Cell,
    outcome: Outcome | None,
    rows: Sequence[MetricRow],
    peers: Mapping[Column, Sequence[MetricRow]],
) -> Entry:
    if isinstance(outcome, NotApplicable):
        return Entry(cell, "n/a", outcome.reason)
    if isinstance(outcome, Failed):
        return Entry(cell, "failed", outcome.error)
    headline = headline_of(cell.task, rows)
    if headline is None:
        return Entry(cell, "done", "no metric was computed")
    companion = _companion_of(headline, rows)
    if is_control(cell.model):
        return Entry(cell, "done", headline.estimate.reason, headline, companion)
    controls = controls_of(headline, peers.get(_column(headline), ()))
    verdict = clearance(headline.estimate, controls)
    return Entry(cell, "done", headline.estimate.reason, headline, companion, controls, verdict)


def _with_failed_controls(made: Sequence[Entry]) -> list[Entry]:
    """A model whose control failed cannot be said to clear every control."""
    failed = [entry.cell for entry in made if entry.is_control and entry.status == "failed"]

    def judged(entry: Entry) -> Entry:
        lost = [
            cell.model
            for cell in failed
            if replace(cell, model=entry.cell.model) == entry.cell
            and is_meant_for(cell.model, entry.cell.model)
        ]
        if entry.clearance != "clears" or not lost:
            return entry
        return replace(entry, clearance="undefined", note=f"failed: {', '.join(lost)}")

    return [judged(entry) for entry in made]


def _with_heat(made: Sequence[Entry]) -> list[Entry]:
    best: dict[Column, float] = {}
    for entry in made:
        if entry.headline is not None and not entry.is_control:
            value = signed(entry.headline.estimate)
            key = _column(entry.headline)
            best[key] = float(np.fmax(best.get(key, math.nan), value))
    return [_heated(entry, best) for entry in made]


def _heated(entry: Entry, best: Mapping[Column, float]) -> Entry:
    bar = strongest(entry.controls)
    if entry.headline is None or bar is None:
        return entry
    value, floor = signed(entry.headline.estimate), signed(bar.estimate)
    top = best[_column(entry.headline)]
    if math.isnan(value) or top <= floor or entry.clearance != "clears":
        heat = math.nan if math.isnan(value) else 0.0
    else:
        heat = min(max((value - floor) / (top - floor), 0.0), 1.0)
    return replace(entry, heat=heat)


def matrices(
    made: Sequence[Entry], /, *, models: Iterable[str] = (), datasets: Iterable[str] = ()
) -> tuple[Matrix, ...]:
    """One matrix per dataset, without controls; a place that nothing was tried for says so.

    Args:
        made: the result of `entries`.
        models: further rows to show, such as models that loaded but have no outcome.
        datasets: further matrices to show.
    """
    shown = [entry for entry in made if not entry.is_control]
    rows = dict.fromkeys([*models, *(entry.cell.model for entry in shown)])
    tasks = tuple(sorted({entry.cell.task for entry in shown}, key=task_rank))
    names = dict.fromkeys([*datasets, *(entry.cell.dataset for entry in shown)])
    return tuple(_matrix(name, tuple(rows), tasks, shown) for name in names)


def _matrix(
    dataset: str, models: tuple[str, ...], tasks: tuple[str, ...], shown: Sequence[Entry]
) -> Matrix:
    places: dict[tuple[str, str], tuple[Entry, ...]] = {}
    for model in models:
        for task in tasks:
            here = tuple(
                entry
                for entry in shown
                if (entry.cell.model, entry.cell.dataset, entry.cell.task) == (model, dataset, task)
            )
            gap = Entry(Cell(model, dataset, task, ""), "not run", "no outcome was recorded")
            places[model, task] = here or (gap,)
    return Matrix(dataset, models, tasks, places)


def text_of(value: float, /) -> str:
    """A value for reading: three decimals, four significant digits from 10 on, ``n/a`` for NaN."""
    if math.isnan(value):
        return "n/a"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"


def interval_text(estimate: Estimate, /) -> str:
    """``[low, high]``, empty when there is no interval."""
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return ""
    return f"[{text_of(estimate.low)}, {text_of(estimate.high)}]"


def outcome_counts(outcomes: Iterable[Outcome], /) -> dict[Status, int]:
    """How many cells of models (not controls) ended how."""
    counts: dict[Status, int] = {"done": 0, "n/a": 0, "failed": 0}
    names: dict[type, Status] = {Done: "done", NotApplicable: "n/a", Failed: "failed"}
    for outcome in outcomes:
        if not is_control(outcome.cell.model):
            counts[names[type(outcome)]] += 1
    return counts
