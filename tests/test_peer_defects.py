"""Thirteen defects that were found in other evaluation code, each with a test that it is not here.

The tests of each module go deeper; this is the index, and every entry can fail on its own.
"""

import csv
import json
import math
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from typer.testing import CliRunner

from vesalius import metrics
from vesalius.catalog import describe, open_model, parse_model
from vesalius.cli import app
from vesalius.data.manifest import load_dataset
from vesalius.engine import Grid, ModelSource, run
from vesalius.errors import ModelError
from vesalius.imaging import display_pixels
from vesalius.metrics.retrieval import query_values
from vesalius.metrics.text import answer_values, yes_no
from vesalius.models.locate import embedded_folder
from vesalius.records import (
    DatasetCard,
    Done,
    Image,
    ModelCard,
    Predictions,
    Question,
    RunSpec,
    Sample,
)
from vesalius.stats import bootstrap, statistic
from vesalius.store.runs import read_predictions
from vesalius.tasks import Task, TaskData, make_task
from vesalius.views import ModelView

DEFECTS = {
    1: "F1, precision and recall under each other's name; a crash on empty text",
    2: "yes and no found as raw substrings",
    3: "an answer with both yes and no counted right",
    4: "softmax applied twice",
    5: "multi-class AUROC silently None",
    6: "a bootstrap that does not resample",
    7: "missing predictions dropped",
    8: "half a benchmark loaded without notice",
    9: "boolean flags that are always true",
    10: "thresholds tuned on test",
    11: "Dice of an empty class 0 or NaN by order of calls; aggregation not idempotent",
    12: "Recall@K inside batches",
    13: "offline loading with silently different preprocessing",
}
ZERO_SHOT = make_task("classification", "zero-shot")
CARD = DatasetCard("greys", classes={"dark": ("dark",), "bright": ("bright",)}, positive="bright")
SPEC = RunSpec(models=(), datasets=(), n_resamples=50, controls=False)


@dataclass(frozen=True)
class Greys:
    """A dual encoder: the mean grey of a picture and the word of a text as an angle."""

    card: ModelCard = ModelCard("greys", "fake", weights={"none": "0"})  # noqa: RUF009 - frozen
    logit_scale: float = 1.0

    def encode_images(self, images):
        """From dark to bright is a right angle."""
        return _turned(np.array([display_pixels(i).mean() / 255 * np.pi / 2 for i in images]))

    def encode_texts(self, texts):
        """Dark and bright are at right angles."""
        return _turned(np.array([np.pi / 2 * ("bright" in text) for text in texts]))


@dataclass(frozen=True)
class Writer:
    """A generator; what it writes is said by the view."""

    def generate(self, images, prompts):
        """Never asked directly."""
        raise AssertionError("a task asked the model past its view")


