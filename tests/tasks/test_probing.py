"""Linear probe, k-NN and few-shot on geometries where the answer is known."""

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from task_fakes import (
    CLASSES,
    WIDTH,
    FakeDualEncoder,
    FakeImageEncoder,
    axis,
    cohort,
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
from vesalius.tasks.probes import Labelled, Neighbours, log_loss
from vesalius.tasks.probing import learning_rows
from vesalius.views import ModelView

BINARY = ("normal", "pneumonia")
PROBES = ["linear-probe", "knn", "few-shot"]
FEW = {"few-shot": {"shots": [4, 16], "n_draws": 2}}
FEWER = {"few-shot": {"shots": [4], "n_draws": 2}}


def without(data: TaskData, split: str) -> TaskData:
    """The cohort without one split."""
    return replace(data, samples=tuple(s for s in data.samples if s.split != split))


@pytest.mark.parametrize("protocol", PROBES)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_separable_classes_are_learnt(protocol: str, n_classes: int) -> None:
    """With little noise every probe is nearly perfect, for two classes and for three."""
    data, rows = cohort(CLASSES[:n_classes], noise=0.1, n_per_class=16)
    task = make_task("classification", protocol, FEW.get(protocol))
    values = values_of(task, predict_all(task, view_of(rows), data), data.card)
    suffix = "[16-shot]" if protocol == "few-shot" else ""
    assert values[f"macro_auroc{suffix}"] > 0.99
    assert values[f"accuracy{suffix}"] > 0.95


@pytest.mark.parametrize("protocol", PROBES)
def test_findings_are_learnt_one_by_one(protocol: str) -> None:
    """Multilabel: each finding has its own probe and its own metrics."""
    data, rows = multilabel_cohort(noise=0.2)
    task = make_task("classification", protocol, FEWER.get(protocol))
    values = values_of(task, predict_all(task, view_of(rows), data), data.card)
    suffix = "[4-shot]" if protocol == "few-shot" else ""
    assert values[f"auroc{suffix} @ effusion"] > 0.95
    assert values[f"macro_auroc{suffix}"] > 0.95


def test_the_linear_probe_is_scikit_learns_on_standardised_train() -> None:
    """Scaling folded into the weights gives the probabilities of the plain pipeline."""
    data, rows = cohort(CLASSES, noise=0.5, n_per_class=20)
    task = make_task("classification", "linear-probe", {"strengths": [0.1]})
    table = predict_all(task, view_of(rows), data)
    train = sorted((s for s in data.samples if s.split == "train"), key=lambda s: s.id)
    features = np.stack([rows[s.id] for s in train]).astype(np.float64)
    scaler = StandardScaler().fit(features)
    names = [s.labels[0] for s in train]
    model = LogisticRegression(C=0.1, max_iter=10_000).fit(scaler.transform(features), names)
    asked = np.stack([rows[i] for i in table["id"].tolist()]).astype(np.float64)
    oracle = model.predict_proba(scaler.transform(asked))
    for column, name in enumerate(model.classes_):
        np.testing.assert_allclose(table[f"score:{name}"], oracle[:, column], atol=1e-4)


def test_neighbours_agree_with_scikit_learn() -> None:
    """Shares weighted by exp(cosine / 0.07) among the k nearest by cosine."""
    rng = np.random.default_rng(3)
    stored = np.stack([unit(row) for row in rng.normal(size=(40, WIDTH))])
    asked = np.stack([unit(row) for row in rng.normal(size=(9, WIDTH))])
    label = rng.integers(0, 3, 40)
    rows = Labelled(stored, np.eye(3, dtype=bool)[label]).answered()
    found = Neighbours(rows).scores(asked, ks=[1, 7])
    for k, mine in zip((1, 7), found, strict=True):
        oracle = KNeighborsClassifier(
            n_neighbors=k, metric="cosine", weights=lambda d: np.exp((1 - d) / 0.07)
        ).fit(stored, label)
        np.testing.assert_allclose(mine, oracle.predict_proba(asked), atol=1e-5)


@pytest.mark.parametrize("protocol", PROBES)
def test_probes_never_see_test_features(protocol: str) -> None:
    """Whatever one test image looks like, the other rows are the same."""
    data, rows = cohort(BINARY, positive="pneumonia", noise=0.5, n_per_class=16)
    task = make_task("classification", protocol, FEWER.get(protocol))
    before = predict_all(task, view_of(rows), data)
    changed = {**rows, "test-normal-00": axis(5)}
    after = predict_all(task, view_of(changed), data)
    others = before["id"] != "test-normal-00"
    np.testing.assert_array_equal(
        before["score:pneumonia"][others], after["score:pneumonia"][others]
    )
    assert set(before["threshold"].tolist()) == set(after["threshold"].tolist())


def test_learning_from_test_is_refused() -> None:
    """The one door to labelled features is shut for test."""
    data, rows = cohort()
    with pytest.raises(InputError, match="never learnt from"):
        learning_rows(view_of(rows), data, "test")


def test_val_chooses_the_penalty() -> None:
    """Of a useless and a useful penalty the one with the lower log-loss on val is taken."""
    data, rows = cohort(BINARY, positive="pneumonia", noise=0.2, n_per_class=10)
    scores = {}
    for strengths in ([1e-9], [1.0], [1e-9, 1.0]):
        task = make_task("classification", "linear-probe", {"strengths": strengths})
        scores[len(strengths), strengths[-1]] = predict_all(task, view_of(rows), data)
    both, strong, weak = scores[2, 1.0], scores[1, 1.0], scores[1, 1e-9]
    np.testing.assert_array_equal(both["score:pneumonia"], strong["score:pneumonia"])
    np.testing.assert_allclose(weak["score:pneumonia"], 0.5, atol=1e-3)


def test_val_chooses_k() -> None:
    """With val on single isolated neighbours k = 1 wins over a k that blurs everything."""
    data, rows = cohort(BINARY, positive="pneumonia", n_per_class=4)
    task = make_task("classification", "knn", {"ks": [1, 8]})
    one = make_task("classification", "knn", {"ks": [1]})
    np.testing.assert_array_equal(
        predict_all(task, view_of(rows), data)["score:pneumonia"],
        predict_all(one, view_of(rows), data)["score:pneumonia"],
    )


@pytest.mark.parametrize("protocol", ["linear-probe", "knn"])
@pytest.mark.parametrize("multilabel", [False, True])
def test_without_val_the_stated_defaults_hold(protocol: str, multilabel: bool) -> None:
    """The threshold is 0.5, not something read off the rows that were learnt."""
    data, rows = multilabel_cohort() if multilabel else cohort(BINARY, positive="pneumonia")
    task = make_task("classification", protocol)
    table = predict_all(task, view_of(rows), without(data, "val"))
    column = "threshold_source:pneumonia" if multilabel else "threshold_source"
    assert set(table[column].tolist()) == {"default"}
    assert values_of(task, table, data.card)["macro_f1" if multilabel else "f1"] == 1.0


@pytest.mark.parametrize("protocol", ["linear-probe", "knn"])
def test_a_class_absent_from_train_gets_no_probability(protocol: str) -> None:
    """It scores 0, its rows are wrong, and the others are not disturbed."""
    data, rows = cohort(noise=0.1)
    kept = tuple(s for s in data.samples if s.split != "train" or s.labels != ("effusion",))
    task = make_task("classification", protocol)
    table = predict_all(task, view_of(rows), replace(data, samples=kept))
    assert (table["score:effusion"] == 0).all()
    assert values_of(task, table, data.card)["accuracy"] == pytest.approx(2 / 3, abs=0.05)


def test_a_finding_without_contrast_in_train_is_a_constant() -> None:
    """Never or always present in train: probability 0 or 1, AUROC one half, no crash."""
    data, rows = multilabel_cohort(n=4)
    for always, score in ((False, 0.0), (True, 1.0)):
        labels = {True: ("effusion",), False: ()}[always]
        samples = tuple(
            replace(s, labels=(*(n for n in s.labels if n == "pneumonia"), *labels))
            if s.split == "train"
            else s
            for s in data.samples
        )
        task = make_task("classification", "linear-probe")
        table = predict_all(task, view_of(rows), replace(data, samples=samples))
        assert set(table["score:effusion"].tolist()) == {score}
        assert values_of(task, table, data.card)["auroc @ effusion"] == 0.5


@pytest.mark.parametrize("protocol", ["linear-probe", "knn"])
def test_images_without_features_are_not_learnt_from_and_count_as_wrong(protocol: str) -> None:
    """NaN rows in train are left out; in test they are wrong answers."""
    data, rows = cohort(BINARY, positive="pneumonia", noise=0.05)
    for name in ("train-normal-00", "val-normal-00", "test-normal-00"):
        rows[name] = np.full(WIDTH, np.nan, dtype=np.float32)
    task = make_task("classification", protocol)
    values = values_of(task, predict_all(task, view_of(rows), data), data.card)
    assert values["accuracy"] == 15 / 16


@pytest.mark.parametrize("protocol", PROBES)
def test_reasons_of_probes(protocol: str) -> None:
    """No image embedding and no contrast in train are named; text is not needed."""
    data, rows = cohort()
    task = make_task("classification", protocol)
    assert task.unsuitable(view_of(rows, FakeImageEncoder()), data) is None
    assert task.unsuitable(view_of(rows, object()), data) == "model has no image embedding"
    few = "fewer than two classes present in train"
    assert task.unsuitable(view_of(rows), without(data, "train")) == few
    findings, _ = multilabel_cohort()
    assert task.unsuitable(view_of(rows), without(findings, "train")) == few


def test_few_shot_rows_are_long_and_metrics_are_means_over_draws() -> None:
    """One row per shots, draw and image; the value is the mean of the draws' own values."""
    data, rows = cohort(BINARY, positive="pneumonia", noise=0.8, n_per_class=8)
    task = make_task("classification", "few-shot", {"shots": [1, 4], "n_draws": 3})
    table = predict_all(task, view_of(rows), data)
    assert table.n_rows == 2 * 3 * 16
    assert table["key"].tolist() == list(task.expected(data))
    per_draw = []
    for draw in range(3):
        one = table["draw"] == draw
        one &= table["shots"] == 4
        alone = Predictions({name: values[one] for name, values in table.columns.items()})
        zero_shot = make_task("classification", "zero-shot")
        per_draw.append(values_of(zero_shot, alone, data.card)["auroc"])
    values = values_of(task, table, data.card)
    assert values["auroc[4-shot]"] == pytest.approx(np.mean(per_draw))
    assert len(set(per_draw)) > 1
    scored = task.score(table, data.card)
    assert all(len(s.rows) == 16 for s in scored if s.rows is not None)
    assert scored[0].metric == "f1[4-shot]"  # the headline is that of the most shots


def test_few_shot_learns_from_that_many_patients() -> None:
    """N patients per class, one image each, different between draws and the same next time."""
    seen: list[frozenset[str]] = []
    data, rows = cohort(BINARY, positive="pneumonia", n_per_class=9)
    twins = tuple(
        replace(s, patient=f"{s.split}-{s.labels[0]}-{int(s.id[-2:]) // 2}") for s in data.samples
    )
    data = replace(data, samples=twins)
    view = view_of(rows)

    def spy(samples: list[object]) -> np.ndarray:
        seen.append(frozenset(s.id for s in samples))
        return view.image_features(samples)

    watched = ModelView("fake", view.model, spy, view.text_features, view.read)
    task = make_task("classification", "few-shot", {"shots": [4], "n_draws": 2})
    for _ in range(2):
        predict_all(task, watched, data)
    learnt = [names for names in seen if any(name.startswith("train") for name in names)]
    patients = {s.id: s.patient for s in data.samples}
    assert all(len(names) == len({patients[n] for n in names}) == 8 for names in learnt)
    assert not any(name.startswith(("val", "test")) for names in learnt for name in names)
    assert learnt[:2] == learnt[2:]
    assert learnt[0] != learnt[1]


def test_shots_that_train_cannot_give_are_undefined_with_a_reason() -> None:
    """Sixteen patients of eight are not quietly eight."""
    data, rows = cohort(BINARY, positive="pneumonia", n_per_class=8)
    task = make_task("classification", "few-shot")
    table = predict_all(task, view_of(rows), data)
    assert set(table["shots"].tolist()) == {1, 4}
    scored = {s.metric: s for s in task.score(table, data.card)}
    assert scored["f1[16-shot]"].reason == "train has fewer than 16 patients for some class"
    assert math.isnan(scored["f1[16-shot]"].statistic(np.zeros(0, dtype=np.int64)))
    none = make_task("classification", "few-shot", {"shots": [16, 32]})
    assert none.unsuitable(view_of(rows), data) == scored["f1[16-shot]"].reason


def test_a_draw_with_a_lost_row_is_not_scored() -> None:
    """Defect 7 of peers, in long tables: the mean over draws must not hide the gap."""
    data, rows = cohort(BINARY, positive="pneumonia")
    task = make_task("classification", "few-shot", {"shots": [1]})
    table = predict_all(task, view_of(rows), data)
    torn = Predictions({name: values[:-1] for name, values in table.columns.items()})
    with pytest.raises(InputError, match="'test-pneumonia-07' is missing"):
        task.score(torn, data.card)


def test_an_unread_image_is_counted_once_over_all_draws() -> None:
    """Two numbers of shots and three draws ask six times for the same sample."""
    data, rows = cohort(BINARY, positive="pneumonia")
    rows["test-normal-00"] = np.full(WIDTH, np.nan, dtype=np.float32)
    task = make_task("classification", "few-shot", {"shots": [1, 4], "n_draws": 3})
    assert n_unanswered(predict_all(task, view_of(rows), data)) == 1


@pytest.mark.parametrize("value", [None, math.nan, ""])
def test_a_missing_subgroup_value_is_empty(value: float | str | None) -> None:
    """No subgroup of its own is called nan."""
    data, rows = cohort(BINARY, positive="pneumonia", subgroups=("age",))
    given = tuple(replace(s, extra={"age": value}) for s in data.samples)
    table = predict_all(
        make_task("classification", "zero-shot"), view_of(rows), replace(data, samples=given)
    )
    assert set(table["subgroup:age"].tolist()) == {""}


def test_few_shot_negatives_never_have_the_finding() -> None:
    """A patient with the finding on any image is not drawn as one without."""
    card = DatasetCard("d", classes={"effusion": ("effusion",)}, multilabel=True)
    train = [
        sample("a", ("effusion",), split="train", patient="1"),
        sample("b", (), split="train", patient="1"),
        sample("c", (), split="train", patient="2"),
    ]
    data = TaskData(card, (*train, sample("t", ()), sample("u", ("effusion",))))
    rows = {"a": axis(0), "b": axis(1), "c": -axis(0), "t": -axis(0), "u": axis(0)}
    task = make_task("classification", "few-shot", {"shots": [1]})
    table = predict_all(task, view_of(rows, FakeDualEncoder(("effusion",))), data)
    assert values_of(task, table, card)["macro_auroc[1-shot]"] == 1.0


def test_log_loss_by_hand() -> None:
    """Ln 2 for a coin, and an impossible truth is cut off, not infinite."""
    sure = np.array([[True, False]])
    assert log_loss(sure, np.array([[0.5, 0.5]])) == pytest.approx(math.log(2))
    assert log_loss(~sure[:, :1], np.array([[0.75]])) == pytest.approx(math.log(4))
    assert log_loss(sure, np.array([[0.0, 1.0]])) == pytest.approx(-math.log(1e-12))
