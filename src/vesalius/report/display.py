"""A run as a notebook shows it: the matrix of models and tasks as HTML and as numbers."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from vesalius.markup import MINIATURE_NOTE, lines, named, shown, table
from vesalius.records import Json
from vesalius.report.metric_table import MetricTable
from vesalius.report.tables import (
    Entry,
    Matrix,
    entries,
    interval_text,
    matrices,
    outcome_counts,
    text_of,
)
from vesalius.store.runs import Run

HEADLINES = "application/vnd.vesalius.headlines.v1+json"
NOT_ABOVE = "▽"
_MARKS = (
    f"Value [interval over resampled patients]. {NOT_ABOVE} does not clear its controls: the "
    "interval does not lie wholly beyond that of every control."
)


def miniatures_of(run: Run, /) -> frozenset[str]:
    """Names of the models of a run that are miniatures."""
    return frozenset(name for name, card in run.info["models"].items() if card["miniature"])


def metric_table(run: Run, /) -> MetricTable:
    """Every estimate of a run."""
    return MetricTable(run.metrics, miniatures_of(run))


def matrix_html(run: Run, /) -> Markup:
    """One table of models and tasks per dataset, every protocol in its place, reasons below."""
    made = entries(run.outcomes, run.metrics)
    models = [*run.info["spec"]["models"], *run.info["models"]]
    found = matrices(made, models=dict.fromkeys(models), datasets=run.info["datasets"])
    small = miniatures_of(run)
    counts = ", ".join(f"{n} {status}" for status, n in outcome_counts(run.outcomes).items())
    parts = [_matrix(matrix, small) for matrix in found]
    counted = Markup("<p><small>cells of models: {}</small></p>").format(counts)
    return Markup("\n").join([*parts, counted])


def _matrix(matrix: Matrix, small: frozenset[str]) -> Markup:
    usual = {task: _usual_metric(matrix, task) for task in matrix.tasks}
    reasons: dict[str, int] = {}
    rows = [
        (
            named(model, miniature=model in small),
            *(
                lines(_line(entry, usual[task], reasons) for entry in matrix.places[model, task])
                for task in matrix.tasks
            ),
        )
        for model in matrix.models
    ]
    heads = [f"{task} ({usual[task]})" if usual[task] else task for task in matrix.tasks]
    numbered = (Markup("<sup>{}</sup> {}").format(n, shown(text)) for text, n in reasons.items())
    notes: list[object] = [lines([_MARKS, *numbered])]
    notes += [MINIATURE_NOTE] * any(model in small for model in matrix.models)
    return table(("model", *heads), rows, title=matrix.dataset, notes=notes)


def _usual_metric(matrix: Matrix, task: str) -> str:
    """The headline metric that most places of a task have."""
    found = Counter(
        entry.headline.estimate.metric
        for model in matrix.models
        for entry in matrix.places[model, task]
        if entry.headline is not None
    )
    return found.most_common(1)[0][0] if found else ""


def _line(entry: Entry, usual: str, reasons: dict[str, int]) -> Markup:
    """One protocol; why there is no number becomes a numbered note."""
    protocol = entry.cell.protocol
    estimate = None if entry.headline is None else entry.headline.estimate
    if estimate is None or math.isnan(estimate.value):
        word = entry.status if estimate is None else "undefined"
        reason = entry.note or "no reason was recorded"
        number = reasons.setdefault(reason, len(reasons) + 1)
        return Markup("<small>{} {} <sup>{}</sup></small>").format(shown(protocol), word, number)
    metric = "" if estimate.metric == usual else f" {estimate.metric}"
    mark = f"{NOT_ABOVE} " * (entry.clearance == "does not clear")
    value = Markup('<span style="white-space:nowrap">{}{} <small>{}</small></span>').format(
        mark, text_of(estimate.value), interval_text(estimate)
    )
    return Markup("<small>{}{}</small> {}").format(shown(protocol), shown(metric), value)


def headlines(run: Run, /) -> list[dict[str, Json]]:
    """The headline of every cell of a model as plain JSON; an undefined value is null."""
    made = entries(run.outcomes, run.metrics)
    return [_headline(entry) for entry in made if not entry.is_control]


def _headline(entry: Entry) -> dict[str, Json]:
    cell, row = entry.cell, entry.headline
    value = math.nan if row is None else row.estimate.value
    place: Mapping[str, Json] = {
        "model": cell.model,
        "dataset": cell.dataset,
        "task": cell.task,
        "protocol": cell.protocol,
    }
    return {
        **place,
        "status": entry.status,
        "metric": "" if row is None else row.estimate.metric,
        "value": None if math.isnan(value) else round(value, 6),
    }


def best_entry(made: Sequence[Entry], task: str, /, *, model: str | None = None) -> Entry | None:
    """The entry of a task with the best headline, of one model or of all; None without any value.

    Protocols with different metrics are ranked by the plain number: take it as a choice of what to
    look at, not as a finding.
    """
    found = [
        entry
        for entry in made
        if entry.cell.task == task
        and not entry.is_control
        and model in (None, entry.cell.model)
        and _rank(entry) > -math.inf
    ]
    return max(found, key=_rank, default=None)


def _rank(entry: Entry) -> float:
    if entry.headline is None or math.isnan(entry.headline.estimate.value):
        return -math.inf
    estimate = entry.headline.estimate
    return estimate.value if estimate.higher_is_better else -estimate.value
