"""Which of two models is better, on the same patients, and how sure one can be."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from vesalius.engine.contestants import Contestant, contestants
from vesalius.engine.progress import Progress, no_progress
from vesalius.engine.scoring import task_and_card
from vesalius.records import Cell, Resampling
from vesalius.stats import Comparison, Difference, OnRows, Resamples, Statistic, holm, resample
from vesalius.store.runs import read_predictions, read_run
from vesalius.tasks import Scored


@dataclass(frozen=True, slots=True)
class _Entry:
    cell: Cell
    keys: tuple[str, ...]
    patients: np.ndarray
    scored: Scored

    @property
    def rows(self) -> tuple[object, ...]:
        """What two entries must share to be compared."""
        return (self.keys, self.scored.metric, self.scored.class_name)


def compare_runs(
    runs: Sequence[Path], /, *, task: str | None = None, resampling: Resampling
) -> tuple[Comparison, ...]:
    """Every pair of models that has predictions for identical rows at the same protocol.

    The metric is the task's headline, the first that it scores. `contestants` says who takes part
    and by which name, `compare` how.

    Raises:
        RunError: if a path is not a run folder, or predictions are missing.
    """
    found = contestants([read_run(path) for path in runs])
    return compare([one for one in found if task in (None, one.cell.task)], resampling=resampling)


def compare(
    who: Sequence[Contestant], /, *, resampling: Resampling, progress: Progress = no_progress
) -> tuple[Comparison, ...]:
    """Every pair with predictions for identical rows of the same place, on the same metric.

    Each model is evaluated once on the resamples that all share, so that their differences are
    those of `vesalius.stats.paired_difference`. p values are corrected over the pairs of one
    place: a claim about a column does not weaken because other columns were looked at too.
    A contestant whose task does not score its metric is compared with nobody.

    Raises:
        RunError: if predictions are missing.
    """
    places: dict[object, list[Contestant]] = {}
    for one in who:
        places.setdefault(one.place, []).append(one)
    columns = [members for members in places.values() if len(members) > 1]
    advance = progress("comparing models", sum(len(members) for members in columns))
    found: list[Comparison] = []
    for members in columns:
        found += _column(members, resampling)
        advance(len(members))
    return tuple(found)


def _column(members: Sequence[Contestant], resampling: Resampling) -> Iterator[Comparison]:
    entries = [entry for one in members if (entry := _entry(one)) is not None]
    sets: dict[tuple[object, ...], dict[Cell, _Entry]] = {}
    for entry in entries:
        sets.setdefault(entry.rows, {})[entry.cell] = entry
    drawn = {rows: _drawn(same, resampling) for rows, same in sets.items() if len(same) > 1}
    pairs = [(one, other) for one, other in combinations(entries, 2) if one.rows == other.rows]
    differences = [_difference(one, other, drawn[one.rows]) for one, other in pairs]
    p_values = [difference.p_value for difference in differences]
    n_comparisons = int(np.count_nonzero(~np.isnan(p_values)))
    for (one, other), difference, p in zip(pairs, differences, holm(p_values), strict=True):
        yield Comparison(one.cell, other.cell, difference, float(p), n_comparisons)


def _entry(one: Contestant) -> _Entry | None:
    """Its predictions as a statistic; None when the task does not score the metric."""
    predictions = read_predictions(one.run.path, one.outcome.cell)
    task, card = task_and_card(one.run.info, one.outcome)
    scored = [
        some
        for some in task.score(predictions, card)
        if one.metric in (None, (some.metric, some.class_name))
    ]
    if not scored:
        return None
    return _Entry(one.cell, tuple(predictions["key"].tolist()), predictions["patient"], scored[0])


def _drawn(same: dict[Cell, _Entry], resampling: Resampling) -> Resamples[Cell]:
    patients = next(iter(same.values())).patients
    statistics = {cell: _on_rows(entry.scored) for cell, entry in same.items()}
    return resample(statistics, groups=patients, resampling=resampling)


def _on_rows(scored: Scored) -> Statistic:
    """The statistic over all rows of the table, those it is not defined on left out."""
    return scored.statistic if scored.rows is None else OnRows(scored.statistic, scored.rows)


def _difference(one: _Entry, other: _Entry, drawn: Resamples[Cell]) -> Difference:
    found = drawn.difference(one.cell, other.cell, metric="")
    scored = one.scored
    estimate = replace(
        found.estimate, metric=scored.metric, higher_is_better=scored.higher_is_better
    )
    return replace(found, estimate=estimate)
