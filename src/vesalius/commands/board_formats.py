"""Rankings and comparisons as files: CSV, Parquet and JSON to compute with, LaTeX and Markdown."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vesalius.errors import UsageError, did_you_mean
from vesalius.records import Json
from vesalius.report.boards import Board
from vesalius.report.exports import LATEX_NEEDS, TextTable, latex_table, markdown_table
from vesalius.store.tables import records_to_csv, records_to_parquet

FORMATS = ("csv", "parquet", "latex", "markdown", "json")

Boards = Sequence[Board]
Records = list[dict[str, Json]]


@dataclass(frozen=True, slots=True)
class Output:
    """Where a table goes: ``table`` for the terminal or a format, a file or standard output."""

    form: str = "table"
    out: Path | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """What is written of boards: flat records and their columns, tables to read, a JSON value."""

    columns: Mapping[str, type]
    records: Callable[[Boards], Records]
    tables: Callable[[Board], tuple[TextTable, ...]]
    document: Callable[[Boards], Json]


def check_output(output: Output, /) -> None:
    """Refuse before any work is done.

    Raises:
        UsageError: for an unknown format, one that needs a file, or a file for the terminal.
    """
    form, known = output.form, ("table", *FORMATS)
    if form not in known:
        raise UsageError(
            f"--format {form!r}{did_you_mean(form, known)}: expected one of {', '.join(known)}"
        )
    if form == "parquet" and output.out is None:
        raise UsageError("--format parquet is binary: expected --out FILE")
    if form == "table" and output.out is not None:
        raise UsageError(f"--out needs --format: expected one of {', '.join(FORMATS)}")


def encode(boards: Boards, layout: Layout, form: str, /) -> bytes:
    """The content of a file in one of `FORMATS`."""
    if form == "csv":
        return records_to_csv(layout.records(boards), columns=tuple(layout.columns))
    if form == "parquet":
        return records_to_parquet(layout.records(boards), columns=layout.columns)
    if form == "json":
        text = json.dumps(layout.document(boards), indent=2, allow_nan=False, ensure_ascii=False)
        return f"{text}\n".encode()
    write = latex_table if form == "latex" else markdown_table
    parts = [write(table) for board in boards for table in layout.tables(board)]
    return "\n".join([LATEX_NEEDS] * (form == "latex") + parts).encode()
