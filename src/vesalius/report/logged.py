"""What an experiment tracker is told of a run: a record for each cell, without any picture."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from vesalius.records import Done, MetricRow
from vesalius.report.controls import is_control
from vesalius.report.tables import group_by_cell
from vesalius.store.runs import Run


@dataclass(frozen=True, slots=True)
class Logged:
    """A cell as a tracker shows it.

    Attributes:
        name: of the entry.
        params: identity of the number: model, data, task, seed and digests.
        metrics: value of every defined estimate over all rows, and its ``.low`` and ``.high``;
            those of a class are called ``metric/class``.
    """

    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]


def logged_cells(run: Run, /) -> tuple[Logged, ...]:
    """Every finished cell of a model, controls and subgroups left out; undefined values too."""
    rows = group_by_cell(run.metrics)
    return tuple(
        _logged(outcome, rows.get(outcome.cell, []), run)
        for outcome in run.outcomes
        if isinstance(outcome, Done) and not is_control(outcome.cell.model)
    )


def _logged(outcome: Done, rows: list[MetricRow], run: Run) -> Logged:
    cell, spec, model = outcome.cell, run.info["spec"], run.info["models"][outcome.cell.model]
    whole = [row for row in rows if not row.subgroup]
    metrics: dict[str, float] = {}
    for row in whole:
        estimate = row.estimate
        name = f"{estimate.metric}/{row.class_name}" if row.class_name else estimate.metric
        ends = {name: estimate.value, f"{name}.low": estimate.low, f"{name}.high": estimate.high}
        metrics |= {key: value for key, value in ends.items() if not math.isnan(value)}
    params = {
        "model": cell.model,
        "model_fingerprint": model["fingerprint"],
        "miniature": model["miniature"],
        "dataset": cell.dataset,
        "dataset_digest": run.info["datasets"][cell.dataset]["digest"],
        "task": cell.task,
        "protocol": cell.protocol,
        "task_card": outcome.task_card,
        "seed": spec["seed"],
        "n_resamples": spec["n_resamples"],
        "level": spec["level"],
        "n_rows": outcome.n_expected,
        "n_without_answer": outcome.n_missing,
        "n_undefined_metrics": sum(math.isnan(row.estimate.value) for row in whole),
        "vesalius": run.info["versions"]["vesalius"],
    }
    name = " · ".join((cell.model, cell.dataset, cell.task, cell.protocol))
    return Logged(name, {key: str(value) for key, value in params.items()}, metrics)
