"""Charts as inline SVG: pure functions from arrays to markup.

Drawn here rather than by a plotting library because the page forbids inline styles: colours come
from the style sheet by class, so one drawing serves light, dark and print, and equal arrays give
equal bytes. Every text is escaped. Lines differ by dash pattern as well as by colour.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from markupsafe import Markup

from vesalius.metrics.curves import thin
from vesalius.report.exports import visible

MAX_VERTICES = 160
_LEFT, _TOP, _SIZE_X, _SIZE_Y = 44.0, 12.0, 264.0, 196.0
_LEAST_SPAN = 1e-6
_WIDTH, _HEIGHT = _LEFT + _SIZE_X + 12, _TOP + _SIZE_Y + 40


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One curve of a chart.

    Attributes:
        step: draw right angles; each value reaches back to the point before, as in the average
            precision.
        markers: draw a dot at each vertex.
        is_reference: a level to compare with, drawn thin and grey.
        low: lower end of the interval of each value, drawn as a band; None without intervals.
        high: upper end.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    step: bool = False
    markers: bool = False
    is_reference: bool = False
    low: np.ndarray | None = None
    high: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Axis:
    """Label, end points, ticks and scale of one axis."""

    label: str
    low: float = 0.0
    high: float = 1.0
    ticks: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    logarithmic: bool = False

    def position(self, value: Float[np.ndarray, "n"], /) -> Float[np.ndarray, "n"]:
        """Share of the axis at which each value lies, clipped to its ends."""
        if self.logarithmic:
            share = np.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return np.clip(share, 0.0, 1.0)


def nice_axis(label: str, values: Iterable[float], /, *, n_steps: int = 5) -> Axis:
    """An axis that holds all finite values, with ticks at 1, 2 or 5 times a power of ten.

    Args:
        label: what is written beside it.
        values: a single value stands in the middle of an axis of length 0.1.
        n_steps: most steps between the least and the greatest value.

    >>> nice_axis("score", [0.52, 0.9]).ticks
    (0.5, 0.6, 0.7, 0.8, 0.9)
    """
    finite = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if high - low < _LEAST_SPAN:
        low, high = low - 0.05, high + 0.05
    raw = (high - low) / n_steps
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(round(k * step, 9) for k in range(first, last + 1))
    return Axis(label, ticks[0], ticks[-1], ticks)


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing with its words; `legend` pairs a style number with a name."""

    title: str
    svg: Markup
    caption: str
    legend: tuple[tuple[str, str], ...] = ()


def line_figure(title: str, lines: Sequence[Line], /, *, x: Axis, y: Axis, caption: str) -> Figure:
    """A chart of curves; references are drawn thin and grey."""
    drawn: list[Markup] = []
    legend: list[tuple[str, str]] = []
    number = 0
    for line in lines:
        style = "ref" if line.is_reference else f"s{number % 6}"
        number += not line.is_reference
        drawn.append(_curve(line, style, x=x, y=y))
        legend.append((style, line.name))
    svg = frame(title, _grid(x, y) + Markup().join(drawn))
    return Figure(title, svg, caption, tuple(legend))


def _curve(line: Line, style: str, *, x: Axis, y: Axis) -> Markup:
    drawn = np.isfinite(line.x) & np.isfinite(line.y)
    across, up = thin(line.x[drawn], line.y[drawn], n_points=MAX_VERTICES)
    left = _LEFT + _SIZE_X * x.position(across)
    top = _TOP + _SIZE_Y * (1 - y.position(up))
    points = [f"{a:.1f},{b:.1f}" for a, b in zip(left, top, strict=True)]
    if line.step:
        corners = [f"{a:.1f},{b:.1f}" for a, b in zip(left[:-1], top[1:], strict=True)]
        points = [p for pair in zip(points, [*corners, ""], strict=True) for p in pair if p]
    path = Markup('<polyline class="line {}" points="{}"/>').format(style, " ".join(points))
    path = _band(line, style, x=x, y=y) + path
    if not line.markers:
        return path
    dot = Markup('<circle class="dot {}" cx="{}" cy="{}" r="3"/>')
    dots = (dot.format(style, f"{a:.1f}", f"{b:.1f}") for a, b in zip(left, top, strict=True))
    return path + Markup().join(dots)


def _band(line: Line, style: str, *, x: Axis, y: Axis) -> Markup:
    """Between the ends of the intervals, where there are any."""
    if line.low is None or line.high is None:
        return Markup()
    drawn = np.isfinite(line.x) & np.isfinite(line.low) & np.isfinite(line.high)
    left = _LEFT + _SIZE_X * x.position(line.x[drawn])
    bottom, top = (_TOP + _SIZE_Y * (1 - y.position(v[drawn])) for v in (line.low, line.high))
    there = [*zip(left, top, strict=True), *zip(left[::-1], bottom[::-1], strict=True)]
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in there)
    return Markup('<polygon class="band {}" points="{}"/>').format(style, points)


