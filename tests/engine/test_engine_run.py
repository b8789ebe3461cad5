"""The engine: every cell ends in an outcome, nothing is done twice, nothing is silently lost."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from sklearn import metrics as sklearn_metrics
from small_world import Brightness, squares, write_squares

from vesalius.data.manifest import load_dataset
from vesalius.engine import Grid, ModelSource, run, score
from vesalius.engine.info import model_info
from vesalius.errors import ModelError, UsageError
from vesalius.records import Cell, Done, Failed, NotApplicable, RunSpec
from vesalius.store.pictures import picture_path
from vesalius.store.runs import predictions_path, read_predictions
from vesalius.tasks import make_task

SPEC = RunSpec(models=("brightness",), datasets=("squares",), n_resamples=100)
TASKS = (
    make_task("classification", "zero-shot"),
    make_task("classification", "linear-probe"),
    make_task("retrieval", "embedding"),
)
ZERO_SHOT = Cell("brightness", "squares", "classification", "zero-shot")


def source(model, loads=None):
    """A model source that counts how often the model is loaded."""

    def load():
        if loads is not None:
            loads.append(model.card.name)
        return model

    return ModelSource(model.card, load)


def go(out, data, *models, tasks=TASKS, spec=SPEC, cache=None):
    """One run with small defaults."""
    return run(Grid([source(m) for m in models], [data], tasks), spec, out=out, cache=cache)


def files_of(folder):
    """Every file of a folder with its bytes; what a killed writer left is no result."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The dataset of squares."""
    return squares(tmp_path_factory.mktemp("data") / "squares")


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A finished run."""
    return go(tmp_path_factory.mktemp("runs") / "run", data, Brightness())


def estimate(result, metric, model="brightness", protocol="zero-shot", subgroup="", name=""):
    """The one estimate of that place."""
    (row,) = [
        r
        for r in result.metrics
        if (r.estimate.metric, r.cell.model, r.cell.protocol) == (metric, model, protocol)
        and (r.subgroup, r.class_name) == (subgroup, name)
    ]
    return row.estimate


def test_every_cell_of_the_grid_has_an_outcome(finished):
    """Models and their controls at every protocol; none is missing, none failed."""
    outcomes = {outcome.cell: outcome for outcome in finished.outcomes}
    assert all(isinstance(outcome, Done) for outcome in outcomes.values())
    for task in TASKS:
        models = {c.model for c in outcomes if c.protocol == task.card.protocol}
        assert {"brightness", "control:random"} <= models
        assert "control:shuffled-images(brightness)" in models


def test_the_model_is_right_and_its_controls_are_not(finished):
    """The path keeps image, label and prompt together: a mix-up would bring AUROC to chance."""
    good = estimate(finished, "auroc")
    assert good.value > 0.75
    shuffled = estimate(finished, "auroc", "control:shuffled-images(brightness)")
    assert shuffled.value < good.low
    assert estimate(finished, "auroc", "control:blank-image(brightness)").value == 0.5
    assert good.n_patients < good.n


def test_metrics_agree_with_scikit_learn_on_the_stored_predictions(finished):
    """What the table says is what an independent library finds in the stored rows, to 1e-9."""
    table = read_predictions(finished.path, ZERO_SHOT)
    truth = table["label"] == "bright"
    scores = table["score:bright"]
    called = scores >= table["threshold"]
    expected = {
        "auroc": sklearn_metrics.roc_auc_score(truth, scores),
        "auprc": sklearn_metrics.average_precision_score(truth, scores),
        "f1": sklearn_metrics.f1_score(truth, called),
        "accuracy": sklearn_metrics.accuracy_score(truth, called),
        "balanced_accuracy": sklearn_metrics.balanced_accuracy_score(truth, called),
        "mcc": sklearn_metrics.matthews_corrcoef(truth, called),
        "brier": sklearn_metrics.brier_score_loss(truth, scores),
    }
    for metric, value in expected.items():
        rows = [
            r.estimate.value
            for r in finished.metrics
            if r.cell == ZERO_SHOT and r.estimate.metric == metric and not r.subgroup
        ]
        assert rows
        assert any(abs(found - value) < 1e-9 for found in rows), metric


def test_subgroups_have_their_own_rows_and_a_minimum_size(data, tmp_path):
    """Both sites are there; with few patients the value is undefined and says why."""
    few = go(tmp_path / "few", data, Brightness(), tasks=TASKS[:1])
    undefined = estimate(few, "auroc", subgroup="site=north")
    assert math.isnan(undefined.value)
    assert "fewer than 20" in undefined.reason
    many = squares(tmp_path / "many", n_patients=150)
    big = go(tmp_path / "big", many, Brightness(), tasks=TASKS[:1])
    assert estimate(big, "auroc", subgroup="site=north").n_patients >= 20


def test_a_second_run_does_nothing_and_changes_nothing(data, tmp_path):
    """Neither is the model loaded nor a byte of the folder changed."""
    loads = []
    grid = Grid([source(Brightness(), loads)], [data], TASKS)
    run(grid, SPEC, out=tmp_path / "run")
    before = files_of(tmp_path / "run")
    run(grid, SPEC, out=tmp_path / "run")
    assert loads == ["brightness"]
    assert files_of(tmp_path / "run") == before


def test_two_runs_of_the_same_thing_are_equal(finished, data, tmp_path):
    """Predictions and metrics are the same bytes in another folder."""
    other = go(tmp_path / "other", data, Brightness())
    for name in ("predictions", "metrics.csv"):
        one, two = finished.path / name, other.path / name
        assert (
            (files_of(one) == files_of(two))
            if one.is_dir()
            else one.read_bytes() == two.read_bytes()
        )


def test_score_gives_the_same_bits(data, tmp_path):
    """Metrics recomputed from the stored predictions are equal to the last bit."""
    result = go(tmp_path / "run", data, Brightness())
    before = (result.path / "metrics.parquet").read_bytes()
    (result.path / "metrics.parquet").unlink()
    score(result.path)
    assert (result.path / "metrics.parquet").read_bytes() == before


def test_batch_size_changes_no_prediction(finished, data, tmp_path):
    """Encoding by 1 or by 32 gives the same stored rows."""
    spec = RunSpec(models=(), datasets=(), n_resamples=100, batch_size=1)
    other = go(tmp_path / "run", data, Brightness(), spec=spec)
    assert (
        predictions_path(other.path, ZERO_SHOT).read_bytes()
        == predictions_path(finished.path, ZERO_SHOT).read_bytes()
    )


def test_features_are_encoded_once(data, tmp_path):
    """Three protocols and their controls read each image once; a new run reads none."""
    model = Brightness()
    go(tmp_path / "one", data, model, cache=tmp_path / "cache")
    n_blank = sum("blank-image" in task.controls for task in TASKS)
    assert len(data) <= model.n_encoded <= len(data) + n_blank
    again = Brightness()
    go(tmp_path / "two", data, again, cache=tmp_path / "cache")
    assert again.n_encoded <= n_blank


@pytest.mark.parametrize("change", ["weights", "image", "label", "seed"])
def test_what_can_change_a_number_makes_cells_new(change, tmp_path):
    """Weights, image bytes, labels and seed are part of a cell's identity."""
    folder = write_squares(tmp_path / "data")
    first = go(tmp_path / "run", load_dataset(folder), Brightness(), tasks=TASKS[:1])
    spec, model = SPEC, Brightness()
    if change == "weights":
        model = Brightness(weights="2")
    elif change == "seed":
        spec = RunSpec(models=(), datasets=(), n_resamples=100, seed=1)
    elif change == "label":
        table = (folder / "samples.csv").read_text()
        (folder / "samples.csv").write_text(table.replace(",bright,", ",dark,", 1))
    else:
        sample = next(s for s in load_dataset(folder) if s.split == "test")
        sample.image.write_bytes(sample.image.read_bytes() + b"\0")
    second = go(tmp_path / "run", load_dataset(folder), model, tasks=TASKS[:1], spec=spec)
    prints = [{o.cell: o.fingerprint for o in r.outcomes}[ZERO_SHOT] for r in (first, second)]
    assert prints[0] != prints[1]


