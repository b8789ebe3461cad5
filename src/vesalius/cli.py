"""The command line: parse, call, print. Every command imports what it needs when it runs."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from vesalius.errors import UsageError, VesaliusError

app = typer.Typer(
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

Out = Annotated[Path, typer.Option("--out", help="Run folder; an existing one is continued.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every random choice.")]
Runs = Annotated[list[Path], typer.Argument(help="One or more run folders.")]
Pickles = typer.Option(
    "--allow-pickle-weights", help="Load .bin weights whose hash is not known beforehand."
)
OnlyTasks = Annotated[list[str] | None, typer.Option("--task", help="Only this task.")]
OnlyDatasets = Annotated[list[str] | None, typer.Option("--dataset", help="Only this data set.")]
OnlyProtocols = Annotated[list[str] | None, typer.Option("--protocol", help="Only this protocol.")]
OneMetric = Annotated[str, typer.Option("--metric", help="By this metric; else the headline.")]
Alpha = Annotated[float, typer.Option("--alpha", help="Family-wise error of one ranking.")]
BoardFormat = Annotated[
    str, typer.Option("--format", help="table, csv, parquet, latex, markdown or json.")
]
TableFile = Annotated[Path | None, typer.Option("--out", help="File; else standard output.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _print_version(asked: bool) -> bool:
    if asked:
        from importlib.metadata import version

        typer.echo(f"vesalius {version('vesalius')}")
        raise typer.Exit
    return asked


@app.callback()
def before_all(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print it."),
    ] = False,
) -> None:
    """Nothing is done before a command is named."""


@app.command()
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

    _finish(demo.run_demo(out, n_patients=patients, device=device, models=model or ()))


@app.command()
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
    engine: Annotated[str, typer.Option(help="How cells are spread: local.")] = "local",
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
        "device": device, "batch_size": batch_size, "limit": limit, "workers": workers,
        "resamples": resamples,
        "seed": seed, "controls": controls, "out_of_domain": out_of_domain,
        "allow_pickle_weights": allow_pickle_weights, "allow_partial": allow_partial,
    }  # fmt: skip
    if engine != "local":
        raise UsageError(f"--engine {engine!r}: this version has only the engine 'local'")
    settled = wanted.settle(spec, given)  # before the imports below, which take seconds

    from vesalius.commands import evaluation

    _finish(evaluation.run_command(settled))


@app.command()
def score(run_folder: Annotated[Path, typer.Argument(metavar="RUN")]) -> None:
    """Recompute every metric of a run from its stored predictions; no model, no images."""
    from vesalius.commands import evaluation

    _finish(evaluation.score_command(run_folder))


@app.command()
def compare(  # noqa: PLR0913, PLR0917 - one parameter per option; the contract names them
    runs: Runs,
    task: OnlyTasks = None,
    dataset: OnlyDatasets = None,
    protocol: OnlyProtocols = None,
    metric: OneMetric = "",
    alpha: Alpha = 0.05,
    resamples: Annotated[int, typer.Option(min=1, help="Bootstrap resamples.")] = 2000,
    seed: Seed = 0,
    format: BoardFormat = "table",  # noqa: A002 - the word of the command line
    out: TableFile = None,
) -> None:
    """Paired differences between models on identical rows, and who cannot be told apart.

    p values are corrected over the comparisons of one data set, task and protocol (Holm).
    """
    from vesalius.commands import board_formats, comparing
    from vesalius.ranking import choice_of

    choice = choice_of(
        task, dataset, protocol, metric=metric, alpha=alpha, resamples=resamples, seed=seed
    )
    comparing.compare_command(runs, choice, board_formats.Output(format, out))


@app.command()
def leaderboard(  # noqa: PLR0913, PLR0917 - one parameter per option; the contract names them
    places: Annotated[
        list[Path], typer.Argument(metavar="RUN-OR-FOLDER", help="Run folders, or folders of them.")
    ],
    task: OnlyTasks = None,
    dataset: OnlyDatasets = None,
    protocol: OnlyProtocols = None,
    metric: OneMetric = "",
    alpha: Alpha = 0.05,
    resamples: Annotated[int, typer.Option(min=1, help="Bootstrap resamples.")] = 2000,
    seed: Seed = 0,
    format: BoardFormat = "table",  # noqa: A002 - the word of the command line
    out: TableFile = None,
) -> None:
    """Rank the models of many runs: one table a data set, task and protocol, ties marked.

    [dim]vesalius leaderboard runs/ --task classification --format csv --out board.csv[/dim]
    """
    from vesalius.commands import board_formats, leaderboard
    from vesalius.ranking import choice_of

    choice = choice_of(
        task, dataset, protocol, metric=metric, alpha=alpha, resamples=resamples, seed=seed
    )
    leaderboard.leaderboard_command(places, choice, board_formats.Output(format, out))


@app.command()
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
) -> None:
    """Does joining inputs beat the best single one? A study on frozen features.

    [dim]vesalius fuse --data my-cxr --features mini:clip:image --features tabular --out fused[/dim]

    [dim]vesalius fuse --data my-cxr --features mini:clip:image --features mini:clip:question
    --task vqa --out fused[/dim]
    """
    from vesalius.commands import fusing

    settings = fusing.settings_of(seeds=seeds, resamples=resamples, seed=seed, width=width)
    fusing.fuse_command(
        data, features, head or (), task=task, target=target, out=out, settings=settings
    )


@app.command()
def report(
    runs: Runs,
    out: Annotated[Path | None, typer.Option(help="File; standard output for tables.")] = None,
    format: Annotated[  # noqa: A002 - the word of the command line
        str, typer.Option(help="html, csv, parquet, latex, markdown or hf (YAML for the hub).")
    ] = "html",
    thumbnails: Annotated[bool, typer.Option(help="Show small pictures of test images.")] = True,
) -> None:
    """Make one self-contained HTML page of one or more runs, or tables for a paper."""
    from vesalius.commands import evaluation

    evaluation.report_command(runs, out=out, form=format, thumbnails=thumbnails)


@app.command()
def log(
    runs: Runs,
    to: Annotated[str, typer.Option(help="mlflow or wandb, an extra of that name.")],
    project: Annotated[str, typer.Option(help="Experiment or project.")] = "vesalius",
    artifacts: Annotated[
        bool, typer.Option("--artifacts", help="The report too, with its pictures of patients.")
    ] = False,
    online: Annotated[bool, typer.Option("--online", help="Allow a server elsewhere.")] = False,
) -> None:
    """Log every cell to an experiment tracker: on this computer, numbers only, unless told so."""
    from vesalius.commands import trackers, tracking

    where = trackers.Project(project, online)
    tracking.log_command(runs, to=to, project=where, artifacts=artifacts)


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the models: what they can do, licence, whether they are on disk."""
    from vesalius.commands import listing

    listing.models_command(as_json=as_json)


