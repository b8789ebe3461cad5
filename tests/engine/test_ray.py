"""The engine `ray` with real actors; `make ray` runs this in an environment that has Ray.

Where the same things hold without Ray they are tested without it: `test_handing_out`,
`test_dispatches`, and the merging of `test_shards`.
"""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import shard_world
from shard_world import do_all
from small_world import write_squares

from vesalius.errors import UsageError
from vesalius.store.journal import read_journal


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The dataset of squares."""
    return write_squares(tmp_path_factory.mktemp("data") / "squares", n_patients=36)


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    """The run by the engine `local`."""
    return do_all(folder, tmp_path_factory.mktemp("runs") / "whole")


def start(folder, out, cache):
    """A run on Ray with a slow model, as a process that can be watched and killed."""
    here = Path(shard_world.__file__)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(here.parent)])}
    command = [sys.executable, str(here), str(folder), str(out), str(cache), "ray"]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    )


def rows_of(out):
    """The journaled keys of every cell, with what they were journaled in."""
    return [
        (record["cell"], str(key))
        for path in (out / "journal").glob("*.jsonl")
        for record in read_journal(path)
        for key in record["columns"]["key"][1]
    ]


def metrics_of(out):
    """The metrics table as bytes."""
    return (out / "metrics.parquet").read_bytes()


def leftovers():
    """Folders that Ray's files lie in."""
    return set(Path(tempfile.gettempdir()).glob("vesalius-*"))


def workers(out):
    """Process numbers of those who have journaled here, by the names of their files."""
    return {int(path.name.partition("-")[0]) for path in (out / "journal").glob("*.jsonl")}


def wait_for(condition, process, seconds=120):
    """Until it holds, while the process runs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.ray
def test_actors_give_the_bytes_of_one_process(folder, whole, tmp_path, monkeypatch):
    """Metrics and predictions, and what is known of the models; Ray leaves nothing behind."""
    before = leftovers()
    here = str(Path(shard_world.__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*sys.path, here]))
    done = do_all(folder, tmp_path / "run", engine="ray", workers=2)
    for name in ("metrics.parquet", "metrics.csv"):
        assert (done.path / name).read_bytes() == (whole.path / name).read_bytes()
    for path in (whole.path / "predictions").rglob("*.parquet"):
        same = done.path / path.relative_to(whole.path)
        assert same.read_bytes() == path.read_bytes()
    assert done.info["models"] == whole.info["models"]
    assert done.info["spec"]["engine"] == "ray"
    assert leftovers() == before
    assert "RAY_AUTH_TOKEN_PATH" not in os.environ


@pytest.mark.ray
def test_a_killed_actor_is_replaced(folder, whole, tmp_path):
    """Its cell goes on from what it had journaled; the driver needs no second call."""
    out = tmp_path / "run"
    process = start(folder, out, tmp_path / "cache")
    wait_for(lambda: workers(out), process)
    (killed, *_) = workers(out)
    os.kill(killed, signal.SIGKILL)
    _, complaints = process.communicate()
    assert process.returncode == 0, complaints
    rows = rows_of(out)
    assert len(rows) == len(set(rows))
    assert metrics_of(out) == metrics_of(whole.path)


@pytest.mark.ray
def test_a_killed_driver_goes_on_from_the_journals(folder, whole, tmp_path):
    """Its actors end with it, and a second call does only what no journal has."""
    out, cache = tmp_path / "run", tmp_path / "cache"
    before = leftovers()
    process = start(folder, out, cache)
    wait_for(lambda: workers(out), process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 120
    while any(Path(f"/proc/{number}").exists() for number in workers(out)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for folder_of_ray in leftovers() - before:  # nobody was left to remove it
        shutil.rmtree(folder_of_ray)
    again = start(folder, out, cache)
    _, complaints = again.communicate()
    assert again.returncode == 0, complaints
    rows = rows_of(out)
    assert len(rows) == len(set(rows))
    assert metrics_of(out) == metrics_of(whole.path)


@pytest.mark.ray
def test_only_its_owner_sees_the_files_of_ray(tmp_path, monkeypatch):
    """Ray opens its own folder to everybody, so it lies in one that is closed; the token too."""
    from vesalius.engine import ray as engine

    monkeypatch.setattr(engine.tempfile, "gettempdir", lambda: str(tmp_path))  # too long a path
    with engine._private_folder() as home, engine._token_in(home):
        assert not home.is_relative_to(tmp_path)
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        token = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
        assert token.parent == home
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
        assert len(token.read_text()) == 64
        assert os.environ["RAY_AUTH_MODE"] == "token"
    assert not home.exists()


@pytest.mark.ray
def test_a_cluster_that_is_not_there_is_named(folder, tmp_path):
    """One line, not the log of a library."""
    from vesalius.engine.ray import RayPlan, _cluster

    with (
        pytest.raises(UsageError, match=r"--ray-address 127\.0\.0\.1:1: no cluster"),
        _cluster(RayPlan(address="127.0.0.1:1")),
    ):
        pass


def test_without_the_package_the_extra_is_named(folder, tmp_path, monkeypatch):
    """Before any image is read."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'vesalius\[ray\]'"):
        do_all(folder, tmp_path / "run", engine="ray")
