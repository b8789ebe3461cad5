"""Forest plots and cost: what is drawn lies where the numbers say."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vesalius.records import Cell, Estimate, MetricRow
from vesalius.report.figures import Axis
from vesalius.report.forest import forest_axis, forest_scale, forest_strip
from vesalius.report.scatter import Cost, Point, log_axis, pareto_front, scatter_figure

NAN = math.nan
UNIT = Axis("f1")


def control(value, low=NAN, high=NAN):
    return MetricRow(Cell("control:r", "d", "t", "p"), Estimate("f1", value, low, high), "card")


def point(name, cost, value, *, better=True):
    return Point(name, cost, Estimate("f1", value, higher_is_better=better))


def test_a_strip_draws_value_interval_and_controls_to_scale():
    """0.5 is the middle of 300, the ends are inset by 10; the band is the strongest control."""
    controls = [control(0.1), control(0.3, 0.2, 0.4)]
    drawn = str(forest_strip(Estimate("f1", 0.5, 0.25, 0.75), controls, axis=UNIT))
    assert 'class="dot s0" cx="150.0"' in drawn
    assert 'class="bar" x1="80.0" y1="13" x2="220.0"' in drawn
    assert 'class="control-band" x="66.0" y="4" width="56.0"' in drawn
    assert re.findall(r'class="mark" x1="([\d.]+)"', drawn) == ["38.0", "94.0"]


def test_what_is_undefined_is_not_drawn():
    """No dot at 0 for NaN, no interval without both ends."""
    bare = str(forest_strip(Estimate("f1", NAN), [control(NAN)], axis=UNIT))
    assert "dot" not in bare
    assert "mark" not in bare
    assert 'class="bar"' not in str(forest_strip(Estimate("f1", 0.5, 0.4, NAN), [], axis=UNIT))


def test_shares_have_one_axis_and_other_units_their_own():
    """Columns of shares can be compared by eye; decibels are not pressed into 0 to 1."""
    assert forest_axis("f1", [Estimate("f1", 0.9, 0.8, 0.95)]).ticks == UNIT.ticks
    wide = forest_axis("psnr", [Estimate("psnr", 21.0, 19.0, 24.0)])
    assert wide.low <= 19
    assert wide.high >= 24
    assert re.findall(r">([\d.]+)</text>", str(forest_scale(UNIT))) == [
        "0", "0.25", "0.5", "0.75", "1",
    ]  # fmt: skip


def test_the_front_holds_whom_no_cheaper_model_equals():
    """Point b costs more than a and is no better; d equals c at the same cost; e is best."""
    points = [point("a", 1, 0.5), point("b", 2, 0.5), point("c", 3, 0.7), point("d", 3, 0.7),
              point("e", 9, 0.8), point("f", 9, 0.1)]  # fmt: skip
    assert [p.name for p in pareto_front(points)] == ["a", "c", "d", "e"]
    turned = [point("a", 1, 0.5, better=False), point("b", 2, 0.6, better=False)]
    assert [p.name for p in pareto_front(turned)] == ["a"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 5)), min_size=1, max_size=7))
def test_the_front_is_that_of_the_definition(pairs):
    """Every point is on the front or surpassed by one on it; none on it is surpassed."""
    points = [point(str(n), cost, value / 5) for n, (cost, value) in enumerate(pairs)]
    front = pareto_front(points)

    def surpasses(one, other):
        at_least = one.cost <= other.cost and one.estimate.value >= other.estimate.value
        return at_least and (one.cost, one.estimate.value) != (other.cost, other.estimate.value)

    for one in points:
        assert (one in front) == (not any(surpasses(other, one) for other in points))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.floats(1e-4, 1e12), min_size=1, max_size=6))
def test_a_logarithmic_axis_holds_its_values_between_a_few_ticks(values):
    """Every value lies on the axis, ticks rise and are few enough to be read."""
    axis = log_axis("cost", values)
    assert axis.low <= min(values)
    assert max(values) <= axis.high
    assert list(axis.ticks) == sorted(axis.ticks)
    assert axis.ticks
    assert len(axis.ticks) <= 20
    shares = axis.position(np.array(values))
    assert ((shares >= 0) & (shares <= 1)).all()


@pytest.mark.parametrize("n", [2, 8, 30])
def test_names_in_the_cost_figure_do_not_overlap(n):
    """Labels are a line apart even where all models have one value, and stay in the drawing."""
    points = [point(f"model {i}", 1000.0 + i, 0.5) for i in range(n)]
    figure = scatter_figure(points, cost=Cost("parameters", ""), metric="f1", title="f1")
    levels = sorted(float(y) for y in re.findall(r'class="name" x="[\d.]+" y="([-\d.]+)"',
                                                 str(figure.svg)))  # fmt: skip
    assert len(levels) == n
    assert min(np.diff(levels)) >= 12.9
    assert levels[0] > 0


def test_one_point_is_no_figure():
    """Neither a model of unknown cost nor one without value is drawn."""
    shown = [point("a", 5, 0.5), point("b", 0, 0.5), point("c", 5, NAN)]
    assert scatter_figure(shown, cost=Cost("cost", ""), metric="f1", title="f1") is None
