"""Models × protocols: what stands in which place of the matrix."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from vesalius.records import Cell
from vesalius.report.tables import Entry, task_rank


@dataclass(frozen=True, slots=True)
class Column:
    """What models are ranked within on one dataset."""

    task: str
    protocol: str


@dataclass(frozen=True, slots=True)
class Matrix:
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


def matrices(
    made: Sequence[Entry], /, *, models: Iterable[str] = (), datasets: Iterable[str] = ()
) -> tuple[Matrix, ...]:
    """One matrix per dataset, without controls; a place that nothing was tried for says so.

    A dataset that nothing was tried on has the columns of all others.

    Args:
        made: the result of `entries`.
        models: further rows to show, such as models that loaded but have no outcome.
        datasets: further matrices to show.
    """
    shown = [entry for entry in made if not entry.is_control]
    rows = tuple(dict.fromkeys([*models, *(entry.cell.model for entry in shown)]))
    names = dict.fromkeys([*datasets, *(entry.cell.dataset for entry in shown)])
    return tuple(_matrix(name, rows, shown) for name in names)


def _matrix(dataset: str, models: tuple[str, ...], shown: Sequence[Entry]) -> Matrix:
    here = [entry for entry in shown if entry.cell.dataset == dataset]
    columns = tuple(_columns(here or shown))
    found = {(entry.cell.model, _column(entry)): entry for entry in here}
    places = {
        (model, column): found.get((model, column)) or _gap(model, dataset, column)
        for model in models
        for column in columns
    }
    return Matrix(dataset, models, columns, places)


def _columns(entries: Iterable[Entry]) -> Iterator[Column]:
    """Tasks in the order of the contract, protocols by name."""
    found = {_column(entry) for entry in entries}
    yield from sorted(found, key=lambda c: (task_rank(c.task), c.task, c.protocol))


def _column(entry: Entry) -> Column:
    return Column(entry.cell.task, entry.cell.protocol)


def _gap(model: str, dataset: str, column: Column) -> Entry:
    cell = Cell(model, dataset, column.task, column.protocol)
    return Entry(cell, "not run", "no outcome was recorded")
