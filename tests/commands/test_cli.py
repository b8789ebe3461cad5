"""The command line as a user meets it: what is printed, what is written, how it ends."""

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image as Pillow
from typer.testing import CliRunner

import vesalius
from vesalius.cli import app, main

CARD = """\
format: 1
name: patches
modality: xray
classes:
  nodule: ["a nodule"]
  effusion: ["pleural effusion"]
positive: effusion
templates: ["chest x-ray showing {}"]
"""


RUN = ["run", "--model", "mini:clip", "--data", "x", "--out", "y"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small dataset folder of noise."""
    root = tmp_path_factory.mktemp("my data") / "patches"
    root.mkdir()
    rng = np.random.default_rng(0)
    (root / "dataset.yaml").write_text(CARD)
    with (root / "samples.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "patient", "split", "image", "label", "caption"])
        for n in range(24):
            pixels = rng.integers(0, 255, (40, 48), dtype=np.uint8)
            Pillow.fromarray(pixels).save(root / f"{n}.png")
            split = ("train", "val", "test")[n % 3]
            label = ("nodule", "effusion")[n // 3 % 2]
            writer.writerow([f"s{n}", f"p{n}", split, f"{n}.png", label, f"{label} {n}"])
    return root


@pytest.fixture(autouse=True)
def private_cache(tmp_path_factory, monkeypatch):
    """No test touches the user's own feature cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def call(*arguments):
    """Run a command in this process; its exit code and what it printed."""
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})


def fails(capsys, *arguments):
    """Run through the entry point; the one line that a failing command prints."""
    old = sys.argv
    sys.argv = ["vesalius", *map(str, arguments)]
    try:
        with pytest.raises(SystemExit) as exit_info:
            main()
    finally:
        sys.argv = old
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("vesalius: ")
    return error