def test_an_unreadable_image_is_counted_as_wrong_and_named(tmp_path):
    """One bad file never ends a run, and never leaves the denominator."""
    folder = write_squares(tmp_path / "data")
    whole = go(tmp_path / "whole", load_dataset(folder), Brightness(), tasks=TASKS[:1])
    victim = next(s for s in load_dataset(folder) if s.split == "test")
    victim.image.write_bytes(b"<!doctype html><title>Login</title>")
    damaged = go(tmp_path / "damaged", load_dataset(folder), Brightness(), tasks=TASKS[:1])
    outcome = {o.cell: o for o in damaged.outcomes}[ZERO_SHOT]
    assert outcome.n_missing == 1
    assert any(victim.id in note and "html_page" in note for note in outcome.notes)
    table = read_predictions(damaged.path, ZERO_SHOT)
    assert table.n_rows == read_predictions(whole.path, ZERO_SHOT).n_rows
    assert estimate(damaged, "accuracy").n == estimate(whole, "accuracy").n
    assert np.isnan(table["score:bright"][table["id"] == victim.id]).all()


class Broken(Brightness):
    """Fails when asked for text."""

    def encode_texts(self, texts):
        """Always an error."""
        raise ZeroDivisionError("the text tower is broken")


class BlindText:
    """Only an image encoder."""

    card = Brightness(name="image-only", weights="3").card
    encode_images = Brightness.encode_images
    n_encoded = 0


