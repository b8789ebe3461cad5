"""What `vesalius fuse` leaves in its folder."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from vesalius.cli import app

FILES = {"fusion.csv", "curves.csv", "contributions.csv", "fusion.json", "fusion.html"}


@pytest.fixture
def folder(tmp_path):
    """Two numbers a row, of which the first tells the class; two rows a patient."""
    rng = np.random.default_rng(0)
    data = tmp_path / "data"
    data.mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(data / "0.png")
    lines = ["id,patient,split,image,label,age,dose"]
    for i in range(120):
        split = "train" if i < 60 else "val" if i < 80 else "test"
        ill = i % 4 < 2
        numbers = f"{50 + 20 * ill + rng.normal(0, 9):.2f},{rng.normal():.3f}"
        lines.append(f"secret{i},p{i // 2},{split},0.png,{'ill' if ill else 'well'},{numbers}")
    (data / "samples.csv").write_text("\n".join(lines) + "\n")
    (data / "dataset.yaml").write_text(
        "format: 1\nname: wards\nmodality: xray\nclasses: {well: [well], ill: [ill]}\n"
        "positive: ill\ntabular: {age: numeric, dose: numeric}\n"
    )
    return data


def test_tables_page_and_file_for_programs_say_the_same(folder, tmp_path):
    """Every file is there, private, and no id of a sample is in any of them."""
    out = tmp_path / "out"
    done = CliRunner().invoke(
        app,
        ["fuse", "--data", str(folder), "--features", "tabular[columns=age]", "--features",
         "tabular[columns=dose]", "--head", "concat", "--head", "sum", "--resamples", "50",
         "--seeds", "2", "--out", str(out)],
        env={"COLUMNS": "100"},
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert f"page: {out / 'fusion.html'}" in done.output
    assert {path.name for path in out.iterdir()} == FILES
    found = json.loads((out / "fusion.json").read_text())
    assert (found["dataset"]["name"], found["task"], found["models"]) == (
        "wards", "classification", [],
    )  # fmt: skip
    assert found["n_patients"] == {"train": 30, "val": 10, "test": 20}
    assert found["n_rows"] == {"train": 60, "val": 20, "test": 40}
    assert found["best_single"] == "tabular[columns=age]"
    with (out / "fusion.csv").open() as stream:
        table = list(csv.DictReader(stream))
    assert len(table) == len(found["rows"])
    for line, row in zip(table, found["rows"], strict=True):
        assert (line["head"], float(line["value"])) == (row["head"], row["estimate"]["value"])
    page = (out / "fusion.html").read_text()
    assert "wards" in page
    assert "tabular[columns=age]" in page
    assert all("secret" not in (out / name).read_text() for name in FILES)


def test_a_head_that_is_not_there_leaves_no_folder(folder, tmp_path):
    """A mistake is found before anything is fitted or written."""
    done = CliRunner().invoke(
        app,
        ["fuse", "--data", str(folder), "--features", "tabular", "--head", "gate", "--out",
         str(tmp_path / "out")],
    )  # fmt: skip
    assert done.exit_code != 0
    assert "unknown head 'gate'" in str(done.exception)
    assert not (tmp_path / "out").exists()