def _turned(angles: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def _view(rows: dict[str, np.ndarray], texts: dict[str, np.ndarray]) -> ModelView:
    """What each sample and each text is embedded as, written down."""
    return ModelView(
        name="written down",
        model=Greys(),
        image_features=lambda samples: np.stack([rows[s.id] for s in samples]),
        text_features=lambda asked: np.stack([texts[t] for t in asked]),
        read=lambda _: Image(np.zeros((2, 2), np.uint8), "yx", "display", (0.0, 255.0)),
    )


def _sample(name: str, label: str, split: str = "test", caption: str | None = None) -> Sample:
    return Sample(name, f"p-{name}", split, Path(name), labels=(label,), labelled=True,
                  caption=caption)  # fmt: skip


def _all(task: Task, view: ModelView, data: TaskData) -> Predictions:
    batches = list(task.predict(view, data, frozenset()))
    names = batches[0].columns
    return Predictions({n: np.concatenate([b[n] for b in batches]) for n in names})


def _values(task: Task, table: Predictions, card: DatasetCard) -> dict[str, float]:
    everyone = np.arange(table.n_rows)
    return {
        one.metric: one.statistic(everyone if one.rows is None else one.rows)
        for one in task.score(table, card)
        if not one.class_name
    }


@pytest.fixture
def folder(tmp_path):
    """Thirty patients, dark and bright in turn, a third in each split."""
    root = tmp_path / "greys"
    (root / "images").mkdir(parents=True)
    (root / "dataset.yaml").write_text(
        "format: 1\nname: greys\nclasses: {dark: [dark], bright: [bright]}\npositive: bright\n"
    )
    with (root / "samples.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "patient", "split", "image", "label"])
        for n in range(30):
            pixels = np.full((8, 8), 200 if n % 2 else 40, dtype=np.uint8) + n
            Pillow.fromarray(pixels.astype(np.uint8)).save(root / f"images/{n}.png")
            split = ("train", "val", "test")[n // 2 % 3]
            writer.writerow([f"s{n}", f"p{n}", split, f"images/{n}.png", ("dark", "bright")[n % 2]])
    return root


def _run(folder, out, **spec):
    model = Greys()
    grid = Grid([ModelSource(model.card, lambda: model)], [load_dataset(folder)], [ZERO_SHOT])
    return run(grid, replace(SPEC, **spec), out=out)


def test_the_index_is_complete():
    """Every defect has its test, by number."""
    numbers = [int(n) for n in re.findall(r"^def test_defect_(\d+)_", Path(__file__).read_text(),
                                          re.MULTILINE)]  # fmt: skip
    assert numbers == list(DEFECTS)


def test_defect_01_columns_are_not_permuted_and_empty_text_does_not_crash():
    """3 hits, 1 false alarm, 5 misses: three different numbers, each under its own name."""
    truth = np.array([True] * 8 + [False] * 4)
    score = np.array([0.9] * 3 + [0.1] * 5 + [0.9] + [0.1] * 3)
    ids = np.array([f"s{i}" for i in range(12)])
    table = Predictions(
        {"id": ids, "patient": ids, "split": np.full(12, "test"), "key": ids,
         "label": np.where(truth, "bright", "dark"), "threshold": np.full(12, 0.5),
         "score:bright": score, "score:dark": 1 - score}
    )  # fmt: skip
    found = _values(ZERO_SHOT, table, CARD)
    assert (found["f1"], found["precision"], found["recall"]) == (0.5, 0.75, 0.375)
    empty = answer_values(["left lung", "left lung"], ["", " ?! "])
    assert all((values == 0).all() for values in empty.values())
    no_reference = answer_values([""], ["left"])
    assert all(np.isnan(values).all() for values in no_reference.values())
    counts = metrics.bleu_statistics(["left lung", "left"], ["", "left"])
    assert metrics.bleu(counts[:1], order=1) == 0.0
    assert math.isfinite(metrics.bleu(counts, order=4))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("There is a nodule.", "unparsed"),
        ("normal", "unparsed"),
        ("The eyes are unknown", "unparsed"),
        ("No nodule.", "no"),
        ("Yes, there is a nodule", "yes"),
        ("", "unparsed"),
    ],
)
def test_defect_02_yes_and_no_are_words(text, meant):
    """No "no" in "nodule", "normal" and "unknown", no "yes" in "eyes"."""
    assert yes_no(text) == meant


def test_defect_03_yes_and_no_together_are_wrong():
    """Ambiguous in either order: wrong whatever the reference was, and counted as a fault."""
    for text in ("yes and no", "No. Yes.", "yes or no?"):
        assert yes_no(text) == "ambiguous"
    replies = {"a": "yes and no", "b": "yes and no", "c": "There is a nodule.", "d": "Yes, surely"}
    references = {"a": "yes", "b": "no", "c": "no", "d": "yes"}
    samples = tuple(_sample(name, "dark") for name in replies)
    questions = tuple(
        Question(name, "Is there a nodule?", answer, "closed", choices=("yes", "no"))
        for name, answer in references.items()
    )
    view = replace(
        _view({}, {}), model=Writer(), written=lambda asked: [replies[s.id] for s, _ in asked]
    )
    task = make_task("vqa", "free-text")
    table = _all(task, view, TaskData(CARD, samples, 0, questions))
    assert dict(zip(table["id"].tolist(), table["correct"].tolist(), strict=True)) == {
        "a": False, "b": False, "c": False, "d": True
    }  # fmt: skip
    found = {(s.metric, s.class_name): s for s in task.score(table, CARD)}
    shares = {
        name: found[name, "closed"].statistic(np.arange(4)) for name in ("ambiguous", "unparsed")
    }
    assert shares == {"ambiguous": 0.5, "unparsed": 0.25}


def test_defect_04_softmax_is_applied_once():
    """Cosines 0.6 and 0.8 at scale ln 3 / 0.2 give 1 : 3; a second softmax would give 0.38."""
    scale = math.log(3) / 0.2
    data = TaskData(CARD, (_sample("a", "bright"),))
    view = _view(
        {"a": np.array([0.6, 0.8], dtype=np.float32)},
        {"dark": np.array([1, 0], dtype=np.float32), "bright": np.array([0, 1], dtype=np.float32)},
    )
    table = _all(ZERO_SHOT, replace(view, model=Greys(logit_scale=scale)), data)
    assert table["score:bright"][0] == pytest.approx(0.75, abs=1e-6)
    assert table["score:dark"][0] == pytest.approx(0.25, abs=1e-6)


def test_defect_05_multi_class_auroc_is_a_number_or_a_reason():
    """Three classes have a macro AUROC; one class alone has NaN, and words."""
    truth = np.array([0, 1, 2, 0, 1, 2])
    scores = np.eye(3)[truth] * 0.6 + 0.1
    assert metrics.macro_auroc(truth, scores) == 1.0
    scores[0] = [0.1, 0.2, 0.7]  # level with four others in its class, with both 2s in theirs
    assert metrics.macro_auroc(truth, scores) == pytest.approx((0.75 + 1.0 + 0.875) / 3)
    alone = bootstrap(
        statistic("macro_auroc", np.zeros(6, dtype=np.int64), scores), groups=np.arange(6),
        n_resamples=20,
    )  # fmt: skip
    assert math.isnan(alone.value)
    assert "undefined on these 6 rows" in alone.reason


def test_defect_06_the_bootstrap_resamples_patients():
    """Intervals have a width, move with the seed, and grow when rows of a patient stay together."""
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(20) < 0.7, 10).astype(np.int64)
    accuracy = statistic("accuracy", np.ones_like(right), right)
    rows, patients = np.arange(200), np.repeat(np.arange(20), 10)

    def width(groups, seed):
        found = bootstrap(accuracy, groups=groups, seed=seed, n_resamples=500)
        return found.high - found.low, (found.low, found.high)

    by_row, by_patient = width(rows, 0), width(patients, 0)
    assert by_row[0] > 0
    assert by_patient[0] > 2 * by_row[0]
    assert width(rows, 1)[1] != by_row[1]
    assert width(rows, 0) == by_row


