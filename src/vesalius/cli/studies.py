"""Commands that answer one question: fuse and reproduce."""

from pathlib import Path
from typing import Annotated

import typer

from vesalius.cli import completion
from vesalius.cli.options import (
    HOW,
    OUTPUT,
    WHAT,
    Online,
    Out,
    Resamples,
    Seed,
    finish,
    get_missing,
)


def fuse(  # noqa: PLR0913 - one parameter per option; the contract names them
    *,
    data: Annotated[
        str,
        typer.Option(
            help="Dataset folder with labels, or name.",
            rich_help_panel=WHAT,
            autocompletion=completion.datasets,
        ),
    ],
    features: Annotated[
        list[str],
        typer.Option(
            help="Input, again for each: tabular, or MODEL:KIND with image, volume, prior, "
            "with-prior, patches, text, words, question. Options in brackets: "
            r"mini:clip:text\[column=history], tabular\[columns=age+sex].",
            rich_help_panel=WHAT,
            autocompletion=completion.features,
        ),
    ],
    task: Annotated[
        str,
        typer.Option(
            help="classification, vqa, retrieval or generation.",
            rich_help_panel=WHAT,
            autocompletion=completion.tasks,
        ),
    ] = "classification",
    target: Annotated[
        str | None,
        typer.Option(
            help="What is told: a class or a column of words (classification), closed or open "
            "(vqa), the input to be found (retrieval).",
            rich_help_panel=WHAT,
        ),
    ] = None,
    head: Annotated[
        list[str] | None,
        typer.Option(
            help=r"Way to join; all by default. gated\[dropout=0.3] learns to do without.",
            rich_help_panel=HOW,
            autocompletion=completion.heads,
        ),
    ] = None,
    width: Annotated[
        int,
        typer.Option(min=1, help="Most principal components of an input.", rich_help_panel=HOW),
    ] = 64,
    seeds: Annotated[
        int,
        typer.Option(min=1, help="How many seeds a head is fitted with.", rich_help_panel=HOW),
    ] = 3,
    resamples: Resamples = 2000,
    seed: Seed = 0,
    online: Annotated[bool, Online] = False,
    out: Annotated[
        Path, typer.Option(help="Folder for the tables and the page.", rich_help_panel=OUTPUT)
    ],
) -> None:
    """Does joining inputs beat the best single one? A study on frozen features.

    Reads a dataset and models; writes fusion.csv, curves.csv, contributions.csv, fusion.json and
    the page fusion.html.
    """
    if online:
        from vesalius.engine.fusion_names import split_slot

        slots = map(split_slot, features)
        get_missing(models=[slot.model for slot in slots if slot.model], data=[data])
    from vesalius.commands import fusing

    settings = fusing.settings_of(seeds=seeds, resamples=resamples, seed=seed, width=width)
    fusing.fuse_command(
        data, features, head or (), task=task, target=target, out=out, settings=settings
    )


def reproduce(
    name: Annotated[
        str,
        typer.Argument(
            help="Known answer; without, all are listed.",
            autocompletion=completion.known_answers,
        ),
    ] = "",
    out: Out = Path("reproduced"),
    model: Annotated[
        str,
        typer.Option(
            help="Other weights, as for `run --model`.",
            rich_help_panel=WHAT,
            autocompletion=completion.models,
        ),
    ] = "",
    data: Annotated[str, typer.Option(help="Folder of the data set.", rich_help_panel=WHAT)] = "",
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="A part will do.", rich_help_panel=WHAT)
    ] = False,
) -> None:
    """Compute a published number again; exit code 1 if it does not come out.

    Reads the published weights and images, which must be on disk; writes a run folder.
    """
    from vesalius.commands import reproducing

    attempt = reproducing.Attempt(out, model=model, data=data, allow_partial=allow_partial)
    finish(reproducing.reproduce_command(name, attempt))
