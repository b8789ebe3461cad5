"""Value against cost, a point per model, and the models that no cheaper one equals."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from markupsafe import Markup

from vesalius.records import Estimate
from vesalius.report.figures import Axis, Figure, frame, label, nice_axis, rule, shorten

_LEFT, _TOP, _SIZE_X, _LEAST_Y = 44.0, 10.0, 216.0, 180.0
_NAMES, _LINE, _LONGEST = 132.0, 13.0, 23  # room for labels, height of one, its characters
_WIDTH = _LEFT + _SIZE_X + _NAMES


@dataclass(frozen=True, slots=True)
class Point:
    """A model: what it costs, and what it reaches."""

    name: str
    cost: float
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Cost:
    """What stands on the horizontal axis; `remark` says what it leaves out."""

    axis: str
    remark: str


@dataclass(frozen=True, slots=True)
class _Plane:
    """Two axes and the height of the drawing between them, enough for all names."""

    x: Axis
    y: Axis
    height: float

    def across(self, cost: float) -> float:
        """Where a cost lies."""
        return _LEFT + _SIZE_X * float(self.x.position(np.array([cost]))[0])

    def down(self, value: float) -> float:
        """Where a value lies."""
        return _TOP + self.height * (1 - float(self.y.position(np.array([value]))[0]))


def pareto_front(points: Sequence[Point], /) -> tuple[Point, ...]:
    """Points with a better value than every point that costs no more, cheapest first.

    Of equal points all are kept.
    """

    def beaten(one: Point) -> bool:
        return any(_beats(other, one) for other in points)

    return tuple(sorted((p for p in points if not beaten(p)), key=lambda p: (p.cost, p.name)))


def _beats(one: Point, other: Point) -> bool:
    better, same = _signed(one) > _signed(other), _signed(one) == _signed(other)
    return (one.cost <= other.cost and better) or (one.cost < other.cost and same)


def _signed(point: Point) -> float:
    value = point.estimate.value
    return value if point.estimate.higher_is_better else -value


def scatter_figure(
    points: Sequence[Point], /, *, cost: Cost, metric: str, title: str
) -> Figure | None:
    """Value with interval against cost on a logarithmic axis; None with fewer than two points."""
    shown = [p for p in points if p.cost > 0 and math.isfinite(p.estimate.value)]
    if len(shown) < 2:
        return None
    x = log_axis(cost.axis, [point.cost for point in shown])
    ends = [v for p in shown for v in (p.estimate.value, p.estimate.low, p.estimate.high)]
    plane = _Plane(x, nice_axis(metric, ends), max(_LEAST_Y, _LINE * len(shown)))
    front = pareto_front(shown)
    body = [_grid(plane), _front(front, plane), *_names(shown, plane)]
    body += [_drawn(point, plane, on_front=point in front) for point in shown]
    svg = frame(title, Markup().join(body), _WIDTH, _TOP + plane.height + 38)
    caption = f"Pareto front: {', '.join(point.name for point in front)}. {cost.remark}".rstrip()
    return Figure(title, svg, caption)


def log_axis(name: str, values: Sequence[float], /) -> Axis:
    """A logarithmic axis around positive values, with round ticks.

    Values within a factor of three have the ticks of a linear axis, others 1, 2 and 5 times
    powers of ten, or these powers alone where they are many.

    >>> log_axis("parameters", [3e6, 30e6]).ticks
    (2000000.0, 5000000.0, 10000000.0, 20000000.0, 50000000.0)
    """
    low, high = min(values), max(values)
    if high < 3 * low:
        near = nice_axis(name, [low / 1.02, high * 1.02], n_steps=4)
        if near.low > 0:
            return replace(near, logarithmic=True)
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    steps = [k * 10.0**p for p in powers for k in (1, 2, 5)]
    first = max(step for step in steps if step < low)
    last = min(step for step in steps if step > high)
    ticks = tuple(step for step in steps if first <= step <= last)
    if len(ticks) > 6:
        ticks = tuple(step for step in ticks if math.isclose(math.log10(step) % 1, 0, abs_tol=1e-9))
    return Axis(name, first, last, ticks, logarithmic=True)


def amount(value: float, /) -> str:
    """A number in thousands (k), millions (M) or billions (G).

    >>> amount(5e6), amount(250e3), amount(0.02)
    ('5M', '250k', '0.02')
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _grid(plane: _Plane) -> Markup:
    bottom, right = _TOP + plane.height, _LEFT + _SIZE_X
    parts = []
    for tick in plane.x.ticks:
        at = f"{plane.across(tick):.1f}"
        parts += [rule(at, _TOP, at, bottom), label(at, bottom + 14, amount(tick), "tick mid")]
    for tick in plane.y.ticks:
        level = plane.down(tick)
        parts.append(rule(_LEFT, f"{level:.1f}", right, f"{level:.1f}"))
        parts.append(label(_LEFT - 6, f"{level + 3.5:.1f}", f"{tick:g}", "tick end"))
    parts.append(label(_LEFT + _SIZE_X / 2, bottom + 32, plane.x.label, "axis mid"))
    return Markup().join(parts)


def _front(front: Sequence[Point], plane: _Plane) -> Markup:
    """A staircase: up where a model is better, across until then."""
    corners: list[tuple[float, float]] = []
    for point in front:
        at = (plane.across(point.cost), plane.down(point.estimate.value))
        if corners:
            corners.append((at[0], corners[-1][1]))
        corners.append(at)
    corners.append((_LEFT + _SIZE_X, corners[-1][1]))
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
    return Markup('<polyline class="line front" points="{}"/>').format(points)


def _drawn(point: Point, plane: _Plane, *, on_front: bool) -> Markup:
    estimate, at = point.estimate, f"{plane.across(point.cost):.1f}"
    drawn = Markup()
    if math.isfinite(estimate.low) and math.isfinite(estimate.high):
        whisker = Markup('<line class="whisker" x1="{0}" y1="{1:.1f}" x2="{0}" y2="{2:.1f}"/>')
        drawn += whisker.format(at, plane.down(estimate.low), plane.down(estimate.high))
    dot = Markup('<circle class="point {}" cx="{}" cy="{:.1f}" r="4"/>')
    style = "on-front" if on_front else "off-front"
    return drawn + dot.format(style, at, plane.down(estimate.value))


def _names(points: Sequence[Point], plane: _Plane) -> Iterator[Markup]:
    """Labels at the right, each led to its point, in the order of the values."""
    places = sorted(
        (plane.down(p.estimate.value), plane.across(p.cost), shorten(p.name, _LONGEST))
        for p in points
    )
    right = _LEFT + _SIZE_X
    leader = Markup('<polyline class="leader" points="{:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f}"/>')
    levels = _spread([top for top, *_ in places], _TOP + plane.height)
    for level, (top, at, name) in zip(levels, places, strict=True):
        yield leader.format(at, top, right, top, right + 8, level)
        yield label(f"{right + 11:.1f}", f"{level + 3.5:.1f}", name, "name")


def _spread(levels: Sequence[float], bottom: float) -> list[float]:
    """Rising levels moved apart to the height of a line, none below `bottom`."""
    moved: list[float] = []
    for level in levels:
        moved.append(max(level, moved[-1] + _LINE) if moved else level)
    ceiling = bottom
    for number in range(len(moved) - 1, -1, -1):
        moved[number] = min(moved[number], ceiling)
        ceiling = moved[number] - _LINE
    return moved
