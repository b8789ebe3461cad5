"""How far apart the best and the worst subgroup are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from vesalius.stats import Statistic
from vesalius.stats.row_functions import evaluate
from vesalius.tasks import Scored

GAP_METRICS = 2
SUFFIX = "[gap]"


@dataclass(frozen=True, slots=True, eq=False)
class GapOf:
    """Highest minus lowest value of a statistic over groups of rows; 0 or more, 0 is best.

    NaN as soon as it is undefined in one group. The gap of a sample is on average larger than that
    of the population, most of all with many small groups; an interval off zero is no proof of one.

    Attributes:
        groups: row numbers of each group, of which one row may be in several.
    """

    statistic: Statistic
    groups: tuple[np.ndarray, ...]

    def __call__(self, rows: np.ndarray, /) -> float:
        """Value on these rows."""
        parts = [rows[np.isin(rows, group)] for group in self.groups]
        values = [self.statistic(part) if len(part) else np.nan for part in parts]
        return float(np.ptp(values))

    def batched(self, weights: Float[np.ndarray, "b n"], /) -> Float[np.ndarray, " b"]:
        """Value per resample; the same patients are drawn for every group."""
        values = [evaluate(self.statistic, _within(weights, group)) for group in self.groups]
        gaps: np.ndarray = np.ptp(np.stack(values), axis=0)
        return gaps


def _within(
    weights: Float[np.ndarray, "b n"], group: Int[np.ndarray, " m"]
) -> Float[np.ndarray, "b n"]:
    """The weights of a group, zero elsewhere, in the layout that they came in."""
    columns = np.zeros_like(weights.T)
    columns[group] = weights.T[group]
    return columns.T


def gaps(
    scored: Sequence[Scored],
    subgroups: Mapping[str, np.ndarray],
    patients: np.ndarray,
    /,
    *,
    least: int,
) -> Iterator[tuple[str, Scored]]:
    """The gap of the first two metrics of a table over every subgroup column.

    Args:
        scored: metrics of the whole table, headline first.
        subgroups: name of a column → the group of every row; empty where it is not recorded.
        patients: the patient of every row.
        least: patients that a group needs to take part.

    Yields:
        Name of the column and the metric ``<name>[gap]``, on the rows of the groups that take
        part; with a reason and no rows where fewer than two do.
    """
    for name, column in subgroups.items():
        for one in scored[:GAP_METRICS]:
            yield name, _gap(one, column, patients, least)


def _gap(one: Scored, column: np.ndarray, patients: np.ndarray, least: int) -> Scored:
    rows = np.arange(len(column)) if one.rows is None else one.rows
    here = {value: rows[column[rows] == value] for value in np.unique(column[rows]) if value}
    large = tuple(own for own in here.values() if len(np.unique(patients[own])) >= least)
    reason, used = one.reason, np.unique(np.concatenate([*large, rows[:0]]))
    if len(large) < 2:
        used = rows[:0]
        reason = f"{len(large)} of {len(here)} groups have {least} patients; a gap needs two"
    return Scored(one.metric + SUFFIX, GapOf(one.statistic, large), "", used, False, reason=reason)