@app.command(name="datasets")
def datasets_list(as_json: AsJson = False) -> None:
    """List the public data sets: tasks, size, licence, what must be signed, whether on disk."""
    from vesalius.commands import recipes

    recipes.datasets_command(as_json=as_json)


@app.command()
def fetch(
    name: Annotated[
        list[str], typer.Argument(help="Names of `vesalius models` or `vesalius datasets`; viewer.")
    ],
) -> None:
    """Download models and data sets, verified; the only command that opens the network."""
    from vesalius.commands import fetching

    _finish(fetching.fetch_command(name))


@app.command()
def verify(
    model: Annotated[list[str], typer.Argument(help="As for `run --model`.")],
    device: Device = "cpu",
    allow_pickle_weights: Annotated[bool, Pickles] = False,
) -> None:
    """Load models strictly and check what identifies them: hashes, parameters, known answers.

    Exit code 1 if a model is not what its name promises.
    """
    from vesalius.commands import verifying

    _finish(
        verifying.verify_command(model, device=device, allow_pickle_weights=allow_pickle_weights)
    )


@app.command()
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
) -> None:
    """Architecture card: towers, parameters, FLOPs, latency, memory, embedding geometry."""
    from vesalius.commands import inspection

    options = inspection.InspectOptions(
        data, limit, device, batch_sizes, out, as_json, measure, allow_pickle_weights
    )
    inspection.inspect_command(model, options)


@app.command()
def check(
    data: Annotated[str, typer.Argument(help="Dataset folder, NAME or NAME=FOLDER.")],
    pixels: Annotated[bool, typer.Option(help="Decode every image and mask.")] = True,
) -> None:
    """Validate a dataset folder or public data set row by row; exit 1 if any row is bad."""
    from vesalius.commands import datasets

    raise typer.Exit(datasets.check_command(data, read_pixels=pixels))


@app.command()
def phantom(
    out: Annotated[Path, typer.Option("--out", help="Folder to create.")],
    patients: Annotated[int, typer.Option(min=1, help="Number of patients.")] = 300,
    seed: Seed = 0,
) -> None:
    """Write a synthetic chest cohort with exact truth: radiographs, and CT in OUT/ct."""
    from vesalius.commands import datasets

    datasets.phantom_command(out, n_patients=patients, seed=seed)


@app.command()
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
    _finish(reproducing.reproduce_command(name, attempt))


@app.command()
def doctor() -> None:
    """Show versions, devices, memory and caches, what is missing and how to get it."""
    from vesalius.commands import listing

    listing.doctor_command()


def _finish(all_settled: bool) -> NoReturn:
    raise typer.Exit(0 if all_settled else 1)


def main() -> None:
    """Entry point; errors that a user can act on are one line and exit code 2."""
    try:
        app()
    except (VesaliusError, OSError) as error:
        sys.stderr.write(f"vesalius: {error}\n")
        sys.exit(2)
