"""Commands that look at results: compare and report."""

from pathlib import Path
from typing import Annotated

import typer

from vesalius.cli import completion
from vesalius.cli.options import OUTPUT, WHAT, Resamples, Runs, Seed


def compare(
    runs: Runs,
    task: Annotated[
        str | None,
        typer.Option(help="Only this task.", rich_help_panel=WHAT, autocompletion=completion.tasks),
    ] = None,
    resamples: Resamples = 2000,
    seed: Seed = 0,
) -> None:
    """Paired differences between models on identical rows, Holm-corrected.

    Reads the predictions of one or more runs; prints tables and writes nothing.
    """
    from vesalius.commands import evaluation

    evaluation.compare_command(runs, task=task, n_resamples=resamples, seed=seed)


def report(
    runs: Runs,
    format: Annotated[  # noqa: A002 - the word of the command line
        str,
        typer.Option(
            help="html, csv, latex or markdown.",
            rich_help_panel=OUTPUT,
            autocompletion=completion.formats,
        ),
    ] = "html",
    out: Annotated[
        Path | None,
        typer.Option(
            help="File; else report.html in the first run, or standard output for tables.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    thumbnails: Annotated[
        bool, typer.Option(help="Show small pictures of test images.", rich_help_panel=OUTPUT)
    ] = True,
) -> None:
    """Make one self-contained HTML page of one or more runs, or tables for a paper.

    Reads metrics, predictions and thumbnails of the runs; writes one file, or prints a table.
    """
    from vesalius.commands import evaluation

    evaluation.report_command(runs, out=out, form=format, thumbnails=thumbnails)
