"""The drawings of a fusion study: differences, missing inputs, contributions.

A line of a drawing has its words above and its interval below, so that long names and numbers
stay readable at any width.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from vesalius.fusion.results import Row, Study
from vesalius.records import Estimate
from vesalius.report.exports import visible
from vesalius.report.figures import (
    Axis,
    Figure,
    Line,
    frame,
    label,
    line_figure,
    nice_axis,
    rule,
    shorten,
)
from vesalius.report.fusion_tables import (
    interval_of,
    p_text,
    score_name,
    signed_text,
    verdict,
)
from vesalius.report.tables import text_of

WIDTH, LEFT, SIZE = 460.0, 16.0, 428.0
TOP, STEP, FOOT = 6.0, 38.0, 36.0
_WORDS, _BAR = 14.0, 25.0  # from the top of a line to its words, and to its interval
_LETTER, _BOLD, _GAP = 6.1, 6.6, 12.0  # about the width of a letter
_REASON_LENGTH = 76
_MARKS = {"better": " ▲", "worse": " ▼"}


@dataclass(frozen=True, slots=True)
class Drawn:
    """One line of a drawing.

    Attributes:
        words: the numbers as text.
        style: ``better``, ``worse``, ``same`` or ``plain``; of a bar ``base``, ``up``, ``down``.
        start: where a bar begins; NaN for a dot.
        end: where it ends, and where a dot stands.
        whisker: both ends of the interval, NaN without one.
        reason: why there is no number.
    """

    name: str
    words: str
    style: str
    end: float
    whisker: tuple[float, float] = (math.nan, math.nan)
    start: float = math.nan
    reason: str = ""


def forest(study: Study, /) -> Figure:
    """Difference of every head from the best single input, with its interval."""
    rows = [row for row in study.rows if row.place.variant == "fused"]
    lines = [_head_line(row) for row in rows]
    shown = [v for line in lines for v in (line.end, *line.whisker)]
    name = f"difference in {score_name(study.metric)} from the best single input"
    axis = nice_axis(name, [0.0, *shown])
    return _drawing("Heads on all inputs", lines, axis, levels=(0.0,), caption="")


def _head_line(row: Row) -> Drawn:
    one = row.difference.estimate if row.difference else Estimate("", math.nan)
    if math.isnan(one.value):
        return Drawn(row.place.head, "n/a", "same", math.nan, reason=_why(row, one))
    style = verdict(row)
    p = f", p {p_text(row.p_holm)}" if not math.isnan(row.p_holm) else ""
    words = f"{signed_text(one.value)} {interval_of(one, signed=True)}{p}{_MARKS.get(style, '')}"
    return Drawn(row.place.head, words, style, one.value, (one.low, one.high))


def _why(row: Row, difference: Estimate) -> str:
    return row.estimate.reason or difference.reason or "no reason was recorded"


def singles(study: Study, /) -> Figure:
    """Score of every input alone, with its interval; the floor as a line."""
    rows = [row for row in study.rows if row.place.variant == "single"]
    lines = [_single_line(row, best=study.best_single) for row in rows]
    shown = [v for line in lines for v in (line.end, *line.whisker)]
    axis = nice_axis(score_name(study.metric), [study.floor.value, *shown])
    caption = f"Dashed line: no input at all, {text_of(study.floor.value)}."
    return _drawing("Each input alone", lines, axis, levels=(study.floor.value,), caption=caption)


def _single_line(row: Row, *, best: str) -> Drawn:
    one, name = row.estimate, row.place.head
    if math.isnan(one.value):
        return Drawn(name, "n/a", "same", math.nan, reason=_why(row, one))
    mark = " best on val" if name == best else ""
    words = f"{text_of(one.value)} {interval_of(one)}{mark}"
    return Drawn(name, words, "plain", one.value, (one.low, one.high))


def contributions(study: Study, /) -> Figure:
    """From the score without any input, contribution by contribution, to that of the best head."""
    total = study.row(study.best_head).estimate
    floor = study.floor
    lines = [
        Drawn("no input", text_of(floor.value), "base", floor.value, (floor.low, floor.high), 0.0)
    ]
    reached = floor.value
    for name, one in study.contributions.items():
        lines.append(_share_line(name, one, start=reached))
        reached += one.value
    words = f"= {text_of(total.value)} {interval_of(total)}"
    whisker = (total.low, total.high)
    lines.append(Drawn(f"{study.best_head}, all", words, "base", total.value, whisker, 0.0))
    shown = [v for line in lines for v in (line.start, line.end, *line.whisker)]
    axis = nice_axis(score_name(study.metric), [0.0, *shown])
    return _drawing(
        f"What each input brings to {study.best_head}",
        lines,
        axis,
        levels=(floor.value,),
        caption="Every bar starts where the one above it ends; the line below it is the interval.",
    )


def _share_line(name: str, one: Estimate, *, start: float) -> Drawn:
    if math.isnan(one.value):
        return Drawn(name, "n/a", "same", math.nan, reason=one.reason or "undefined")
    style = "up" if one.value >= 0 else "down"
    words = f"{signed_text(one.value)} {interval_of(one, signed=True)}"
    whisker = (start + one.low, start + one.high)
    return Drawn(name, words, style, start + one.value, whisker, start)


def _drawing(
    title: str, lines: Sequence[Drawn], axis: Axis, *, levels: Sequence[float], caption: str
) -> Figure:
    bottom = TOP + STEP * len(lines)
    parts: list[Markup] = []
    for tick in axis.ticks:
        parts.append(rule(_at(axis, tick), TOP, _at(axis, tick), bottom))
        parts.append(label(_at(axis, tick), bottom + 13, f"{tick:g}", "tick mid"))
    level = Markup('<line class="level" x1="{0}" y1="{1}" x2="{0}" y2="{2}"/>')
    parts += [level.format(_at(axis, v), TOP, bottom) for v in levels if math.isfinite(v)]
    parts += [_line(line, axis, TOP + STEP * i) for i, line in enumerate(lines)]
    parts.append(label(LEFT + SIZE / 2, bottom + 30, axis.label, "axis mid"))
    spoken = f"{title}: {axis.label}; " + "; ".join(f"{x.name} {x.words}" for x in lines)
    svg = frame(spoken, Markup().join(parts), WIDTH, bottom + FOOT, style="chart tall")
    return Figure(title, svg, caption)


def _at(axis: Axis, value: float) -> str:
    """Place of a value across the drawing."""
    return f"{LEFT + SIZE * float(axis.position(np.array([value]))[0]):.1f}"


def _line(line: Drawn, axis: Axis, top: float) -> Markup:
    words, name = line.words, visible(line.name)
    room = int((WIDTH - 8 - _GAP - _LETTER * len(words)) / _BOLD)
    shown = shorten_middle(name, max(room, 8))
    parts = [
        Markup("<title>{}</title>").format(f"{name}: {words} {visible(line.reason)}".strip()),
        _bed(4, top, _BOLD * len(shown)),
        _bed(WIDTH - 4 - _LETTER * len(words), top, _LETTER * len(words)),
        label(4, top + _WORDS, shown, "name"),
        label(WIDTH - 4, top + _WORDS, words, f"words end {line.style}"),
    ]
    if math.isnan(line.end):
        reason = shorten(line.reason, _REASON_LENGTH)
        parts.append(_bed(4, top + _BAR + 4 - _WORDS, _LETTER * len(reason)))
        parts.append(label(4, top + _BAR + 4, reason, "why"))
    elif math.isnan(line.start):
        parts.append(_dot(line, axis, top + _BAR))
    else:
        parts.append(_bar(line, axis, top + _BAR))
    return Markup("<g>{}</g>").format(Markup().join(parts))


def _bed(left: float, top: float, width: float) -> Markup:
    """Hides the grid where words stand."""
    bed = Markup('<rect class="bed" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="15"/>')
    return bed.format(left - 2, top + _WORDS - 11, width + 4)


def _dot(line: Drawn, axis: Axis, level: float) -> Markup:
    """The value, on its interval."""
    dot = Markup('<circle class="mark {}" cx="{}" cy="{}" r="4.2"/>')
    return _whisker(line, axis, level) + dot.format(line.style, _at(axis, line.end), level)


def _bar(line: Drawn, axis: Axis, level: float) -> Markup:
    """From start to end, the interval of the end below."""
    ends = sorted(float(_at(axis, v)) for v in (line.start, line.end))
    box = Markup('<rect class="block {}" x="{:.1f}" y="{}" width="{:.1f}" height="8"/>')
    drawn = box.format(line.style, ends[0], level - 6, ends[1] - ends[0])
    return drawn + _whisker(line, axis, level + 5)


def _whisker(line: Drawn, axis: Axis, level: float) -> Markup:
    if any(math.isnan(v) for v in line.whisker):
        return Markup()
    low, high = (_at(axis, v) for v in line.whisker)
    span = Markup('<line class="whisker {0}" x1="{2}" y1="{1}" x2="{3}" y2="{1}"/>')
    return span.format(line.style, level, low, high)


def shorten_middle(text: str, length: int, /) -> str:
    """`text` in at most `length` characters, both ends kept: names often differ in the last.

    >>> shorten_middle("hub:somebody/a-long-name:image", 20)
    'hub:someb…name:image'
    """
    if len(text) <= length:
        return text
    tail = length // 2
    return f"{text[: length - tail - 1]}…{text[len(text) - tail :]}"


Curves = dict[tuple[str, str], list[tuple[float, Estimate]]]


def curve_rows(study: Study, /) -> Curves:
    """Head and input → share of rows that lose the input, with the score.

    None of the rows: the head fused; all of them: the head with the input missing.
    """
    heads = dict.fromkeys([study.best_head, *(row.place.head for row in study.curves)])
    found: Curves = {}
    for slot in study.contributions:
        for head in heads:
            between = [row for row in study.curves if row.place.head == head]
            found[head, slot] = [
                (0.0, study.row(head).estimate),
                *((r.place.share, r.estimate) for r in between if r.place.slot == slot),
                (1.0, study.row(head, "missing", slot).estimate),
            ]
    return found


def curves(study: Study, /) -> tuple[Figure, ...]:
    """A panel for each input, all with the same axes."""
    rows = curve_rows(study)
    points = [one for line in rows.values() for _, one in line]
    shown = [v for one in points for v in (one.value, one.low, one.high)]
    x = Axis("share of test rows without it")
    y = nice_axis(score_name(study.metric), [study.floor.value, *shown])
    return tuple(_panel(study, slot, rows, x=x, y=y) for slot in study.contributions)


def _panel(study: Study, slot: str, rows: Curves, *, x: Axis, y: Axis) -> Figure:
    lines = [_curve(head, line) for (head, one), line in rows.items() if one == slot]
    level = np.full(2, study.floor.value)
    floor = Line("no input at all", np.array([0.0, 1.0]), level, is_reference=True)
    return line_figure(slot, [*lines, floor], x=x, y=y, caption="")


def _curve(head: str, points: Sequence[tuple[float, Estimate]]) -> Line:
    taught = "[dropout=" in head
    return Line(
        f"{head}, taught to do without" if taught else f"{head}, best on val",
        np.array([share for share, _ in points]),
        np.array([one.value for _, one in points]),
        markers=True,
        low=np.array([one.low for _, one in points]),
        high=np.array([one.high for _, one in points]),
    )
