"""Zero-shot classification against numbers worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from task_fakes import (
    CLASSES,
    SCALE,
    WIDTH,
    FakeDualEncoder,
    FakeImageEncoder,
    assert_same,
    axis,
    cohort,
    in_order,
    join,
    multilabel_cohort,
    predict_all,
    sample,
    unit,
    values_of,
    view_of,
)

from vesalius.errors import InputError
from vesalius.records import DatasetCard, Predictions
from vesalius.tasks import TaskData, make_task, n_unanswered

TASK = make_task("classification", "zero-shot")
BINARY = ("normal", "pneumonia")
FEW = {"few-shot": {"shots": [1, 4], "n_draws": 2}}


def test_probabilities_are_one_softmax_of_scaled_cosines() -> None:
    """Defect 4 of peers: a second softmax would flatten 0.9999 to less than 0.6."""
    data, rows = cohort()
    table = predict_all(TASK, view_of(rows), data)
    true = np.array([table[f"score:{label}"][i] for i, label in enumerate(table["label"])])
    by_hand = math.exp(SCALE) / (math.exp(SCALE) + 2)
    np.testing.assert_allclose(true, by_hand, rtol=1e-6)
    total = sum(table[f"score:{name}"] for name in CLASSES)
    np.testing.assert_allclose(total, 1.0, rtol=1e-12)
    np.testing.assert_allclose(table["logit:normal"][table["label"] == "normal"], SCALE, rtol=1e-6)


def test_an_oblique_image_gets_the_probability_of_its_cosines() -> None:
    """A cosine of 0.6 with one class and 0.8 with another, at the checkpoint's own scale."""
    data, rows = cohort(BINARY, positive="pneumonia")
    name = "test-normal-00"
    rows[name] = (0.6 * axis(0) + 0.8 * axis(1)).astype(np.float32)
    table = predict_all(TASK, view_of(rows), data)
    score = table["score:pneumonia"][table["id"] == name][0]
    assert score == pytest.approx(1 / (1 + math.exp(SCALE * (0.6 - 0.8))), rel=1e-6)


def test_prompts_of_a_class_are_averaged_and_brought_back_to_length_one() -> None:
    """Two prompts on different axes give a cosine of 1/√2 with each, not 1/2."""
    card = DatasetCard("d", classes={"normal": ("normal", "other"), "pneumonia": ("pneumonia",)})
    data = TaskData(card, (sample("a", ("normal",)),))
    table = predict_all(TASK, view_of({"a": axis(0)}), data)
    assert table["logit:normal"][0] == pytest.approx(SCALE / math.sqrt(2), rel=1e-6)
    raw = make_task("classification", "zero-shot", {"average": "mean-cosine"})
    table = predict_all(raw, view_of({"a": axis(0)}), data)
    assert table["logit:normal"][0] == pytest.approx(SCALE / 2, rel=1e-6)


def test_multilabel_is_a_softmax_over_present_and_absent() -> None:
    """The finding's score is P(present) of its own pair and does not depend on other findings."""
    data, rows = multilabel_cohort()
    findings = FakeDualEncoder(("pneumonia", "effusion"))
    table = predict_all(TASK, view_of(rows, findings), data)
    both = table["label"] == "pneumonia|effusion"
    by_hand = 1 / (1 + math.exp(-2 * SCALE / math.sqrt(2)))
    np.testing.assert_allclose(table["score:pneumonia"][both], by_hand, rtol=1e-6)
    neither = table["label"] == ""
    np.testing.assert_allclose(table["score:effusion"][neither], 1 - by_hand, rtol=1e-2)
    assert values_of(TASK, table, data.card)["macro_f1"] == 1.0


def test_a_perfect_encoder_scores_perfectly() -> None:
    """The whole path, encoder to metric, keeps its sign."""
    for classes, positive in ((BINARY, "pneumonia"), (BINARY, None), (CLASSES, None)):
        data, rows = cohort(classes, positive=positive)
        values = values_of(TASK, predict_all(TASK, view_of(rows), data), data.card)
        assert values["accuracy"] == 1.0
        assert values["f1" if positive else "macro_f1"] == 1.0
        assert values["auroc" if positive else "macro_auroc"] == 1.0
        assert values["mcc"] == pytest.approx(1.0)


