"""Controls take exactly one thing away, and leave nothing but chance."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from task_fakes import (
    FakeDualEncoder,
    FakeImageEncoder,
    assert_same,
    cohort,
    multilabel_cohort,
    predict_all,
    sample,
    values_of,
    view_of,
)

from vesalius.errors import InputError, UsageError
from vesalius.records import DatasetCard
from vesalius.tasks import TASKS, TaskData, make_task
from vesalius.tasks.controls import (
    CONTROLS,
    MODEL_FREE,
    control_view,
    donors,
    gibberish,
    per_model_controls,
)
from vesalius.tasks.grey import grey_image
from vesalius.tasks.zero_shot import products

BINARY = ("normal", "pneumonia")


def test_every_control_of_every_protocol_exists() -> None:
    """A misspelt control would be dropped from a run."""
    for task, protocols in TASKS.items():
        for protocol in protocols:
            made = make_task(task, protocol)
            assert set(made.controls) <= set(CONTROLS)
            assert set(made.controls) - set(MODEL_FREE) == set(per_model_controls(made))


@pytest.mark.parametrize("protocol", ["zero-shot", "linear-probe", "knn", "few-shot"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_controls_of_a_perfect_model_fall_to_chance(protocol: str, kind: str) -> None:
    """A perfect encoder without image, pairing or meaning ranks no better than a coin."""
    if kind == "multilabel":
        data, rows = multilabel_cohort(n=25)
    else:
        classes = BINARY if kind == "binary" else (*BINARY, "effusion")
        positive = "pneumonia" if kind == "binary" else None
        data, rows = cohort(classes, positive=positive, n_per_class=50)
    few = {"shots": [16], "n_draws": 3} if protocol == "few-shot" else {}
    task = make_task("classification", protocol, few)
    view = view_of(rows, FakeDualEncoder(tuple(data.card.classes)))
    metric = "auroc" if kind == "binary" else "macro_auroc"
    metric += "[16-shot]" if protocol == "few-shot" else ""
    for name in task.controls:
        controlled = control_view(name, view, data)
        assert task.unsuitable(controlled, data) is None
        table = predict_all(task, controlled, data)
        assert table["key"].tolist() == list(task.expected(data))
        value = values_of(task, table, data.card)[metric]
        assert value == pytest.approx(0.5, abs=0.17), name


def test_names_say_what_was_controlled() -> None:
    """Rows of the metrics table are told apart by them."""
    data, rows = cohort()
    view = view_of(rows, name="mini:clip")
    assert control_view("majority", view, data).name == "control:majority"
    assert control_view("shuffled-images", view, data).name == "control:shuffled-images(mini:clip)"
    with pytest.raises(UsageError, match="unknown control 'blind'"):
        control_view("blind", view, data)


def test_majority_calls_the_majority_of_train() -> None:
    """Its accuracy is the prevalence of that class, its scores are the frequencies."""
    data, rows = cohort(BINARY, positive="pneumonia")
    kept = tuple(s for s in data.samples if s.id not in {"train-normal-00", "train-normal-01"})
    data = replace(data, samples=kept)
    task = make_task("classification", "linear-probe")
    table = predict_all(task, control_view("majority", view_of(rows), data), data)
    np.testing.assert_allclose(table["score:pneumonia"], 8 / 14)
    values = values_of(task, table, data.card)
    assert (values["accuracy"], values["recall"], values["auroc"]) == (0.5, 1.0, 0.5)
    test_only = replace(data, samples=tuple(s for s in kept if s.split == "test"))
    reason = make_task("classification", "zero-shot").unsuitable(
        control_view("majority", view_of(rows), test_only), test_only
    )
    assert reason == "no labelled train rows to take the majority of"


def test_random_depends_on_seed_and_id_alone() -> None:
    """Same seed, same scores, in any order; another seed, other scores."""
    data, rows = cohort(BINARY, positive="pneumonia")
    task = make_task("classification", "zero-shot")

    def scores(of: TaskData) -> np.ndarray:
        table = predict_all(task, control_view("random", view_of(rows), of), of)
        return table["score:pneumonia"]

    backwards = replace(data, samples=data.samples[::-1])
    np.testing.assert_array_equal(scores(data), scores(backwards))
    assert (scores(data) != scores(replace(data, seed=1))).all()


def test_the_grey_image_is_never_zero_after_normalisation() -> None:
    """Exact zeros look like padding to some layers; 127 misses every usual mean."""
    image = grey_image()
    assert image.pixels.dtype == np.uint8
    for mean in (0.5, 0.4815, 0.4578, 0.4082, 0.485, 0.456, 0.406):
        assert abs(int(image.pixels[0, 0, 0]) / 255 - mean) > 1e-4
    assert (image.pixels == image.pixels[0, 0, 0]).all()
    assert len(image.digest) == 64


def test_blank_images_come_from_the_model_itself() -> None:
    """Every row is the model's own embedding of the grey picture."""
    data, rows = cohort()
    model = FakeDualEncoder()
    blank = control_view("blank-image", view_of(rows, model), data)
    found = blank.image_features(data.samples[:3])
    np.testing.assert_array_equal(found, np.repeat(model.encode_images([grey_image()]), 3, axis=0))
    np.testing.assert_array_equal(blank.read(data.samples[0]).pixels, grey_image().pixels)
    blind = control_view("blank-image", view_of(rows, object()), data)
    with pytest.raises(InputError, match="no image embedding"):
        blind.image_features(data.samples[:1])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=25), st.integers(0, 5))
