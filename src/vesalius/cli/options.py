"""Options and arguments that several commands share, and how a command ends."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from vesalius.cli import completion

WHAT = "What to evaluate"
HOW = "How"
OUTPUT = "Output"

Out = Annotated[
    Path,
    typer.Option("--out", help="Run folder; an existing one is continued.", rich_help_panel=OUTPUT),
]
Device = Annotated[
    str,
    typer.Option(help="auto, cpu or cuda.", rich_help_panel=HOW, autocompletion=completion.devices),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every random choice.", rich_help_panel=HOW)]
Resamples = Annotated[int, typer.Option(min=1, help="Bootstrap resamples.", rich_help_panel=HOW)]
Runs = Annotated[list[Path], typer.Argument(help="One or more run folders.")]
Pickles = typer.Option(
    "--allow-pickle-weights",
    help="Load .bin weights whose hash is not known beforehand.",
    rich_help_panel=HOW,
)
Online = typer.Option(
    "--online",
    help="First download what is named and not on disk; else no network.",
    rich_help_panel=HOW,
)
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print JSON for programs, nothing else.", rich_help_panel=OUTPUT),
]
Models = Annotated[
    list[str],
    typer.Argument(
        help="As for `run --model`; all and mini:all, too.", autocompletion=completion.models
    ),
]


def get_missing(*, models: Sequence[str] = (), data: Sequence[str] = ()) -> tuple[str, ...]:
    """Download what is named and not on disk; the names of what came."""
    from vesalius.commands.online import fetch_missing

    return fetch_missing(models, data)


def finish(all_settled: bool) -> NoReturn:
    """End the command: exit code 0 if everything came out, else 1."""
    raise typer.Exit(0 if all_settled else 1)
