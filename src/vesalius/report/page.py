"""The report: one HTML file that opens anywhere and loads nothing.

All text from runs goes through autoescaping; a content security policy that names the hashes of
the page's own style and script is the second wall. No text from a run stands in a URL, a style
or an event handler.
"""

import base64
import hashlib
import importlib.resources
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from vesalius.records import Json, MetricRow
from vesalius.report.cells import CellPage, anchor_of, cell_page, failures
from vesalius.report.controls import control_title, is_control
from vesalius.report.exports import to_csv, visible
from vesalius.report.figures import heat_level, swatch
from vesalius.report.gallery import MAX_PICTURES, Pictures
from vesalius.report.glossary import glossary
from vesalius.report.sources import Results, read_results
from vesalius.report.summary import findings, provenance, setting_rows, totals
from vesalius.report.tables import (
    Entry,
    entries,
    group_by_cell,
    interval_text,
    matrices,
    text_of,
)
from vesalius.store.files import write_atomic

_ASSETS = ("template.html", "sections.html", "page.css", "page.js")


def write_report(runs: Sequence[Path], out: Path, *, thumbnails: bool = True) -> Path:
    """Write the report on one or several run folders to `out`; equal runs give equal bytes.

    Args:
        runs: run folders; models that several of them have are told apart by ``(run k)``.
        out: the HTML file, replaced as a whole.
        thumbnails: embed small pictures of samples in retrieval galleries. They are patient
            images: switch them off for a page that leaves the house.

    Returns:
        `out`.

    Raises:
        RunError: if a folder is not a run.
    """
    write_atomic(out, render(read_results(runs), thumbnails=thumbnails).encode())
    return out


def render(results: Results, /, *, thumbnails: bool = True) -> str:
    """The page as text."""
    made = entries(results.outcomes, results.metrics)
    pictures = Pictures(enabled=thumbnails)
    pages = _pages(results, made, pictures)
    assets = {name: _asset(name) for name in _ASSETS}
    style, script = assets["page.css"], assets["page.js"]
    page = _environment(assets).get_template("template.html")
    return page.render(
        policy=_policy(style, script),
        style=Markup(style),  # noqa: S704 - the package's own file
        script=Markup(script),  # noqa: S704 - the package's own file
        csv=to_csv(results.metrics),
        results=results,
        totals=totals(made),
        findings=findings(made),
        matrices=matrices(made, models=results.models, datasets=results.datasets),
        pages=pages,
        controls=[entry for entry in made if entry.is_control],
        failures=failures(results.outcomes),
        provenance=[provenance(run) for run in results.runs],
        task_cards=_task_cards(results),
        glossary=glossary({row.estimate.metric for row in results.metrics}),
        pictures=pictures,
        picture_limit=MAX_PICTURES,
        thumbnails=thumbnails,
    )


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


def _asset(name: str) -> str:
    return importlib.resources.files("vesalius.report").joinpath(name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    """Nothing may be loaded; only these two inline blocks may apply."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
        f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _environment(assets: Mapping[str, str]) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(dict(assets)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": text_of,
        "interval": interval_text,
        "anchor": anchor_of,
        "heat": heat_level,
        "swatch": swatch,
        "control": control_title,
        "settings": setting_rows,
    }
    return environment


def _shown(value: object) -> object:
    """Neutralise control and direction-changing characters in every text put into the page."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return "\n".join(visible(line) for line in value.split("\n"))
