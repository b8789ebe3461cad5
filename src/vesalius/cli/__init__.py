"""The command line: parse, call, print. Every command imports what it needs when it runs.

A command is a plain function of one of the modules beside this one and an entry of `table`.
"""

import sys
from typing import Annotated

import typer

from vesalius.cli.table import COMMANDS
from vesalius.errors import VesaliusError, printable


def _print_version(asked: bool) -> bool:
    if asked:
        from importlib.metadata import version

        typer.echo(f"vesalius {version('vesalius')}")
        raise typer.Exit
    return asked


def before_all(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print it."),
    ] = False,
) -> None:
    """Nothing is done before a command is named."""


def _application() -> typer.Typer:
    made = typer.Typer(
        name="vesalius",
        help=(
            "Measure what vision–language models can do on medical images.\n\n"
            "Start with [bold]vesalius demo[/bold], then check your own data with "
            "[bold]vesalius check FOLDER[/bold] and evaluate with\n"
            "[bold]vesalius run --model mini:clip --data FOLDER --out runs/first[/bold]."
        ),
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(before_all)
    for command in COMMANDS:
        made.command(help=command.help, epilog=command.epilog, rich_help_panel=command.panel)(
            command.call
        )
    return made


app = _application()


def main() -> None:
    """Entry point; errors that a user can act on are one line and exit code 2."""
    try:
        app(prog_name="vesalius")
    except (VesaliusError, OSError) as error:
        sys.stderr.write(printable(f"vesalius: {error}\n"))
        sys.exit(2)
