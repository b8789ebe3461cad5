"""The one block of rows that the script reads: nothing lost, nothing twice."""

import csv
import io
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from vesalius.records import Cell, Estimate, MetricRow
from vesalius.report.matrix import Column, overviews
from vesalius.report.rows_block import metric_choices, rows_block, subgroup_choices, view_block
from vesalius.report.tables import entries, matrices
from vesalius.store.runs import metrics_csv

NAN = math.nan
NUMBERS = st.one_of(st.just(NAN), st.floats(-10, 10))


def row(model="m", metric="f1", value=0.5, **changes):
    task = changes.pop("task", "classification")
    estimate = Estimate(metric, value, n=3, n_patients=2)
    return MetricRow(Cell(model, "d", task, "p"), estimate, "card", **changes)


def unpacked(block):
    """Rows as the script reads them."""

    def value(column, number):
        if "all" in column:
            return column["all"]
        found = column["values"][number]
        return column["texts"][found] if "texts" in column else found

    return [
        {name: value(column, number) for name, column in block["columns"].items()}
        for number in range(block["n"])
    ]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.text(max_size=4), NUMBERS), max_size=12))
def test_the_block_is_the_metrics_table(made):
    """Unpacked it equals the CSV, cell by cell; undefined is null and never 0."""
    rows = [row(model, metric, value) for model, metric, value in made]
    names, *lines = csv.reader(io.StringIO(metrics_csv(rows).decode(), newline=""))
    found = unpacked(rows_block(rows))
    assert len(found) == len(lines)
    for record, line, (_, metric, value) in zip(found, lines, made, strict=True):
        assert list(record) == names
        assert record["metric"] == metric
        assert (record["value"] is None) == math.isnan(value)
        assert line[names.index("value")] == ("" if math.isnan(value) else repr(record["value"]))


def test_a_constant_column_is_stored_once():
    """A seed that every row has takes one place."""
    columns = rows_block([row("a"), row("b")])["columns"]
    assert columns["seed"] == {"all": 0}
    assert columns["model"] == {"texts": ["a", "b"], "values": [0, 1]}


def test_choices_are_what_the_rows_have():
    """Metrics without class come first; a subgroup counts where a headline has a row in it."""
    rows = [
        row(metric="f1", class_name="x"),
        row(metric="f1"),
        row(metric="mcc"),
        row(metric="f1", subgroup="sex=F"),
        row(metric="mcc", subgroup="age=old"),
        row(metric="dice", task="segmentation"),
    ]
    assert metric_choices(rows) == {
        "classification": [("f1", ""), ("mcc", ""), ("f1", "x")],
        "segmentation": [("dice", "")],
    }
    assert subgroup_choices(rows, entries((), rows)) == ["sex=F"]


def test_places_of_the_view_name_their_headline():
    """By position: models down, columns across; nothing where there is no value row."""
    rows = [row("a"), row("b", "macro_f1"), row("b", "dice", task="segmentation")]
    view = view_block(overviews(matrices(entries((), rows))), {}, [])
    (matrix,) = view["matrices"]
    assert matrix["models"] == ("a", "b")
    assert matrix["columns"] == [("classification", "p"), ("segmentation", "p")]
    assert matrix["headlines"] == [
        [("f1", "", False), None],
        [("macro_f1", "", False), ("dice", "", False)],
    ]


def test_every_place_of_the_overview_has_one_entry():
    """Gaps of the grid are named, and a dataset that nothing was tried on shows all columns."""
    made = entries((), [row("a", task="vqa"), row("a", "recall@5", task="retrieval")])
    grid, empty = overviews(matrices(made, models=["a", "never"], datasets=["d", "other"]))
    vqa, retrieval = Column("vqa", "p"), Column("retrieval", "p")
    assert grid.columns == empty.columns == (retrieval, vqa)
    assert grid.tasks == (("retrieval", 1), ("vqa", 1))
    assert grid.places["a", vqa].status == "done"
    assert grid.places["never", vqa].status == "not run"
    assert grid.places["never", vqa].cell.protocol == "p"
    assert {entry.status for entry in empty.places.values()} == {"not run"}
    assert len(empty.places) == 4
    assert grid.first_of_task(vqa)
