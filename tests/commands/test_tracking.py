"""Logging to trackers: numbers only, on this computer, unless somebody asks for more.

The trackers' packages are replaced at their own boundary by small modules that record the calls.
"""

import os
import sys
from dataclasses import asdict, dataclass, field
from types import ModuleType, SimpleNamespace

import pytest
from typer.testing import CliRunner

from vesalius.cli import app
from vesalius.commands.trackers import TRACKERS, Project, Tracker, allowed_names, is_local
from vesalius.records import (
    Cell,
    DatasetCard,
    Done,
    Estimate,
    Failed,
    MetricRow,
    ModelCard,
    RunSpec,
    TaskCard,
)
from vesalius.store.runs import FORMAT, RunFolder

NAN = float("nan")
CARD = TaskCard("retrieval", "embedding")


@pytest.fixture
def run_folder(tmp_path):
    """Two models, one of which failed, a control, a subgroup, a class and an undefined value."""
    models = [
        ModelCard(name, "clip", miniature=name.startswith("mini")) for name in ("mini:clip", "b")
    ]
    folder = RunFolder(tmp_path / "run")
    data = DatasetCard("cxr", digest="d" * 64)
    folder.write_info(
        {
            "format": FORMAT,
            "spec": asdict(RunSpec(("mini:clip", "b"), ("cxr",), seed=3, n_resamples=500)),
            "seed": 3,
            "versions": {"vesalius": "0.1.0"},
            "models": {one.name: asdict(one) | {"fingerprint": one.fingerprint} for one in models},
            "datasets": {"cxr": asdict(data)},
            "task_cards": {CARD.digest: asdict(CARD)},
        }
    )
    cells = [
        Cell(name, "cxr", "retrieval", "embedding") for name in ("mini:clip", "control:random")
    ]
    for cell in cells:
        folder.write_outcome(Done(cell, "f", CARD.digest, 40, 2))
    folder.write_outcome(Failed(Cell("b", "cxr", "retrieval", "embedding"), "f", "broke"))
    rows = [
        MetricRow(cell, Estimate("recall@5", 0.5, 0.4, 0.6), CARD.digest, **place)
        for cell in cells
        for place in ({}, {"subgroup": "sex=F"}, {"class_name": "image→text"})
    ]
    rows.append(MetricRow(cells[0], Estimate("ap", NAN, reason="none"), CARD.digest))
    rows.append(MetricRow(cells[0], Estimate("hit@5", 0.25), CARD.digest))
    folder.write_metrics(rows, sources={})
    folder.close()
    return tmp_path / "run"


@dataclass
class Calls:
    """What a tracker was told."""

    entries: list = field(default_factory=list)
    settings: dict = field(default_factory=dict)


def fake_mlflow(calls, uri):
    """The functions of MLflow that are used, with their names and arguments."""
    module = ModuleType("mlflow")
    module.MlflowException = type("MlflowException", (Exception,), {})

    class Run:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            calls.entries[-1]["ended"] = True

    def start_run(*, run_name):
        calls.entries.append({"name": run_name, "files": []})
        return Run()

    module.get_tracking_uri = lambda: uri
    module.set_experiment = lambda name: calls.settings.update(project=name)
    module.start_run = start_run
    module.log_params = lambda params: calls.entries[-1].update(params=params)
    module.log_metrics = lambda metrics: calls.entries[-1].update(metrics=metrics)
    module.log_artifact = lambda path: calls.entries[-1]["files"].append(path)
    return module


def fake_wandb(calls, _uri):
    """The same of Weights & Biases."""
    module = ModuleType("wandb")
    module.Error = type("Error", (Exception,), {})
    module.Settings = lambda **settings: settings

    class Artifact:
        def __init__(self, name, type):  # noqa: A002 - the word of that package
            self.files = []

        def add_file(self, path):
            self.files.append(path)

    def init(*, project, name, mode, settings):
        calls.settings.update(project=project, mode=mode, **settings)
        entry = {"name": name, "files": [], "params": {}, "metrics": {}}
        calls.entries.append(entry)
        return SimpleNamespace(
            config=entry["params"],
            summary=entry["metrics"],
            log_artifact=lambda artifact: entry["files"].extend(artifact.files),
            finish=lambda: entry.update(ended=True),
        )

    module.Artifact, module.init = Artifact, init
    return module


@pytest.fixture(params=["mlflow", "wandb"])
def tracker(request, monkeypatch):
    """Name of a tracker, what it was told, and the URI that MLflow believes in."""
    found = Calls()
    place = SimpleNamespace(name=request.param, calls=found, uri="sqlite:////tmp/mlflow.db")
    make = {"mlflow": fake_mlflow, "wandb": fake_wandb}[request.param]
    monkeypatch.setitem(sys.modules, request.param, make(found, place.uri))
    for name in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "WANDB_ERROR_REPORTING"):
        monkeypatch.setenv(name, "before")
    return place


def log(*arguments):
    """Run the command."""
    return CliRunner().invoke(app, ["log", *map(str, arguments)], env={"COLUMNS": "200"})


