"""The table printed at the end of a run; it fits a terminal of 80 columns."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from math import isnan

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vesalius.records import Cell, MetricRow, Outcome
from vesalius.report.controls import strongest
from vesalius.report.exports import remark, visible
from vesalius.report.tables import (
    Entry,
    entries,
    interval_text,
    outcome_counts,
    text_of,
)

NOT_ABOVE = "▽"
TIED = "≈"
MODEL_WIDTH = 15  # enough for the names of all miniatures


def summary(metrics: Sequence[MetricRow], outcomes: Sequence[Outcome], /) -> RenderableType:
    """Headline of every model with interval, patients and its best control; then every gap.

    Controls have no line of their own here, unless they failed; the report shows them all. Texts
    are `rich.text.Text`, so that brackets in a name are not read as markup.
    """
    made = entries(outcomes, metrics)
    shown = [entry for entry in made if not entry.is_control or entry.status == "failed"]
    blocks = [(place, list(block)) for place, block in groupby(shown, key=_place)]
    tables = [_table(visible(" · ".join(place)), block) for place, block in blocks]
    return Group(*tables, *_remarks(shown), _counts(outcomes))


def _place(entry: Entry) -> tuple[str, str]:
    return (entry.cell.dataset, entry.cell.task)


def _protocol(entry: Entry) -> tuple[str, ...]:
    return (*_place(entry), entry.cell.protocol)


def _table(title: str, shown: Sequence[Entry]) -> Table:
    table = Table(
        title=Text(title, style="bold cyan"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        header_style="bold",
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    longest = max(len(visible(entry.cell.model)) for entry in shown)
    table.add_column("Protocol", overflow="fold")
    # a column that may wrap is squeezed, and the last one cut off for what it then lacks
    is_whole = longest <= MODEL_WIDTH
    table.add_column(
        "Model", overflow="fold", no_wrap=is_whole, min_width=min(longest, MODEL_WIDTH)
    )
    table.add_column("Metric", overflow="fold")
    for name in ("Value", "Interval", "Control"):
        table.add_column(name, justify="right", no_wrap=True)
    counts = [len(str(e.headline.estimate.n_patients)) for e in shown if e.headline is not None]
    table.add_column("n", justify="right", no_wrap=True, min_width=max(counts, default=1))
    protocol, ties = "", _ties(shown)
    for entry in shown:
        first = "" if entry.cell.protocol == protocol else entry.cell.protocol
        protocol = entry.cell.protocol
        texts = (
            Text(visible(text)) for text in (first, *_cells(entry, is_tied=entry.cell in ties))
        )
        table.add_row(*texts, style=_style(entry))
    return table


def _ties(shown: Sequence[Entry]) -> set[Cell]:
    """Cells whose interval overlaps that of the best of their protocol."""
    found: set[Cell] = set()
    for _, block in groupby(shown, key=_protocol):
        rows = [one.headline for one in block if one.headline is not None]
        rows = [row for row in rows if not isnan(row.estimate.value)]
        if not rows:
            continue
        sign = 1 if rows[0].estimate.higher_is_better else -1
        best = max(rows, key=lambda row: sign * row.estimate.value)
        found |= {row.cell for row in rows if row is not best and _overlap(row, best)}
    return found


def _overlap(one: MetricRow, other: MetricRow) -> bool:
    first, second = one.estimate, other.estimate
    return first.low <= second.high and second.low <= first.high


def _cells(entry: Entry, *, is_tied: bool) -> tuple[str, ...]:
    if entry.headline is None:
        return (entry.cell.model, "", entry.status, "", "", "")
    estimate = entry.headline.estimate
    best = strongest(entry.controls)
    signs = NOT_ABOVE * (entry.clearance == "does not clear") + TIED * is_tied
    gap = " " if len(signs) == 1 else ""  # two signs take the room of a sign and a space
    return (
        entry.cell.model,
        estimate.metric,
        f"{signs}{gap}{text_of(estimate.value)}",
        interval_text(estimate),
        "" if best is None else text_of(best.estimate.value),
        str(estimate.n_patients),
    )


def _style(entry: Entry) -> str | None:
    if entry.status != "done":
        return "bold red" if entry.status == "failed" else "yellow"
    return "dim" if entry.clearance == "does not clear" else None


def _remarks(shown: Sequence[Entry]) -> list[Text]:
    lines = []
    if any(entry.clearance == "does not clear" for entry in shown):
        lines.append(
            Text(
                f"{NOT_ABOVE} not above controls: the interval does not lie wholly above that of "
                "every control; n counts patients"
            )
        )
    if _ties(shown):
        lines.append(
            Text(
                f"{TIED} the interval overlaps that of the best model of the protocol; "
                "`vesalius compare` tests the difference on the same patients"
            )
        )
    return [*lines, *_reasons(shown)]


def _reasons(shown: Sequence[Entry]) -> list[Text]:
    """Why numbers are missing or cannot be judged, each reason of a protocol once."""
    everyone: Counter[tuple[str, ...]] = Counter(_protocol(entry) for entry in shown)
    groups: dict[tuple[str, ...], list[str]] = {}
    for entry in shown:
        words = remark(entry)
        if words and entry.clearance != "does not clear":
            key = (*_protocol(entry), entry.status, words)
            groups.setdefault(key, []).append(entry.cell.model)
    lines = []
    for (*place, status, words), models in groups.items():
        everywhere = len(models) > 1 and len(models) == everyone[tuple(place)]
        named = f"all {len(models)} models" if everywhere else ", ".join(models)
        text = f"{' · '.join(place)}: {status}, {words} ({named})"
        lines.append(Text(visible(text)))
    return lines


def _counts(outcomes: Sequence[Outcome]) -> Text:
    counts = outcome_counts(outcomes)
    return Text(", ".join(f"{n} {status}" for status, n in counts.items()), style="bold")
