"""Several run folders as one set of rows, under names that tell them apart."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vesalius.records import Cell, MetricRow, Outcome
from vesalius.report.controls import control_of_run, is_control, model_of_run
from vesalius.store.runs import Run, read_run


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a shown cell comes from: the run, and the cell's own name there."""

    run: Run
    cell: Cell


@dataclass(frozen=True, slots=True)
class Results:
    """What the report shows.

    Attributes:
        runs: the folders, in the order given.
        outcomes: of all runs, renamed.
        metrics: of all runs, renamed.
        origins: shown cell → where its predictions lie.
        models: shown model name → its entry of ``run.json``.
        datasets: shown dataset name → its entry of ``run.json``.
    """

    runs: tuple[Run, ...]
    outcomes: tuple[Outcome, ...]
    metrics: tuple[MetricRow, ...]
    origins: Mapping[Cell, Origin]
    models: Mapping[str, Mapping[str, object]]
    datasets: Mapping[str, Mapping[str, object]]


def read_results(paths: Sequence[Path], /) -> Results:
    """Read run folders; where names would mix runs, every model is shown as ``name (run k)``.

    Names would mix runs when several have one model, or when any has a control, because a model
    is compared with the controls of its own run only. A control without a model is then shown as
    ``control:name [run k]``. Datasets of one name are one dataset only when their digests agree.

    Raises:
        RunError: if a path is not a run folder.
    """
    runs = tuple(read_run(path) for path in paths)
    names = [_shown_names(runs, number) for number in range(len(runs))]
    outcomes: list[Outcome] = []
    metrics: list[MetricRow] = []
    origins: dict[Cell, Origin] = {}
    for run, rename in zip(runs, names, strict=True):
        outcomes += [replace(outcome, cell=rename(outcome.cell)) for outcome in run.outcomes]
        metrics += [replace(row, cell=rename(row.cell)) for row in run.metrics]
        origins |= {rename(outcome.cell): Origin(run, outcome.cell) for outcome in run.outcomes}
    models = _renamed(runs, names, "models")
    datasets = _renamed(runs, names, "datasets")
    return Results(runs, tuple(outcomes), tuple(metrics), origins, models, datasets)


def _shown_names(runs: Sequence[Run], number: int) -> Callable[[Cell], Cell]:
    numbered = _need_numbers(runs)
    digests: dict[str, set[str]] = {}
    for run in runs:
        for name, card in run.info["datasets"].items():
            digests.setdefault(name, set()).add(card["digest"])

    def rename(cell: Cell) -> Cell:
        model, dataset = cell.model, cell.dataset
        if numbered:
            named = control_of_run if is_control(model) else model_of_run
            model = named(model, number + 1)
        if len(digests.get(dataset, ())) > 1:
            dataset = f"{dataset} (run {number + 1})"
        return replace(cell, model=model, dataset=dataset)

    return rename


def _need_numbers(runs: Sequence[Run]) -> bool:
    """Whether names alone would mix runs: a model in several, or a control of all its models."""
    models = Counter(name for run in runs for name in _names(run))
    shared = any(count > 1 for count in models.values())
    return len(runs) > 1 and (shared or any(is_control(name) for name in models))


def _names(run: Run) -> set[str]:
    """Models and controls that a run has anything to say about."""
    used = {outcome.cell.model for outcome in run.outcomes}
    return used | {row.cell.model for row in run.metrics} | set(run.info["models"])


def _renamed(
    runs: Sequence[Run], names: Sequence[Callable[[Cell], Cell]], what: str
) -> dict[str, Mapping[str, object]]:
    shown: dict[str, Mapping[str, object]] = {}
    for run, rename in zip(runs, names, strict=True):
        for name, card in run.info[what].items():
            cell = rename(Cell(name, name, "", ""))
            shown[cell.model if what == "models" else cell.dataset] = card
    return shown
