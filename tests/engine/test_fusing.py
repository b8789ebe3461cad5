"""From a dataset to the cohort of a fusion study, and the command around it."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from small_world import Brightness, squares
from typer.testing import CliRunner

from vesalius.cli import app, main
from vesalius.data.phantom import write_phantom
from vesalius.engine.fusing import prepare_cohort
from vesalius.engine.fusion_goals import labels_of
from vesalius.engine.fusion_names import split_slot
from vesalius.engine.fusion_slots import Encoders
from vesalius.engine.fusion_tables import tabular_values
from vesalius.engine.sources import ModelSource
from vesalius.errors import UsageError
from vesalius.records import DatasetCard, Sample


class Mute:
    """Embeds images only."""

    def __init__(self) -> None:
        self.card = replace(Brightness("mute").card)

    encode_images = Brightness.encode_images
    n_encoded = 0


MODELS = {"brightness": Brightness(), "mute": Mute()}
ENCODERS = Encoders(lambda name: ModelSource(MODELS[name].card, lambda: MODELS[name]))


def sample(name: str, split: str = "train", **extra: str | float | None) -> Sample:
    return Sample(name, name, split, Path(f"{name}.png"), labels=("a",), labelled=True, extra=extra)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tabular", ("", "tabular", {})),
        ("tabular[columns=age+sex]", ("", "tabular", {"columns": "age+sex"})),
        ("clip:image", ("clip", "image", {})),
        ("mini:clip:text[column=history]", ("mini:clip", "text", {"column": "history"})),
        ("clip[fit=pad]:prior", ("clip[fit=pad]", "prior", {})),
        ("clip:volume[window=lung]", ("clip", "volume", {"window": "lung"})),
    ],
)
def test_slots_are_named_by_model_and_kind(
    name: str, expected: tuple[str, str, dict[str, str]]
) -> None:
    """The last word is the kind, whatever the model is called; options stand in brackets."""
    found = split_slot(name)
    assert (found.model, found.kind, dict(found.options)) == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("clip:question[column=x]", "unknown option 'column'; it has none"),
        ("clip:text[row=x]", "unknown option 'row'; it has column"),
    ],
)
def test_options_that_a_slot_has_not_are_refused(name: str, message: str) -> None:
    """With those that it has."""
    with pytest.raises(UsageError, match=message):
        split_slot(name)


@pytest.mark.parametrize("name", ["clip", "clip:img", ":image", "table"])
def test_other_slots_are_refused(name: str) -> None:
    """With the forms that there are."""
    with pytest.raises(UsageError, match="expected tabular or MODEL:image, MODEL:volume"):
        split_slot(name)


def test_a_table_becomes_numbers_as_train_rows_have_them() -> None:
    """Categories by hand; what is missing is NaN, what train has not is 0 everywhere."""
    card = DatasetCard("x", tabular={"age": "numeric", "sex": "categorical"})
    samples = [
        sample("1", age=40.0, sex="F"),
        sample("2", age=None, sex="M"),
        sample("3", age=60.0, sex=None),
        sample("4", "test", age=50.0, sex="X"),
    ]
    np.testing.assert_array_equal(
        tabular_values(card, samples),
        [[40, 1, 0], [np.nan, 0, 1], [60, np.nan, np.nan], [50, 0, 0]],
    )
    np.testing.assert_array_equal(
        tabular_values(card, samples, columns=("sex",)),
        [[1, 0], [0, 1], [np.nan, np.nan], [0, 0]],
    )
    with pytest.raises(UsageError, match=r"no column 'sec' \(did you mean 'sex'\?\)"):
        tabular_values(card, samples, columns=("sec",))
    with pytest.raises(UsageError, match="names no columns under `tabular`"):
        tabular_values(DatasetCard("x"), samples)


def test_labels_are_classes_or_one_class_against_the_rest() -> None:
    """By the card's order; a multilabel dataset needs a target."""
    card = DatasetCard("x", classes={"a": ("a",), "b": ("b",)})
    samples = [replace(sample(str(i)), labels=labels) for i, labels in enumerate([("b",), ("a",)])]
    labels, classes = labels_of(card, samples, target=None)
    assert (labels.tolist(), classes) == ([1, 0], ("a", "b"))
    labels, classes = labels_of(card, samples, target="a")
    assert (labels.tolist(), classes) == ([0, 1], ("no a", "a"))
    many = replace(card, multilabel=True, positive="b")
    samples = [replace(samples[0], labels=found) for found in [(), ("a", "b"), ("a",)]]
    labels, classes = labels_of(many, samples, target=None)
    assert (labels.tolist(), classes) == ([0, 1, 0], ("no b", "b"))
    with pytest.raises(UsageError, match=r"x is multilabel: name the class.*there are: a, b"):
        labels_of(replace(many, positive=None), samples, target=None)
    with pytest.raises(UsageError, match="target 'c'"):
        labels_of(many, samples, target="c")