def test_a_failing_cell_is_recorded_and_the_others_go_on(data, tmp_path):
    """The error stands in the outcome; the probe of the same model is still done; retry works."""
    result = go(tmp_path / "run", data, Broken(), tasks=TASKS[:2])
    kinds = {o.cell.protocol: o for o in result.outcomes if o.cell.model == "brightness"}
    assert isinstance(kinds["zero-shot"], Failed)
    assert "ZeroDivisionError: the text tower is broken" in kinds["zero-shot"].error
    assert isinstance(kinds["linear-probe"], Done)
    again = go(tmp_path / "run", data, Brightness(), tasks=TASKS[:2])
    assert all(isinstance(o, Done) for o in again.outcomes if o.cell.model == "brightness")


def test_what_a_model_cannot_do_is_na_with_a_reason(data, tmp_path):
    """No text encoder: zero-shot is n/a, and says so; the probe is done."""
    result = go(tmp_path / "run", data, BlindText(), tasks=TASKS[:2])
    kinds = {o.cell.protocol: o for o in result.outcomes if o.cell.model == "image-only"}
    assert isinstance(kinds["zero-shot"], NotApplicable)
    assert "text" in kinds["zero-shot"].reason
    assert isinstance(kinds["linear-probe"], Done)


def test_limit_keeps_whole_runs_small_and_says_so(data, tmp_path):
    """At most that many rows per split, the same ones each time, and the spec records it."""
    spec = RunSpec(models=(), datasets=(), n_resamples=50, limit=7)
    result = go(tmp_path / "run", data, Brightness(), tasks=TASKS[:1], spec=spec)
    assert read_predictions(result.path, ZERO_SHOT).n_rows == 7
    assert result.info["spec"]["limit"] == 7
    assert result.info["datasets"]["squares"]["n_samples"] == {"train": 7, "val": 7, "test": 7}


def test_names_must_differ(data, tmp_path):
    """Two models of one name would overwrite each other."""
    with pytest.raises(UsageError, match="more than once: brightness"):
        go(tmp_path / "run", data, Brightness(), Brightness())


def test_run_json_says_what_made_the_numbers(finished):
    """Versions, model identity, dataset counts, task cards and timings; no path, no host name."""
    info = finished.info
    assert info["models"]["brightness"]["capabilities"] == [
        "encode_images", "encode_texts", "dual_encoder",
    ]  # fmt: skip
    assert info["datasets"]["squares"]["n_patients"] == 90
    assert {card["protocol"] for card in info["task_cards"].values()} == {
        "zero-shot", "linear-probe", "embedding",
    }  # fmt: skip
    assert "brightness/squares/classification/zero-shot" in info["timings"]
    text = json.dumps(info)
    assert os.uname().nodename not in text
    assert str(Path.home()) not in text


def test_run_json_has_the_size_of_a_model_that_knows_it():
    """What the report draws cost by; nothing is made up for a model that does not say."""

    class Sized(Brightness):
        n_parameters = 12

    assert model_info(Sized().card, Sized())["n_parameters"] == 12
    assert "n_parameters" not in model_info(Sized().card, None)
    assert "n_parameters" not in model_info(Brightness().card, Brightness())