def test_the_positive_class_decides_the_direction() -> None:
    """Naming the other class positive turns the score and the headline round."""
    data, rows = cohort(BINARY, positive="normal")
    table = predict_all(TASK, view_of(rows), data)
    called = table["score:normal"] >= table["threshold"]
    np.testing.assert_array_equal(called, table["label"] == "normal")
    values = values_of(TASK, table, data.card)
    assert values["f1"] == values["f1 @ normal"] == 1.0
    assert values["accuracy[argmax]"] == 1.0
    assert values["prevalence"] == 0.5


@pytest.mark.parametrize("protocol", ["zero-shot", "linear-probe", "knn", "few-shot"])
def test_test_labels_change_no_prediction(protocol: str) -> None:
    """Defect 10 of peers: nothing, threshold included, may be tuned on test."""
    data, rows = cohort(BINARY, positive="pneumonia", noise=0.6, n_per_class=20)
    task = make_task("classification", protocol, FEW.get(protocol))
    flipped = tuple(
        replace(s, labels=(BINARY[s.labels[0] == "normal"],)) if s.split == "test" else s
        for s in data.samples
    )
    honest = predict_all(task, view_of(rows), data)
    other = predict_all(task, view_of(rows), replace(data, samples=flipped))
    assert (honest["label"] != other["label"]).all()
    kept = {name: values for name, values in honest.columns.items() if name != "label"}
    changed = {name: values for name, values in other.columns.items() if name != "label"}
    assert_same(Predictions(kept), Predictions(changed))


def test_the_threshold_comes_from_val_then_train_then_one_half() -> None:
    """Its source is recorded in every row."""
    data, rows = cohort(BINARY, positive="pneumonia", noise=0.3)
    for splits, source in ((("val", "train"), "val"), (("train",), "train"), ((), "default")):
        kept = tuple(s for s in data.samples if s.split in (*splits, "test"))
        table = predict_all(TASK, view_of(rows), replace(data, samples=kept))
        assert set(table["threshold_source"].tolist()) == {source}
    assert set(table["threshold"].tolist()) == {0.5}


def test_multilabel_thresholds_are_found_finding_by_finding() -> None:
    """A finding without contrast in val takes train; the other stays with val."""
    data, rows = multilabel_cohort()
    kept = tuple(s for s in data.samples if s.split != "val" or "effusion" not in s.labels)
    view = view_of(rows, FakeDualEncoder(("pneumonia", "effusion")))
    table = predict_all(TASK, view, replace(data, samples=kept))
    assert set(table["threshold_source:pneumonia"].tolist()) == {"val"}
    assert set(table["threshold_source:effusion"].tolist()) == {"train"}


def test_missing_answers_stay_and_count_as_wrong() -> None:
    """Defect 7 of peers: dropping rows without an answer would leave a perfect score."""
    for classes, positive in ((BINARY, "pneumonia"), (CLASSES, None)):
        data, rows = cohort(classes, positive=positive, n_per_class=4)
        rows["test-pneumonia-00"] = np.full(WIDTH, np.nan, dtype=np.float32)
        rows["test-normal-01"] = np.full(WIDTH, np.nan, dtype=np.float32)
        table = predict_all(TASK, view_of(rows), data)
        n = 4 * len(classes)
        assert table.n_rows == n
        assert n_unanswered(table) == 2
        values = values_of(TASK, table, data.card)
        assert values["accuracy"] == pytest.approx(1 - 2 / n)
        assert values["auroc" if positive else "macro_auroc"] < 1.0
        assert values["brier" if positive else "brier[multiclass]"] >= 2 / n


def test_a_missing_answer_ranks_behind_the_worst_answer() -> None:
    """One positive without an answer among n costs exactly its share of the AUROC."""
    data, rows = cohort(BINARY, positive="pneumonia", n_per_class=4)
    rows["test-pneumonia-00"] = np.full(WIDTH, np.nan, dtype=np.float32)
    values = values_of(TASK, predict_all(TASK, view_of(rows), data), data.card)
    assert values["auroc"] == 0.75


def test_missing_findings_count_as_wrong_too() -> None:
    """In multilabel an image without an answer is wrong about every finding."""
    data, rows = multilabel_cohort(n=2)
    rows["test-000"] = np.full(WIDTH, np.nan, dtype=np.float32)
    view = view_of(rows, FakeDualEncoder(("pneumonia", "effusion")))
    values = values_of(TASK, predict_all(TASK, view, data), data.card)
    assert values["accuracy @ pneumonia"] == values["accuracy @ effusion"] == 7 / 8


