"""What the page says about one cell: its sentence, its tables, its figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from vesalius.errors import RunError
from vesalius.records import Cell, Done, Failed, MetricRow, Outcome, digest_json
from vesalius.report.controls import control_title, controls_of, is_control, strongest
from vesalius.report.examples import Examples, Place, examples_of
from vesalius.report.figures import Figure, interval_bar
from vesalius.report.gallery import Gallery, Pictures, galleries
from vesalius.report.plots import figures_of
from vesalius.report.sources import Origin
from vesalius.report.tables import Entry, interval_text, task_rank, text_of
from vesalius.store.runs import read_predictions

MAX_PIVOT_ROWS = 60


@dataclass(frozen=True, slots=True)
class MetricLine:
    """One metric of a cell with the same metric of each control beside it."""

    row: MetricRow
    bar: Markup
    controls: tuple[MetricRow | None, ...]


@dataclass(frozen=True, slots=True)
class Pivot:
    """Metrics (columns) of classes or subgroups (rows).

    Attributes:
        rows: name, patients and one metric row or None per column.
        left_out: how many rows there were beyond the limit.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, int, tuple[MetricRow | None, ...]], ...]
    left_out: int = 0

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why values are undefined, each reason once with the places it holds for."""
        places: dict[str, list[str]] = {}
        for name, _, cells in self.rows:
            found = [row.estimate for row in cells if row is not None]
            undefined = [estimate for estimate in found if math.isnan(estimate.value)]
            for estimate in undefined:
                whole = len(undefined) == len(found) and len({e.reason for e in found}) == 1
                place = name if whole else f"{name}: {estimate.metric}"
                where = places.setdefault(estimate.reason or "no reason was recorded", [])
                if place not in where:
                    where.append(place)
        return tuple(f"{reason} ({_few(where)})" for reason, where in places.items())


def _few(names: Sequence[str], limit: int = 6) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return "; ".join(names[:limit]) + more


@dataclass(frozen=True, slots=True)
class CellPage:
    """Everything shown for one cell of a model."""

    anchor: str
    entry: Entry
    outcome: Outcome | None
    sentence: str
    scope: str
    control_names: tuple[str, ...]
    lines: tuple[MetricLine, ...]
    pivots: tuple[Pivot, ...]
    figures: tuple[Figure, ...]
    galleries: tuple[Gallery, ...]
    examples: Examples | None
    notes: tuple[str, ...]
    task_card: str

    @property
    def place(self) -> tuple[str, int]:
        """What cells are grouped by: dataset, and task in the order of the contract."""
        return (self.entry.cell.dataset, task_rank(self.entry.cell.task))


def anchor_of(cell: Cell, /) -> str:
    """Name of a cell's place in the page; made of hexadecimal digits, so no name can break it."""
    return "cell-" + digest_json([cell.model, cell.dataset, cell.task, cell.protocol])[:12]


def cell_page(
    entry: Entry,
    outcome: Outcome | None,
    rows: Sequence[MetricRow],
    controls: Sequence[MetricRow],
    /,
    *,
    origin: Origin | None,
    pictures: Pictures,
) -> CellPage:
    """Assemble one cell.

    Args:
        entry: its place in the matrix.
        outcome: how it ended.
        rows: its metric rows.
        controls: metric rows of the controls on the same dataset and task.
        origin: where its predictions lie.
        pictures: collects the thumbnails that the galleries show.
    """
    scope = entry.headline.class_name if entry.headline is not None else ""
    main = [row for row in rows if not row.subgroup and row.class_name == scope]
    beside = {id(row): controls_of(row, controls) for row in main}
    names = tuple(dict.fromkeys(c.cell.model for found in beside.values() for c in found))
    drawn = _from_predictions(outcome, origin, pictures)
    return CellPage(
        anchor=anchor_of(entry.cell),
        entry=entry,
        outcome=outcome,
        sentence=sentence(entry),
        scope=_scope_text(scope, entry.cell.task, origin),
        control_names=tuple(_short_control(name) for name in names),
        lines=tuple(_line(row, beside[id(row)], names) for row in main),
        pivots=_pivots(rows, scope, entry.cell.task),
        figures=drawn.figures,
        galleries=drawn.galleries,
        examples=drawn.examples,
        notes=(*_notes(outcome), *drawn.problems),
        task_card=next((row.task_card for row in rows), ""),
    )