def test_exact_duplicates_across_splits_are_listed(tmp_path):
    """The same bytes in train and test are a leak, and the run says so."""
    folder = write_squares(tmp_path / "data")
    data = load_dataset(folder)
    train = next(s for s in data if s.split == "train")
    test = next(s for s in data if s.split == "test")
    test.image.write_bytes(train.image.read_bytes())
    result = go(tmp_path / "run", load_dataset(folder), Brightness(), tasks=TASKS[:1])
    (pair,) = result.info["datasets"]["squares"]["duplicates_across_splits"]
    assert set(pair) == {train.id, test.id}


def test_thumbnails_of_test_samples_are_there(finished, data):
    """The report has pictures to show, of test samples only."""
    for sample in data:
        path = picture_path(finished.path, "squares", sample.id)
        assert path.exists() == (sample.split == "test")


class Greedy(Brightness):
    """Runs out of memory above two images, and always on the darkest picture."""

    def encode_images(self, images):
        """As a device with little memory would."""
        if len(images) > 2:
            raise RuntimeError("CUDA error: out of memory")
        if any("s0190" in image.source for image in images):
            raise MemoryError("one picture too many")
        return super().encode_images(images)


def test_memory_runs_out_and_only_what_does_not_fit_alone_is_lost(data, tmp_path):
    """Batches are halved; the one sample that fails alone is named and counted."""
    result = go(tmp_path / "run", data, Greedy(), tasks=TASKS[:1])
    outcome = {o.cell: o for o in result.outcomes}[ZERO_SHOT]
    assert isinstance(outcome, Done)
    assert len(outcome.notes) == 1
    assert outcome.notes[0].endswith(": oom")


class Silent(Brightness):
    """Never has an image feature."""

    def encode_images(self, images):
        """NaN throughout."""
        return np.full((len(images), 2), np.nan, dtype=np.float32)


def test_no_feature_at_all_is_a_failure_with_words(data, tmp_path):
    """A model that gives only NaN does not get a score of zero or a silent n/a."""
    result = go(tmp_path / "run", data, Silent(), tasks=TASKS[:1])
    outcome = {o.cell: o for o in result.outcomes}[ZERO_SHOT]
    assert isinstance(outcome, Failed)
    assert ModelError.__name__ in outcome.error
    assert "no_finite_feature" in outcome.error


SLOW = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from small_world import Brightness
from vesalius.data.manifest import load_dataset
from vesalius.engine import Grid, ModelSource, run
from vesalius.records import RunSpec
from vesalius.tasks import make_task

class Slow(Brightness):
    def encode_images(self, images):
        time.sleep(0.004 * len(images))
        print(len(images), flush=True)
        return super().encode_images(images)

model = Slow()
spec = RunSpec(models=(), datasets=(), n_resamples=50, batch_size=4)
tasks = [make_task("classification", "zero-shot"), make_task("retrieval", "embedding")]
data = load_dataset(sys.argv[2])
run(Grid([ModelSource(model.card, lambda: model)], [data], tasks), spec, out=Path(sys.argv[3]),
    cache=Path(sys.argv[4]))
