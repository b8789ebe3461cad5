"""Entries for the hub: read by the hub's own parser, and never a miniature under a real name."""

import dataclasses
import math

import pytest
import yaml
from huggingface_hub import eval_result_entries_to_yaml, parse_eval_result_entries

from vesalius.records import Estimate
from vesalius.report.hub import to_hub
from vesalius.report.sources import read_results

RANDOM = "control:random"


@pytest.fixture(scope="module")
def results(run_folder):
    """A run with a miniature, a genuine model, controls, an n/a and a failed cell."""
    return read_results([run_folder])


def test_the_parser_of_the_hub_reads_every_entry(results):
    """Same values to the last bit, and nothing that the parser would not write again."""
    made = to_hub(results)
    assert list(made.files) == ["pubmedclip.yaml"]
    data = yaml.safe_load(made.files["pubmedclip.yaml"])
    parsed = parse_eval_result_entries(data)
    assert eval_result_entries_to_yaml(parsed) == data
    values = {
        row.estimate.value
        for row in results.metrics
        if row.cell.model == "pubmedclip" and not row.subgroup and not row.class_name
    }
    assert {one.value for one in parsed} <= values
    assert [(one.dataset_id, one.task_id) for one in parsed] == [
        ("phantom-cxr", "classification/knn/f1"),
        ("phantom-cxr", "classification/zero-shot/f1"),
        ("phantom-cxr", "retrieval/embedding/recall@5"),
    ]


def test_notes_hold_what_the_format_has_no_place_for(results):
    """Interval, rows, patients, resamples, seed, direction, protocol, digests and controls."""
    text = to_hub(results).files["pubmedclip.yaml"]
    notes = parse_eval_result_entries(yaml.safe_load(text))[0].notes
    (row,) = [
        row
        for row in results.metrics
        if (row.cell.model, row.cell.protocol, row.estimate.metric) == ("pubmedclip", "knn", "f1")
        and not row.subgroup
        and not row.class_name
    ]
    estimate = row.estimate
    for part in (
        f"95% interval [{estimate.low:.3f}, {estimate.high:.3f}]", "40 rows of 30 patients",
        "2000 resamples of patients, seed 0", "higher is better", "protocol knn",
        f"task card {row.task_card}", "controls: ", "data SHA-256", f"local {'a' * 40}",
        "vesalius 0.1.0",
    ):  # fmt: skip
        assert part in notes
    assert "cannot hold undefined values, classes, subgroups and controls" in text


def test_miniatures_and_controls_are_left_out(results):
    """A miniature's number on a model's page would be taken for the model's; it is said."""
    made = to_hub(results)
    assert RANDOM not in "".join(made.files.values())
    assert made.left_out == ("mini:clip: miniatures are no models of the hub",)


def test_an_undefined_value_is_left_out_and_said(results):
    """The hub has no place for it, and 0 would be a lie."""
    undefined = [
        dataclasses.replace(row, estimate=Estimate(row.estimate.metric, math.nan, reason="no rows"))
        if row.cell.model == "pubmedclip" and row.cell.task == "retrieval"
        else row
        for row in results.metrics
    ]
    made = to_hub(dataclasses.replace(results, metrics=tuple(undefined)))
    assert "phantom-cxr · retrieval · embedding is undefined for pubmedclip" in made.left_out
    assert "retrieval" not in made.files["pubmedclip.yaml"]


def test_hostile_names_stay_text(hostile_run):
    """Whatever a model is called, its file holds plain entries and lies in the folder named."""
    made = to_hub(read_results([hostile_run]))
    assert made.files
    for name, text in made.files.items():
        assert "/" not in name
        assert not name.startswith("..")
        assert all(
            isinstance(one.value, float) for one in parse_eval_result_entries(yaml.safe_load(text))
        )
