"""Architecture cards for a terminal of 80 columns."""

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vesalius.models.architecture import ArchitectureCard, Inspection, Similarity, Tower
from vesalius.report.architecture_facts import (
    CKA_TITLE,
    TIMING_COLUMNS,
    circumstances,
    facts,
    geometry_text,
    geometry_title,
    parameters,
    pass_text,
    timing_cells,
    tower_facts,
)
from vesalius.report.exports import visible
from vesalius.report.tables import text_of


def cards_table(inspection: Inspection, /) -> RenderableType:
    """Every card, then the similarity of the models; names are never read as markup."""
    parts: list[RenderableType] = []
    for card in inspection.cards:
        parts += _card(card)
    parts += [_similarity(found) for found in inspection.similarities]
    return Group(*parts)


def _card(card: ArchitectureCard) -> Iterator[RenderableType]:
    title = card.name + (" (miniature)" if card.miniature and "mini" not in card.name else "")
    rows = _table(title)
    for fact in facts(card):
        rows.add_row(Text(fact.name), Text(visible(fact.value)))
    for tower in card.architecture.towers:
        rows.add_row(Text(visible(tower.name), style="bold"), Text(_tower(tower)))
    yield rows
    yield Text()
    yield from _measured(card)
    yield from _geometry(card)


def _table(title: str, *columns: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(
        title=Text(visible(title), style="bold cyan"),
        title_justify="left",
        box=box.SIMPLE_HEAD if columns else None,
        show_header=bool(columns),
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in columns or ("", " "):
        table.add_column(
            name, overflow="fold", justify="right" if name in right else "left", no_wrap=not name
        )
    return table


def _tower(tower: Tower) -> str:
    """Kind and size, dimensions, then one line for every counted pass."""
    dims = ", ".join(f"{fact.name} {fact.value}" for fact in tower_facts(tower))
    passes = (f"{done.input}: {pass_text(done)}" for done in tower.passes)
    first = f"{tower.kind}; {parameters(tower.parameters)} parameters"
    return "\n".join(visible(line) for line in (first, dims, *passes))


def _measured(card: ArchitectureCard) -> Iterator[RenderableType]:
    if card.measurement is None:
        yield Text(f"Latency and memory: n/a, {visible(card.not_measured)}\n", style="yellow")
        return
    table = _table("", *TIMING_COLUMNS, right=TIMING_COLUMNS[1:])
    for timing in card.measurement.timings:
        table.add_row(*timing_cells(timing))
    yield table
    yield Text(visible(circumstances(card.measurement)) + "\n", style="dim")


def _geometry(card: ArchitectureCard) -> Iterator[RenderableType]:
    if card.geometry is None:
        yield Text(f"Embedding geometry: n/a, {visible(card.no_geometry)}\n", style="yellow")
        return
    table = _table(geometry_title(card.geometry), "Quantity", "Value")
    for estimate in card.geometry.estimates:
        table.add_row(
            Text(estimate.metric), Text(visible(geometry_text(estimate.value, estimate.reason)))
        )
    yield table


def _similarity(found: Similarity) -> Table:
    """One column a model, named by number so that many fit."""
    title = f"{CKA_TITLE}, {found.n_samples} samples of {found.dataset}"
    numbers = [str(k) for k in range(1, len(found.models) + 1)]
    table = _table(title, "", "Model", *numbers, right=tuple(numbers))
    for number, name, row in zip(numbers, found.models, found.values, strict=True):
        table.add_row(number, Text(visible(name)), *(text_of(value) for value in row))
    if found.reason:
        table.caption = Text(visible(found.reason))
    return table
