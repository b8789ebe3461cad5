"""Which controls a value is compared with, and whether it clears them.

A headline *clears a control* when its whole interval lies on the better side of the control's
whole interval (``low`` above the control's ``high`` where higher is better). Touching or
overlapping intervals do not clear. A control without an interval counts with its value.
"""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Literal

from vesalius.records import Estimate, MetricRow

CONTROL = "control:"
_OF_MODEL = re.compile(r"^control:[^(]*\((?P<model>.*)\)$", re.DOTALL)
_OF_RUN = re.compile(r" \[run (?P<number>\d+)\]$")

Clearance = Literal["clears", "does not clear", "no control", "undefined"]


def is_control(model: str, /) -> bool:
    """Whether the name is that of a control."""
    return model.startswith(CONTROL)


def control_title(model: str, /) -> str:
    """A control's name without the prefix."""
    return model.removeprefix(CONTROL)


def model_of_run(name: str, number: int, /) -> str:
    """A model's name among several runs; `number` counts from 1."""
    return f"{name} (run {number})"


def control_of_run(name: str, number: int, /) -> str:
    """A control's name among several runs; it stays with its model, or with the models of its run.

    >>> control_of_run("control:random", 2), control_of_run("control:shuffled(m)", 2)
    ('control:random [run 2]', 'control:shuffled(m (run 2))')
    """
    match = _OF_MODEL.match(name)
    if match is None:
        return f"{name} [run {number}]"
    return f"{name[: match.start('model')]}{model_of_run(match['model'], number)})"


def controls_of(row: MetricRow, rows: Iterable[MetricRow], /) -> tuple[MetricRow, ...]:
    """Control rows of the same estimate, by the same protocol on the same samples.

    A control made for one model, ``control:name(model)``, counts for that model only.
    """
    return tuple(
        other
        for other in rows
        if is_control(other.cell.model)
        and _same_place(other, row)
        and is_meant_for(other.cell.model, row.cell.model)
    )


def _same_place(one: MetricRow, other: MetricRow) -> bool:
    return _place(one) == _place(other)


def _place(row: MetricRow) -> tuple[str, ...]:
    cell = row.cell
    where = (cell.dataset, cell.task, cell.protocol, row.split, row.subgroup, row.class_name)
    return (*where, row.estimate.metric)


def is_meant_for(control: str, model: str, /) -> bool:
    """Whether a control says something about a model.

    One made for a model counts for that model only; one without a model counts for every model,
    of its own run where several runs are shown.
    """
    match = _OF_MODEL.match(control)
    if match is not None:
        return match["model"] == model
    run = _OF_RUN.search(control)
    return run is None or model.endswith(f" (run {run['number']})")


def clearance(estimate: Estimate, controls: Sequence[MetricRow], /) -> Clearance:
    """Whether `estimate` clears every control, by the rule at the top of this module.

    ``undefined`` when the estimate has no interval or a control no value.
    """
    if not controls:
        return "no control"
    sign = 1.0 if estimate.higher_is_better else -1.0
    worst = min(sign * estimate.low, sign * estimate.high)
    bars = [_best_end(row.estimate, sign) for row in controls]
    if math.isnan(worst) or any(math.isnan(bar) for bar in bars):
        return "undefined"
    return "clears" if worst > max(bars) else "does not clear"


def _best_end(control: Estimate, sign: float) -> float:
    if math.isnan(control.low) or math.isnan(control.high):
        return sign * control.value
    return max(sign * control.low, sign * control.high)


def strongest(controls: Sequence[MetricRow], /) -> MetricRow | None:
    """The control with the best value; None when none has one."""
    defined = [row for row in controls if not math.isnan(row.estimate.value)]
    return max(defined, key=lambda row: signed(row.estimate), default=None)


def signed(estimate: Estimate, /) -> float:
    """The value turned so that higher is better."""
    return estimate.value if estimate.higher_is_better else -estimate.value
