"""Tables in three formats, and the ways in which they break."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vesalius.data.tables import read_table
from vesalius.errors import DataError


def _read(tmp_path: Path, name: str, raw: bytes):
    (tmp_path / name).write_bytes(raw)
    return read_table(tmp_path / name)


def test_csv_quotes_bom_and_lines(tmp_path: Path) -> None:
    """A byte order mark, quoted commas and line breaks; line numbers count the file's lines."""
    table = _read(tmp_path, "t.csv", '\ufeffid,text\r\na,"x, ""y""\nz"\r\n\r\nb,2\r\n'.encode())
    assert table.columns == ("id", "text")
    assert [row.cells for row in table.rows] == [
        {"id": "a", "text": 'x, "y"\nz'},
        {"id": "b", "text": "2"},
    ]
    assert [row.where for row in table.rows] == ["t.csv line 2", "t.csv line 5"]


def test_jsonl_values_become_text(tmp_path: Path) -> None:
    """Numbers, booleans and null have one text each; other values cost their row."""
    raw = b'{"id": 1, "x": 2.50, "y": true, "z": null}\n{"id": [1]}\n[1]\n{"id": "b"}\n{"id"\n'
    table = _read(tmp_path, "t.jsonl", raw)
    assert table.rows[0].cells == {"id": "1", "x": "2.5", "y": "true", "z": ""}
    assert table.rows[1]["x"] == ""
    assert [problem.where for problem in table.problems] == [
        "t.jsonl line 2",
        "t.jsonl line 3",
        "t.jsonl line 5",
    ]
    assert {problem.reason for problem in table.problems} == {"bad_row"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"id": "a", "id": "b"}', "'id' stands twice"),
        (b'{"id": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": "a"}', "surrogate"),
    ],
)
def test_ambiguous_json_costs_its_row(tmp_path: Path, line: bytes, message: str) -> None:
    """Keys that stand twice and halves of characters are told, not resolved in silence."""
    table = _read(tmp_path, "t.jsonl", line + b'\n{"id": "\\ud83d\\ude00"}\n')
    assert [problem.where for problem in table.problems] == ["t.jsonl line 1"]
    assert message in table.problems[0].message
    assert [row["id"] for row in table.rows] == ["\N{GRINNING FACE}"]


def test_parquet_values_become_text(tmp_path: Path) -> None:
    """Whole floats are written as CSV would; nested cells cost their row."""
    pq.write_table(pa.table({"id": ["a"], "age": [30.0], "n": [None]}), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").rows[0].cells == {"id": "a", "age": "30", "n": ""}
    pq.write_table(pa.table({"id": [[1, 2]]}), tmp_path / "u.parquet")
    assert [problem.where for problem in read_table(tmp_path / "u.parquet").problems] == [
        "u.parquet row 1"
    ]


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("t.csv", b"\n\n", "line of column names"),
        ("t.csv", b"id,id\n", "must differ"),
        ("t.csv", b"id,\n", "must differ"),
        ("t.csv", b"id,x\na,caf\xe9\n", "line 2 is not UTF-8"),
        ("t.csv", b'id,x\na,"open', "line 2: not CSV"),
        ("t.parquet", b"PAR1 no", "not Parquet"),
        ("t.csv", b"<html>", "web page"),
    ],
)
def test_what_is_no_table(tmp_path: Path, name: str, raw: bytes, message: str) -> None:
    """A file that is no table at all ends the load, with the line where possible."""
    with pytest.raises(DataError, match=message):
        _read(tmp_path, name, raw)
