"""`vesalius run --shard`: what a job of an array prints, and how it ends."""

import csv
import json

import numpy as np
import pytest
from PIL import Image as Pillow
from typer.testing import CliRunner

from vesalius.cli import app

CARD = 'format: 1\nname: noise\nclasses:\n  one: ["one"]\n  two: ["two"]\n'


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    """A small run on noise."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder, rng = tmp_path / "noise", np.random.default_rng(0)
    folder.mkdir()
    (folder / "dataset.yaml").write_text(CARD)
    with (folder / "samples.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "patient", "split", "image", "label"])
        for n in range(12):
            pixels = rng.integers(0, 255, (24, 24), dtype=np.uint8)
            Pillow.fromarray(pixels).save(folder / f"{n}.png")
            split = ("train", "val", "test")[n % 3]
            writer.writerow([f"s{n}", f"p{n}", split, f"{n}.png", ("one", "two")[n // 3 % 2]])
    (tmp_path / "spec.yaml").write_text(
        f"model: mini:clip\ndata: {folder}\ntask: classification\nprotocol: zero-shot\n"
        f"resamples: 20\nout: {tmp_path / 'run'}\n"
    )
    return ["run", str(tmp_path / "spec.yaml")]


def call(*arguments):
    """Exit code and output of a command in this process."""
    done = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    return done.exit_code, done.output, done.exception


def test_each_shard_says_what_is_left_and_the_last_call_merges(arguments, tmp_path):
    """No table and no report before the merge; both, and the names of the shards, after it."""
    code, first, _ = call(*arguments, "--shard", "0/2")
    assert code == 0, first
    assert "shard 0/2: " in first
    assert "cells of the run have no result yet" in first
    assert not (tmp_path / "run" / "report.html").exists()
    code, second, _ = call(*arguments, "--shard", "1/2")
    assert code == 0, second
    assert "Every cell has a result." in second
    assert f"`vesalius score {tmp_path / 'run'}`" in second
    code, merged, _ = call(*arguments)
    assert code == 0, merged
    assert "report: " in merged
    info = json.loads((tmp_path / "run" / "run.json").read_bytes())
    assert (info["spec"]["engine"], info["shards"]) == ("local", ["0/2", "1/2"])
    assert info["fetched"] == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--shard", "2/2"], "expected i/n with i from 0 to n-1"),
        (["--shard", "0/2", "--engine", "ray"], "two ways to spread a run"),
        (["--ray-address", "10.0.0.5:6379"], "belongs to --engine ray"),
    ],
)
def test_options_that_exclude_each_other(arguments, options, words, tmp_path):
    """Said before anything is read or written."""
    _, _, error = call(*arguments, *options)
    assert words in str(error)
    assert not (tmp_path / "run").exists()
