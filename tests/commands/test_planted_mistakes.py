"""Mistakes as people make them: each is met with its file, its line, the word, and what was meant.

Every one goes through the real command line. A mistake that is not located, or whose way out is
not named, fails here.
"""

import csv
import io
import re
import shutil
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image as Pillow

from vesalius.cli import main

CARD = """\
format: 1
name: patches
modality: xray
classes:
  nodule: ["a nodule"]
  effusion: ["pleural effusion"]
positive: effusion
multilabel: true
templates: ["chest x-ray showing {}"]
structures: {lung: 1, heart: 2}
structure_prompts: {lung: ["lungs"]}
window_hu: lung
tabular: {age: numeric, sex: categorical}
subgroups: [sex]
"""
# the caption of the first row goes over two lines, so that the second row is line 4
SAMPLES = """\
id,patient,split,image,label,caption,age,sex
s0,p0,train,images/a.png,nodule,"a nodule
on the left",40,F
s1,p1,val,images/b.png,nodule|effusion,both,50,M
s2,p2,test,images/c.png,effusion,fluid,60,F
"""
QUESTIONS = """\
id,question,answer,type,choices
s0,"Is there
a nodule?",yes,closed,yes|no
s2,What is it?,fluid,open,
"""
PHRASES = """\
id,phrase,x0,y0,x1,y1
s0,nodule,1,1,4,4
s1,nodule,,,,
s2,fluid,0,0,3,6
"""
SPEC = """\
# a trial
model:
  - mini:clip
  - mini:git
data: patches
task: [classification, vqa]
protocol: [zero-shot, knn]
out: runs/first
device: cpu
limit: 4
seed: 0
"""
TABLES = {
    "dataset.yaml": CARD, "samples.csv": SAMPLES, "questions.csv": QUESTIONS,
    "phrases.csv": PHRASES, "spec.yaml": SPEC,
}  # fmt: skip

