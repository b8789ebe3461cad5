"""A run in a notebook: the matrix is complete and inert, the table of metrics is a sequence."""

import math
import re
from dataclasses import replace

import pyarrow as pa
import pytest
from payloads import PAYLOADS

from vesalius.errors import InputError
from vesalius.fusion.results import Place, Study
from vesalius.fusion.results import Row as FusionRow
from vesalius.markup import MINIATURE, MINIATURE_NOTE
from vesalius.records import Cell, Estimate, MetricRow
from vesalius.report.display import best_entry, headlines, matrix_html, metric_table
from vesalius.report.metric_table import MOST_SHOWN, MetricTable
from vesalius.report.tables import entries
from vesalius.stats import Comparison, Difference, standings
from vesalius.store.runs import read_run
from vesalius.store.tables import METRIC_COLUMNS

TAGS = {
    "table", "thead", "tbody", "tr", "th", "td", "p", "strong", "small", "br", "sup", "span",
}  # fmt: skip


def tags(html):
    """Names of all elements."""
    return set(re.findall(r"<\s*/?\s*([a-zA-Z][\w-]*)", html))


def test_the_matrix_holds_every_place(run_folder):
    """Values with intervals, the reason of what is n/a, the failure, a badge for the miniature."""
    run = read_run(run_folder)
    html = matrix_html(run)
    row = next(r.estimate for r in run.metrics if r.estimate.metric == "f1" and not r.class_name)
    assert f"{row.value:.3f} <small>[{row.low:.3f}, {row.high:.3f}]" in html
    assert "n/a <sup>1</sup>" in html
    assert "<sup>1</sup> model has no text encoder" in html
    assert "failed <sup>2</sup>" in html
    assert "3 models" not in html
    assert html.count(MINIATURE) == 1
    assert "cells of models: 6 done, 1 n/a, 1 failed" in html
    assert html.index("mini:clip") < html.index("pubmedclip") < html.index("clipmd")


@pytest.mark.parametrize("show", [matrix_html, lambda run: metric_table(run)._repr_html_()])
def test_hostile_names_stay_text(hostile_run, show):
    """No name of a model, dataset, class or reason becomes an element or an attribute."""
    html = show(read_run(hostile_run))
    assert tags(html) <= TAGS
    assert not re.search(r"<[^>]*(onerror|onload|javascript|src|href)", html)
    assert not re.search("[\x1b\u202e]", html)
    assert PAYLOADS[0] not in html


def test_headlines_are_the_numbers_of_the_matrix(run_folder):
    """One record per cell of a model, null where there is no number, nothing of controls."""
    found = {(one["model"], one["protocol"]): one for one in headlines(read_run(run_folder))}
    assert found["mini:clip", "zero-shot"]["value"] == pytest.approx(0.88)
    assert found["mini:clip", "zero-shot"]["metric"] == "f1"
    assert found["clipmd", "zero-shot"]["status"] == "n/a"
    assert found["clipmd", "embedding"]["value"] is None
    assert not any(model.startswith("control:") for model, _ in found)


def test_the_best_entry_has_the_best_value(run_folder):
    """Of all models, of one, and none where there is no value."""
    run = read_run(run_folder)
    made = entries(run.outcomes, run.metrics)
    assert best_entry(made, "classification").cell.model == "mini:clip"
    assert best_entry(made, "classification", model="pubmedclip").cell.model == "pubmedclip"
    assert best_entry(made, "classification", model="clipmd") is None
    assert best_entry(made, "vqa") is None


def test_the_table_is_a_sequence_of_rows(run_folder):
    """It reads as the tuple that it was, and slices are tables."""
    run = read_run(run_folder)
    rows = metric_table(run)
    assert tuple(rows) == run.metrics
    assert (len(rows), rows[0], rows[-1]) == (len(run.metrics), run.metrics[0], run.metrics[-1])
    assert isinstance(rows[1:3], MetricTable)
    assert tuple(rows[1:3]) == run.metrics[1:3]
    assert rows[5] in rows


def test_filters_keep_what_is_asked_for(run_folder):
    """Several names hold together; the miniatures stay known; a wrong name is an error."""
    rows = metric_table(read_run(run_folder))
    kept = rows.filter(model="mini:clip", protocol="knn", metric="auroc")
    expected = [
        row
        for row in rows
        if (row.cell.model, row.cell.protocol, row.estimate.metric) == ("mini:clip", "knn", "auroc")
    ]
    assert list(kept) == expected != []
    assert MINIATURE in kept._repr_html_()
    assert MINIATURE not in rows.filter(model="pubmedclip")._repr_html_()
    assert {row.cell.task for row in rows.filter(task="retrieval")} == {"retrieval"}
    with pytest.raises(InputError, match=r"no row of task 'retreival'.*did you mean 'retrieval'"):
        rows.filter(task="retreival")


