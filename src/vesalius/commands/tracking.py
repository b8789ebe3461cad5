"""The command log: a run's numbers into an experiment tracker, on this computer unless told so."""

from collections.abc import Sequence
from pathlib import Path

from vesalius.commands.terminal import console, quiet_bars
from vesalius.commands.trackers import TRACKERS, Opener, Project
from vesalius.errors import UsageError, did_you_mean
from vesalius.report.logged import logged_cells
from vesalius.store.runs import Run, read_run


def log_command(
    runs: Sequence[Path], *, to: str, project: Project, artifacts: bool = False
) -> None:
    """Write an entry for every finished cell of every model, and one with the report if asked.

    Raises:
        RunError: if a path is not a run folder.
        UsageError: for an unknown tracker, one that is not installed or is elsewhere, a run
            without a number, or a report that is not there.
    """
    if to not in TRACKERS:
        raise UsageError(
            f"--to {to!r}{did_you_mean(to, TRACKERS)}: expected one of {', '.join(TRACKERS)}"
        )
    read = [read_run(path) for path in runs]
    for run in read:
        _check(run, artifacts=artifacts)
    n_entries = sum(_log_run(run, TRACKERS[to], project, artifacts=artifacts) for run in read)
    where = "sent" if project.online else "written on this computer"
    text = f"{to}: {n_entries} entries {where}, project {project.name}"
    console.print(text, highlight=False, markup=False)


def _check(run: Run, *, artifacts: bool) -> None:
    if not logged_cells(run):
        raise UsageError(f"{run.path}: no model has finished a cell; there is nothing to log")
    if artifacts and not _report(run).is_file():
        raise UsageError(f"{_report(run)} is missing; make it with: vesalius report {run.path}")


def _report(run: Run) -> Path:
    return run.path / "report.html"


def _log_run(run: Run, open_entry: Opener, project: Project, *, artifacts: bool) -> int:
    """How many entries were written."""
    cells = logged_cells(run)
    with quiet_bars() as progress:
        advance = progress("logging cells", len(cells))
        for cell in cells:
            with open_entry(cell.name, project) as entry:
                entry.params(cell.params)
                entry.metrics(cell.metrics)
            advance(1)
    if artifacts:
        with open_entry(f"report · {run.path.resolve().name}", project) as entry:
            entry.params({"seed": str(run.info["spec"]["seed"])})
            entry.artifact(_report(run))
    return len(cells) + artifacts