# file, what is written there, what stands there by mistake, line or None, word, what was meant
IN_DATA = [
    ("dataset.yaml", "modality:", "modalty:", 3, "modalty", "did you mean 'modality'?"),
    ("dataset.yaml", "xray", "x-ray", 3, "x-ray", "did you mean 'xray'?"),
    ("dataset.yaml", "format: 1", "format: one", 1, "'one'", "should be 1"),
    ("dataset.yaml", "name: patches", "name: 12", 2, "12", "put it in quotes"),
    ("dataset.yaml", "positive: effusion", "positive: efusion", 7, "efusion", "mean 'effusion'?"),
    ("dataset.yaml", "multilabel: true", "multilabel: maybe", 8, "maybe", "valid boolean"),
    ("dataset.yaml", "showing {}", "showing {class}", 9, "{class}", "must hold {}"),
    ("dataset.yaml", "{lung: [", "{lungs: [", 11, "lungs", "did you mean 'lung'?"),
    ("dataset.yaml", "window_hu: lung", "window_hu: lungs", 12, "lungs", "did you mean 'lung'?"),
    ("dataset.yaml", "numeric", "numerical", 13, "numerical", "did you mean 'numeric'?"),
    ("dataset.yaml", "{age:", "{agee:", 13, "agee", "did you mean 'age'?"),
    ("dataset.yaml", "[sex]", "[sexx]", 14, "sexx", "did you mean 'sex'?"),
    ("dataset.yaml", "[sex]", "[sex", 15, "not YAML", "expected ',' or ']'"),
    ("dataset.yaml", "positive:", "name:", 7, "'name'", "stands twice"),
    ("samples.csv", "id,patient,split", "id,patient,splt", 1, "split", "did you mean 'splt'?"),
    ("samples.csv", "caption", "captoin", 1, "captoin", "did you mean 'caption'?"),
    ("samples.csv", "id,patient", "id,pateint", 1, "pateint", "did you mean 'patient'?"),
    ("samples.csv", "s1,p1,val", "s1,p1,vall", 4, "vall", "did you mean 'val'?"),
    ("samples.csv", "s1,p1,val", "s1,p1,Validation", 4, "Validation", "did you mean 'val'?"),
    ("samples.csv", "images/b.png", "images/bb.png", 4, "images/bb.png", "mean 'images/b.png'?"),
    ("samples.csv", "images/b.png", "image/b.png", 4, "image/b.png", "did you mean 'images'?"),
    ("samples.csv", "images/b.png", "images/B.PNG", 4, "B.PNG", "did you mean 'images/b.png'?"),
    ("samples.csv", "images/b.png", "../b.png", 4, "../b.png", "below the dataset folder"),
    ("samples.csv", "nodule|effusion", "nodule|efusion", 4, "efusion", "did you mean 'effusion'?"),
    ("samples.csv", "nodule|effusion", "nodule;effusion", 4, "nodule;effus", "'nodule|effusion'"),
    ("samples.csv", "s2,p2", "s1,p2", 5, "'s1'", "stands already in samples.csv line 4"),
    ("samples.csv", "both,50,M", "both,50.5.0,M", 4, "50.5.0", "leave unknown ones empty"),
    ("samples.csv", "both,50,M", 'both,"50,5",M', 4, "50,5", "did you mean '50.5'?"),
    ("samples.csv", "both,50,M", "one, two,50,M", 4, "got 9", "quote cells with commas"),
    ("questions.csv", "s2,What", "s22,What", 4, "s22", "did you mean 's2'?"),
    ("questions.csv", "yes,closed", "yes,clsoed", 2, "clsoed", "did you mean 'closed'?"),
    ("questions.csv", "yes,closed", "yess,closed", 2, "yess", "did you mean 'yes'?"),
    ("questions.csv", "answer,type", "anwser,type", 1, "answer", "did you mean 'anwser'?"),
    ("phrases.csv", "s0,nodule,1,1,4,4", "s00,nodule,1,1,4,4", 2, "s00", "mean 's0'?"),
    ("phrases.csv", "0,0,3,6", '0,0,"3,5",6', 4, "3,5", "did you mean '3.5'?"),
    ("phrases.csv", "0,0,3,6", "0,0,3,", 4, "y1", "leave all empty"),
    ("phrases.csv", "0,0,3,6", "5,0,3,6", 4, "x1", "two corners"),
]  # fmt: skip
IN_SPEC = [
    ("model:\n", "modle:\n", 2, "modle", "did you mean 'model'?"),
    ("mini:git", "mini:gti", 4, "gti", "did you mean 'git'?"),
    ("mini:git", "mini:git[fit=padd]", 4, "padd", "did you mean 'pad'?"),
    ("mini:git", "mini:git[fitt=pad]", 4, "fitt", "did you mean 'fit'?"),
    ("data: patches", "data: pathces", 5, "pathces", "did you mean 'patches'?"),
    ("data: patches", "data: pneumoniamnst", 5, "pneumoniamnst", "did you mean 'pneumoniamnist'"),
    ("vqa]", "vqaa]", 6, "vqaa", "did you mean 'vqa'?"),
    ("knn", "knnn", 7, "knnn", "did you mean 'knn'?"),
    ("knn", '"knn[kss=5]"', 7, "kss", "did you mean 'ks'?"),
    ("device: cpu", "device: cppu", 9, "cppu", "did you mean 'cpu'?"),
    ("limit: 4", "limit: few", 10, "few", "valid integer"),
    ("seed: 0", "seed: -1", 11, "-1", "greater than or equal to 0"),
    ("seed: 0", "sede: 0", 11, "sede", "did you mean 'seed'?"),
    ("seed: 0", "engine: lcal", 11, "lcal", "did you mean 'local'?"),
    ("seed: 0", "limit: 3", 11, "'limit'", "stands twice"),
    ("seed: 0", "seed: [", 12, "not YAML", "expected the node content"),
]  # fmt: skip
FUSE = ["fuse", "--data", "patches", "--out", "fused", "--features"]
ON_THE_LINE = [
    (["rnu"], "rnu", "Did you mean 'run'?"),
    (["run", "--modle", "clip"], "--modle", "Possible options: --model"),
    (["run", "spce.yaml"], "spce.yaml", "did you mean 'spec.yaml'?"),
    (["score", "runs/frist"], "runs/frist", "did you mean 'runs/first'?"),
    (["check", "patchs"], "patchs", "did you mean 'patches'?"),
    (["run", "spec.yaml", "--model", "mini:cilp"], "cilp", "did you mean 'clip'?"),
    (["run", "spec.yaml", "--device", "cude"], "cude", "did you mean 'cuda'?"),
    (["run", "spec.yaml", "--task", "clasification"], "clasification", "mean 'classification'?"),
    (["fetch", "biomdclip"], "biomdclip", "did you mean 'biomedclip'?"),
    (["fetch", "slakee"], "slakee", "did you mean 'slake'?"),
    (["verify", "mini:clipp"], "clipp", "did you mean 'clip'?"),
    (["reproduce", "clip-pcan"], "clip-pcan", "did you mean 'clip-pcam'?"),
    (["report", "runs/first", "--format", "latx"], "latx", "did you mean 'latex'?"),
    ([*FUSE, "mini:clip:imgae"], "imgae", "did you mean 'image'?"),
    ([*FUSE, "tabular", "--head", "gaetd"], "gaetd", "did you mean 'gated'?"),
    ([*FUSE, "tabular", "--task", "vqaa"], "vqaa", "did you mean 'vqa'?"),
    (["compare", "runs/first", "--task", "vqaa"], "vqaa", "did you mean 'vqa'?"),
    (["inspect", "mini:clip", "--batch-sizes", "1;2"], "1;2", "such as 1,2,4,8"),
]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with a good data set, a good specification and the beginning of a run."""
    for name, text in TABLES.items():
        path = tmp_path / ("" if name == "spec.yaml" else "patches") / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (tmp_path / "patches" / "images").mkdir()
    (tmp_path / "runs" / "first").mkdir(parents=True)
    for seed, name in enumerate("abc"):
        pixels = np.random.default_rng(seed).integers(0, 255, (8, 8), dtype=np.uint8)
        Pillow.fromarray(pixels).save(tmp_path / "patches" / "images" / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys, monkeypatch, *arguments):
    """Exit code and all that the command line prints, as one line."""
    monkeypatch.setattr(sys, "argv", ["vesalius", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    return ended.value.code, " ".join((printed.out + printed.err).replace("│", " ").split())


def replace_in(path, old, new):
    """Plant a mistake in a file."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_without_a_mistake_nothing_is_said(desk, capsys, monkeypatch):
    """What the mistakes are planted into is itself right."""
    code, text = said(capsys, monkeypatch, "check", "patches")
    assert (code, "no problem found" in text) == (0, True), text


