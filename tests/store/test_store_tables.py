"""Tables: predictions and metrics come back bit for bit from JSON and Parquet."""

import csv
import io
import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vesalius.errors import InputError
from vesalius.records import Cell, Estimate, MetricRow, Predictions
from vesalius.store import tables
from vesalius.store.tables import records_to_csv, records_to_parquet


def table(keys=("a", "b"), **columns):
    """A small table of predictions."""
    ranks = np.empty(len(keys), dtype=object)
    ranks[:] = [[1, 2]] * len(keys)
    base = {"key": np.array(keys), "id": np.array(keys), "ranks": ranks}
    return Predictions({**base, **columns})


def same(one, other):
    """Equality column by column, NaN equal to NaN, lists by value."""
    assert list(one.columns) == list(other.columns)
    for name, values in one.columns.items():
        if values.dtype == object:
            assert [list(v) for v in values] == [list(v) for v in other[name]]
        else:
            np.testing.assert_array_equal(values, other[name])


@settings(deadline=None)
@given(values=st.lists(st.floats(), min_size=1, max_size=6))
def test_floats_keep_every_bit_in_json_and_parquet(values):
    """NaN, infinities, denormals and negative zero survive both formats."""
    column = np.array(values)
    predictions = Predictions({"key": np.array([str(i) for i in range(len(values))]), "x": column})
    text = json.dumps(tables.encode_columns(predictions), allow_nan=False)
    for back in (
        tables.decode_columns(json.loads(text)),
        tables.predictions_from_parquet(tables.predictions_to_parquet(predictions)),
    ):
        defined = ~np.isnan(column)
        assert np.array_equal(np.isnan(back["x"]), ~defined)
        assert back["x"][defined].tobytes() == column[defined].tobytes()


def test_every_kind_of_column_survives():
    """Integers, booleans, strings, lists of numbers and lists of strings."""
    names = np.empty(2, dtype=object)
    names[:] = [["x", "y"], []]
    made = table(n=np.array([1, 2]), yes=np.array([True, False]), top=names)
    json_text = json.dumps(tables.encode_columns(made))
    same(tables.decode_columns(json.loads(json_text)), made)
    same(tables.predictions_from_parquet(tables.predictions_to_parquet(made)), made)


def test_equal_tables_are_equal_bytes():
    """Parquet bytes depend on the content only."""
    assert tables.predictions_to_parquet(table()) == tables.predictions_to_parquet(table())


def test_unknown_column_type_is_refused():
    """A column that no format can hold is named."""
    with pytest.raises(InputError, match="'when'"):
        tables.encode_columns(table(when=np.array(["2020-01-01"] * 2, dtype="datetime64[D]")))


def test_merge_orders_by_expected_and_the_first_row_wins():
    """Batches in any order give one table; repeated and foreign keys change nothing."""
    first = table(("b", "x"), score=np.array([1.0, 9.0]))
    again = table(("b", "a"), score=np.array([5.0, 2.0]))
    merged, missing = tables.merge_predictions([first, again], expected=("a", "b", "c"))
    assert merged["key"].tolist() == ["a", "b"]
    assert merged["score"].tolist() == [2.0, 1.0]
    assert missing == 1


def test_merge_of_nothing_is_none():
    """No expected key at all gives no table, and says how many are missing."""
    assert tables.merge_predictions([table()], expected=("q",)) == (None, 1)


def test_metrics_survive_with_their_sources():
    """Rows and provenance come back; NaN stays NaN with its reason."""
    cell = Cell("mini:clip", "d", "classification", "zero-shot")
    rows = [
        MetricRow(cell, Estimate("f1", 0.5, 0.4, 0.6, n=9, seed=3), "card", class_name="x"),
        MetricRow(cell, Estimate("auroc", math.nan, reason="one class"), "card", subgroup="s=1"),
    ]
    back, sources = tables.metrics_from_parquet(
        tables.metrics_to_parquet(rows, sources={"cell": "hash"})
    )
    assert back[0] == rows[0]
    assert math.isnan(back[1].estimate.value)
    assert (back[1].estimate.reason, back[1].subgroup) == ("one class", "s=1")
    assert sources == {"cell": "hash"}


NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=64)


@settings(max_examples=50, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=8))
def test_numbers_of_a_csv_come_back_to_the_last_bit(values):
    """By the csv module and by pyarrow; NaN is an empty cell."""
    text = records_to_csv(
        [{"name": "m", "value": value} for value in values], columns=("name", "value")
    )
    plain = [row["value"] for row in csv.DictReader(io.StringIO(text.decode(), newline=""))]
    types = pa_csv.ConvertOptions(column_types={"value": pa.float64()}, null_values=[""])
    arrow = pa_csv.read_csv(io.BytesIO(text), convert_options=types).column("value").to_pylist()
    for value, cell, other in zip(values, plain, arrow, strict=True):
        assert (cell == "") == math.isnan(value) == (other is None)
        if not math.isnan(value):
            assert float(cell) == value == other


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_text_of_a_csv_is_a_formula(text):
    """Texts are neutralised with an apostrophe; a negative number stays a number."""
    table = records_to_csv([{"a": text, "b": -0.5, "c": None}], columns=("a", "b", "c"))
    (row,) = list(csv.DictReader(io.StringIO(table.decode(), newline="")))
    assert row["a"].startswith("'")
    assert (row["b"], row["c"]) == ("-0.5", "")


def test_parquet_of_records_keeps_types_and_gaps():
    """None is null in every kind of column, and a float has all its bits."""
    kinds = {"name": str, "n": int, "value": float, "is_it": bool}
    records = [
        {"name": "a", "n": 2, "value": 0.1 + 0.2, "is_it": True},
        dict.fromkeys(kinds),
    ]
    table = pq.read_table(io.BytesIO(records_to_parquet(records, columns=kinds)))
    assert table.to_pylist() == records
    assert [str(field.type) for field in table.schema] == ["string", "int64", "double", "bool"]