def test_each_template_is_scored_alone_beside_the_ensemble() -> None:
    """A useless template shows as 0.5, and the spread covers both."""
    templates = ("x-ray of {}", "blank {}")
    data, rows = cohort(BINARY, positive="pneumonia", templates=templates)

    class Deaf(FakeDualEncoder):
        def _text(self, text: str) -> np.ndarray:
            return axis(WIDTH - 1) if text.startswith("blank") else super()._text(text)

    table = predict_all(TASK, view_of(rows, Deaf()), data)
    values = values_of(TASK, table, data.card)
    assert values["auroc[template 1]"] == values["auroc[templates, max]"] == values["auroc"] == 1.0
    assert values["auroc[template 2]"] == values["auroc[templates, min]"] == 0.5
    assert values["auroc[templates, std]"] == pytest.approx(0.5 / math.sqrt(2))
    directions = {s.metric: s.higher_is_better for s in TASK.score(table, data.card)}
    assert not directions["auroc[templates, std]"]
    assert not directions["brier"]
    quiet = make_task("classification", "zero-shot", {"single_templates": False})
    assert not any("template" in name for name in predict_all(quiet, view_of(rows), data).columns)


def test_each_template_has_a_threshold_of_its_own() -> None:
    """With the threshold 0.5 of the other template, this one would call everything positive."""
    templates = ("x-ray of {}", "faint {}")
    data, rows = cohort(BINARY, positive="pneumonia", templates=templates)

    class Biased(FakeDualEncoder):
        def _text(self, text: str) -> np.ndarray:
            if not text.startswith("faint"):
                return super()._text(text)
            return axis(WIDTH - 1) if "normal" in text else unit(0.1 * axis(0) + axis(1))

    table = predict_all(TASK, view_of(rows, Biased()), data)
    alone = table["template 2:pneumonia"]
    assert (alone >= 0.5).all()
    assert 0.5 < table["template 2 threshold"][0] < alone.max()
    values = values_of(TASK, table, data.card)
    assert values["f1[template 1]"] == values["f1[template 2]"] == values["f1[templates, min]"] == 1
    assert values["f1[templates, std]"] == 0.0


@pytest.mark.parametrize("multilabel", [False, True])
def test_template_spread_for_many_classes(multilabel: bool) -> None:
    """Macro values over classes or findings get a spread as well."""
    data, rows = multilabel_cohort() if multilabel else cohort()
    data = replace(data, card=replace(data.card, templates=("{}", "seen: {}", "an image, {}")))
    view = view_of(rows, FakeDualEncoder(tuple(data.card.classes)))
    values = values_of(TASK, predict_all(TASK, view, data), data.card)
    assert values["macro_auroc[template 3]"] == 1.0
    assert values["macro_auroc[templates, std]"] == 0.0
    assert values["macro_f1[template 3]"] == values["macro_f1[templates, min]"] == 1.0


def test_a_class_that_test_lacks_is_undefined_not_zero() -> None:
    """Its own rows are NaN, and the macro average runs over the others."""
    data, rows = cohort()
    kept = tuple(s for s in data.samples if s.split != "test" or s.labels != ("effusion",))
    values = values_of(
        TASK, predict_all(TASK, view_of(rows), replace(data, samples=kept)), data.card
    )
    assert math.isnan(values["auroc @ effusion"])
    assert math.isnan(values["recall @ effusion"])
    assert values["macro_auroc"] == values["macro_f1"] == 1.0


