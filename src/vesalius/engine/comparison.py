"""Which of two models is better, on the same patients, and how sure one can be."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vesalius.engine.scoring import task_and_card
from vesalius.records import Cell, Done, Predictions, Resampling
from vesalius.stats import Comparison, Difference, Resamples, Statistic, holm, resample
from vesalius.stats.row_functions import evaluate
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
    found = _resampled(entries, resampling)
    pairs = [(one, other) for one, other in combinations(entries, 2) if one.keys == other.keys]
    differences = [_difference(one, other, found[one.keys]) for one, other in pairs]
    p_values = [difference.p_value for difference in differences]
    n_comparisons = int(np.count_nonzero(~np.isnan(p_values)))
    for (one, other), difference, p in zip(pairs, differences, holm(p_values), strict=True):
        yield Comparison(one.cell, other.cell, difference, float(p), n_comparisons)


def _resampled(
    entries: Sequence[_Entry], resampling: Resampling
) -> dict[tuple[str, ...], Resamples[str]]:
    """Every model once in every resample, by the rows that it has predictions for."""
    groups: dict[tuple[str, ...], list[_Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.keys, []).append(entry)
    return {
        keys: resample(
            {entry.cell.model: _on_rows(entry.headline, len(keys)) for entry in members},
            groups=members[0].patients,
            resampling=resampling,
        )
        for keys, members in groups.items()
        if len(members) > 1
    }


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


def _difference(one: _Entry, other: _Entry, found: Resamples[str]) -> Difference:
    headline = one.headline
    apart = found.difference(one.cell.model, other.cell.model, metric=headline.metric)
    estimate = replace(
        apart.estimate, metric=headline.metric, higher_is_better=headline.higher_is_better
    )
    return replace(apart, estimate=estimate)


@dataclass(frozen=True, slots=True, eq=False)
class _OnMembers:
    """A statistic over all rows of the table, those it is not defined on left out."""

    statistic: Statistic
    is_member: np.ndarray

    def __call__(self, rows: np.ndarray, /) -> float:
        return self.statistic(rows[self.is_member[rows]])

    def batched(self, weights: Float[np.ndarray, "b n"], /) -> Float[np.ndarray, " b"]:
        return evaluate(self.statistic, weights * self.is_member)


def _on_rows(scored: Scored, n_rows: int) -> Statistic:
    if scored.rows is None:
        return scored.statistic
    return _OnMembers(scored.statistic, np.isin(np.arange(n_rows), scored.rows))
