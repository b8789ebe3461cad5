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
from vesalius.stats import Comparison, Difference, Statistic, holm, paired_difference
from vesalius.store.runs import Run, read_predictions, read_run
from vesalius.tasks import Scored


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
    p values are corrected over the pairs of one dataset, task and protocol: a claim about a column
    does not weaken because other columns were looked at too.
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
    return tuple(
        comparison
        for entries in places.values()
        for comparison in _column(list(_distinct(entries.values())), resampling)
    )


def _column(entries: Sequence[_Entry], resampling: Resampling) -> Iterator[Comparison]:
    """Every pair with identical rows; the p values are corrected over these pairs."""
    pairs = [(one, other) for one, other in combinations(entries, 2) if one.keys == other.keys]
    differences = [_difference(one, other, resampling) for one, other in pairs]
    p_values = [difference.p_value for difference in differences]
    n_comparisons = int(np.count_nonzero(~np.isnan(p_values)))
    for (one, other), difference, p in zip(pairs, differences, holm(p_values), strict=True):
        yield Comparison(one.cell, other.cell, difference, float(p), n_comparisons)


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
    found = paired_difference(
        first,
        second,
        groups=one.patients,
        metric=one.headline.metric,
        **dataclasses.asdict(resampling),
    )
    estimate = replace(found.estimate, higher_is_better=one.headline.higher_is_better)
    return replace(found, estimate=estimate)


def _on_rows(scored: Scored) -> Statistic:
    """The statistic over all rows of the table, those it is not defined on left out."""
    rows = scored.rows
    if rows is None:
        return scored.statistic
    statistic = scored.statistic

    def on_members(drawn: np.ndarray) -> float:
        return statistic(drawn[np.isin(drawn, rows)])

    return on_members
