"""The matrix of the page: models × protocols, one entry in each place."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from vesalius.records import Cell, Estimate
from vesalius.report.tables import Entry, Matrix, task_rank


@dataclass(frozen=True, slots=True)
class Column:
    """What models are ranked within on one dataset."""

    task: str
    protocol: str


@dataclass(frozen=True, slots=True)
class Overview:
    """Models × columns on one dataset; `places` holds one entry for each pair."""

    dataset: str
    models: tuple[str, ...]
    columns: tuple[Column, ...]
    places: Mapping[tuple[str, Column], Entry]

    @property
    def tasks(self) -> tuple[tuple[str, int], ...]:
        """Every task with the number of its columns, which stand side by side."""
        groups = groupby(self.columns, key=lambda column: column.task)
        return tuple((task, len(list(columns))) for task, columns in groups)

    def first_of_task(self, column: Column, /) -> bool:
        """Whether a task begins with this column."""
        place = self.columns.index(column)
        return place == 0 or self.columns[place - 1].task != column.task


def overviews(found: Sequence[Matrix], /) -> tuple[Overview, ...]:
    """The matrices with a column for each protocol; a place that nothing was tried for says so.

    A dataset that nothing was tried on has the columns of all others.
    """
    every = tuple(_columns(found))
    return tuple(_overview(matrix, tuple(_columns([matrix])) or every) for matrix in found)


def _overview(matrix: Matrix, columns: tuple[Column, ...]) -> Overview:
    tried = {
        (model, Column(task, entry.cell.protocol)): entry
        for (model, task), entries in matrix.places.items()
        for entry in entries
    }
    places = {
        (model, column): tried.get((model, column)) or _gap(model, matrix.dataset, column)
        for model in matrix.models
        for column in columns
    }
    return Overview(matrix.dataset, matrix.models, columns, places)


def _columns(found: Iterable[Matrix]) -> Iterator[Column]:
    """Tasks in the order of the contract, protocols by name."""
    columns = {
        Column(task, entry.cell.protocol)
        for matrix in found
        for (_, task), entries in matrix.places.items()
        for entry in entries
        if entry.status != "not run"
    }
    yield from sorted(columns, key=lambda c: (task_rank(c.task), c.task, c.protocol))


def _gap(model: str, dataset: str, column: Column) -> Entry:
    cell = Cell(model, dataset, column.task, column.protocol)
    return Entry(cell, "not run", "no outcome was recorded")


def span_text(estimate: Estimate, /) -> str:
    """The interval in few characters, for a place in the matrix; empty when there is none.

    >>> span_text(Estimate("f1", 0.9, 0.8, 0.95)), span_text(Estimate("psnr", 21.0, 20.25, 21.5))
    ('0.80–0.95', '20.2–21.5')
    """
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return ""
    ends = (estimate.low, estimate.high)
    n_decimals = 2 if max(map(abs, ends)) < 10 else 1 if max(map(abs, ends)) < 100 else 0
    return "–".join(f"{end:.{n_decimals}f}".replace("-", "−") for end in ends)
