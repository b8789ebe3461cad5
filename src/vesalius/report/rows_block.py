"""What the script of the page reads: every metric row once, and what the matrix shows of them."""

import math
from collections.abc import Sequence

from vesalius.records import Json, MetricRow
from vesalius.report.matrix import Overview
from vesalius.report.tables import Entry, task_rank
from vesalius.store.tables import METRIC_COLUMNS, metric_record


def rows_block(rows: Sequence[MetricRow], /) -> Json:
    """The rows by column, in the order and under the names of ``metrics.csv``.

    A column of texts holds places in a list of its different texts; a column whose values are all
    equal holds that value alone, under ``all``. Undefined numbers are null.
    """
    records = [metric_record(row) for row in rows]
    columns = {name: _column([_plain(one[name]) for one in records]) for name in METRIC_COLUMNS}
    return {"n": len(rows), "columns": columns}


def _plain(value: Json) -> Json:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _column(values: list[Json]) -> Json:
    if values and all(value == values[0] for value in values):
        return {"all": values[0]}
    if not all(isinstance(value, str) for value in values):
        return {"values": values}
    texts = {text: number for number, text in enumerate(dict.fromkeys(values))}
    return {"texts": list(texts), "values": [texts[value] for value in values]}


def metric_choices(rows: Sequence[MetricRow], /) -> dict[str, list[tuple[str, str]]]:
    """Metric and class of every row over all patients, by task, those without class first."""
    found: dict[str, dict[tuple[str, str], None]] = {}
    for row in sorted(rows, key=lambda row: (task_rank(row.cell.task), bool(row.class_name))):
        if not row.subgroup:
            found.setdefault(row.cell.task, {})[row.estimate.metric, row.class_name] = None
    return {task: list(names) for task, names in found.items()}


def subgroup_choices(rows: Sequence[MetricRow], made: Sequence[Entry], /) -> list[str]:
    """Subgroups in which some headline has a row."""
    heads = {
        (entry.cell, entry.headline.estimate.metric, entry.headline.class_name)
        for entry in made
        if entry.headline is not None
    }
    return list(
        dict.fromkeys(
            row.subgroup
            for row in rows
            if row.subgroup and (row.cell, row.estimate.metric, row.class_name) in heads
        )
    )


def view_block(
    shown: Sequence[Overview],
    metrics: dict[str, list[tuple[str, str]]],
    subgroups: Sequence[str],
    /,
) -> Json:
    """Rows, columns and headlines of every matrix by position, and the choices of the view."""
    return {
        "metrics": metrics,
        "subgroups": list(subgroups),
        "matrices": [
            {
                "dataset": matrix.dataset,
                "models": matrix.models,
                "columns": [(column.task, column.protocol) for column in matrix.columns],
                "headlines": [
                    [_headline(matrix.places[model, column]) for column in matrix.columns]
                    for model in matrix.models
                ],
            }
            for matrix in shown
        ],
    }


def _headline(entry: Entry) -> Json:
    """Metric, class, and whether a control that failed takes the verdict away."""
    row = entry.headline
    if row is None:
        return None
    lost = entry.clearance == "undefined" and entry.note.startswith("failed: ")
    return (row.estimate.metric, row.class_name, lost)