def _scope_text(scope: str, task: str, origin: Origin | None) -> str:
    if not scope and task == "retrieval":
        return "Primary queries: image ↔ text by pair, image → image where there are no captions"
    if scope or task != "classification" or origin is None:
        return scope or "All samples"
    positive = origin.run.info["datasets"][origin.cell.dataset].get("positive")
    return f"All samples, positive class {positive}" if positive else "All samples"


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What the predictions of a cell show."""

    figures: tuple[Figure, ...] = ()
    galleries: tuple[Gallery, ...] = ()
    examples: Examples | None = None
    problems: tuple[str, ...] = ()


def _from_predictions(outcome: Outcome | None, origin: Origin | None, pictures: Pictures) -> _Drawn:
    if not isinstance(outcome, Done) or origin is None:
        return _Drawn()
    run, cell = origin.run, origin.cell
    try:
        predictions = read_predictions(run.path, cell)
    except RunError as error:
        return _Drawn(problems=(f"No figures: {error}",))
    place = Place(run.path, cell.dataset, run.info["datasets"][cell.dataset])
    found: tuple[Gallery, ...] = ()
    if cell.task == "retrieval":
        found = galleries(predictions, pictures=pictures, run=run.path, dataset=cell.dataset)
    return _Drawn(
        figures_of(cell.task, predictions, place.card),
        found,
        examples_of(cell.task, predictions, place, pictures=pictures),
    )


def _notes(outcome: Outcome | None) -> tuple[str, ...]:
    if not isinstance(outcome, Done):
        return ()
    counted = f"{outcome.n_expected} reference rows"
    if outcome.n_missing:
        counted += f", {outcome.n_missing} without an answer, counted as wrong"
    return (f"{counted}; computed in {outcome.duration_s:.1f} s", *outcome.notes)


def _line(row: MetricRow, found: Sequence[MetricRow], names: Sequence[str]) -> MetricLine:
    by_name = {control.cell.model: control for control in found}
    marks = [control.estimate.value for control in found]
    estimate = row.estimate
    bar = interval_bar(estimate.value, estimate.low, estimate.high, marks=marks)
    return MetricLine(row, bar, tuple(by_name.get(name) for name in names))


def _short_control(name: str) -> str:
    return control_title(name).partition("(")[0]


def sentence(entry: Entry, /) -> str:
    """The headline in words, with its judgement against the controls."""
    if entry.status == "n/a":
        return f"Not applicable: {entry.note}."
    if entry.status == "failed":
        return f"Failed: {entry.note}"
    if entry.headline is None:
        return f"No number: {entry.note}."
    row, estimate = entry.headline, entry.headline.estimate
    name = f"{estimate.metric} ({row.class_name})" if row.class_name else estimate.metric
    if math.isnan(estimate.value):
        return f"{name} is undefined: {estimate.reason or 'no reason was recorded'}."
    interval = interval_text(estimate)
    within = f", {estimate.level:.0%} interval {interval}" if interval else ", without an interval"
    counted = f"over {estimate.n_patients} patients ({estimate.n} rows)"
    return f"{name} is {text_of(estimate.value)}{within}, {counted}. {_judgement(entry)}"


def _judgement(entry: Entry) -> str:
    bar = strongest(entry.controls)
    if bar is None:
        return "No control was run for it, so it cannot be told from chance here."
    interval = interval_text(bar.estimate)
    named = f"{control_title(bar.cell.model)}, {text_of(bar.estimate.value)} {interval}".rstrip()
    if entry.clearance == "clears":
        return f"Its interval lies wholly beyond that of every control (strongest: {named})."
    if entry.clearance == "undefined" and entry.note:
        return f"It cannot be judged against every control ({entry.note}; strongest: {named})."
    if entry.clearance == "undefined":
        return f"Without intervals it cannot be judged against its controls (strongest: {named})."
    return f"It does not clear its controls (strongest: {named})."


def _pivots(rows: Sequence[MetricRow], scope: str, task: str) -> tuple[Pivot, ...]:
    classes = [row for row in rows if not row.subgroup and row.class_name != scope]
    subgroups = [row for row in rows if row.subgroup]
    made = []
    if classes:
        title = "By direction and relevance" if task == "retrieval" else "By class"
        made.append(_pivot(title, classes, by_subgroup=False))
    if subgroups:
        made.append(_pivot("By subgroup", subgroups, by_subgroup=True))
    return tuple(made)


def _pivot(title: str, rows: Sequence[MetricRow], *, by_subgroup: bool) -> Pivot:
    columns = tuple(dict.fromkeys(row.estimate.metric for row in rows))
    groups: dict[str, dict[str, MetricRow]] = {}
    for row in rows:
        place = (row.subgroup, row.class_name) if by_subgroup else (row.class_name, "")
        name = " · ".join(part for part in place if part) or "all"
        groups.setdefault(name, {})[row.estimate.metric] = row
    lines = tuple(
        (
            name,
            max(row.estimate.n_patients for row in found.values()),
            tuple(found.get(column) for column in columns),
        )
        for name, found in groups.items()
    )
    return Pivot(title, columns, lines[:MAX_PIVOT_ROWS], max(0, len(lines) - MAX_PIVOT_ROWS))


def failures(outcomes: Sequence[Outcome], /) -> tuple[Outcome, ...]:
    """Cells without a number, failed ones first; those of controls included."""
    bad = [outcome for outcome in outcomes if not isinstance(outcome, Done)]
    return tuple(sorted(bad, key=lambda o: (not isinstance(o, Failed), is_control(o.cell.model))))
