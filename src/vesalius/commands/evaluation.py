"""Commands around a run: run, score, compare, report."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from vesalius.api import Request, Result, Settings, choose_tasks, evaluate_sources, model_sources
from vesalius.commands.terminal import console, progress_bars
from vesalius.data.opening import load_dataset
from vesalius.engine import score
from vesalius.engine.comparison import compare_runs
from vesalius.errors import UsageError, did_you_mean
from vesalius.records import Failed, Json, Resampling
from vesalius.report.console import MODEL_WIDTH, summary
from vesalius.report.exports import to_csv, to_latex, to_markdown
from vesalius.report.page import write_report
from vesalius.report.sources import read_results
from vesalius.spec_file import SpecFile
from vesalius.stats import Comparison
from vesalius.store.files import write_atomic

_TABLES = ("csv", "latex", "markdown")


def run_command(wanted: SpecFile) -> bool:
    """Evaluate what was asked for; whether no cell failed."""
    assert wanted.out is not None  # `wanted.settle` saw to it
    settings = Settings(
        protocols=wanted.protocol,
        device=wanted.device,
        batch_size=wanted.batch_size,
        limit=wanted.limit,
        workers=wanted.workers,
        n_resamples=wanted.resamples,
        controls=wanted.controls,
        out_of_domain=wanted.out_of_domain,
        allow_pickle_weights=wanted.allow_pickle_weights,
        allow_partial=wanted.allow_partial,
    )
    tasks = choose_tasks(wanted.task or "all", wanted.protocol)
    models = model_sources(wanted.model, settings)
    with console.status("reading data sets"):  # a public one may have to be prepared first
        datasets = [load_dataset(one, allow_partial=wanted.allow_partial) for one in wanted.data]
    with progress_bars() as progress:
        request = Request(Path(wanted.out), wanted.seed, settings, progress)
        result = evaluate_sources(models, datasets, tasks, request)
        report = result.report()
    return show(result, report)


def show(result: Result, report: Path) -> bool:
    """Print the summary and where the report is; whether no cell failed."""
    console.print(summary(result.metrics, result.outcomes))
    for line in _warnings(result.run.info["datasets"]):
        console.print(Text(line, style="yellow"))
    console.print(f"report: {report}", highlight=False, markup=False, soft_wrap=True)
    asked = result.run.info["spec"]
    return not any(
        isinstance(outcome, Failed)
        and outcome.cell.dataset in asked["datasets"]
        and outcome.cell.task in asked["tasks"]
        for outcome in result.outcomes
    )


def _warnings(datasets: Mapping[str, Json]) -> list[str]:
    """What a reader of the table must know about the data."""
    lines = []
    for name, info in datasets.items():
        lines += [f"{name}: {note}" for note in info.get("notes", ())]
        n_refused, n_unreadable = len(info["problems"]), len(info["unreadable"])
        if n_refused or n_unreadable:
            lines.append(
                f"{name}: {n_refused} rows refused, {n_unreadable} images unreadable; "
                "`vesalius check` names each"
            )
        if twins := info["duplicates_across_splits"]:
            lines.append(
                f"{name}: {len(twins)} images stand in more than one split (run.json lists them)"
            )
    return lines


def score_command(run_folder: Path) -> bool:
    """Recompute the metrics and print them."""
    with progress_bars() as progress:
        result = Result(score(run_folder, progress=progress))
        report = result.report()
    return show(result, report)


def compare_command(runs: Sequence[Path], *, task: str | None, n_resamples: int, seed: int) -> None:
    """Print every paired difference between two models."""
    resampling = Resampling(seed=seed, n_resamples=n_resamples)
    comparisons = compare_runs(runs, task=task, resampling=resampling)
    if not comparisons:
        raise UsageError(
            "nothing to compare: expected two models with predictions for the same rows of the "
            "same dataset, task and protocol"
        )
    blocks = groupby(sorted(comparisons, key=_place), key=_place)
    console.print(*(_comparison_table(place, list(block)) for place, block in blocks), sep="\n")


def _place(one: Comparison) -> str:
    cell = one.first
    return " · ".join((cell.dataset, cell.task, cell.protocol, one.difference.estimate.metric))


def _comparison_table(place: str, comparisons: Sequence[Comparison]) -> Table:
    """Paired differences at one place; it fits a terminal of 80 columns."""
    table = Table(
        title=Text(f"Paired differences · {place}", style="bold cyan"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        header_style="bold",
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in ("First", "Second"):
        table.add_column(name, overflow="fold", min_width=MODEL_WIDTH)
    for name in ("Diff.", "Interval", "n", "p", "Holm p"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in comparisons:
        estimate = one.difference.estimate
        words = (
            one.first.model,
            one.second.model,
            f"{estimate.value:+.3f}",
            f"[{estimate.low:+.3f}, {estimate.high:+.3f}]",
            str(estimate.n_patients),
            f"{one.difference.p_value:.4f}",
            f"{one.p_holm:.4f}",
        )
        table.add_row(*(Text(word) for word in words))
    return table


def report_command(runs: Sequence[Path], *, out: Path | None, form: str, thumbnails: bool) -> None:
    """Write the page, or print or write tables."""
    if form == "html":
        page = write_report(runs, out or runs[0] / "report.html", thumbnails=thumbnails)
        console.print(f"report: {page}", highlight=False, markup=False, soft_wrap=True)
        return
    if form not in _TABLES:
        known = ("html", *_TABLES)
        raise UsageError(
            f"--format {form!r}{did_you_mean(form, known)}: expected one of {', '.join(known)}"
        )
    results = read_results(runs)
    metrics, outcomes = results.metrics, results.outcomes
    if form == "csv":
        text = to_csv(metrics)
    else:
        text = (to_latex if form == "latex" else to_markdown)(metrics, outcomes)
    if out is None:
        console.file.write(text)
    else:
        write_atomic(out, text.encode())
