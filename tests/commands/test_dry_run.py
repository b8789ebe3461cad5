"""`run --dry-run` foretells the run, and leaves no trace."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vesalius.api import choose_tasks
from vesalius.catalog import describe, miniatures, parse_model
from vesalius.cli import app
from vesalius.commands.prospects import earlier_runs, prospect
from vesalius.data.manifest import load_dataset
from vesalius.data.phantom import write_phantom
from vesalius.engine.progress import no_progress
from vesalius.engine.rehearsal import Candidate, PlannedCell, rehearse
from vesalius.records import Cell, Done, NotApplicable, RunSpec
from vesalius.store.runs import RunFolder, read_outcomes

MODELS = ("mini:clip", "mini:git")
TASKS = ("retrieval", "vqa")


def call(*arguments):
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})


def traces(root: Path):
    """Every file below a folder with its content's size and time."""
    return {p: (p.stat().st_size, p.stat().st_mtime_ns) for p in root.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A cohort, and a run of two models on it."""
    root = tmp_path_factory.mktemp("dry")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        write_phantom(root / "cohort", n_patients=20, seed=0)
        done = call(*line(root, "first"))
    assert done.exit_code == 0, done.output
    return root


def line(root, out):
    """The command that is rehearsed."""
    named = [word for model in MODELS for word in ("--model", model)]
    tasks = [word for task in TASKS for word in ("--task", task)]
    return ["run", *named, "--data", root / "cohort", *tasks, "--resamples", "2", "--device",
            "cpu", "--out", root / "runs" / out]  # fmt: skip


@pytest.fixture(autouse=True)
def private_cache(world, monkeypatch):
    """No test touches the user's own feature cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(world / "cache"))


def rehearsed(world, out):
    """The cells of the same grid as the run's."""
    requests = [parse_model(name) for name in MODELS]
    return rehearse(
        [Candidate(describe(one), one.entry.capabilities) for one in requests],
        [load_dataset(world / "cohort")],
        choose_tasks(TASKS),
        spec=RunSpec(MODELS, ("phantom",)),
        out=out,
        progress=no_progress,
    )


def test_every_cell_is_foretold_as_it_came(world):
    """State, reason and number of rows are those of the run, cell by cell."""
    came = read_outcomes(world / "runs" / "first")
    told = rehearsed(world, world / "nowhere")
    assert {one.cell for one in told} == set(came)
    for one in told:
        outcome = came[one.cell]
        if isinstance(outcome, NotApplicable):
            assert (one.state, one.reason) == ("n/a", outcome.reason)
        else:
            assert isinstance(outcome, Done)
            assert (one.state, one.n_rows) == ("to do", outcome.n_expected)


def test_what_the_adapters_declare_tells_whether_they_suit(world):
    """All miniatures at all tasks: the catalog alone says whether a cell is n/a."""
    models = [parse_model(name) for name in miniatures()]
    told = rehearse(
        [Candidate(describe(one), one.entry.capabilities) for one in models],
        [load_dataset(world / "cohort")],
        choose_tasks("all"),
        spec=RunSpec(tuple(miniatures()), ("phantom",), controls=False),
        out=world / "nowhere",
        progress=no_progress,
    )
    n_a = {(one.cell.model, one.cell.task, one.cell.protocol) for one in told if one.reason}
    writers = {"mini:blip2", "mini:git", "mini:smolvlm"}
    assert {m for m, *place in n_a if place == ["vqa", "free-text"]} == set(miniatures()) - writers
    assert {m for m, *place in n_a if place == ["classification", "zero-shot"]} == writers
    assert not {m for m, *place in n_a if place == ["generation", "text-to-image"]}


def test_what_is_done_already_is_not_done_again(world):
    """The folder of a finished run has nothing to do; another seed has everything."""
    done = rehearsed(world, world / "runs" / "first")
    assert {one.state for one in done} == {"done already", "n/a"}


def test_a_changed_image_is_work_to_do(world, tmp_path):
    """What is done already is known by content, not by name."""
    import shutil

    copy = tmp_path / "again"
    shutil.copytree(world / "cohort", copy / "cohort")
    shutil.copytree(world / "runs", copy / "runs")
    dataset = load_dataset(copy / "cohort")
    other = dataset.split("test")[0].image
    other.write_bytes(dataset.split("train")[0].image.read_bytes())
    states = {one.state for one in rehearsed(copy, copy / "runs" / "first")}
    assert states == {"to do", "n/a"}


def test_the_command_writes_nothing_and_counts_everything(world):
    """Exit code 0; neither the run folder nor the cache is made."""
    before = traces(world)
    done = call(*line(world, "second"), "--dry-run")
    assert done.exit_code == 0, done.output
    assert traces(world) == before
    assert not (world / "runs" / "second").exists()
    for words in ("nothing is written", "train", "free-text", "n/a: model has no text embedding",
                  "time: about", "from seconds a row of the same cells in first", "disk: about",
                  "memory: "):  # fmt: skip
        assert words in done.output


def test_what_is_missing_is_all_named_and_the_exit_code_is_1(world, monkeypatch, tmp_path):
    """Two models and a public data set that are not on disk are three lines, not one."""
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("VESALIUS_DATA", str(tmp_path / "data"))
    done = call(*line(world, "third"), "--model", "clip", "--model", "blip2", "--data",
                "pneumoniamnist", "--dry-run")  # fmt: skip
    assert done.exit_code == 1
    assert "vesalius fetch clip" in done.output
    assert "vesalius fetch blip2" in done.output
    assert "vesalius fetch pneumoniamnist" in done.output
    assert not (world / "runs" / "third").exists()


def test_time_and_size_are_rates_of_runs_beside_it(tmp_path):
    """Ten rows in five seconds and 1,000 bytes: forty rows are twenty seconds, 4,000 bytes."""
    cell = Cell("m", "d", "vqa", "p")
    folder = RunFolder(tmp_path / "runs" / "a")
    folder.write_outcome(Done(cell, "f", "c", n_expected=10, duration_s=5.0))
    folder.close()
    (tmp_path / "runs" / "a" / "run.json").write_text(json.dumps({"format": 1}))
    (tmp_path / "runs" / "a" / "maps").mkdir(exist_ok=True)
    (tmp_path / "runs" / "a" / "maps" / "x").write_bytes(bytes(1000))
    runs = earlier_runs(tmp_path / "runs" / "b")
    unknown = PlannedCell(Cell("other", "d", "vqa", "p"), "to do", n_rows=10)
    seen = prospect([PlannedCell(cell, "to do", n_rows=30), unknown], runs)
    assert (seen.n_to_do, seen.n_timed, seen.duration_s) == (2, 1, 15.0)
    assert seen.n_bytes == 4000
    assert prospect([unknown], ()).bytes_source.endswith("as in the demo")