@pytest.mark.parametrize("mistake", IN_DATA, ids=lambda one: f"{one[0]}-{one[4]}")
def test_mistakes_in_data(desk, capsys, monkeypatch, mistake):
    """Card and tables: physical lines, also below cells with line breaks in them."""
    file, old, new, line, word, meant = mistake
    replace_in(desk / "patches" / file, old, new)
    code, text = said(capsys, monkeypatch, "check", "patches", "--no-pixels")
    assert code == 1
    assert re.search(rf"{re.escape(file)}:? line {line}\b", text), text
    assert word in text
    assert meant in text


@pytest.mark.parametrize("mistake", IN_SPEC, ids=lambda one: one[3])
def test_mistakes_in_a_specification(desk, capsys, monkeypatch, mistake):
    """Keys, values and every name in it."""
    old, new, line, word, meant = mistake
    replace_in(desk / "spec.yaml", old, new)
    code, text = said(capsys, monkeypatch, "run", "spec.yaml")
    assert code == 2
    assert re.search(rf"spec\.yaml:?.* line {line}\b", text), text
    assert word in text
    assert meant in text
    assert not any((desk / "runs" / "first").iterdir())


@pytest.mark.parametrize(("arguments", "word", "meant"), ON_THE_LINE)
def test_mistakes_on_the_command_line(desk, capsys, monkeypatch, arguments, word, meant):
    """Commands, options, names and paths."""
    code, text = said(capsys, monkeypatch, *arguments)
    assert code == (1 if arguments[0] == "check" else 2)
    assert word in text
    assert meant in text


