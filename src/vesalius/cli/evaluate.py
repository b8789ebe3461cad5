"""Commands that evaluate: demo, run, score, fuse, reproduce."""

from pathlib import Path
from typing import Annotated

import typer

from vesalius.cli.options import Device, Online, Out, Pickles, Seed, finish, get_missing


def demo(
    out: Out = Path("demo-run"),
    patients: Annotated[int, typer.Option(min=20, help="Size of the synthetic cohort.")] = 60,
    model: Annotated[
        list[str] | None, typer.Option(help="Only these, such as mini:clip; all by default.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Run the embedded miniatures on a synthetic cohort: no download, no data needed."""
    from vesalius.commands import demo

    finish(demo.run_demo(out, n_patients=patients, device=device, models=model or ()))


def run(  # noqa: PLR0913, PLR0917 - one parameter per option; the contract names them
    spec: Annotated[Path | None, typer.Argument(help="Settings in YAML; options win.")] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Name, mini:NAME, folder, hf:org/name, endpoint:MODEL@URL; all, mini:all. "
            r"Options in brackets: clip\[fit=pad]."
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="Dataset folder, name of `vesalius datasets`, or NAME=FOLDER."),
    ] = None,
    task: Annotated[list[str] | None, typer.Option(help="Task; all of them by default.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder, new or to continue.")] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(help=r"Keep only these protocols. Settings in brackets: knn\[ks=10]."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    engine: Annotated[
        str | None, typer.Option(help="Who starts the workers: local, or ray (an extra).")
    ] = None,
    ray_address: Annotated[
        str | None, typer.Option(help="Ray cluster that sees the same files; else a local one.")
    ] = None,
    shard: Annotated[
        str | None, typer.Option(help="Only part i of n, from 0/n on; a call without it merges.")
    ] = None,
    online: Annotated[bool | None, Online] = None,
    batch_size: Annotated[str | None, typer.Option(help="auto or a number.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Samples per split at most.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that models are spread over.")
    ] = None,
    resamples: Annotated[int | None, typer.Option(min=1, help="Bootstrap resamples.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of every random choice.")] = None,
    controls: Annotated[bool | None, typer.Option(help="Run the controls.")] = None,
    out_of_domain: Annotated[
        bool | None, typer.Option(help="Models on modalities they were not made for, too.")
    ] = None,
    allow_pickle_weights: Annotated[bool | None, Pickles] = None,
    allow_partial: Annotated[
        bool | None, typer.Option("--allow-partial", help="Public data sets that are not whole.")
    ] = None,
) -> None:
    """Evaluate models on datasets at tasks; the same command again continues.

    [dim]vesalius run --model mini:clip --data my-cxr --task classification --out runs/first[/dim]
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
    settled = wanted.settle(spec, given)
    fetched = get_missing(models=settled.model, data=settled.data) if settled.online else ()
    wanted.look_for_models(settled)  # before the imports below, which take seconds

    from vesalius.commands import evaluation

    finish(evaluation.run_command(settled, fetched))


def score(run_folder: Annotated[Path, typer.Argument(metavar="RUN")]) -> None:
    """Recompute every metric of a run from its stored predictions; no model, no images."""
    from vesalius.commands import evaluation

    finish(evaluation.score_command(run_folder))


def fuse(  # noqa: PLR0913, PLR0917 - one parameter per option; the contract names them
    data: Annotated[str, typer.Option(help="Dataset folder with labels, or name.")],
    features: Annotated[
        list[str],
        typer.Option(
            help="Input, again for each: tabular, or MODEL:KIND with image, volume, prior, "
            "with-prior, patches, text, words, question. Options in brackets: "
            r"mini:clip:text\[column=history], tabular\[columns=age+sex]."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the tables and the page.")],
    task: Annotated[
        str, typer.Option(help="classification, vqa, retrieval or generation.")
    ] = "classification",
    target: Annotated[
        str | None,
        typer.Option(
            help="What is told: a class or a column of words (classification), closed or open "
            "(vqa), the input to be found (retrieval)."
        ),
    ] = None,
    head: Annotated[
        list[str] | None,
        typer.Option(
            help=r"Way to join; all by default. gated\[dropout=0.3] learns to do without."
        ),
    ] = None,
    width: Annotated[int, typer.Option(min=1, help="Most principal components of an input.")] = 64,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds a head is fitted with.")] = 3,
    resamples: Annotated[int, typer.Option(min=1, help="Bootstrap resamples.")] = 2000,
    seed: Seed = 0,
    online: Annotated[bool, Online] = False,
) -> None:
    """Does joining inputs beat the best single one? A study on frozen features.

    [dim]vesalius fuse --data my-cxr --features mini:clip:image --features tabular --out fused[/dim]

    [dim]vesalius fuse --data my-cxr --features mini:clip:image --features mini:clip:question
    --task vqa --out fused[/dim]
    """
    from vesalius.commands import fusing

    if online:
        from vesalius.engine.fusion_names import split_slot

        slots = map(split_slot, features)
        get_missing(models=[slot.model for slot in slots if slot.model], data=[data])
    settings = fusing.settings_of(seeds=seeds, resamples=resamples, seed=seed, width=width)
    fusing.fuse_command(
        data, features, head or (), task=task, target=target, out=out, settings=settings
    )


def reproduce(
    name: Annotated[str, typer.Argument(help="Known answer; without, all are listed.")] = "",
    out: Out = Path("reproduced"),
    model: Annotated[str, typer.Option(help="Other weights, as for `run --model`.")] = "",
    data: Annotated[str, typer.Option(help="Folder of the data set.")] = "",
    allow_partial: Annotated[bool, typer.Option("--allow-partial", help="A part will do.")] = False,
) -> None:
    """Compute a published number again; exit code 1 if it does not come out."""
    from vesalius.commands import reproducing

    attempt = reproducing.Attempt(out, model=model, data=data, allow_partial=allow_partial)
    finish(reproducing.reproduce_command(name, attempt))
