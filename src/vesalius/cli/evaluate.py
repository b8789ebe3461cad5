"""Commands that evaluate: demo, run, score."""

from pathlib import Path
from typing import Annotated

import typer

from vesalius.cli import completion
from vesalius.cli.options import (
    HOW,
    OUTPUT,
    WHAT,
    Device,
    Online,
    Out,
    Pickles,
    finish,
    get_missing,
)


def demo(
    out: Out = Path("demo-run"),
    patients: Annotated[
        int, typer.Option(min=20, help="Size of the synthetic cohort.", rich_help_panel=WHAT)
    ] = 60,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Only these, such as mini:clip; all by default.",
            rich_help_panel=WHAT,
            autocompletion=completion.models,
        ),
    ] = None,
    device: Device = "auto",
) -> None:
    """Run the embedded miniatures on a synthetic cohort: no download, no data.

    Reads nothing but the package; writes a run folder with the cohort, every table, a report and a
    fusion study. Two to three minutes on two cores; again, it continues.
    """
    from vesalius.commands import demo

    finish(demo.run_demo(out, n_patients=patients, device=device, models=model or ()))


def run(  # noqa: PLR0913, PLR0917 - one parameter per option; the contract names them
    spec: Annotated[Path | None, typer.Argument(help="Settings in YAML; options win.")] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Name, mini:NAME, folder, hf:org/name, endpoint:MODEL@URL; all, mini:all. "
            r"Options in brackets: clip\[fit=pad].",
            rich_help_panel=WHAT,
            autocompletion=completion.models,
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Dataset folder, name of `vesalius datasets`, or NAME=FOLDER.",
            rich_help_panel=WHAT,
            autocompletion=completion.datasets,
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(
            help="Task; all of them by default.",
            rich_help_panel=WHAT,
            autocompletion=completion.tasks,
        ),
    ] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help=r"Keep only these protocols. Settings in brackets: knn\[ks=10].",
            rich_help_panel=WHAT,
            autocompletion=completion.protocols,
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Samples per split at most.", rich_help_panel=WHAT)
    ] = None,
    controls: Annotated[
        bool | None, typer.Option(help="Run the controls.", rich_help_panel=WHAT)
    ] = None,
    out_of_domain: Annotated[
        bool | None,
        typer.Option(
            help="Models on modalities they were not made for, too.", rich_help_panel=WHAT
        ),
    ] = None,
    allow_partial: Annotated[
        bool | None,
        typer.Option(
            "--allow-partial",
            help="Public data sets that are not whole.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="auto, cpu or cuda.", rich_help_panel=HOW, autocompletion=completion.devices
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(help="Who starts the workers: local, or ray (an extra).", rich_help_panel=HOW),
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(help="Ray cluster that sees the same files.", rich_help_panel=HOW),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            help="Only part i of n, from 0/n on; a call without it merges.", rich_help_panel=HOW
        ),
    ] = None,
    batch_size: Annotated[
        str | None, typer.Option(help="auto or a number.", rich_help_panel=HOW)
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that models are spread over.", rich_help_panel=HOW),
    ] = None,
    resamples: Annotated[
        int | None, typer.Option(min=1, help="Bootstrap resamples.", rich_help_panel=HOW)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of every random choice.", rich_help_panel=HOW)
    ] = None,
    allow_pickle_weights: Annotated[bool | None, Pickles] = None,
    online: Annotated[bool | None, Online] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Run folder, new or to continue.", rich_help_panel=OUTPUT),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Look everything up, say what would run and what is missing, write nothing.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
) -> None:
    """Evaluate models on datasets at tasks; the same command again continues.

    Reads models and images from disk; writes a run folder: predictions, metrics with intervals,
    controls, and report.html. Exit code 1 if a cell failed.
    """
    from vesalius.commands import wanted

    given = {
        "model": model, "data": data, "task": task, "out": out, "protocol": protocol,
        "device": device, "engine": engine, "ray_address": ray_address, "shard": shard,
        "online": online, "batch_size": batch_size, "limit": limit, "workers": workers,
        "resamples": resamples,
        "seed": seed, "controls": controls, "out_of_domain": out_of_domain,
        "allow_pickle_weights": allow_pickle_weights, "allow_partial": allow_partial,
    }  # fmt: skip
    # before the imports below, which take seconds
    settled = wanted.settle(spec, given, needs_weights=not dry_run)
    if dry_run:
        from vesalius.commands import rehearsing

        finish(rehearsing.dry_run(settled))

    fetched: tuple[str, ...] = ()
    if settled.online:
        fetched = get_missing(models=settled.model, data=settled.data)
        wanted.look_for_models(settled)

    from vesalius.commands import evaluation

    finish(evaluation.run_command(settled, fetched))


def score(run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")]) -> None:
    """Recompute every metric of a run from its stored predictions.

    Reads predictions and masks of the run, no model and no image; writes its metrics and report.
    """
    from vesalius.commands import evaluation

    finish(evaluation.score_command(run_folder))
