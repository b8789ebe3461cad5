"""Which of two models is better, on the same patients, and how sure one can be."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from vesalius.engine.scoring import task_and_card
from vesalius.records import Cell, Done, Predictions, Resampling
from vesalius.stats import Difference, Statistic, holm, paired_difference
from vesalius.store.runs import Run, read_predictions, read_run
from vesalius.tasks import Scored


@dataclass(frozen=True, slots=True)
class Comparison:
    """First minus second on the headline metric; `p_holm` is corrected over all comparisons."""

    first: Cell
    second: Cell
    difference: Difference
    p_holm: float


@dataclass(frozen=True, slots=True)
class _Entry:
    cell: Cell
    fingerprint: str
    keys: tuple[str, ...]
    patients: np.ndarray
    headline: Scored


def compare_runs(
    runs: Sequence[Path], /, *, task: str | None, resampling: Resampling
) -> tuple[Comparison, ...]:
    """Every pair of models that has predictions for identical rows at the same protocol.

    The metric is the task's headline, the first that it scores. Controls are left out, and a
    cell that stands in several runs counts once. Cells of different data or prompts never meet.
    """
    places: dict[tuple[str, ...], dict[str, _Entry]] = {}
    for path in runs:
        run = read_run(path)
        for outcome in run.outcomes:
            if isinstance(outcome, Done) and _is_wanted(outcome.cell, task):
                entry = _entry(run, outcome)
                place = (
                    outcome.cell.dataset,
                    run.info["datasets"][outcome.cell.dataset]["digest"],
                    outcome.task_card,
                )
                places.setdefault(place, {}).setdefault(entry.fingerprint, entry)
    found = [
        (one, other, _difference(one, other, resampling))
        for entries in places.values()
        for one, other in combinations(_distinct(entries.values()), 2)
        if one.keys == other.keys
    ]
    adjusted = holm([difference.p_value for *_, difference in found])
    return tuple(
        Comparison(one.cell, other.cell, difference, float(p))
        for (one, other, difference), p in zip(found, adjusted, strict=True)
    )


def _distinct(entries: Iterable[_Entry]) -> Iterator[_Entry]:
    """Different models of one name, from different runs, get numbers."""
    seen: Counter[str] = Counter()
    for entry in entries:
        seen[entry.cell.model] += 1
        number = seen[entry.cell.model]
        name = entry.cell.model + (f" ({number})" if number > 1 else "")
        yield replace(entry, cell=replace(entry.cell, model=name))


def _is_wanted(cell: Cell, task: str | None) -> bool:
    return not cell.model.startswith("control:") and task in (None, cell.task)


def _entry(run: Run, outcome: Done) -> _Entry:
    predictions: Predictions = read_predictions(run.path, outcome.cell)
    task, card = task_and_card(run.info, outcome)
    headline = task.score(predictions, card)[0]
    keys = tuple(predictions["key"].tolist())
    return _Entry(outcome.cell, outcome.fingerprint, keys, predictions["patient"], headline)


def _difference(one: _Entry, other: _Entry, resampling: Resampling) -> Difference:
    first, second = (_on_rows(entry.headline) for entry in (one, other))
    return paired_difference(
        first,
        second,
        groups=one.patients,
        metric=one.headline.metric,
        **dataclasses.asdict(resampling),
    )


def _on_rows(scored: Scored) -> Statistic:
    """The statistic over all rows of the table, those it is not defined on left out."""
    rows = scored.rows
    if rows is None:
        return scored.statistic
    statistic = scored.statistic

    def on_members(drawn: np.ndarray) -> float:
        return statistic(drawn[np.isin(drawn, rows)])

    return on_members
