"""Commands about data: datasets, check, phantom, fetch."""

from pathlib import Path
from typing import Annotated

import typer

from vesalius.cli import completion
from vesalius.cli.options import HOW, OUTPUT, WHAT, AsJson, Online, Seed, finish, get_missing


def datasets(as_json: AsJson = False) -> None:
    """List the public data sets: tasks, licence, what must be signed, whether on disk.

    Reads the data root (VESALIUS_DATA) and opens no network; prints a table, or JSON.
    """
    from vesalius.commands import recipes

    recipes.datasets_command(as_json=as_json)


def fetch(
    name: Annotated[
        list[str],
        typer.Argument(
            help="Names from `vesalius models` or `vesalius datasets`; viewer (NiiVue).",
            autocompletion=completion.fetchable,
        ),
    ],
) -> None:
    """Download models and data sets, verified; others do so only with --online.

    Reads the publishers' servers; writes into the hub's cache and below the data root.
    """
    from vesalius.commands import fetching

    finish(fetching.fetch_command(name))


def check(
    data: Annotated[
        str,
        typer.Argument(
            help="Dataset folder, NAME or NAME=FOLDER.", autocompletion=completion.datasets
        ),
    ],
    pixels: Annotated[
        bool, typer.Option(help="Decode every image and mask.", rich_help_panel=HOW)
    ] = True,
    online: Annotated[bool, Online] = False,
) -> None:
    """Validate a dataset folder or public data set row by row; exit 1 if any row is bad.

    Reads dataset.yaml, every table and every image; prints each bad row with its line and reason,
    and writes nothing.
    """
    if online:
        get_missing(data=[data])
    from vesalius.commands import datasets

    raise typer.Exit(datasets.check_command(data, read_pixels=pixels))


def phantom(
    out: Annotated[Path, typer.Option("--out", help="Folder to create.", rich_help_panel=OUTPUT)],
    patients: Annotated[
        int, typer.Option(min=1, help="Number of patients.", rich_help_panel=WHAT)
    ] = 300,
    seed: Seed = 0,
) -> None:
    """Write a synthetic chest cohort with exact truth: radiographs, and CT in OUT/ct.

    Reads nothing; writes two dataset folders, whose tables are an example for your own.
    """
    from vesalius.commands import datasets

    datasets.phantom_command(out, n_patients=patients, seed=seed)