def metrics_of(out):
    """Value and interval of every row of a run, by its place and resamples."""
    table = {}
    with (out / "metrics.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            numbers = [float(row.pop(name) or "nan") for name in ("value", "low", "high")]
            table[tuple(row.values())] = numbers
    return table


@pytest.fixture(scope="module")
def finished(folder, tmp_path_factory):
    """A run made by the command line."""
    out = tmp_path_factory.mktemp("runs") / "first"
    done = call(
        "run", "--model", "mini:clip", "--model", "mini:pubmedclip", "--data", folder,
        "--task", "classification", "--task", "retrieval", "--protocol", "zero-shot",
        "--protocol", "embedding", "--resamples", 50, "--device", "cpu", "--out", out,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return out, done.output


def test_help_is_light_and_names_every_command():
    """`--help` imports no torch, no transformers, no scikit-learn, and teaches a first step."""
    code = (
        "import sys\nfrom vesalius.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit as e:\n    assert not e.code\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'pyarrow', 'scipy', 'matplotlib', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("demo", "run", "score", "compare", "report", "check", "phantom", "doctor"):
        assert command in done.stdout
    assert "vesalius run --model mini:clip" in done.stdout


def test_version_is_that_of_the_package():
    """Asked before any command, as users do."""
    found = call("--version")
    assert found.exit_code == 0
    assert found.output == f"vesalius {vesalius.__version__}\n"


def test_run_prints_a_table_and_writes_the_run_folder(finished):
    """The summary has both models at both tasks; the files of the contract are there."""
    out, printed = finished
    for text in ("mini:clip", "mini:pubmedclip", "zero-shot", "recall@5", "report.html"):
        assert text in printed
    for name in ("run.json", "outcomes.jsonl", "metrics.parquet", "metrics.csv", "report.html"):
        assert (out / name).is_file()


def test_score_command_leaves_the_metrics_as_they_are(finished):
    """Recomputing from predictions changes no byte."""
    out, _ = finished
    before = (out / "metrics.parquet").read_bytes()
    assert call("score", out).exit_code == 0
    assert (out / "metrics.parquet").read_bytes() == before


def test_compare_prints_every_pair_once(finished):
    """Two models at two protocols are two comparisons, each below its ranking."""
    done = call("compare", finished[0], "--resamples", 50)
    assert done.exit_code == 0, done.output
    assert done.output.count("  Holm p ") == 2
    rows = [line for line in done.output.splitlines() if line.startswith(" mini:clip ")]
    assert len([line for line in rows if "mini:pubmedclip" in line]) == 2
    assert done.output.count("(Holm, 1 comparison)") == 2


def test_compare_can_be_narrowed_to_a_task(finished):
    """Only the rows of that task remain."""
    done = call("compare", finished[0], "--resamples", 50, "--task", "retrieval")
    assert "retrieval" in done.output
    assert "classification" not in done.output


@pytest.mark.parametrize("command", ["compare", "leaderboard"])
def test_rankings_name_what_is_not_there(finished, command):
    """A misspelt task, metric, format or protocol is no empty table."""
    for option, wrong, right in (
        ("--task", "retrieva", "did you mean 'retrieval'"),
        ("--metric", "recall@55", "did you mean 'recall@5'"),
        ("--protocol", "embeding", "did you mean 'embedding'"),
        ("--format", "cvs", "did you mean 'csv'"),
        ("--alpha", "5", "expected 0 < alpha < 1"),
    ):
        done = call(command, finished[0], "--resamples", 20, option, wrong)
        assert done.exit_code != 0
        assert right in str(done.exception), option


@pytest.mark.parametrize("command", ["compare", "leaderboard"])
@pytest.mark.parametrize(
    ("form", "sign"),
    [("csv", "dataset,dataset_digest"), ("latex", r"\toprule"), ("markdown", "| ---"),
     ("json", '"dataset_digest"')],
)  # fmt: skip
def test_rankings_are_written_in_every_format(finished, tmp_path, command, form, sign):
    """To standard output, and the same into a file."""
    done = call(command, finished[0], "--resamples", 50, "--format", form)
    assert done.exit_code == 0, done.output
    assert sign in done.stdout
    written = call(
        command, finished[0], "--resamples", 50, "--format", form, "--out", tmp_path / "t"
    )
    assert written.stdout == ""
    assert (tmp_path / "t").read_text() == done.stdout


@pytest.mark.parametrize("command", ["compare", "leaderboard"])
def test_binary_tables_need_a_file(finished, tmp_path, command):
    """Parquet never goes to a terminal, and a table for the terminal never into a file."""
    refused = call(command, finished[0], "--format", "parquet")
    assert "binary: expected --out FILE" in str(refused.exception)
    refused = call(command, finished[0], "--out", tmp_path / "x")
    assert "--out needs --format" in str(refused.exception)
    done = call(command, finished[0], "--resamples", 50, "--format", "parquet",
                "--out", tmp_path / "t.parquet")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert (tmp_path / "t.parquet").read_bytes().startswith(b"PAR1")


def test_leaderboard_finds_runs_below_a_folder(finished):
    """The parent of a run folder is the run folder, and two protocols are two tables."""
    done = call("leaderboard", finished[0].parent, "--resamples", 50)
    assert done.exit_code == 0, done.output
    assert done.output.count(" Rank  Model ") == 2
    assert "miniature" in done.output
    assert max(len(line) for line in done.output.splitlines()) <= 80


@pytest.mark.parametrize(
    ("form", "sign"), [("csv", "model,dataset"), ("latex", r"\toprule"), ("markdown", "| --- |")]
)
def test_report_writes_tables_for_papers(finished, form, sign, tmp_path):
    """Each format goes to standard output, or into a file."""
    done = call("report", finished[0], "--format", form)
    assert done.exit_code == 0, done.output
    assert sign in done.output
    call("report", finished[0], "--format", form, "--out", tmp_path / "table")
    assert (tmp_path / "table").read_text().strip() == done.stdout.strip()


def test_report_page_goes_where_it_is_told(finished, tmp_path):
    """One HTML file."""
    done = call("report", finished[0], "--out", tmp_path / "page.html", "--no-thumbnails")
    assert done.exit_code == 0, done.output
    assert "<html" in (tmp_path / "page.html").read_text()[:500]


def test_a_specification_file_says_the_same_as_options(finished, folder, tmp_path):
    """The same words in YAML give the same metrics; an option wins over the file."""
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        f"model: [mini:clip, mini:pubmedclip]\ndata: {folder}\ntask: [classification, retrieval]\n"
        "protocol: [zero-shot, embedding]\nresamples: 7\ndevice: cpu\nbatch_size: auto\n"
        f"engine: local\nout: {tmp_path / 'no'}\n"
    )
    done = call("run", spec, "--out", tmp_path / "run", "--resamples", 50)
    assert done.exit_code == 0, done.output
    assert not (tmp_path / "no").exists()
    one, two = (metrics_of(out) for out in (tmp_path / "run", finished[0]))
    assert list(one) == list(two)
    # the blank image is encoded anew, and the number of threads may move its last bits
    np.testing.assert_allclose(list(one.values()), list(two.values()), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--data", "x", "--out", "y"], "name at least one --model"),
        (["run", "--model", "mini:clip", "--data", "x"], "--out"),
        (["run", "--model", "mini:clpi", "--data", "x", "--out", "y"], "did you mean 'clip'"),
        (["run", "--model", "mini:clip", "--data", "nowhere", "--out", "y"], "nowhere"),
        ([*RUN, "--task", "retreival"], "did you mean 'retrieval'"),
        ([*RUN, "--protocol", "zero"], "unknown protocol"),
        ([*RUN, "--batch-size", "many"], "expected auto or a positive number"),
        ([*RUN, "--engine", "ray"], "local"),
        (["run", "nowhere.yaml"], "nowhere.yaml"),
        (["score", "nowhere"], "run.json is missing"),
        (["report", "nowhere"], "run.json is missing"),
    ],
)
def test_mistakes_end_with_one_helpful_line(arguments, words, capsys, tmp_path, monkeypatch):
    """Exit code 2, no traceback, and the way out in the message."""
    monkeypatch.chdir(tmp_path)
    assert words in fails(capsys, *arguments)


def test_missing_weights_name_the_command(capsys, folder, tmp_path, monkeypatch):
    """A genuine model that is not on disk is refused before anything runs."""
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    error = fails(capsys, "run", "--model", "clip", "--data", folder, "--out", tmp_path / "run")
    assert "vesalius fetch clip" in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models: [clip]", "unknown key 'models' (did you mean 'model'?)"),
        ("limit: none", "limit"),
        ("- 1", "expected keys"),
        ("a: [", "expected a YAML file"),
    ],
)
def test_mistakes_in_a_specification_name_file_and_key(text, words, capsys, tmp_path):
    """Unknown keys get a suggestion, wrong values are quoted."""
    spec = tmp_path / "spec.yaml"
    spec.write_text(text)
    error = fails(capsys, "run", spec)
    assert "spec.yaml" in error
    assert words in error


