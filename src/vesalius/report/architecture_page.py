"""The page of architecture cards: one HTML file that opens anywhere and loads nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from vesalius.models.architecture import ArchitectureCard, Inspection, Measurement
from vesalius.records import digest_json
from vesalius.report.architecture_facts import (
    CKA_TITLE,
    TIMING_COLUMNS,
    circumstances,
    facts,
    flops,
    geometry_text,
    geometry_title,
    has_miniatures,
    kind_of,
    parameters,
    pass_text,
    timing_cells,
    tower_facts,
)
from vesalius.report.diagram import diagram
from vesalius.report.document import asset, environment, policy
from vesalius.report.figures import Axis, Figure, Line, heat_level, line_figure, swatch
from vesalius.report.tables import text_of
from vesalius.store.files import write_atomic

_ASSETS = ("architecture.html",)
_STYLES = ("page.css", "architecture.css")
_FILTERS: Mapping[str, Callable[..., object]] = {
    "number": text_of,
    "parameters": parameters,
    "flops": flops,
    "pass_text": pass_text,
    "tower_facts": tower_facts,
    "timing_cells": timing_cells,
    "circumstances": circumstances,
    "geometry_text": geometry_text,
    "geometry_title": geometry_title,
    "kind": kind_of,
    "heat": heat_level,
    "swatch": swatch,
}


@dataclass(frozen=True, slots=True)
class CardSection:
    """Everything shown for one model."""

    anchor: str
    card: ArchitectureCard
    drawing: Markup
    facts: list[tuple[str, str]]
    weights: list[tuple[str, str]]
    figure: Figure | None


def write_cards(inspection: Inspection, out: Path, /) -> Path:
    """Write the page to `out`, replaced as a whole; returns `out`."""
    write_atomic(out, render_cards(inspection).encode())
    return out


def render_cards(inspection: Inspection, /) -> str:
    """The page as text; equal cards give equal bytes."""
    style = "".join(asset(name) for name in _STYLES)
    page = environment({name: asset(name) for name in _ASSETS}, _FILTERS)
    return page.get_template("architecture.html").render(
        policy=policy(style),
        style=Markup(style),  # noqa: S704 - the package's own files
        sections=[_section(card) for card in inspection.cards],
        similarities=inspection.similarities,
        has_miniatures=has_miniatures(inspection),
        cka_title=CKA_TITLE,
        timing_columns=TIMING_COLUMNS,
    )


def _section(card: ArchitectureCard) -> CardSection:
    identity = card.identity
    return CardSection(
        anchor="model-" + digest_json(card.name)[:12],
        card=card,
        drawing=diagram(card.architecture, title=f"Block diagram of {card.name}"),
        facts=[(fact.name, fact.value) for fact in facts(card)],
        weights=[] if identity is None else list(identity.weights.items()),
        figure=None if card.measurement is None else _throughput(card.measurement),
    )


def _throughput(measurement: Measurement) -> Figure | None:
    """Items per second over batch sizes, one line per operation that has several."""
    by_operation: dict[str, list[tuple[float, float]]] = {}
    for timing in measurement.timings:
        points = by_operation.setdefault(timing.operation, [])
        points.append((float(timing.batch_size), timing.per_second))
    drawn = {name: points for name, points in by_operation.items() if len(points) > 1}
    if not drawn:
        return None
    sizes = sorted({size for points in drawn.values() for size, _ in points})
    rates = [rate for points in drawn.values() for _, rate in points]
    low, high = _decades(min(rates), max(rates))
    ticks = tuple(10.0**k for k in range(low, high + 1))
    return line_figure(
        "Throughput",
        [
            Line(
                name,
                np.array([x for x, _ in points]),
                np.array([y for _, y in points]),
                markers=True,
            )
            for name, points in drawn.items()
        ],
        x=Axis("batch size (log scale)", sizes[0], sizes[-1], tuple(sizes), logarithmic=True),
        y=Axis("items per second (log scale)", ticks[0], ticks[-1], ticks, logarithmic=True),
        caption="At the median time of a whole call, preprocessing included.",
    )


def _decades(low: float, high: float) -> tuple[int, int]:
    first = int(np.floor(np.log10(low)))
    return first, max(first + 1, int(np.ceil(np.log10(high))))
