"""The report: one HTML file that opens anywhere and loads nothing."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from vesalius.records import Json, MetricRow
from vesalius.report.cells import CellPage, anchor_of, cell_page, failures
from vesalius.report.columns import Circumstances, column_anchor, column_pages, matrix_ranks
from vesalius.report.controls import control_title, is_control
from vesalius.report.document import asset, environment, policy
from vesalius.report.figures import heat_level, swatch
from vesalius.report.gallery import MAX_PICTURES, Pictures
from vesalius.report.glossary import glossary
from vesalius.report.matrix import overviews, span_text
from vesalius.report.ranking import rankings
from vesalius.report.rows_block import metric_choices, rows_block, subgroup_choices, view_block
from vesalius.report.samples import SAMPLE_SCRIPTS, sample_book
from vesalius.report.sources import Results, read_results
from vesalius.report.summary import provenance, setting_rows, totals
from vesalius.report.tables import (
    Entry,
    entries,
    group_by_cell,
    interval_text,
    matrices,
    text_of,
)
from vesalius.report.viewer import Viewer, find_viewer
from vesalius.stats import Comparison
from vesalius.store.files import write_atomic

_TEMPLATES = ("template.html", "sections.html", "overview.html", "samples.html")
_STYLES = ("page.css", "matrix.css", "columns.css", "cells.css", "samples.css")
# in the order in which they run
_SCRIPTS = ("page.js", "rows.js", "matrix.js", "view.js", *SAMPLE_SCRIPTS)
_FILTERS: Mapping[str, Callable[..., object]] = {
    "number": text_of,
    "interval": interval_text,
    "span": span_text,
    "place": column_anchor,
    "anchor": anchor_of,
    "heat": heat_level,
    "swatch": swatch,
    "control": control_title,
    "settings": setting_rows,
}


def write_report(
    runs: Sequence[Path],
    out: Path,
    *,
    thumbnails: bool = True,
    comparisons: Sequence[Comparison] = (),
) -> Path:
    """Write the report on one or several run folders to `out`; equal runs give equal bytes.

    Args:
        runs: run folders; models that several of them have are told apart by ``(run k)``.
        out: the HTML file, replaced as a whole.
        thumbnails: embed small pictures of samples in retrieval galleries. They are patient
            images: switch them off for a page that leaves the house.
        comparisons: paired differences between models of the run, for ranks and groups; none
            where several runs are shown.

    Returns:
        `out`.

    Raises:
        RunError: if a folder is not a run.
    """
    page = render(read_results(runs), thumbnails=thumbnails, comparisons=comparisons)
    write_atomic(out, page.encode())
    return out


def render(
    results: Results, /, *, thumbnails: bool = True, comparisons: Sequence[Comparison] = ()
) -> str:
    """The page as text."""
    made = entries(results.outcomes, results.metrics)
    pictures = Pictures(enabled=thumbnails)
    pages = _pages(results, made, pictures)
    book = sample_book(results, pictures)
    viewer = find_viewer() if book.volumes.embedded else Viewer()
    style, script = ("\n".join(map(asset, names)) for names in (_STYLES, _SCRIPTS))
    templates = {name: asset(name) for name in _TEMPLATES}
    page = environment(templates, _FILTERS).get_template("template.html")
    return page.render(
        policy=policy(style, script, also=viewer.hash),
        style=Markup(style),  # noqa: S704 - the package's own file
        script=Markup(script),  # noqa: S704 - the package's own file
        results=results,
        totals=totals(made),
        pages=pages,
        controls=[entry for entry in made if entry.is_control],
        failures=failures(results.outcomes),
        provenance=[provenance(run) for run in results.runs],
        task_cards=_task_cards(results),
        glossary=glossary({row.estimate.metric for row in results.metrics}),
        pictures=pictures,
        picture_limit=MAX_PICTURES,
        thumbnails=thumbnails,
        book=book,
        viewer=viewer,
        **_overview(results, made, comparisons),
    )


def _overview(
    results: Results, made: Sequence[Entry], comparisons: Sequence[Comparison]
) -> dict[str, object]:
    """The matrix with its view, and the columns."""
    standings = rankings(comparisons, results.metrics)
    about = Circumstances(comparisons, standings, results.models, results.outcomes)
    columns = column_pages(made, about)
    shown = overviews(matrices(made, models=results.models, datasets=results.datasets))
    metrics = metric_choices(results.metrics)
    subgroups = subgroup_choices(results.metrics, made)
    return {
        "matrices": shown,
        "columns": columns,
        "heads": {page.place: page for page in columns},
        "ranks": matrix_ranks(columns),
        "metrics": metrics,
        "subgroups": subgroups,
        "protocols": list(dict.fromkeys(c.protocol for one in shown for c in one.columns)),
        "tasks": list(dict.fromkeys(c.task for one in shown for c in one.columns)),
        "rows_block": rows_block(results.metrics),
        "view_block": view_block(shown, metrics, subgroups),
    }


def _pages(results: Results, made: Sequence[Entry], pictures: Pictures) -> list[CellPage]:
    groups = group_by_cell(results.metrics)
    known = {outcome.cell: outcome for outcome in results.outcomes}
    controls: dict[tuple[str, str], list[MetricRow]] = {}
    for row in results.metrics:
        if is_control(row.cell.model):
            controls.setdefault((row.cell.dataset, row.cell.task), []).append(row)
    return [
        cell_page(
            entry,
            known.get(entry.cell),
            groups.get(entry.cell, []),
            controls.get((entry.cell.dataset, entry.cell.task), []),
            origin=results.origins.get(entry.cell),
            pictures=pictures,
        )
        for entry in made
        if not entry.is_control
    ]


def _task_cards(results: Results) -> dict[str, Mapping[str, Json]]:
    return {digest: card for run in results.runs for digest, card in run.info["task_cards"].items()}
