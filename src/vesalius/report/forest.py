"""Forest plots, a strip per row of a table: value with interval, controls behind it."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from markupsafe import Markup

from vesalius.records import Estimate, MetricRow
from vesalius.report.controls import strongest
from vesalius.report.figures import Axis, label, nice_axis

WIDTH = 300.0
_INSET, _HEIGHT = 10.0, 26.0


def forest_axis(name: str, estimates: Iterable[Estimate], /) -> Axis:
    """From 0 to 1 where everything lies there, so that columns can be compared; else as needed."""
    ends = [v for e in estimates for v in (e.value, e.low, e.high) if math.isfinite(v)]
    if ends and min(ends) >= 0 and max(ends) <= 1:
        return Axis(name)
    return nice_axis(name, ends)


def forest_strip(estimate: Estimate, controls: Sequence[MetricRow], /, *, axis: Axis) -> Markup:
    """A dot with its interval; the interval of the strongest control as a band, others as ticks."""
    # beyond its own height, so that the lines of neighbouring rows meet
    drawn = [_line("grid", tick, axis, -3, _HEIGHT + 3) for tick in axis.ticks]
    bar = strongest(controls)
    for row in controls:
        if row is bar:
            drawn.append(_band(row.estimate, axis))
        if not math.isnan(row.estimate.value):
            drawn.append(_line("mark", row.estimate.value, axis, 8, 18))
    if not math.isnan(estimate.value):
        drawn.append(_interval(estimate, axis))
        at = _at(estimate.value, axis)
        drawn.append(Markup('<circle class="dot s0" cx="{}" cy="13" r="3.6"/>').format(at))
    return _strip(drawn)


def forest_scale(axis: Axis, /) -> Markup:
    """The numbers below the strips."""
    words = [
        label(_at(tick, axis), 12, f"{tick:g}", f"tick {_anchor(number, len(axis.ticks))}")
        for number, tick in enumerate(axis.ticks)
    ]
    return _strip(words)


def _anchor(number: int, n: int) -> str:
    return "mid" if 0 < number < n - 1 else "end" if number else ""


def _strip(drawn: Sequence[Markup]) -> Markup:
    head = Markup('<svg class="strip chart" viewBox="0 0 {} {}" aria-hidden="true">')
    opened = head.format(f"{WIDTH:g}", f"{_HEIGHT:g}")
    return opened + Markup().join(drawn) + Markup("</svg>")


def _at(value: float, axis: Axis) -> str:
    share = float(axis.position(np.array([value]))[0])
    return f"{_INSET + (WIDTH - 2 * _INSET) * share:.1f}"


def _line(style: str, value: float, axis: Axis, top: float, bottom: float) -> Markup:
    line = Markup('<line class="{}" x1="{}" y1="{:g}" x2="{}" y2="{:g}"/>')
    at = _at(value, axis)
    return line.format(style, at, top, at, bottom)


def _band(estimate: Estimate, axis: Axis) -> Markup:
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return Markup()
    left, right = float(_at(estimate.low, axis)), float(_at(estimate.high, axis))
    box = Markup('<rect class="control-band" x="{}" y="4" width="{:.1f}" height="18"/>')
    return box.format(left, max(right - left, 1.0))


def _interval(estimate: Estimate, axis: Axis) -> Markup:
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return Markup()
    bar = Markup('<line class="bar" x1="{}" y1="13" x2="{}" y2="13"/>')
    return bar.format(_at(estimate.low, axis), _at(estimate.high, axis))
