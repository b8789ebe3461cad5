"""Options and arguments that several commands share, and how a command ends."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

Out = Annotated[Path, typer.Option("--out", help="Run folder; an existing one is continued.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every random choice.")]
Runs = Annotated[list[Path], typer.Argument(help="One or more run folders.")]
Pickles = typer.Option(
    "--allow-pickle-weights", help="Load .bin weights whose hash is not known beforehand."
)
Online = typer.Option(
    "--online", help="First download what is named and not on disk; else no network."
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def get_missing(*, models: Sequence[str] = (), data: Sequence[str] = ()) -> tuple[str, ...]:
    """Download what is named and not on disk; the names of what came."""
    from vesalius.commands.online import fetch_missing

    return fetch_missing(models, data)


def finish(all_settled: bool) -> NoReturn:
    """End the command: exit code 0 if everything came out, else 1."""
    raise typer.Exit(0 if all_settled else 1)
