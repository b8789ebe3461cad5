"""Leaderboards over many runs: who stands in which column, with which value and which marks."""

import json
import math
from pathlib import Path

import pytest
from noisy_models import Noisy, run_of, squares

from vesalius.commands.leaderboard import find_runs
from vesalius.errors import RunError, UsageError
from vesalius.ranking import Choice, rank_runs
from vesalius.records import Resampling
from vesalius.report.boards import board_records
from vesalius.report.sources import read_results
from vesalius.report.tables import entries
from vesalius.tasks import make_task

ZERO_SHOT, RETRIEVAL = make_task("classification", "zero-shot"), make_task("retrieval", "embedding")
QUICK = Resampling(n_resamples=200)
CHOICE = Choice(resampling=QUICK)


class Inverted(Noisy):
    """What is dark it takes for bright."""

    def encode_images(self, images):
        """The axes of `Noisy`, exchanged."""
        return super().encode_images(images)[:, ::-1]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The dataset of squares."""
    return squares(tmp_path_factory.mktemp("data") / "squares", n_patients=90)


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """A run with controls, a genuine model and a miniature; another with an inverted model."""
    root = tmp_path_factory.mktemp("runs")
    models = (Noisy("sharp", 0.0), Noisy("small", 0.1, miniature=True))
    first = run_of(root / "a", data, *models, tasks=(ZERO_SHOT, RETRIEVAL), controls=True)
    second = run_of(root / "deep" / "b", data, Inverted("wrong", 0.0), tasks=(ZERO_SHOT,))
    return first, second


@pytest.fixture(scope="module")
def boards(runs):
    """The rankings of both."""
    return rank_runs([run.path for run in runs], CHOICE)


def test_one_column_a_task_over_all_runs(boards):
    """Three models from two runs meet at zero-shot; two at retrieval. Controls take no part."""
    found = {(board.standing.task, board.standing.protocol): board for board in boards}
    assert list(found) == [("classification", "zero-shot"), ("retrieval", "embedding")]
    zero_shot = found["classification", "zero-shot"].standing
    assert {one.model for one in zero_shot.placed} == {"sharp", "small", "wrong"}
    assert len(found["classification", "zero-shot"].comparisons) == 3
    assert {one.model for one in found["retrieval", "embedding"].standing.placed} == {
        "sharp", "small",
    }  # fmt: skip


def test_values_are_those_of_the_metrics_table(boards, runs):
    """The headline with its interval, as the run has it."""
    rows = {
        (row.cell.model, row.estimate.metric): row.estimate
        for run in runs
        for row in run.metrics
        if row.cell.protocol == "zero-shot" and not row.subgroup and not row.class_name
    }
    standing = boards[0].standing
    assert standing.metric == "f1"
    for placed in standing.placed:
        assert placed.estimate == rows[placed.model, "f1"]
    values = [placed.estimate.value for placed in standing.placed]
    assert values == sorted(values, reverse=True)


def test_an_inverted_model_is_significantly_worse(runs):
    """By its AUROC: it shares no letter with the two that see, which share theirs."""
    choice = Choice(metric="auroc", resampling=QUICK)
    (board,) = rank_runs([run.path for run in runs], choice)
    placed = {one.model: one for one in board.standing.placed}
    assert placed["wrong"].letters == "b"
    assert (placed["sharp"].letters, placed["small"].letters) == ("a", "a")
    assert (placed["sharp"].rank, placed["small"].rank, placed["wrong"].rank) == (1, 1, 3)


def test_controls_count_for_the_models_of_their_own_run_only(boards, runs):
    """The second run has none, so its model cannot be said to clear any."""
    facts = boards[0].facts
    alone = read_results([runs[0].path])
    verdicts = {
        entry.cell.model: entry.clearance
        for entry in entries(alone.outcomes, alone.metrics)
        if entry.cell.protocol == "zero-shot" and not entry.is_control
    }
    assert verdicts.keys() == {"sharp", "small"}
    assert {name: facts[name].clearance for name in verdicts} == verdicts
    assert "no control" not in verdicts.values()
    assert facts["wrong"].clearance == "no control"
    assert {name: fact.is_miniature for name, fact in facts.items()} == {
        "sharp": False, "small": True, "wrong": False,
    }  # fmt: skip


def test_another_digest_is_another_column(runs, tmp_path):
    """The same name with other pictures never shares a ranking."""
    other = squares(tmp_path / "squares", n_patients=60, seed=7)
    run = run_of(tmp_path / "run", other, Noisy("sharp", 0.0), tasks=(ZERO_SHOT,))
    boards = rank_runs([runs[1].path, run.path], CHOICE)
    assert {board.standing.dataset for board in boards} == {
        f"squares ({board.digest[:8]})" for board in boards
    }
    assert len(boards) == 2
    assert not any(board.comparisons for board in boards)
    assert [one["letters"] for one in board_records(boards)] == ["", ""]


def test_any_metric_can_be_ranked(runs):
    """By name, over all columns that have it; lower is better where it is."""
    (board,) = rank_runs([runs[0].path], Choice(metric="brier", resampling=QUICK))
    assert (board.standing.task, board.standing.metric) == ("classification", "brier")
    assert not board.standing.higher_is_better
    values = [placed.estimate.value for placed in board.standing.placed]
    assert values == sorted(values)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice(tasks=("retrieva",)), r"task 'retrieva' \(did you mean 'retrieval'\?\)"),
        (Choice(datasets=("circles",)), "dataset 'circles'; there are: squares"),
        (Choice(metric="brie"), r"a value of brie \(did you mean 'brier'\?\)"),
    ],
)
def test_what_is_not_there_is_named(runs, choice, message):
    """No empty leaderboard for a misspelt word."""
    with pytest.raises(UsageError, match=message):
        rank_runs([run.path for run in runs], choice)


def test_who_has_no_number_is_said(data, tmp_path):
    """A model that cannot do a task, or failed at it, is absent with its reason."""

    class Mute(Noisy):
        """It has no texts."""

        encode_texts = None

    class Broken(Noisy):
        """It cannot see."""

        def encode_images(self, images):
            raise ValueError("no light")

    models = (Noisy("sharp", 0.0), Mute("mute", 0.1), Broken("broken", 0.2))
    run = run_of(tmp_path / "run", data, *models, tasks=(ZERO_SHOT,))
    (board,) = rank_runs([run.path], CHOICE)
    assert set(board.absent) == {"mute", "broken"}
    assert "no light" in board.absent["broken"]
    assert board.absent["broken"].startswith("failed: ")


def test_a_metric_that_a_model_lacks_is_undefined_with_a_reason(runs, tmp_path, data):
    """It stays in the ranking, last, without letters."""
    (board,) = [
        one
        for one in rank_runs([run.path for run in runs], Choice(resampling=QUICK))
        if one.standing.task == "classification"
    ]
    assert all(not math.isnan(one.estimate.value) for one in board.standing.placed)
    lost = run_of(tmp_path / "lost", data, Noisy("lost", 0.3), tasks=(ZERO_SHOT,))
    (lost.path / "metrics.parquet").unlink()
    (board, *_) = rank_runs([runs[0].path, lost.path], CHOICE)
    last = board.standing.placed[-1]
    assert (last.model, last.letters, last.reason) == ("lost", "", "f1 was not computed")


def test_runs_are_found_at_any_depth_and_not_inside_runs(runs, tmp_path):
    """Folders of runs, runs by name, both at once: each run once."""
    root = runs[0].path.parent
    assert find_runs([root]) == ([root / "a", root / "deep" / "b"], [])
    assert find_runs([root / "a", root])[0] == [root / "a", root / "deep" / "b"]
    inner = root / "a" / "cohort"
    inner.mkdir()
    (inner / "run.json").write_text("{}")
    assert find_runs([root])[0] == [root / "a", root / "deep" / "b"]
    with pytest.raises(UsageError, match=r"none has a run\.json"):
        find_runs([tmp_path])
    with pytest.raises(UsageError, match="is not a folder"):
        find_runs([tmp_path / "nowhere"])


def test_a_run_that_cannot_be_read_is_skipped_below_and_refused_by_name(runs, tmp_path):
    """One newer run in a folder of many must not hide the others, and is said."""
    new = tmp_path / "new"
    new.mkdir()
    (new / "run.json").write_text(json.dumps({"format": 99}))
    (tmp_path / "old").symlink_to(runs[0].path)
    found, skipped = find_runs([tmp_path, Path(runs[1].path)])
    assert found == [runs[1].path]
    assert len(skipped) == 1
    assert "format 99" in skipped[0]
    with pytest.raises(RunError, match="format 99"):
        find_runs([new])
