"""Dispatches: what shards send comes into the outcomes once, and a success is never undone."""

import pytest

from vesalius.records import Cell, Done, Failed, NotApplicable
from vesalius.store.dispatches import Dispatches, read_notes, undelivered
from vesalius.store.outcomes import read_outcomes
from vesalius.store.runs import RunFolder

CELL = Cell("mini:clip", "d", "classification", "zero-shot")
OTHER = Cell("mini:git", "d", "vqa", "free-text")
DONE = Done(CELL, "f1", "card", 3, 1, 0.25, ("a note",))
FAILED = Failed(CELL, "f1", "boom", "trace")
SKIPPED = NotApplicable(OTHER, "f2", "no captions")


@pytest.fixture
def run(tmp_path):
    """An empty run folder."""
    folder = RunFolder(tmp_path / "run")
    yield folder
    folder.close()


def send(run, *outcomes):
    """Each by a writer of its own, in that order."""
    for outcome in outcomes:
        dispatches = Dispatches(run.path)
        dispatches.send_outcome(outcome)
        dispatches.close()


def test_what_is_sent_is_seen_at_once_and_delivered_once(run):
    """Before the merge in memory, after it on disk; merging again adds nothing."""
    send(run, DONE, SKIPPED)
    assert run.outcomes() == {CELL: DONE, OTHER: SKIPPED}
    assert read_outcomes(run.path) == {}
    run.deliver()
    content = (run.path / "outcomes.jsonl").read_bytes()
    assert read_outcomes(run.path) == {CELL: DONE, OTHER: SKIPPED}
    run.deliver()
    assert (run.path / "outcomes.jsonl").read_bytes() == content


@pytest.mark.parametrize("order", [(DONE, FAILED), (FAILED, DONE)])
def test_a_failure_elsewhere_does_not_undo_a_success(run, order):
    """Two shards had the same cell after their number was changed, and one ran out of memory."""
    send(run, *order)
    run.deliver()
    assert read_outcomes(run.path) == {CELL: DONE}


def test_a_later_failure_of_the_merging_run_stands(run):
    """A cell whose predictions cannot be scored is failed, though a shard once did it."""
    send(run, DONE)
    run.deliver()
    run.write_outcome(FAILED)
    run.deliver()
    assert run.outcomes() == {CELL: FAILED}


def test_the_latest_fingerprint_counts(run):
    """A cell done again under another code or with other weights is the newer one."""
    newer = Done(CELL, "f9", "card", 3)
    send(run, DONE, newer)
    assert run.outcomes() == {CELL: newer}


def test_a_shared_folder_writes_no_file_of_others(tmp_path):
    """Outcomes and notes lie in the writer's own file."""
    folder = RunFolder(tmp_path / "run", shared=True)
    folder.write_outcome(DONE)
    folder.send_note({"shard": "0/2"})
    folder.close()
    assert not (folder.path / "outcomes.jsonl").exists()
    assert undelivered(folder.path) == [DONE]
    assert list(read_notes(folder.path)) == [{"shard": "0/2"}]