def test_other_programs_take_the_table(run_folder):
    """The Arrow stream has the contract's columns and every value; undefined stays NaN."""
    rows = metric_table(read_run(run_folder))
    table = pa.table(rows)
    assert table.column_names == list(METRIC_COLUMNS)
    assert table.column("model").to_pylist() == [row.cell.model for row in rows]
    values = table.column("value").to_pylist()
    assert values == pytest.approx([row.estimate.value for row in rows], nan_ok=True)
    assert any(math.isnan(value) for value in values)
    assert pa.RecordBatchReader.from_stream(rows[:0]).read_all().num_rows == 0


def test_a_long_table_says_what_it_leaves_out(run_folder):
    """The first rows, the number of all, and how to see the others."""
    row = metric_table(read_run(run_folder))[0]
    many = MetricTable((replace(row, cell=Cell("m", "d", "t", "p")),) * (MOST_SHOWN + 3))
    html = many._repr_html_()
    assert html.count("<tr>") == 1 + MOST_SHOWN
    assert f"{MOST_SHOWN + 3} rows, of which 3 are not shown" in html
    assert "filter()" in html
    assert isinstance(many[0], MetricRow)


def test_a_study_shows_singles_heads_and_contributions():
    """Every line with interval, difference and p; the best input says so; names stay text."""
    html = hostile_study()._repr_html_()
    assert tags(html) <= TAGS
    assert PAYLOADS[0] not in html
    texts = [re.sub("<[^>]*>", "", line) for line in html.split("\n")]
    (head,) = [line for line in texts if line.startswith("sum")]
    assert head == "sum0.700[0.600, 0.800]+0.100[+0.050, +0.150]0.020"
    assert any("best alone" in line for line in texts)
    assert any(line.startswith("moen/aneeds vectors") for line in texts)
    assert any(line.endswith("+0.125[+0.000, +0.250]") for line in texts)
    assert "scores 0.500; 9 test patients" in html
    assert html.count(MINIATURE) == 2
    assert MINIATURE_NOTE in html


def hostile_study():
    """One input, one head, and one that cannot join them; invented numbers."""
    slot = f"mini:clip:image {PAYLOADS[0]}"
    apart = Difference(Estimate("Δaccuracy", 0.1, 0.05, 0.15), 0.01)
    rows = (
        FusionRow(Place(slot, "single", slot), Estimate("accuracy", 0.6, 0.5, 0.7)),
        FusionRow(Place("sum", "fused"), Estimate("accuracy", 0.7, 0.6, 0.8), apart, 0.02),
        FusionRow(Place("sum", "missing", slot), Estimate("accuracy", 0.1), apart),
        FusionRow(Place("moe", "fused"), Estimate("accuracy", math.nan, reason="needs vectors")),
    )
    adds = {slot: Estimate("accuracy", 0.125, 0.0, 0.25)}
    floor = Estimate("accuracy", 0.5, n_patients=9)
    return Study("accuracy", {"test": 20}, floor, rows, (), slot, "sum", adds)


def test_rankings_and_comparisons_show_themselves():
    """Rank, letters and interval of each model; difference and p of a pair; no name is markup."""
    cells = [Cell(name, "d", "vqa", "free-text") for name in (f"mini:a {PAYLOADS[0]}", "b")]
    values = {
        cell: Estimate("accuracy", value, value - 0.1, value + 0.1)
        for cell, value in zip(cells, (0.9, 0.5), strict=True)
    }
    apart = Difference(Estimate("accuracy", 0.4, 0.2, 0.6), 0.01)
    pair = Comparison(*cells, apart, 0.02, 1)
    (ranking,) = standings([pair], values)
    texts = [re.sub("<[^>]*>", "|", line) for line in ranking._repr_html_().split("\n")]
    assert "d · vqa · free-text · accuracy" in texts[0]
    assert any(line.endswith("||0.900||[0.800, 1.000]||a||") for line in texts)
    assert "||2||b||0.500||[0.400, 0.600]||b||" in texts
    for html in (ranking._repr_html_(), pair._repr_html_()):
        assert tags(html) <= TAGS
        assert PAYLOADS[0] not in html
    assert pair._repr_html_().endswith("− b = +0.400 [+0.200, +0.600], p 0.020 (Holm)")
    undefined = Difference(Estimate("accuracy", math.nan, reason="one patient"), math.nan)
    lost = replace(pair, difference=undefined, p_holm=math.nan)
    assert lost._repr_html_().endswith("− b: n/a, one patient")
