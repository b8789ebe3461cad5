"""What the page says about one column: the ranking of its models, drawn and in words."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from vesalius.records import Done, Json, MetricRow, Outcome, digest_json
from vesalius.report.controls import signed
from vesalius.report.figures import Axis, Figure
from vesalius.report.forest import forest_axis, forest_scale, forest_strip
from vesalius.report.ranking import Pair, Place, Rank, pairs_of, place_of, ranks
from vesalius.report.scatter import Cost, Point, scatter_figure
from vesalius.report.tables import Entry, interval_text, text_of
from vesalius.stats import Comparison, Standing
from vesalius.stats.standings import letters_of

_PARAMETERS = Cost("parameters of the model", "")
_SECONDS = Cost(
    "seconds per reference row",
    "Cost is the time of this cell over its reference rows on the machine of the run; what an "
    "earlier cell had computed and kept is not counted again, so it is a lower bound.",
)


@dataclass(frozen=True, slots=True)
class Contender:
    """A model of a column with a value."""

    entry: Entry
    row: MetricRow
    rank: Rank | None
    strip: Markup


@dataclass(frozen=True, slots=True)
class ColumnPage:
    """Everything shown for one dataset, task and protocol.

    Attributes:
        metric: what is drawn; the headline of the best model.
        compared: the metric that letters and ranks belong to; empty without comparisons.
        absent: models without a value here.
    """

    anchor: str
    place: Place
    metric: str
    compared: str
    contenders: tuple[Contender, ...]
    absent: tuple[Entry, ...]
    scale: Markup
    sentences: tuple[str, ...]
    pairs: tuple[Pair, ...]
    n_comparisons: int
    figure: Figure | None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What columns are made of besides their entries."""

    comparisons: Sequence[Comparison]
    standings: Mapping[Place, Standing]
    models: Mapping[str, Mapping[str, Json]]
    outcomes: Sequence[Outcome]


def column_anchor(place: Place, /) -> str:
    """Name of a column's place in the page, of hexadecimal digits."""
    return "column-" + digest_json(list(place))[:12]


def column_pages(made: Sequence[Entry], about: Circumstances, /) -> tuple[ColumnPage, ...]:
    """One page for every column in which a model has a value, in the order of the entries."""
    columns: dict[Place, list[Entry]] = {}
    for entry in made:
        if not entry.is_control:
            columns.setdefault(place_of(entry.cell), []).append(entry)
    pages = (_column_page(place, entries, about) for place, entries in columns.items())
    return tuple(page for page in pages if page.contenders)


def _column_page(place: Place, entries: Sequence[Entry], about: Circumstances) -> ColumnPage:
    valued = [(e, e.headline) for e in entries if e.headline is not None]
    valued = [(e, row) for e, row in valued if not math.isnan(row.estimate.value)]
    valued.sort(key=lambda pair: (-signed(pair[1].estimate), pair[0].cell.model))
    standing = about.standings.get(place)
    known = ranks(standing)
    axis = _axis([*(row for _, row in valued), *(c for e, _ in valued for c in e.controls)])
    contenders = tuple(
        Contender(
            entry,
            row,
            _rank_of(row, standing, known),
            forest_strip(row.estimate, entry.controls, axis=axis),
        )
        for entry, row in valued
    )
    there = {entry.cell for entry, _ in valued}
    return ColumnPage(
        anchor=column_anchor(place),
        place=place,
        metric=axis.label,
        compared=standing.metric if standing is not None else "",
        contenders=contenders,
        absent=tuple(entry for entry in entries if entry.cell not in there),
        scale=forest_scale(axis),
        sentences=tuple(_sentences(contenders, standing)),
        pairs=pairs_of(about.comparisons, standing) if standing is not None else (),
        n_comparisons=standing.n_comparisons if standing is not None else 0,
        figure=_figure(contenders, axis.label, about),
    )


def _axis(rows: Sequence[MetricRow]) -> Axis:
    name = ""
    if rows:
        first = rows[0]
        name = first.estimate.metric + (f" ({first.class_name})" if first.class_name else "")
    return forest_axis(name, [row.estimate for row in rows])


def _rank_of(row: MetricRow, standing: Standing | None, known: Mapping[str, Rank]) -> Rank | None:
    """The rank of a headline, when that is what was compared."""
    if standing is None or row.estimate.metric != standing.metric:
        return None
    return known.get(row.cell.model)


def matrix_ranks(pages: Iterable[ColumnPage], /) -> dict[str, dict[Place, Rank]]:
    """Rank of every model in every column."""
    found: dict[str, dict[Place, Rank]] = {}
    for page in pages:
        for one in page.contenders:
            if one.rank is not None:
                found.setdefault(one.entry.cell.model, {})[page.place] = one.rank
    return found


def _sentences(contenders: Sequence[Contender], standing: Standing | None) -> list[str]:
    if not contenders:
        return []
    best = contenders[0]
    estimate = best.row.estimate
    value = f"{text_of(estimate.value)} {interval_text(estimate)}".rstrip()
    lines = [f"Best value: {best.entry.cell.model}, {value}."]
    if best.entry.clearance == "does not clear":
        lines.append("It does not clear its controls.")
    if len(contenders) == 1:
        return [*lines, "It is the only model here."]
    return [*lines, *_told_apart(best, contenders, standing)]


def _told_apart(
    best: Contender, contenders: Sequence[Contender], standing: Standing | None
) -> list[str]:
    if standing is None or best.rank is None or not best.rank.letters:
        return ["Nothing says whether it is told apart from the others: no paired comparison."]
    own = set(letters_of(best.rank.letters))
    ranked = [one for one in contenders[1:] if one.rank is not None and one.rank.letters]
    like = [o.entry.cell.model for o in ranked if o.rank and own & set(letters_of(o.rank.letters))]
    if not like:
        return ["It is told apart from every other model that it was compared with."]
    if len(like) == len(ranked):
        return ["No other model that it was compared with is told apart from it."]
    return [f"Not told apart from it: {', '.join(like)}. It is told apart from the others."]


def _figure(contenders: Sequence[Contender], metric: str, about: Circumstances) -> Figure | None:
    """Value against parameters, or against time where the parameters of a model are not known."""
    counts = {
        one.entry.cell.model: about.models.get(one.entry.cell.model, {}).get("n_parameters")
        for one in contenders
    }
    cost, values = _PARAMETERS, {name: float(n) for name, n in counts.items() if n}
    if len(values) < len(contenders):
        cost, values = _SECONDS, _seconds(contenders, about.outcomes)
    points = [
        Point(one.entry.cell.model, values[one.entry.cell.model], one.row.estimate)
        for one in contenders
        if one.entry.cell.model in values
    ]
    title = f"{metric} against {cost.axis}"
    return scatter_figure(points, cost=cost, metric=metric, title=title)


def _seconds(contenders: Sequence[Contender], outcomes: Sequence[Outcome]) -> dict[str, float]:
    cells = {one.entry.cell for one in contenders}
    return {
        o.cell.model: o.duration_s / o.n_expected
        for o in outcomes
        if isinstance(o, Done) and o.cell in cells and o.n_expected and o.duration_s > 0
    }