"""


def test_kill_in_mid_run_loses_and_repeats_nothing(tmp_path):
    """Killed again and again, the run ends with the bytes of an undisturbed one."""
    folder = write_squares(tmp_path / "data")
    here = str(Path(__file__).parent)

    def start(out, cache):
        command = [sys.executable, "-c", SLOW, here, str(folder), str(out), str(cache)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    whole = start(tmp_path / "whole", tmp_path / "cache1")
    n_once = sum(int(line) for line in whole.communicate()[0].split())
    assert whole.returncode == 0

    encoded, kills = 0, 0
    for delay in (0.0, 0.1, 0.2, 0.3, None):
        process = start(tmp_path / "killed", tmp_path / "cache2")
        if delay is not None:
            first = process.stdout.readline()
            encoded += int(first or 0)
            time.sleep(delay)
            kills += process.poll() is None
            process.send_signal(signal.SIGKILL)
        encoded += sum(int(line) for line in process.stdout.read().split() if line)
        process.wait()
        process.stdout.close()
    assert process.returncode == 0
    assert kills >= 1
    assert files_of(tmp_path / "killed" / "predictions") == files_of(
        tmp_path / "whole" / "predictions"
    )
    assert (tmp_path / "killed" / "metrics.csv").read_bytes() == (
        tmp_path / "whole" / "metrics.csv"
    ).read_bytes()
    assert encoded <= n_once + 4 * kills


def test_a_model_that_cannot_be_loaded_fails_alone(data, tmp_path):
    """Its cells say why; the other model is evaluated, scored and reported."""

    def refuse():
        raise OSError("the disk is gone")

    bad = ModelSource(Brightness("bad", "9").card, refuse)
    result = run(Grid([bad, source(Brightness())], [data], TASKS[:1]), SPEC, out=tmp_path / "run")
    kinds = {o.cell.model: o for o in result.outcomes}
    assert "OSError: the disk is gone" in kinds["bad"].error
    assert isinstance(kinds["brightness"], Done)
    assert estimate(result, "auroc").value > 0.75


class Generous(Brightness):
    """Gives one row too many."""

    def encode_images(self, images):
        """A row that belongs to nothing comes first."""
        rows = super().encode_images(images)
        return np.concatenate([rows[:1], rows])


def test_a_wrong_number_of_rows_is_refused(data, tmp_path):
    """Rows shifted by one would give a plausible, wrong number."""
    result = go(tmp_path / "run", data, Generous(), tasks=TASKS[:1])
    outcome = {o.cell: o for o in result.outcomes}[ZERO_SHOT]
    assert isinstance(outcome, Failed)
    assert "rows from the encoder" in outcome.error


class Loud(Brightness):
    """Text vectors of any length, in double precision."""

    def encode_texts(self, texts):
        """Longer texts, longer vectors."""
        rows = super().encode_texts(texts).astype(np.float64)
        return rows * np.array([[len(text)] for text in texts])


def test_text_rows_are_made_unit(finished, data, tmp_path):
    """A model of one's own with vectors of any length scores by direction only."""
    loud = go(tmp_path / "run", data, Loud(weights="loud"), tasks=TASKS[:1])
    assert estimate(loud, "auroc").value == pytest.approx(
        estimate(finished, "auroc").value, abs=1e-6
    )


def test_a_folder_never_mixes_cells_of_different_data(tmp_path):
    """After a label changed, running one of two models into the same folder is refused."""
    folder = write_squares(tmp_path / "data")
    models = Brightness("one"), Brightness("two")
    go(tmp_path / "run", load_dataset(folder), *models, tasks=TASKS[:1])
    table = (folder / "samples.csv").read_text()
    (folder / "samples.csv").write_text(table.replace(",bright,", ",dark,", 1))
    with pytest.raises(UsageError, match="made with another dataset; name a new --out"):
        go(tmp_path / "run", load_dataset(folder), models[0], tasks=TASKS[:1])
    go(tmp_path / "run", load_dataset(folder), *models, tasks=TASKS[:1])


def test_names_of_controls_are_reserved(data, tmp_path):
    """A model cannot take the place of a control."""
    with pytest.raises(UsageError, match="may not begin with 'control:'"):
        go(tmp_path / "run", data, Brightness("control:random"))


def test_one_unreadable_row_in_a_chunk_of_its_own_fails_nothing(tmp_path):
    """65 test rows leave one for the last chunk; if that one is damaged the cell is still done."""
    folder = write_squares(tmp_path / "data", n_patients=150)
    data = load_dataset(folder)
    tests = sorted((s for s in data if s.split == "test"), key=lambda s: s.id)
    keep = {s.id for s in tests[:65]} | {s.id for s in data if s.split != "test"}
    header, *rows = (folder / "samples.csv").read_text().splitlines()
    rows = [row for row in rows if row.split(",")[0] in keep]
    (folder / "samples.csv").write_text("\n".join([header, *rows]) + "\n")
    tests[64].image.write_bytes(b"no picture")
    result = go(tmp_path / "run", load_dataset(folder), Brightness(), tasks=TASKS[:1])
    outcome = {o.cell: o for o in result.outcomes}[ZERO_SHOT]
    assert isinstance(outcome, Done)
    assert (outcome.n_expected, outcome.n_missing) == (65, 1)


def test_the_picture_of_a_changed_image_is_drawn_anew(tmp_path):
    """The report never shows an old picture beside new results."""
    folder = write_squares(tmp_path / "data")
    result = go(tmp_path / "run", load_dataset(folder), Brightness(), tasks=TASKS[:1])
    victim = next(s for s in load_dataset(folder) if s.split == "test")
    path = picture_path(result.path, "squares", victim.id)
    before = path.read_bytes()
    Pillow.fromarray(np.eye(24, dtype=np.uint8) * 255).save(victim.image)
    go(tmp_path / "run", load_dataset(folder), Brightness(), tasks=TASKS[:1])
    assert path.read_bytes() != before
