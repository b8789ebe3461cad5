"""The run folder: written once, read as one record, safe to open after a kill."""

import json
import os

import numpy as np
import pytest

from vesalius.errors import RunError
from vesalius.records import Cell, Done, Estimate, Failed, MetricRow, NotApplicable, Predictions
from vesalius.store.outcomes import read_outcomes
from vesalius.store.pictures import picture_path
from vesalius.store.runs import (
    RunFolder,
    metrics_csv,
    predictions_path,
    read_predictions,
    read_run,
)

CELL = Cell("mini:clip", "d/1", "classification", "zero-shot")
BATCH = Predictions({"key": np.array(["a"]), "id": np.array(["a"]), "x": np.array([0.5])})


@pytest.fixture
def folder(tmp_path):
    """A run folder with its identity written."""
    made = RunFolder(tmp_path / "run")
    made.write_info({"format": 1, "seed": 0})
    yield made
    made.close()


def test_what_is_written_is_read(folder):
    """Outcomes of all three kinds, predictions and metrics come back."""
    other = Cell("m", "d", "retrieval", "embedding")
    third = Cell("m", "d", "vqa", "free-text")
    outcomes = [
        Done(CELL, "f1", "card", 3, 1, 0.25, ("a note",)),
        NotApplicable(other, "f2", "no captions"),
        Failed(third, "f3", "ValueError: x", "trace"),
    ]
    for outcome in outcomes:
        folder.write_outcome(outcome)
    folder.write_predictions(CELL, BATCH)
    row = MetricRow(CELL, Estimate("f1", 0.5), "card")
    folder.write_metrics([row], sources={"a": "b"})
    run = read_run(folder.path)
    assert run.outcomes == tuple(outcomes)
    assert run.info["seed"] == 0
    assert [r.cell for r in run.metrics] == [CELL]
    assert read_predictions(run.path, CELL)["x"].tolist() == [0.5]
    assert folder.metrics()[1] == {"a": "b"}


def test_the_latest_outcome_of_a_cell_counts(folder):
    """A cell that failed and was done later is done."""
    folder.write_outcome(Failed(CELL, "f", "boom"))
    folder.write_outcome(Done(CELL, "f", "card", 1))
    assert [type(o) for o in read_outcomes(folder.path).values()] == [Done]


def test_acknowledged_batches_survive_reopening(folder):
    """A second process finds the first one's batches under the cell's fingerprint only."""
    folder.acknowledge("fingerprint", BATCH)
    again = RunFolder(folder.path)
    (batch,) = again.acknowledged("fingerprint")
    assert batch["key"].tolist() == ["a"]
    assert again.acknowledged("another") == []
    again.acknowledge("fingerprint", BATCH)
    assert len(again.acknowledged("fingerprint")) == 2
    again.close()


def test_reopening_cuts_torn_tails(folder):
    """Half a journal line and half an outcome line disappear; what is whole stays."""
    folder.acknowledge("f", BATCH)
    folder.write_outcome(Done(CELL, "f", "card", 1))
    (journal,) = (folder.path / "journal").iterdir()
    whole = journal.read_bytes()
    outcomes = folder.path / "outcomes.jsonl"
    for path in (journal, outcomes):
        with path.open("ab") as stream:
            stream.write(b'0123abcd {"torn')
    again = RunFolder(folder.path)
    assert journal.read_bytes() != whole  # its writer may still be at work
    assert len(again.acknowledged("f")) == 1
    assert len(again.outcomes()) == 1
    again.write_outcome(Done(CELL, "g", "card", 2))
    assert [o.fingerprint for o in again.outcomes().values()] == ["g"]
    os.utime(journal, (0, 0))
    assert len(RunFolder(folder.path).acknowledged("f")) == 1
    assert journal.read_bytes() == whole


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    """The message says what was expected."""
    with pytest.raises(RunError, match=r"run\.json is missing"):
        read_run(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_foreign_run_json_is_refused_in_words(folder, text):
    """Broken JSON, a list or an object without a format number are no traceback."""
    (folder.path / "run.json").write_text(text)
    with pytest.raises(RunError, match=r"run\.json: (expected JSON|no format number)"):
        read_run(folder.path)


def test_a_newer_format_is_refused(folder):
    """A run of another format is not half understood."""
    (folder.path / "run.json").write_text(json.dumps({"format": 2}))
    with pytest.raises(RunError, match="format 2, this version reads 1"):
        read_run(folder.path)


def test_missing_predictions_are_named(folder):
    """The file that is missing is in the message, with the way to remake it."""
    with pytest.raises(RunError, match=r"zero-shot\.parquet is missing; run the same command"):
        read_predictions(folder.path, CELL)


def test_names_cannot_leave_the_run(folder):
    """Slashes and dots in names stay inside the folder, and ids do not show in file names."""
    evil = Cell("../../m", "..", "t", "../p")
    assert predictions_path(folder.path, evil).resolve().is_relative_to(folder.path.resolve())
    path = picture_path(folder.path, "..", "patient name")
    assert path.resolve().is_relative_to(folder.path.resolve())
    assert "patient" not in path.name


def test_csv_has_no_formula_and_no_zero_for_undefined():
    """Text cells cannot start a formula; an undefined value is an empty cell."""
    row = MetricRow(Cell("=HYPERLINK(1)", "d", "t", "p"), Estimate("-m", float("nan")), "c")
    header, line = metrics_csv([row]).decode().splitlines()
    cells = dict(zip(header.split(","), line.split(","), strict=True))
    assert cells["model"] == "'=HYPERLINK(1)"
    assert cells["metric"] == "'-m"
    assert cells["value"] == ""