def test_features_stand_beside_their_samples(tmp_path: Path) -> None:
    """Rows by sample id; a broken image and a sample without a caption are missing, not lost."""
    data = squares(tmp_path / "data", n_patients=30)
    (tmp_path / "data" / "images" / "s0030.png").write_bytes(b"broken")
    samples = tuple(replace(s, caption=None) if s.id == "s0040" else s for s in data.samples)
    data = replace(data, samples=samples[::-1])
    names = ["brightness:image", "brightness:text"]
    prepared = prepare_cohort(data, names, ENCODERS)
    cohort = prepared.cohort
    assert prepared.problems == {"brightness:image": {"s0030": "unknown_format"}}
    assert prepared.keys == tuple(sorted(s.id for s in samples))
    ids = sorted(s.id for s in samples)
    image, text = cohort.slots
    assert [image.name, text.name] == names
    assert [ids[i] for i in np.flatnonzero(~image.present)] == ["s0030"]
    assert [ids[i] for i in np.flatnonzero(~text.present)] == ["s0040"]
    place = ids.index("s0050")
    path = tmp_path / "data" / "images" / "s0050.png"
    angle = np.asarray(Pillow.open(path)).mean() / 255 * np.pi / 2
    np.testing.assert_allclose(image.values[place], [np.cos(angle), np.sin(angle)], atol=1e-5)
    by_id = {s.id: s for s in samples}
    goal = cohort.goal
    assert goal.names == ("dark", "bright")
    assert [goal.names[i] for i in goal.labels] == [by_id[i].labels[0] for i in ids]
    assert cohort.patients.tolist() == [by_id[i].patient for i in ids]
    assert cohort.split.tolist() == [by_id[i].split for i in ids]


def test_what_a_dataset_or_model_has_not_is_said(tmp_path: Path) -> None:
    """Before anything is fitted."""
    data = squares(tmp_path / "data", n_patients=12)
    with pytest.raises(UsageError, match="brightness:prior: no row of squares has an earlier"):
        prepare_cohort(data, ["brightness:prior"], ENCODERS)
    with pytest.raises(UsageError, match="mute:text: the model does not embed texts"):
        prepare_cohort(data, ["mute:text"], ENCODERS)
    unlabelled = replace(data, samples=tuple(replace(s, labelled=False) for s in data.samples))
    with pytest.raises(UsageError, match="no row has a label"):
        prepare_cohort(unlabelled, ["brightness:image"], ENCODERS)


def test_the_command_prints_and_writes_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prior studies that few patients have, an image and a table; two heads."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_phantom(tmp_path / "cohort", n_patients=40, seed=1)
    names = ["mini:clip:image", "mini:clip:prior", "tabular"]
    command = ["fuse", "--data", str(tmp_path / "cohort"), "--out", str(tmp_path / "out")]
    command += [word for name in names for word in ("--features", name)]
    command += ["--target", "effusion", "--head", "concat", "--head", "late-average"]
    found = CliRunner().invoke(app, [*command, "--resamples", "100", "--seeds", "1"])
    assert found.exit_code == 0, found.output
    assert "Fusion · AUROC, difference from mini:clip:image" in found.output
    with (tmp_path / "out" / "fusion.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [r["slot"] for r in rows if r["variant"] == "single"] == names
    fused = [r for r in rows if r["variant"] == "fused"]
    assert [r["head"] for r in fused] == ["concat", "late-average"]
    assert all(0 <= float(r["value"]) <= 1 and r["p_holm"] for r in fused)
    assert {r["metric"] for r in rows} == {"auroc"}
    assert len(rows) == 3 + 2 * (1 + 2 * 3)
    with (tmp_path / "out" / "curves.csv").open() as stream:
        curves = list(csv.DictReader(stream))
    assert [r["share_missing"] for r in curves] == ["0.25", "0.5", "0.75"] * 3
    with (tmp_path / "out" / "contributions.csv").open() as stream:
        assert [r["slot"] for r in csv.DictReader(stream)] == [*names, "nothing"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--head", "concatenate"], "unknown head 'concatenate' (did you mean 'concat'?)"),
        (
            ["--target", "grey"],
            "target 'grey': name a column of samples or one of the classes: dark, bright",
        ),
        ([], "expected two or more slots of different names, got ['tabular']"),
    ],
)
def test_what_cannot_be_done_ends_the_command(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """With exit code 2 and what there is; nothing is written."""
    data = squares(tmp_path / "data", n_patients=12)
    card = tmp_path / "data" / "dataset.yaml"
    card.write_text(card.read_text() + "tabular: {site: categorical}\n")
    command = ["fuse", "--data", str(data.root), "--out", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", ["vesalius", *command, "--features", "tabular", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
