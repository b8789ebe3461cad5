"""Commands about data: datasets, check, phantom, fetch."""

from pathlib import Path
from typing import Annotated

import typer

from vesalius.cli.options import AsJson, Online, Seed, finish, get_missing


def datasets(as_json: AsJson = False) -> None:
    """List the public data sets: tasks, size, licence, what must be signed, whether on disk."""
    from vesalius.commands import recipes

    recipes.datasets_command(as_json=as_json)


def check(
    data: Annotated[str, typer.Argument(help="Dataset folder, NAME or NAME=FOLDER.")],
    pixels: Annotated[bool, typer.Option(help="Decode every image and mask.")] = True,
    online: Annotated[bool, Online] = False,
) -> None:
    """Validate a dataset folder or public data set row by row; exit 1 if any row is bad."""
    if online:
        get_missing(data=[data])
    from vesalius.commands import datasets

    raise typer.Exit(datasets.check_command(data, read_pixels=pixels))


def phantom(
    out: Annotated[Path, typer.Option("--out", help="Folder to create.")],
    patients: Annotated[int, typer.Option(min=1, help="Number of patients.")] = 300,
    seed: Seed = 0,
) -> None:
    """Write a synthetic chest cohort with exact truth: radiographs, and CT in OUT/ct."""
    from vesalius.commands import datasets

    datasets.phantom_command(out, n_patients=patients, seed=seed)


def fetch(
    name: Annotated[
        list[str], typer.Argument(help="Names from `vesalius models` or `vesalius datasets`.")
    ],
) -> None:
    """Download models and data sets, verified; no other command does so without --online."""
    from vesalius.commands import fetching

    finish(fetching.fetch_command(name))
