"""Who is told apart from whom: the paired comparisons of a run, as the page shows them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vesalius.records import Cell, Estimate, MetricRow
from vesalius.report.boards import rank_text
from vesalius.report.controls import is_control
from vesalius.report.tables import interval_text, text_of
from vesalius.stats import Comparison, Placed, Standing, standings
from vesalius.stats.standings import letters_of

Place = tuple[str, str, str]  # dataset, task, protocol


@dataclass(frozen=True, slots=True)
class Rank:
    """Place of a model in its column.

    Attributes:
        text: ``1=`` where it is shared; empty where nothing was compared.
        letters: of its groups.
        letters_apart: each letter under its own place, for letters of a column to line up.
        reason: why there are none.
    """

    text: str
    letters: str
    letters_apart: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models of a column, the better value first."""

    better: str
    other: str
    difference: str
    interval: str
    p: str
    verdict: str


def place_of(cell: Cell, /) -> Place:
    """The column of a cell."""
    return (cell.dataset, cell.task, cell.protocol)


def rankings(
    comparisons: Sequence[Comparison], rows: Iterable[MetricRow], /
) -> dict[Place, Standing]:
    """The standing of every column that models were compared in.

    The values that are ranked are those of the metric that was compared, over all patients.
    """
    metrics = {place_of(one.first): one.difference.estimate.metric for one in comparisons}
    values: dict[Cell, Estimate] = {}
    for row in rows:
        is_compared = metrics.get(place_of(row.cell)) == row.estimate.metric
        is_whole = not row.subgroup and not is_control(row.cell.model)
        if is_compared and is_whole and (row.cell not in values or not row.class_name):
            values[row.cell] = row.estimate
    known = [one for one in comparisons if one.first in values and one.second in values]
    return {(s.dataset, s.task, s.protocol): s for s in standings(known, values)}


def ranks(standing: Standing | None, /) -> dict[str, Rank]:
    """Rank and letters of every model of a column."""
    if standing is None:
        return {}
    alphabet = sorted({one for placed in standing.placed for one in letters_of(placed.letters)})
    return {placed.model: _rank(placed, standing, alphabet) for placed in standing.placed}


def _rank(placed: Placed, standing: Standing, alphabet: Sequence[str]) -> Rank:
    if placed.rank is None:
        return Rank("", "", "", placed.reason)
    own = letters_of(placed.letters)
    apart = "".join(one if one in own else " " * len(one) for one in alphabet)
    return Rank(rank_text(placed, standing), placed.letters, apart.rstrip())


def pairs_of(comparisons: Iterable[Comparison], standing: Standing, /) -> tuple[Pair, ...]:
    """Every comparison of a column in words, in the order of the ranking."""
    order = {placed.model: number for number, placed in enumerate(standing.placed)}
    place = (standing.dataset, standing.task, standing.protocol)
    here = [one for one in comparisons if place_of(one.first) == place]
    known = [one for one in here if one.first.model in order and one.second.model in order]
    turned = [_better_first(one, order) for one in known]
    turned.sort(key=lambda one: (order[one.first.model], order[one.second.model]))
    return tuple(_pair(one, standing.alpha) for one in turned)


def _better_first(one: Comparison, order: Mapping[str, int]) -> Comparison:
    if order[one.first.model] <= order[one.second.model]:
        return one
    return one.turned


def _pair(one: Comparison, alpha: float) -> Pair:
    estimate, p = one.difference.estimate, one.p_holm
    if math.isnan(p):
        verdict = f"not compared: {estimate.reason or 'the difference is undefined'}"
    else:
        verdict = "told apart" if p <= alpha else "cannot be told apart"
    value = _signed(estimate.value)
    return Pair(
        one.first.model, one.second.model, value, interval_text(estimate), p_text(p), verdict
    )


def _signed(value: float) -> str:
    return f"+{text_of(value)}" if value > 0 else text_of(value).replace("-", "−")


def p_text(p: float, /) -> str:
    """A p value for reading, to three decimals.

    >>> p_text(0.0004), p_text(0.25)
    ('< 0.001', '0.250')
    """
    if math.isnan(p):
        return "n/a"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