def test_unknown_table_format_gets_a_suggestion(capsys, finished):
    """A typing error in --format is met with the nearest word."""
    assert "did you mean 'latex'" in fails(capsys, "report", finished[0], "--format", "latec")


def test_check_is_silent_about_good_data_and_loud_about_bad(folder, tmp_path):
    """Exit 0 with counts; exit 1 with every bad row and its reason."""
    good = call("check", folder)
    assert good.exit_code == 0, good.output
    assert "24 samples (8 train, 8 val, 8 test), 24 patients" in good.output
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "dataset.yaml").write_text(CARD)
    (bad / "samples.csv").write_text("id,patient,split,image,label\na,p,test,gone.png,nodule\n")
    done = call("check", bad)
    assert done.exit_code == 1
    assert "missing_file" in done.output


def test_phantom_is_written_and_never_overwritten(tmp_path, capsys):
    """The cohort is a dataset; a second call into the same folder is refused."""
    done = call("phantom", "--out", tmp_path / "cohort", "--patients", 4)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "cohort" / "ct" / "dataset.yaml").is_file()
    assert "not an empty folder" in fails(capsys, "phantom", "--out", tmp_path / "cohort")


def test_models_lists_genuine_ones_and_miniatures():
    """JSON for programs: every name with capability, licence, and whether it is on disk."""
    rows = {row["name"]: row for row in json.loads(call("models", "--json").output)}
    assert {"clip", "pubmedclip", "clipmd", "mini:clip"} <= set(rows)
    assert rows["mini:clip"]["on_disk"] is True
    assert "research only" in rows["clipmd"]["license"]
    assert "encode_dense" in rows["clip"]["capabilities"]
    assert "mini:clip" in call("models").output


def test_verify_prints_the_identity_of_a_model():
    """Hashes, parameters and the strict verdict."""
    done = call("verify", "mini:clip")
    assert done.exit_code == 0, done.output
    for words in ("model.safetensors", "parameters", "fingerprint", "loaded strictly"):
        assert words in done.output


def test_doctor_tells_what_is_missing():
    """Versions and devices are there, and so is the way to get an extra."""
    done = call("doctor")
    assert done.exit_code == 0, done.output
    for words in ("transformers", "memory", "model cache", "torchvision"):
        assert words in done.output


def test_demo_ends_with_tables_and_pages(tmp_path):
    """No failed cell, a report and a fusion study; again it continues. `make demo` runs all."""
    demo = ["demo", "--out", tmp_path / "demo", "--patients", 20, "--device", "cpu"]
    demo += ["--model", "mini:clip"]
    done = call(*demo)
    assert done.exit_code == 0, done.output
    for words in ("mini:clip", "report: ", "Fusion · accuracy", "fusion: "):
        assert words in done.output
    before = (tmp_path / "demo" / "metrics.csv").read_bytes()
    study = (tmp_path / "demo" / "fusion" / "contributions.csv").read_bytes()
    assert call(*demo).exit_code == 0
    assert (tmp_path / "demo" / "metrics.csv").read_bytes() == before
    assert (tmp_path / "demo" / "fusion" / "contributions.csv").read_bytes() == study
    assert (tmp_path / "demo" / "fusion" / "fusion.html").exists()


def test_refused_rows_and_twins_are_said_beside_the_table(folder, tmp_path):
    """A table over fewer rows than the file has must not look complete."""
    data = tmp_path / "data"
    shutil.copytree(folder, data)
    with (data / "samples.csv").open("a") as stream:
        stream.write("lost,lost,test,nowhere.png,nodule,x\n")
    shutil.copy(data / "0.png", data / "2.png")  # a train image in the test split
    done = call(
        "run", "--model", "mini:clip", "--data", data, "--task", "classification", "--protocol",
        "zero-shot", "--resamples", 10, "--no-controls", "--device", "cpu", "--out", tmp_path / "r",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "1 rows refused, 0 images unreadable" in done.output
    assert "1 images stand in more than one split" in done.output
