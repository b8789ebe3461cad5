"""Commands that look at results: compare and report."""

from pathlib import Path
from typing import Annotated

import typer

from vesalius.cli.options import Runs, Seed


def compare(
    runs: Runs,
    task: Annotated[str | None, typer.Option(help="Only this task.")] = None,
    resamples: Annotated[int, typer.Option(min=1, help="Bootstrap resamples.")] = 2000,
    seed: Seed = 0,
) -> None:
    """Paired differences between models on identical rows, corrected for multiplicity (Holm)."""
    from vesalius.commands import evaluation

    evaluation.compare_command(runs, task=task, n_resamples=resamples, seed=seed)


def report(
    runs: Runs,
    out: Annotated[Path | None, typer.Option(help="File; standard output for tables.")] = None,
    format: Annotated[  # noqa: A002 - the word of the command line
        str, typer.Option(help="html, csv, latex or markdown.")
    ] = "html",
    thumbnails: Annotated[bool, typer.Option(help="Show small pictures of test images.")] = True,
) -> None:
    """Make one self-contained HTML page of one or more runs, or tables for a paper."""
    from vesalius.commands import evaluation

    evaluation.report_command(runs, out=out, form=format, thumbnails=thumbnails)
