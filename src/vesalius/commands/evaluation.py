"""Commands around a run: run, score, report."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.text import Text

from vesalius.api import Request, Result, Settings, choose_tasks, evaluate_sources, model_sources
from vesalius.commands.terminal import console, deliver, progress_bars
from vesalius.data.opening import load_dataset
from vesalius.engine import score
from vesalius.errors import UsageError, did_you_mean
from vesalius.ranking import paired_differences
from vesalius.records import Failed, Json
from vesalius.report.console import summary
from vesalius.report.exports import to_csv, to_latex, to_markdown
from vesalius.report.hub import HubFiles, to_hub
from vesalius.report.page import write_report
from vesalius.report.sources import Results, read_results
from vesalius.spec_file import SpecFile
from vesalius.store.files import write_atomic
from vesalius.store.tables import metrics_to_parquet

_TABLES = ("csv", "parquet", "latex", "markdown", "hf")


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


def report_command(runs: Sequence[Path], *, out: Path | None, form: str, thumbnails: bool) -> None:
    """Write the page, or print or write tables."""
    if form == "html":
        with progress_bars() as progress:
            compared = paired_differences(runs, progress=progress)
        page = write_report(
            runs, out or runs[0] / "report.html", thumbnails=thumbnails, comparisons=compared
        )
        console.print(f"report: {page}", highlight=False, markup=False, soft_wrap=True)
        return
    if form not in _TABLES:
        known = ("html", *_TABLES)
        raise UsageError(
            f"--format {form!r}{did_you_mean(form, known)}: expected one of {', '.join(known)}"
        )
    if form in ("parquet", "hf") and out is None:
        raise UsageError(f"--format {form}: expected --out {'FOLDER' if form == 'hf' else 'FILE'}")
    results = read_results(runs)
    if form == "hf" and out is not None:
        _write_hub(to_hub(results), out)
    else:
        deliver(_table(results, form), out)


def _table(results: Results, form: str) -> bytes:
    if form == "parquet":
        return metrics_to_parquet(results.metrics, sources={})
    if form == "csv":
        return to_csv(results.metrics).encode()
    write = to_latex if form == "latex" else to_markdown
    return write(results.metrics, results.outcomes).encode()


def _write_hub(made: HubFiles, out: Path) -> None:
    if not made.files:
        why = "; ".join(made.left_out) or "no model has a value"
        raise UsageError(f"--format hf: there is nothing to write ({why})")
    for name, text in made.files.items():
        write_atomic(out / name, text.encode())
    lines = [f"written: {out / name}" for name in made.files]
    for line in lines + [f"left out: {what}" for what in made.left_out]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
