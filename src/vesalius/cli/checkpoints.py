"""Commands about models and the machine: models, verify, inspect, doctor."""

from pathlib import Path
from typing import Annotated

import typer

from vesalius.cli import completion
from vesalius.cli.options import (
    HOW,
    OUTPUT,
    WHAT,
    AsJson,
    Device,
    Models,
    Online,
    Pickles,
    finish,
    get_missing,
)


def models(as_json: AsJson = False) -> None:
    """List the models: what they can do, licence, whether they are on disk.

    Reads the catalog and the hub's cache and loads nothing; prints a table, or JSON.
    """
    from vesalius.commands import listing

    listing.models_command(as_json=as_json)


def verify(
    model: Models,
    device: Device = "cpu",
    allow_pickle_weights: Annotated[bool, Pickles] = False,
    online: Annotated[bool, Online] = False,
) -> None:
    """Load models strictly and check what identifies them; exit 1 if one is another.

    Reads the weights; prints hashes, parameters and known answers, and writes nothing.
    """
    if online:
        get_missing(models=model)
    from vesalius.commands import verifying

    finish(
        verifying.verify_command(model, device=device, allow_pickle_weights=allow_pickle_weights)
    )


def inspect(  # noqa: PLR0913, PLR0917 - one parameter per option; the contract names them
    model: Models,
    as_json: AsJson = False,
    data: Annotated[
        str | None,
        typer.Option(
            help="Dataset folder or name, for the geometry of embeddings.",
            rich_help_panel=WHAT,
            autocompletion=completion.datasets,
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, help="Samples of it at most.", rich_help_panel=WHAT)
    ] = 512,
    device: Device = "auto",
    batch_sizes: Annotated[
        str, typer.Option(help="Of the timings.", rich_help_panel=HOW)
    ] = "1,2,4,8",
    out: Annotated[
        Path | None,
        typer.Option(help="HTML file with block diagrams.", rich_help_panel=OUTPUT),
    ] = None,
    measure: Annotated[
        bool, typer.Option(help="Load the model and time it.", rich_help_panel=HOW)
    ] = True,
    allow_pickle_weights: Annotated[bool, Pickles] = False,
    online: Annotated[bool, Online] = False,
) -> None:
    """Architecture card: towers, parameters, FLOPs, latency, memory, geometry.

    Reads configurations and weights, and images with --data; prints a table or JSON, and writes a
    page with --out.
    """
    if online:
        get_missing(models=model, data=[data] if data else [])
    from vesalius.commands import inspection

    options = inspection.InspectOptions(
        data, limit, device, batch_sizes, out, as_json, measure, allow_pickle_weights
    )
    inspection.inspect_command(model, options)


def doctor() -> None:
    """Show versions, devices, memory and caches, what is missing and how to get it.

    Reads this machine; prints a table and writes nothing.
    """
    from vesalius.commands import listing

    listing.doctor_command()