def test_every_finished_cell_of_a_model_is_an_entry(run_folder, tracker):
    """Who, what and by which seed; values with their ends; no control, no subgroup, no NaN."""
    done = log(run_folder, "--to", tracker.name, "--project", "trial")
    assert done.exit_code == 0, done.output
    assert "1 entries written on this computer" in done.output
    (entry,) = tracker.calls.entries
    assert entry["name"] == "mini:clip · cxr · retrieval · embedding"
    assert entry["ended"]
    at = {"mlflow": "recall_5", "wandb": "recall@5"}[tracker.name]
    arrow = {"mlflow": "image_text", "wandb": "image→text"}[tracker.name]
    hit = {"mlflow": "hit_5", "wandb": "hit@5"}[tracker.name]
    assert entry["metrics"] == {
        at: 0.5, f"{at}.low": 0.4, f"{at}.high": 0.6,
        f"{at}/{arrow}": 0.5, f"{at}/{arrow}.low": 0.4, f"{at}/{arrow}.high": 0.6,
        hit: 0.25,
    }  # fmt: skip
    expected = {
        "model": "mini:clip", "miniature": "True", "dataset": "cxr", "dataset_digest": "d" * 64,
        "task": "retrieval", "protocol": "embedding", "task_card": CARD.digest, "seed": "3",
        "n_resamples": "500", "level": "0.95", "n_rows": "40", "n_without_answer": "2",
        "n_undefined_metrics": "1", "vesalius": "0.1.0",
    }  # fmt: skip
    assert expected.items() <= entry["params"].items()
    assert tracker.calls.settings["project"] == "trial"


def test_pictures_leave_only_when_asked(run_folder, tracker):
    """The report holds pictures of patients: no file without --artifacts, one with it."""
    page = run_folder / "report.html"
    page.write_text("<p>patients")
    assert log(run_folder, "--to", tracker.name).exit_code == 0
    assert [entry["files"] for entry in tracker.calls.entries] == [[]]
    assert log(run_folder, "--to", tracker.name, "--artifacts").exit_code == 0
    last = tracker.calls.entries[-1]
    assert (last["name"], last["files"]) == ("report · run", [str(page)])


def test_a_missing_report_is_refused_before_anything_is_logged(run_folder, tracker):
    """With the command that makes it."""
    refused = log(run_folder, "--to", tracker.name, "--artifacts")
    assert "report.html is missing; make it with: vesalius report" in str(refused.exception)
    assert tracker.calls.entries == []


def test_wandb_is_offline_and_silent_unless_online(run_folder, monkeypatch):
    """Even when the environment says online; no code, git state or hardware is recorded."""
    calls = Calls()
    monkeypatch.setitem(sys.modules, "wandb", fake_wandb(calls, ""))
    monkeypatch.setenv("WANDB_MODE", "online")
    log(run_folder, "--to", "wandb")
    assert calls.settings["mode"] == "offline"
    for name in ("disable_git", "disable_code", "x_disable_stats", "x_disable_machine_info"):
        assert calls.settings[name] is True
    log(run_folder, "--to", "wandb", "--online")
    assert calls.settings["mode"] == "online"


def test_a_server_of_mlflow_is_refused_unless_online(run_folder, monkeypatch):
    """Numbers about patients do not follow an environment variable out of the house."""
    calls = Calls()
    monkeypatch.setitem(sys.modules, "mlflow", fake_mlflow(calls, "https://me:pw@tracking.example"))
    refused = log(run_folder, "--to", "mlflow")
    assert "https://tracking.example, which is not on this computer" in str(refused.exception)
    assert "pw" not in str(refused.exception)
    assert calls.entries == []
    assert log(run_folder, "--to", "mlflow", "--online").exit_code == 0
    assert len(calls.entries) == 1


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("", True), ("mlruns", True), ("/data/mlruns", True), ("file:///data/mlruns", True),
        ("sqlite:////data/mlflow.db", True), ("http://127.0.0.1:5000", False),
        ("https://x.org", False), ("databricks", False), ("databricks://profile", False),
        ("file://server/share", False), ("postgresql://u@db/x", False), ("uc", False),
    ],
)  # fmt: skip
def test_what_is_on_this_computer(uri, expected):
    """Folders and SQLite files are; every server is not, even one on this machine."""
    assert is_local(uri) is expected


@pytest.mark.parametrize("name", sorted(TRACKERS))
def test_a_missing_package_names_its_extra(run_folder, monkeypatch, name):
    """What to type, not a traceback."""
    monkeypatch.setitem(sys.modules, name, None)
    refused = log(run_folder, "--to", name)
    assert f"pip install 'vesalius[{name}]'" in str(refused.exception)


def test_telemetry_of_the_packages_is_off(run_folder, tracker, monkeypatch):
    """Whatever the environment says."""
    log(run_folder, "--to", tracker.name)
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["WANDB_ERROR_REPORTING"] == "false"


def test_an_unknown_tracker_and_an_empty_run_are_refused(run_folder, tmp_path, tracker):
    """With what there is instead."""
    assert "did you mean 'mlflow'" in str(log(run_folder, "--to", "mlflo").exception)
    (run_folder / "outcomes.jsonl").unlink()
    assert "no model has finished a cell" in str(log(run_folder, "--to", tracker.name).exception)


def test_a_tracker_that_refuses_is_a_clear_error(run_folder, tracker, monkeypatch):
    """Its own words, without a traceback."""
    module = sys.modules[tracker.name]
    kind = getattr(module, "MlflowException", None) or module.Error

    def refuse(*_args, **_options):
        raise kind("not logged in")

    monkeypatch.setattr(module, "start_run" if tracker.name == "mlflow" else "init", refuse)
    assert "does not take the run: not logged in" in str(
        log(run_folder, "--to", tracker.name).exception
    )


def test_entries_keep_the_boundary(tracker):
    """Whatever is behind it, an entry has the three methods."""
    with TRACKERS[tracker.name]("x", Project()) as entry:
        assert isinstance(entry, Tracker)


def test_names_that_mlflow_would_merge_stay_different():
    """Two metrics never overwrite each other."""
    names = ["recall@5", "recall[5", "recall_5"]
    assert len(allowed_names(dict.fromkeys(names, 0.0))) == 3
