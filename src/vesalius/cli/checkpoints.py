"""Commands about models and the machine: models, verify, inspect, doctor."""

from pathlib import Path
from typing import Annotated

import typer

from vesalius.cli.options import AsJson, Device, Online, Pickles, finish, get_missing


def models(as_json: AsJson = False) -> None:
    """List the models: what they can do, licence, whether they are on disk."""
    from vesalius.commands import listing

    listing.models_command(as_json=as_json)


def verify(
    model: Annotated[list[str], typer.Argument(help="As for `run --model`.")],
    device: Device = "cpu",
    allow_pickle_weights: Annotated[bool, Pickles] = False,
    online: Annotated[bool, Online] = False,
) -> None:
    """Load models strictly and check what identifies them: hashes, parameters, known answers.

    Exit code 1 if a model is not what its name promises.
    """
    if online:
        get_missing(models=model)
    from vesalius.commands import verifying

    finish(
        verifying.verify_command(model, device=device, allow_pickle_weights=allow_pickle_weights)
    )


def inspect(  # noqa: PLR0913, PLR0917 - one parameter per option; the contract names them
    model: Annotated[list[str], typer.Argument(help="As for `run --model`; all and mini:all too.")],
    as_json: AsJson = False,
    data: Annotated[
        str | None, typer.Option(help="Dataset folder or name, for the geometry of embeddings.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Samples of it at most.")] = 512,
    device: Device = "auto",
    batch_sizes: Annotated[str, typer.Option(help="Of the timings.")] = "1,2,4,8",
    out: Annotated[Path | None, typer.Option(help="HTML file with block diagrams.")] = None,
    measure: Annotated[bool, typer.Option(help="Load the model and time it.")] = True,
    allow_pickle_weights: Annotated[bool, Pickles] = False,
    online: Annotated[bool, Online] = False,
) -> None:
    """Architecture card: towers, parameters, FLOPs, latency, memory, embedding geometry."""
    if online:
        get_missing(models=model, data=[data] if data else [])
    from vesalius.commands import inspection

    options = inspection.InspectOptions(
        data, limit, device, batch_sizes, out, as_json, measure, allow_pickle_weights
    )
    inspection.inspect_command(model, options)


def doctor() -> None:
    """Show versions, devices, memory and caches, what is missing and how to get it."""
    from vesalius.commands import listing

    listing.doctor_command()
