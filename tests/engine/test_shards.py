"""Shards: whatever is split, killed or counted anew, the merged run has the bytes of one run."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import shard_world
from hypothesis import given
from hypothesis import strategies as st
from shard_world import do_all, do_shard
from small_world import write_squares

from vesalius.engine import score
from vesalius.engine.sharding import Shard, parse_shard, stretch
from vesalius.errors import UsageError
from vesalius.records import Done


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The dataset of squares."""
    return write_squares(tmp_path_factory.mktemp("data") / "squares", n_patients=36)


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    """One undisturbed run on this machine."""
    return do_all(folder, tmp_path_factory.mktemp("runs") / "whole")


def metrics_of(out: Path) -> bytes:
    """The metrics table as bytes."""
    return (out / "metrics.parquet").read_bytes()


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=60), st.integers(1, 12))
def test_every_cell_belongs_to_one_shard(weights, count):
    """None is lost, none is done twice, and no share is larger than its part and one cell."""
    parts = [stretch(weights, Shard(index, count)) for index in range(count)]
    assert [i for part in parts for i in part] == list(range(len(weights)))
    fair = sum(weights) / count
    assert all(sum(weights[i] for i in part) <= fair + max(weights) for part in parts)


@pytest.mark.parametrize("text", ["4/4", "1", "-1/4", "a/b", "0/0", "1/4/2", "1 / 4"])
def test_what_is_no_shard_is_refused(text):
    """Counting from 1 is the likely mistake; the message shows first and last."""
    with pytest.raises(UsageError, match=r"from 0 to n-1, such as 0/4"):
        parse_shard(text)


def test_shards_at_once_give_the_bytes_of_one_run(folder, whole, tmp_path):
    """One to four shards in processes of their own; the merging run has nothing left to do."""
    calls = [(index, count) for count in (1, 2, 3, 4) for index in range(count)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(4, mp_context=context) as pool:
        futures = [pool.submit(do_shard, folder, tmp_path / str(n), i, n) for i, n in calls]
        ends = [future.result() for future in futures]
    for count in (1, 2, 3, 4):
        own = [end for end, call in zip(ends, calls, strict=True) if call[1] == count]
        assert sum(end.n_own for end in own) == own[0].n_cells == len(whole.outcomes)
        assert max(end.n_own for end in own) - min(end.n_own for end in own) <= 1
        assert min(end.n_left for end in own) == 0  # whoever ends last sees that
        out = tmp_path / str(count)
        assert not (out / "metrics.parquet").exists()
        assert not (out / "outcomes.jsonl").exists()
        journals = {path.name for path in (out / "journal").glob("*.jsonl")}
        merged = do_all(folder, out)
        assert {path.name for path in (out / "journal").glob("*.jsonl")} == journals
        assert metrics_of(out) == metrics_of(whole.path)
        assert merged.info["shards"] == [f"{i}/{count}" for i in range(count)]
        assert merged.info["models"] == whole.info["models"]
        assert set(merged.info["timings"]) == set(whole.info["timings"])


def test_another_number_of_shards_loses_nothing(folder, whole, tmp_path):
    """After one of three, two of two do the rest, and what was done is not done again."""
    out = tmp_path / "run"
    first = do_shard(folder, out, 0, 3)
    assert first.n_left == first.n_cells - first.n_own > 0
    ends = [do_shard(folder, out, index, 2) for index in (0, 1)]
    assert ends[-1].n_left == 0
    sent = [
        json.loads(line.partition(b" ")[2])["outcome"]["fingerprint"]
        for path in (out / "journal" / "dispatches").glob("*.jsonl")
        for line in path.read_bytes().splitlines()
        if b'"outcome"' in line
    ]
    assert len(sent) == len(set(sent)) == first.n_cells
    assert metrics_of(do_all(folder, out).path) == metrics_of(whole.path)


def test_scoring_merges_too(folder, whole, tmp_path):
    """Where the data are not, `score` makes the table, and says the same of the models."""
    for index in (0, 1):
        do_shard(folder, tmp_path / "run", index, 2)
    merged = score(tmp_path / "run")
    assert metrics_of(merged.path) == metrics_of(whole.path)
    assert all(isinstance(outcome, Done) for outcome in merged.outcomes)
    assert merged.info["shards"] == ["0/2", "1/2"]
    assert merged.info["models"] == whole.info["models"]
    assert set(merged.info["timings"]) == set(whole.info["timings"])


def test_the_run_does_what_shards_have_left(folder, whole, tmp_path):
    """A shard that never came costs time, not results."""
    do_shard(folder, tmp_path / "run", 1, 3)
    assert metrics_of(do_all(folder, tmp_path / "run").path) == metrics_of(whole.path)


def test_shards_must_be_asked_for_the_same(folder, tmp_path):
    """Half of a run with another seed would be a mixture that nobody notices."""
    do_shard(folder, tmp_path / "run", 0, 2)
    info = json.loads((tmp_path / "run" / "run.json").read_bytes())
    info["spec"]["seed"] = 7
    (tmp_path / "run" / "run.json").write_text(json.dumps(info))
    with pytest.raises(UsageError, match="made with another seed"):
        do_shard(folder, tmp_path / "run", 1, 2)


def test_a_shard_leaves_files_of_others_alone(folder, tmp_path):
    """On another machine the clock and the view of a file may be late: nothing is cut off."""
    journal = tmp_path / "run" / "journal"
    journal.mkdir(parents=True)
    torn = journal / "1-abc.jsonl"
    torn.write_bytes(b"00000000 {torn")
    old = time.time() - 3600
    os.utime(torn, (old, old))
    do_shard(folder, tmp_path / "run", 0, 4)
    assert torn.read_bytes() == b"00000000 {torn"


def test_a_killed_shard_goes_on_where_it_was(folder, whole, tmp_path):
    """Killed in mid-cell and started again: pictures in hand are lost, batches on disk are not."""
    paths = [str(folder), str(tmp_path / "run"), str(tmp_path / "cache")]
    here = Path(shard_world.__file__)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(here.parent)])}

    def start():
        command = [sys.executable, str(here), *paths, "0/2"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)

    n_shown = 0
    process = start()
    for _ in range(3):
        n_shown += int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    n_shown += sum(map(int, process.communicate()[0].split()))
    assert process.returncode == -signal.SIGKILL
    n_shown += sum(map(int, start().communicate()[0].split()))
    n_images = len((folder / "samples.csv").read_text().splitlines()) - 1
    # half of the cells are those of one and a half models; the batch in hand is shown again
    assert n_shown <= 2 * n_images + 4
    assert metrics_of(do_all(folder, tmp_path / "run").path) == metrics_of(whole.path)
