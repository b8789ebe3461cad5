"""Several run folders as one set of rows, under names that tell them apart."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vesalius.records import Cell, MetricRow, Outcome
from vesalius.report.tables import CONTROL, is_control
from vesalius.store.runs import Run, read_run

_CONTROL_OF = re.compile(r"^(control:[^(]*)\((.*)\)$", re.DOTALL)


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
    """Read run folders; a model that several runs have is shown as ``name (run k)`` in each.

    Datasets of one name are one dataset only when their digests agree; controls stay with the
    models of their own run where anything had to be renamed.

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
    models = Counter(name for run in runs for name in _names(run))
    digests: dict[str, set[str]] = {}
    for run in runs:
        for name, card in run.info["datasets"].items():
            digests.setdefault(name, set()).add(card["digest"])

    def suffixed(name: str, *, ambiguous: bool) -> str:
        return f"{name} (run {number + 1})" if ambiguous else name

    def model(name: str) -> str:
        match = _CONTROL_OF.match(name)
        if match is not None:
            return f"{match[1]}({model(match[2])})"
        return suffixed(name, ambiguous=models[name] > 1)

    def rename(cell: Cell) -> Cell:
        dataset = suffixed(cell.dataset, ambiguous=len(digests.get(cell.dataset, ())) > 1)
        return replace(cell, model=model(cell.model), dataset=dataset)

    return rename


def _names(run: Run) -> set[str]:
    """Models and model-free controls that a run has anything to say about."""
    used = {outcome.cell.model for outcome in run.outcomes} | set(run.info["models"])
    return {name for name in used if not is_control(name) or not _CONTROL_OF.match(name)}


def _renamed(
    runs: Sequence[Run], names: Sequence[Callable[[Cell], Cell]], what: str
) -> dict[str, Mapping[str, object]]:
    shown: dict[str, Mapping[str, object]] = {}
    for run, rename in zip(runs, names, strict=True):
        for name, card in run.info[what].items():
            cell = rename(Cell(name, name, "", ""))
            shown[cell.model if what == "models" else cell.dataset] = card
    return shown


def control_title(model: str, /) -> str:
    """A control's name without the prefix."""
    return model.removeprefix(CONTROL)
