"""Flat tables as rows of text: CSV, JSONL or Parquet, told by the ending.

All three give the same rows: numbers of JSONL and Parquet become their shortest text, null and
NaN the empty text. So nothing later depends on the format that a table came in.
"""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vesalius.data.reading import Reading, read_bytes
from vesalius.errors import DataError

ENDINGS = (".csv", ".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class Problem:
    """A row or file that was refused: place, reason code of `reading.REASONS`, explanation."""

    where: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it stands, for messages, and its cells by column."""

    where: str
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        """The cell, the empty text where the table has no such column."""
        return self.cells.get(column, "")

    def error(self, reason: str, message: str) -> DataError:
        """A `DataError` about this row."""
        return DataError(message, reason=reason, where=self.where)


@dataclass(frozen=True, slots=True)
class Table:
    """A table and the rows of it that could not be taken apart into cells.

    Attributes:
        head: where the line of column names stands; empty if there is none.
    """

    name: str
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    problems: tuple[Problem, ...] = ()
    head: str = ""


def find_table(root: Path, stem: str) -> Path | None:
    """The one file ``stem.csv``, ``stem.jsonl`` or ``stem.parquet`` of the folder, if any.

    Raises:
        DataError: ``bad_table`` when there are several.
    """
    found = [root / f"{stem}{ending}" for ending in ENDINGS if (root / f"{stem}{ending}").exists()]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise DataError(f"keep one of {names}", reason="bad_table", where=stem)
    return found[0] if found else None


def read_table(path: Path) -> Table:
    """Read a whole table.

    Raises:
        DataError: ``bad_table`` when it is not a table at all; single rows become `problems`.
    """
    reading = Reading(source=path.name)
    raw = read_bytes(path, reading)
    head = ""
    if path.suffix == ".parquet":
        columns, cells = _parquet(raw, reading)
    elif path.suffix == ".csv":
        head, columns, cells = _csv(_decoded(raw, reading), reading)
    else:
        columns, cells = _jsonl(_decoded(raw, reading), reading)
    rows = tuple(cell for cell in cells if isinstance(cell, Row))
    problems = tuple(cell for cell in cells if isinstance(cell, Problem))
    return Table(path.name, columns, rows, problems, head)


_Cells = list[Row | Problem]


def _decoded(raw: bytes, reading: Reading) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise reading.error(
            "bad_table",
            f"line {line} is not UTF-8 (byte {raw[error.start]:#04x}); save it as UTF-8",
        ) from error


def _csv(text: str, reading: Reading) -> tuple[str, tuple[str, ...], _Cells]:
    lines = _csv_lines(text, reading)
    first = next(lines, None)
    if first is None:
        raise reading.error("bad_table", "expected a line of column names, the file has none")
    columns = tuple(name.strip() for name in first[1])
    _require_names(columns, reading)
    cells: _Cells = []
    for line, values in lines:
        where = f"{reading.source} line {line}"
        if len(values) != len(columns):
            message = f"expected {len(columns)} cells, got {len(values)}; quote cells with commas"
            cells.append(Problem(where, "bad_row", message))
        else:
            cells.append(Row(where, dict(zip(columns, values, strict=True))))
    return f"{reading.source} line {first[0]}", columns, cells


def _csv_lines(text: str, reading: Reading) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every line that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    try:
        for values in reader:
            if values:
                yield start, values
            start = reader.line_num + 1
    except csv.Error as error:
        raise reading.error("bad_table", f"line {start}: not CSV ({error})") from error


def _jsonl(text: str, reading: Reading) -> tuple[tuple[str, ...], _Cells]:
    cells: _Cells = []
    columns: dict[str, None] = {}
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        where = f"{reading.source} line {line}"
        try:
            row = _json_row(content)
        except (ValueError, TypeError, RecursionError) as error:
            cells.append(Problem(where, "bad_row", f"expected a JSON object of cells: {error}"))
            continue
        cells.append(Row(where, row))
        columns.update(dict.fromkeys(row))
    return tuple(columns), cells


def _json_row(content: str) -> dict[str, str]:
    row = json.loads(content, object_pairs_hook=_unique)
    if not isinstance(row, dict):
        raise TypeError(f"got {type(row).__name__}")
    return {key: _text(value) for key, value in row.items()}


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The object, unless a later value would overwrite an earlier one in silence."""
    row = dict(pairs)
    if len(row) != len(pairs):
        twice = next(key for key in row if sum(name == key for name, _ in pairs) > 1)
        raise ValueError(f"key {twice!r} stands twice")
    for key in row:
        _text(key)
    return row


def _parquet(raw: bytes, reading: Reading) -> tuple[tuple[str, ...], _Cells]:
    try:
        table = pq.read_table(io.BytesIO(raw))
        columns = tuple(str(name) for name in table.column_names)
        _require_names(columns, reading)
        rows = table.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise reading.error("bad_table", f"not Parquet ({type(error).__name__})") from error
    cells: _Cells = []
    for number, row in enumerate(rows, start=1):
        where = f"{reading.source} row {number}"
        try:
            cells.append(Row(where, {key: _text(value) for key, value in row.items()}))
        except (TypeError, ValueError) as error:
            cells.append(Problem(where, "bad_row", str(error)))
    return columns, cells


def _require_names(columns: tuple[str, ...], reading: Reading) -> None:
    if "" in columns or len(set(columns)) != len(columns):
        raise reading.error("bad_table", f"column names must differ and not be empty: {columns}")


def _text(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        # columns of whole numbers with gaps are floats in Parquet: 30.0 is the 30 of a CSV file
        return str(int(value))
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        # JSON can escape half a character; it could be neither written nor hashed later
        raise ValueError("half a surrogate pair in a text; write it as UTF-8")
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError(f"expected text or a number in each cell, got {type(value).__name__}")