def test_defect_07_missing_predictions_are_wrong_and_counted(folder, tmp_path):
    """A truncated image keeps its row, scores as wrong and stands in the outcome."""
    before = _run(folder, tmp_path / "whole")
    data = load_dataset(folder)
    lost = next(s for s in data if s.split == "test" and s.labels == ("bright",))
    lost.image.write_bytes(lost.image.read_bytes()[:20])
    after = _run(folder, tmp_path / "damaged")
    (outcome,) = after.outcomes
    assert isinstance(outcome, Done)
    assert (outcome.n_expected, outcome.n_missing) == (10, 1)
    assert lost.id in " ".join(outcome.notes)
    assert read_predictions(after.path, outcome.cell).n_rows == 10

    def recall(result):
        (row,) = [r for r in result.metrics if r.estimate.metric == "recall" and not r.class_name]
        return row.estimate.value

    assert (recall(before), recall(after)) == (1.0, 0.8)


def test_defect_08_what_was_not_loaded_is_said(folder, tmp_path):
    """A refused row is named in run.json and on the console; a limit stands in the record."""
    table = folder / "samples.csv"
    table.write_text(
        table.read_text() + "s99,p99,test,images/absent.png,dark\ns98,p98,exam,x,dark\n"
    )
    info = _run(folder, tmp_path / "run", limit=4).info
    assert info["spec"]["limit"] == 4
    assert info["datasets"]["greys"]["n_samples"] == {"train": 4, "val": 4, "test": 4}
    reasons = [p["reason"] for p in info["datasets"]["greys"]["problems"]]
    assert sorted(reasons) == ["bad_split", "missing_file"]
    checked = CliRunner().invoke(app, ["check", str(folder)], env={"COLUMNS": "200"})
    assert checked.exit_code == 1
    for word in ("2 problems", "bad_split", "missing_file"):
        assert word in checked.output


@pytest.mark.parametrize(
    ("flags", "spec", "expected"),
    [
        ([], "", (True, False)),
        (["--no-controls"], "", (False, False)),
        (["--controls"], "", (True, False)),
        ([], "controls: false", (False, False)),
        (["--controls"], "controls: false", (True, False)),
        (["--no-controls"], "controls: true", (False, False)),
        (["--allow-pickle-weights"], "", (True, True)),
        ([], "allow_pickle_weights: true", (True, True)),
    ],
)
def test_defect_09_flags_toggle(flags, spec, expected, folder, tmp_path, monkeypatch):
    """Controls and pickled weights can be off, on and overridden; what is asked for is done."""
    asked = []
    monkeypatch.setattr(
        "vesalius.commands.evaluation.run_command",
        lambda wanted, fetched: asked.append(wanted) or not fetched,
    )
    (tmp_path / "spec.yaml").write_text(spec or "{}")
    words = ["run", tmp_path / "spec.yaml", "--model", "mini:clip", "--data", folder, "--out", "x"]
    done = CliRunner().invoke(app, [str(word) for word in [*words, *flags]])
    assert done.exit_code == 0, done.output
    (wanted,) = asked
    assert (wanted.controls, wanted.allow_pickle_weights) == expected


