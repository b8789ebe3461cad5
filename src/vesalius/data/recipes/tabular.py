"""Published tables as rows of text: CSV and JSON as their publishers wrote them."""

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path

from vesalius.data.reading import Reading, read_bytes
from vesalius.data.recipes.recipe import Source
from vesalius.records import Json


def text_of(path: Path, source: Source, /) -> str:
    """A text file; UTF-8, else the Latin-1 that old spreadsheets wrote.

    Raises:
        DataError: the file is absent or a placeholder.
    """
    raw = read_bytes(path, Reading(source=path.relative_to(source.root).as_posix()))
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def csv_rows(
    path: Path, source: Source, /, *, needed: Iterable[str], delimiter: str = ","
) -> list[dict[str, str]]:
    """Rows of a CSV file with a line of column names, which are stripped of blanks.

    Raises:
        DataError: the file is absent or lacks one of the `needed` columns.
    """
    lines = csv.reader(io.StringIO(text_of(path, source), newline=""), delimiter=delimiter)
    columns = [name.strip() for name in next(lines, [])]
    require(columns, needed, path, source)
    return [dict(zip(columns, line, strict=False)) for line in lines if any(line)]


def json_content(path: Path, source: Source, /) -> Json:
    """The content of a JSON file.

    Raises:
        DataError: the file is absent or not JSON.
    """
    try:
        return json.loads(text_of(path, source))
    except ValueError as error:
        raise source.error(path, f"not JSON ({error})") from error


def json_rows(path: Path, source: Source, /, *, needed: Iterable[str]) -> list[dict[str, Json]]:
    """The objects of a JSON list, or of a file with one object per line (``.jsonl``).

    Raises:
        DataError: the file is absent, something else, or an object lacks a `needed` key.
    """
    if path.suffix == ".jsonl":
        lines = text_of(path, source).splitlines()
        rows: Json = [json.loads(line) for line in lines if line.strip()]
    else:
        rows = json_content(path, source)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise source.error(path, "expected a list of objects")
    wanted = tuple(needed)
    for row in rows:
        require(row, wanted, path, source)
    return rows


def require(columns: Iterable[str], needed: Iterable[str], path: Path, source: Source, /) -> None:
    """Raise if a column is missing.

    Raises:
        DataError: naming the columns that are missing and those that are there.
    """
    there = list(columns)
    missing = [column for column in needed if column not in there]
    if missing:
        raise source.error(
            path, f"no column {', '.join(map(repr, missing))}; there are: {', '.join(there)}"
        )
