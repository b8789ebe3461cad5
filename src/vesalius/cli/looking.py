"""Commands that look at results: report, compare, leaderboard and log."""

from pathlib import Path
from typing import Annotated

import typer

from vesalius.cli import completion
from vesalius.cli.options import HOW, OUTPUT, WHAT, Resamples, Runs, Seed

OnlyTasks = Annotated[
    list[str] | None,
    typer.Option(
        "--task", help="Only this task.", rich_help_panel=WHAT, autocompletion=completion.tasks
    ),
]
OnlyDatasets = Annotated[
    list[str] | None,
    typer.Option("--dataset", help="Only this data set.", rich_help_panel=WHAT),
]
OnlyProtocols = Annotated[
    list[str] | None,
    typer.Option(
        "--protocol",
        help="Only this protocol.",
        rich_help_panel=WHAT,
        autocompletion=completion.protocols,
    ),
]
OneMetric = Annotated[
    str, typer.Option("--metric", help="By this metric; else the headline.", rich_help_panel=WHAT)
]
Alpha = Annotated[
    float, typer.Option("--alpha", help="Family-wise error of one ranking.", rich_help_panel=HOW)
]
BoardFormat = Annotated[
    str,
    typer.Option(
        "--format",
        help="table, csv, parquet, latex, markdown or json.",
        rich_help_panel=OUTPUT,
        autocompletion=completion.board_formats,
    ),
]
TableFile = Annotated[
    Path | None, typer.Option("--out", help="File; else standard output.", rich_help_panel=OUTPUT)
]


def compare(  # noqa: PLR0913, PLR0917 - one parameter per option; the contract names them
    runs: Runs,
    task: OnlyTasks = None,
    dataset: OnlyDatasets = None,
    protocol: OnlyProtocols = None,
    metric: OneMetric = "",
    alpha: Alpha = 0.05,
    resamples: Resamples = 2000,
    seed: Seed = 0,
    format: BoardFormat = "table",  # noqa: A002 - the word of the command line
    out: TableFile = None,
) -> None:
    """Paired differences between models on identical rows, and who cannot be told apart.

    Reads the predictions of one or more runs; prints tables, or writes a file. p values are
    corrected over the comparisons of one data set, task and protocol (Holm).
    """
    from vesalius.commands import board_formats, comparing
    from vesalius.ranking import choice_of

    choice = choice_of(
        task, dataset, protocol, metric=metric, alpha=alpha, resamples=resamples, seed=seed
    )
    comparing.compare_command(runs, choice, board_formats.Output(format, out))


def leaderboard(  # noqa: PLR0913, PLR0917 - one parameter per option; the contract names them
    places: Annotated[
        list[Path], typer.Argument(metavar="RUN-OR-FOLDER", help="Run folders, or folders of them.")
    ],
    task: OnlyTasks = None,
    dataset: OnlyDatasets = None,
    protocol: OnlyProtocols = None,
    metric: OneMetric = "",
    alpha: Alpha = 0.05,
    resamples: Resamples = 2000,
    seed: Seed = 0,
    format: BoardFormat = "table",  # noqa: A002 - the word of the command line
    out: TableFile = None,
) -> None:
    """Rank the models of many runs: one table a data set, task and protocol, ties marked.

    Reads the predictions and metrics of every run found; prints tables, or writes a file. A rank is
    one more than the number of models that are significantly better.
    """
    from vesalius.commands import board_formats, leaderboard
    from vesalius.ranking import choice_of

    choice = choice_of(
        task, dataset, protocol, metric=metric, alpha=alpha, resamples=resamples, seed=seed
    )
    leaderboard.leaderboard_command(places, choice, board_formats.Output(format, out))


def report(
    runs: Runs,
    format: Annotated[  # noqa: A002 - the word of the command line
        str,
        typer.Option(
            help="html, csv, parquet, latex, markdown or hf (YAML for the hub).",
            rich_help_panel=OUTPUT,
            autocompletion=completion.formats,
        ),
    ] = "html",
    out: Annotated[
        Path | None,
        typer.Option(
            help="File (hf: folder); else report.html in the first run, or standard output.",
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


def log(
    runs: Runs,
    to: Annotated[
        str,
        typer.Option(
            help="mlflow or wandb, an extra of that name.",
            rich_help_panel=OUTPUT,
            autocompletion=completion.trackers,
        ),
    ],
    project: Annotated[
        str, typer.Option(help="Experiment or project.", rich_help_panel=OUTPUT)
    ] = "vesalius",
    artifacts: Annotated[
        bool,
        typer.Option(
            "--artifacts",
            help="The report too, with its pictures of patients.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    online: Annotated[
        bool, typer.Option("--online", help="Allow a server elsewhere.", rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """Log every cell to an experiment tracker: on this computer, numbers only, unless told so.

    Reads metrics of the runs; writes what the tracker keeps, by default in the current folder.
    """
    from vesalius.commands import trackers, tracking

    where = trackers.Project(project, online)
    tracking.log_command(runs, to=to, project=where, artifacts=artifacts)
