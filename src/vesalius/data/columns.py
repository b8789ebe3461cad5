"""What is wrong with a table as a whole: columns that are absent, or look like misspelt ones."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from vesalius.data.card import choices, place_in_card
from vesalius.data.tables import Problem, Table
from vesalius.errors import DataError
from vesalius.records import DatasetCard

_MISSPELT = 0.8


def require_columns(table: Table, needed: Sequence[str], /) -> None:
    """See that columns are there, unless the table is empty.

    Raises:
        DataError: ``bad_table``.
    """
    for column in needed:
        if table.rows and column not in table.columns:
            raise DataError(
                f"no column {column!r}{choices(column, table.columns)}",
                reason="bad_table",
                where=table.head or table.name,
            )


def require_declared(table: Table, card: DatasetCard, root: Path, /) -> None:
    """See that the columns that the card names are there.

    Raises:
        DataError: ``bad_table``, with the line of the card.
    """
    places: list[tuple[tuple[str | int, ...], str]]
    places = [(("tabular", column), column) for column in card.tabular]
    places += [(("subgroups", index), column) for index, column in enumerate(card.subgroups)]
    for at, column in places:
        if table.rows and column not in table.columns:
            raise DataError(
                f"{at[0]}: {table.name} has no column {column!r}{choices(column, table.columns)}",
                reason="bad_table",
                where=place_in_card(root, at),
            )


def misspelt(table: Table, reserved: Sequence[str], named: Sequence[str] = (), /) -> list[Problem]:
    """Columns that would be ignored and look like one of the reserved that is absent."""
    absent = [column for column in reserved if column not in table.columns]
    problems = []
    for column in table.columns:
        close = difflib.get_close_matches(column.lower(), absent, n=1, cutoff=_MISSPELT)
        if close and column not in reserved and column not in named:
            message = f"column {column!r} would be ignored; did you mean {close[0]!r}?"
            problems.append(Problem(_place(table, column), "unknown_column", message))
    return problems


def _place(table: Table, column: str) -> str:
    """The line of column names; without one, the first row that has the column."""
    rows = (row.where for row in table.rows if column in row.cells)
    return table.head or next(rows, table.name)