def _grid(x: Axis, y: Axis) -> Markup:
    bottom, right = _TOP + _SIZE_Y, _LEFT + _SIZE_X
    parts: list[Markup] = []
    for tick, share in zip(x.ticks, x.position(np.array(x.ticks)), strict=True):
        at = f"{_LEFT + _SIZE_X * float(share):.1f}"
        parts.append(rule(at, _TOP, at, bottom))
        parts.append(label(at, bottom + 15, f"{tick:g}", "tick mid"))
    for tick, share in zip(y.ticks, y.position(np.array(y.ticks)), strict=True):
        level = _TOP + _SIZE_Y * (1 - float(share))
        parts.append(rule(_LEFT, f"{level:.1f}", right, f"{level:.1f}"))
        parts.append(label(_LEFT - 6, f"{level + 3.5:.1f}", f"{tick:g}", "tick end"))
    parts.append(label(_LEFT + _SIZE_X / 2, bottom + 34, x.label, "axis mid"))
    turned = Markup('<text class="axis mid" transform="translate(11 {}) rotate(-90)">{}</text>')
    parts.append(turned.format(f"{_TOP + _SIZE_Y / 2:.1f}", visible(y.label)))
    return Markup().join(parts)


def rule(x1: float | str, y1: float | str, x2: float | str, y2: float | str) -> Markup:
    """A thin line of the grid."""
    return Markup('<line class="grid" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(x1, y1, x2, y2)


def label(x: float | str, y: float | str, text: str, style: str) -> Markup:
    """A line of text, with what could rewrite it made visible."""
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(style, x, y, visible(text))


def frame(
    title: str,
    body: Markup,
    width: float = _WIDTH,
    height: float = _HEIGHT,
    *,
    style: str = "chart",
) -> Markup:
    """A drawing as one picture, whose title screen readers say."""
    head = Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">')
    opened = head.format(style, f"{width:g}", f"{height:g}", visible(title))
    return opened + body + Markup("</svg>")


def grid_figure(
    title: str,
    counts: Int[np.ndarray, "rows columns"],
    /,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    caption: str,
) -> Figure:
    """Counts in a grid, shaded by their share of the row: a confusion matrix, or four counts."""
    edge = max(30.0, min(64.0, 230.0 / len(columns)))
    deep = min(edge, 40.0)
    left, top = 96.0, 24.0
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    parts: list[Markup] = []
    for j, name in enumerate(columns):
        middle = f"{left + (j + 0.5) * edge:.1f}"
        parts.append(label(middle, top - 8, shorten(name, max(3, int(edge / 6))), "tick mid"))
    for i, name in enumerate(rows):
        parts.append(
            label(left - 6, f"{top + (i + 0.5) * deep + 4:.1f}", shorten(name, 14), "tick end")
        )
        for j in range(len(columns)):
            at = (left + j * edge, top + i * deep)
            parts.append(_square(at, (edge, deep), int(counts[i, j]), float(shares[i, j])))
    size = (left + len(columns) * edge + 8, top + len(rows) * deep + 8)
    return Figure(title, frame(title, Markup().join(parts), *size), caption)


def _square(at: tuple[float, float], size: tuple[float, float], count: int, share: float) -> Markup:
    level = heat_level(share)
    box = (f"{at[0]:.1f}", f"{at[1]:.1f}", f"{size[0] - 2:.1f}", f"{size[1] - 2:.1f}")
    middle = (f"{at[0] + size[0] / 2 - 1:.1f}", f"{at[1] + size[1] / 2 + 3:.1f}")
    rect = Markup('<rect class="heat{} cellbox" x="{}" y="{}" width="{}" height="{}" rx="2"/>')
    text = Markup('<text class="count mid on{}" x="{}" y="{}">{}</text>')
    return rect.format(level, *box) + text.format(level, *middle, count)


def heat_level(share: float, /) -> int:
    """Colour step 0 to 6 of a share of 1."""
    return min(6, max(0, round(6 * share)))


def interval_bar(value: float, low: float, high: float, /, *, marks: Sequence[float]) -> Markup:
    """A dot with its interval on a line from 0 to 1, controls as ticks; empty outside of it."""
    ends = [v for v in (value, low, high) if not math.isnan(v)]
    if math.isnan(value) or min(ends) < 0 or max(ends) > 1:
        return Markup()

    def at(share: float) -> str:
        return f"{4 + 112 * share:.1f}"

    bar = Markup('<line class="bar" x1="{}" y1="8" x2="{}" y2="8"/>')
    span = bar.format(at(low), at(high)) if len(ends) == 3 else Markup()
    tick = Markup('<line class="mark" x1="{0}" y1="2.5" x2="{0}" y2="13.5"/>')
    ticks = Markup().join(tick.format(at(m)) for m in marks if 0 <= m <= 1)
    dot = Markup('<circle class="dot s0" cx="{}" cy="8" r="3.2"/>').format(at(value))
    base = Markup('<line class="grid" x1="4" y1="8" x2="116" y2="8"/>')
    head = Markup('<svg class="interval" viewBox="0 0 120 16" aria-hidden="true">')
    return head + base + ticks + span + dot + Markup("</svg>")


def shorten(text: str, length: int, /) -> str:
    """`text` in at most `length` characters, the cut shown by an ellipsis."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def swatch(style: str, /) -> Markup:
    """The small piece of line that stands in a legend."""
    head = Markup('<svg class="swatch" viewBox="0 0 22 8" aria-hidden="true">')
    line = Markup('<line class="line {}" x1="1" y1="4" x2="21" y2="4"/></svg>')
    return head + line.format(style)