def test_shuffling_is_a_permutation_that_moves_everybody(owners: list[int], seed: int) -> None:
    """Nobody keeps an image, every image is used once, and it is another patient's if possible."""
    samples = tuple(sample(f"{i:02d}", patient=str(p)) for i, p in enumerate(owners))
    data = TaskData(DatasetCard("d"), samples, seed)
    donor = donors(data)
    assert sorted(d.id for d in donor.values()) == sorted(s.id for s in samples)
    assert all(donor[s.id].id != s.id for s in samples)
    if 2 * max(owners.count(p) for p in owners) <= len(owners):
        assert all(donor[s.id].patient != s.patient for s in samples)
    assert donor == donors(replace(data, samples=samples[::-1]))


def test_shuffling_stays_within_the_split() -> None:
    """Else a test row could get an image that the probe has learnt."""
    data, _ = cohort()
    split = {s.id: s.split for s in data.samples}
    assert all(split[name] == d.split for name, d in donors(data).items())
    lonely = TaskData(DatasetCard("d"), (sample("a", split="train"), sample("b")))
    assert donors(lonely)["b"].id == "a"
    with pytest.raises(InputError, match="two samples, got 1"):
        donors(TaskData(DatasetCard("d"), (sample("a"),)))


def test_shuffled_views_read_the_same_image_that_they_embed() -> None:
    """Features and pixels come from one donor."""
    data, rows = cohort()
    view = view_of(rows)
    read: list[str] = []
    watched = replace(view, read=lambda s: (read.append(s.id), view.read(s))[1])
    shuffled = control_view("shuffled-images", watched, data)
    shuffled.read(data.samples[0])
    assert read == [donors(data)[data.samples[0].id].id]
    np.testing.assert_array_equal(
        shuffled.image_features(data.samples[:1])[0], rows[donors(data)[data.samples[0].id].id]
    )


def test_equal_images_have_equal_scores_whatever_the_batch() -> None:
    """The 65th row is multiplied alone; its last bit must not break the tie with the others."""
    rng = np.random.default_rng(0)
    same = rng.normal(size=512)
    heads = rng.normal(size=(50, 512))
    for n in range(2, 66):
        np.testing.assert_array_equal(
            products(np.tile(same, (n, 1)), heads)[:1], products(same[None], heads)
        )


def test_gibberish_keeps_the_number_of_words_and_no_meaning() -> None:
    """The same text gives the same nonsense; a negation does not survive."""
    text = "no acute cardiopulmonary abnormality"
    nonsense = gibberish(text, seed=0)
    assert len(nonsense.split()) == 4
    assert not set(nonsense.split()) & set(text.split())
    assert nonsense == gibberish(text, seed=0) != gibberish(text, seed=1)
    assert nonsense.replace(" ", "").isalpha()
    assert gibberish("pneumonia", seed=0) not in gibberish("no pneumonia", seed=0)


def test_gibberish_reaches_the_text_encoder() -> None:
    """The fake knows no nonsense word: all classes look alike."""
    data, rows = cohort()
    task = make_task("classification", "zero-shot")
    table = predict_all(task, control_view("gibberish-prompt", view_of(rows), data), data)
    for name in data.card.classes:
        np.testing.assert_allclose(table[f"score:{name}"], 1 / 3, atol=1e-6)


def test_a_control_does_not_change_the_view_it_was_made_from() -> None:
    """The model's own cell comes out the same after its controls."""
    data, rows = cohort(noise=0.4)
    view, task = view_of(rows), make_task("classification", "zero-shot")
    before = predict_all(task, view, data)
    for name in task.controls:
        predict_all(task, control_view(name, view, data), data)
    assert_same(before, predict_all(task, view, data))


def test_controls_of_models_without_text() -> None:
    """A probe of a pure image encoder has its controls as well."""
    data, rows = cohort()
    task = make_task("classification", "linear-probe")
    view = view_of(rows, FakeImageEncoder())
    for name in per_model_controls(task):
        assert task.unsuitable(control_view(name, view, data), data) is None