@pytest.mark.parametrize("protocol", ["zero-shot", "linear-probe", "knn", "few-shot"])
def test_resumed_rows_equal_rows_in_one_go(protocol: str) -> None:
    """Half now and half later gives the same bits, and nothing twice."""
    data, rows = cohort(noise=0.5, n_per_class=30)
    task = make_task("classification", protocol, FEW.get(protocol))
    full = predict_all(task, view_of(rows), data)
    keys = task.expected(data)
    assert full["key"].tolist() == list(keys)
    done = frozenset(keys[: len(keys) // 3]) | {keys[-1]}
    half = in_order(full, [key for key in keys if key in done])
    rest = predict_all(task, view_of(rows), data, done)
    assert not done & set(rest["key"].tolist())
    assert_same(in_order(join([half, rest]), keys), full)
    assert list(task.predict(view_of(rows), data, frozenset(keys))) == []


@pytest.mark.parametrize("protocol", ["zero-shot", "linear-probe", "knn", "few-shot"])
def test_the_order_of_the_samples_means_nothing(protocol: str) -> None:
    """Reversing the file gives the same table."""
    data, rows = cohort(noise=0.5, n_per_class=17)
    task = make_task("classification", protocol, FEW.get(protocol))
    backwards = replace(data, samples=data.samples[::-1])
    assert_same(predict_all(task, view_of(rows), data), predict_all(task, view_of(rows), backwards))


def test_scoring_twice_gives_the_same_and_changes_nothing() -> None:
    """Defect 11 of peers: aggregation that is not idempotent."""
    data, rows = cohort(BINARY, positive="pneumonia", noise=0.8)
    table = predict_all(TASK, view_of(rows), data)
    before = Predictions({name: values.copy() for name, values in table.columns.items()})
    assert values_of(TASK, table, data.card) == values_of(TASK, table, data.card)
    assert_same(before, table)


def test_declared_subgroups_become_columns() -> None:
    """The engine restricts rows by them; a missing value is an empty word, a number is short."""
    data, rows = cohort(BINARY, positive="pneumonia", subgroups=("sex", "age"), n_per_class=2)
    given = [{"sex": "F", "age": 61.0}, {"sex": None}]
    samples = tuple(replace(s, extra=given[i % 2]) for i, s in enumerate(data.samples))
    table = predict_all(TASK, view_of(rows), replace(data, samples=samples))
    assert set(table["subgroup:sex"].tolist()) == {"F", ""}
    assert set(table["subgroup:age"].tolist()) == {"61", ""}


def test_reasons_why_a_cell_has_no_number_are_true() -> None:
    """Each obstacle is named; without one there is none."""
    data, rows = cohort()
    view = view_of(rows)
    assert TASK.unsuitable(view, data) is None
    no_text = view_of(rows, FakeImageEncoder())
    assert TASK.unsuitable(no_text, data) == "model has no text embedding in the image space"
    no_classes = replace(data, card=replace(data.card, classes={}))
    assert TASK.unsuitable(view, no_classes) == "dataset declares no classes"
    one_class = replace(data, card=replace(data.card, classes={"normal": ("normal",)}))
    assert TASK.unsuitable(view, one_class) == "dataset declares a single class"
    train = tuple(s for s in data.samples if s.split == "train")
    assert TASK.unsuitable(view, replace(data, samples=train)) == "no labelled test rows"


def test_labels_outside_the_card_are_refused() -> None:
    """A typo in a label must not become a negative of every class."""
    card = DatasetCard("d", classes={"normal": (), "pneumonia": ()}, positive="pneumonia")
    train = sample("b", ("pneumonai",), split="train")
    data = TaskData(card, (sample("a", ("normal",)), train))
    probe = make_task("classification", "linear-probe")
    with pytest.raises(InputError, match="'b': label 'pneumonai' is not one of"):
        probe.unsuitable(view_of({}), data)
    several = TaskData(card, (replace(train, labels=("normal", "pneumonia")), data.samples[0]))
    with pytest.raises(InputError, match=r"expected one label.*multilabel: true"):
        probe.unsuitable(view_of({}), several)
    table = predict_all(TASK, view_of({"a": unit(axis(0)), "b": axis(1)}), data_of(card))
    wrong = Predictions({**table.columns, "label": np.array(["pneumonai"])})
    with pytest.raises(InputError, match="label 'pneumonai'"):
        TASK.score(wrong, card)


def data_of(card: DatasetCard) -> TaskData:
    """One test row."""
    return TaskData(card, (sample("a", ("normal",)),))


def test_a_table_without_scores_is_refused_by_name() -> None:
    """A renamed class in the card must not be scored as something else."""
    data, rows = cohort(BINARY, positive="pneumonia")
    table = predict_all(TASK, view_of(rows), data)
    card = replace(data.card, classes={"pneumonia": (), "normal": (), "nodule": ()}, positive=None)
    with pytest.raises(InputError, match="no column 'score:nodule'"):
        TASK.score(table, card)