def as_rows(text):
    """The rows of a CSV text."""
    return list(csv.DictReader(io.StringIO(text)))


def test_lines_of_jsonl_and_rows_of_parquet(desk, capsys, monkeypatch):
    """The other two forms of a table are located, too: the line, or the number of the row."""
    rows = as_rows(SAMPLES)
    rows[1]["split"] = "vall"
    (desk / "patches" / "samples.csv").unlink()
    lines = ("{" + ", ".join(f'"{k}": "{v}"' for k, v in row.items()) + "}" for row in rows)
    jsonl = desk / "patches" / "samples.jsonl"
    jsonl.write_text("\n\n".join(line.replace("\n", " ") for line in lines))
    text = said(capsys, monkeypatch, "check", "patches", "--no-pixels")[1]
    assert "samples.jsonl line 3: unknown split 'vall' (did you mean 'val'?)" in text
    jsonl.unlink()
    pq.write_table(pa.Table.from_pylist(rows), desk / "patches" / "samples.parquet")
    text = said(capsys, monkeypatch, "check", "patches", "--no-pixels")[1]
    assert "samples.parquet row 2: unknown split 'vall' (did you mean 'val'?)" in text


def test_a_misspelt_column_of_jsonl_is_found_in_its_first_line(desk, capsys, monkeypatch):
    """A key that only one line has is named with that line."""
    rows = as_rows(SAMPLES)
    (desk / "patches" / "samples.csv").unlink()
    keys = [dict(row) for row in rows]
    for row in keys:
        del row["caption"]
    keys[2]["captoin"] = "fluid"
    lines = ("{" + ", ".join(f'"{k}": "{v}"' for k, v in row.items()) + "}" for row in keys)
    (desk / "patches" / "samples.jsonl").write_text("\n".join(lines))
    text = said(capsys, monkeypatch, "check", "patches", "--no-pixels")[1]
    assert "samples.jsonl line 3: column 'captoin' would be ignored; did you mean" in text


def test_every_mistake_is_told_at_once(desk, capsys, monkeypatch):
    """Three bad rows are three lines, not three attempts."""
    table = desk / "patches" / "samples.csv"
    replace_in(table, "train", "trian")
    replace_in(table, "images/b.png", "images/bb.png")
    replace_in(table, "test", "tset")
    text = said(capsys, monkeypatch, "check", "patches", "--no-pixels")[1]
    for line in (2, 4, 5):
        assert f"samples.csv line {line}:" in text


def test_a_wrong_folder_of_images_is_not_looked_through_for_every_row(desk, capsys, monkeypatch):
    """Twenty rows get a suggestion; a table of many would otherwise take for ever."""
    rows = [f"n{n},q{n},train,images/x{n}.png,nodule,,1,F\n" for n in range(50)]
    (desk / "patches" / "samples.csv").write_text(SAMPLES + "".join(rows))
    for n in range(50):
        shutil.copy(
            desk / "patches" / "images" / "a.png", desk / "patches" / "images" / f"y{n}.png"
        )
    text = said(capsys, monkeypatch, "check", "patches", "--no-pixels")[1]
    assert text.count("no such file: images/x") == 50
    assert text.count("did you mean") == 20