def test_defect_10_thresholds_do_not_see_test():
    """Test labels turned round change no prediction and no threshold."""
    rng = np.random.default_rng(0)
    samples, rows = [], {}
    for n in range(60):
        name, label = f"s{n}", ("dark", "bright")[n % 2]
        samples.append(_sample(name, label, ("val", "test")[n // 2 % 2]))
        rows[name] = _turned(np.array([0.6 + 0.3 * (n % 2) + rng.normal(0, 0.2)]))[0]
    texts = {word: Greys().encode_texts([word])[0] for word in ("dark", "bright")}
    turned = [
        replace(s, labels=("dark" if s.labels == ("bright",) else "bright",))
        if s.split == "test" else s
        for s in samples
    ]  # fmt: skip
    honest = _all(ZERO_SHOT, _view(rows, texts), TaskData(CARD, tuple(samples)))
    other = _all(ZERO_SHOT, _view(rows, texts), TaskData(CARD, tuple(turned)))
    assert (honest["label"] != other["label"]).all()
    assert honest["threshold"][0] != 0.5
    for name in honest.columns.keys() - {"label"}:
        np.testing.assert_array_equal(honest[name], other[name])


def test_defect_11_dice_of_an_empty_class_has_one_value_in_any_order():
    """NaN without reference whatever came before; a mean can be taken any number of times."""
    empty, full = np.zeros((4, 4), dtype=np.bool_), np.ones((4, 4), dtype=np.bool_)
    cases = [(empty, empty), (empty, full), (full, empty), (full, full)]
    expected = [math.nan, math.nan, 0.0, 1.0]
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        found = [metrics.dice(*cases[i]) for i in order]
        np.testing.assert_array_equal(found, [expected[i] for i in order])
    values = np.array(expected)
    mean = statistic("dice", values)
    rows = np.arange(4)
    assert [mean(rows), mean(rows), mean(rows[::-1])] == [0.5, 0.5, 0.5]
    np.testing.assert_array_equal(values, expected)
    assert math.isnan(mean(rows[:2]))


def test_defect_12_recall_is_counted_over_the_whole_gallery():
    """A caption at place 100 of 200 is no hit among the first ten; in a batch of 32 it would be."""
    n = 200
    angles = np.linspace(0, np.pi / 2, n)
    captions = {f"case {i:03d}": _turned(angles[i : i + 1])[0] for i in range(n)}
    samples = tuple(_sample(f"s{i:03d}", "dark", caption=f"case {i:03d}") for i in range(n))
    rows = {s.id: captions[s.caption or ""] for s in samples}
    rows["s099"] = _turned(np.array([0.0]))[0]  # 99 captions are nearer than its own
    task = make_task("retrieval", "embedding")
    table = _all(task, _view(rows, captions), TaskData(replace(CARD, classes={}), samples))
    place = table["key"].tolist().index("image→text/pair/s099")
    assert table["ranks"][place] == [100]
    assert table["gallery"][place] == n
    (hit,) = query_values([np.array(table["ranks"][place])])["hit@10"]
    assert hit == 0.0


def test_defect_13_other_preprocessing_is_refused_or_another_model(tmp_path):
    """Without its settings a checkpoint is refused; with other ones it has another identity."""
    folder = tmp_path / "copy"
    shutil.copytree(embedded_folder("clip"), folder)
    same = describe(parse_model(f"clip={folder}"))
    settings = folder / "preprocessor_config.json"
    config = json.loads(settings.read_text())
    settings.write_text(json.dumps(config | {"image_mean": [0.5, 0.5, 0.5]}))
    other = describe(parse_model(f"clip={folder}"))
    assert same.weights["model.safetensors"] == other.weights["model.safetensors"]
    assert same.fingerprint != other.fingerprint
    assert "pil" in same.processor
    settings.unlink()
    with pytest.raises(ModelError, match=r"preprocessor_config\.json"):
        open_model(parse_model(f"clip={folder}"), device="cpu")
