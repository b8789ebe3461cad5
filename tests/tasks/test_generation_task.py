"""Inversion, text to image and models that draw, with embeddings and pictures known by hand."""

from dataclasses import replace

import numpy as np
import pytest
from generation_fakes import UNREADABLE, Drawer, Reader, cohort, judge, model_free
from task_fakes import assert_same, in_order, join, predict_all, values_of

from vesalius.errors import InputError
from vesalius.metrics import frechet_distance, kernel_distance
from vesalius.records import Image, Predictions
from vesalius.tasks import Task, make_task
from vesalius.tasks.controls import control_view
from vesalius.tasks.generation_pictures import PSNR_LIMIT, likeness, n_scales, picture_of
from vesalius.tasks.generation_scores import FrechetOf, KernelOf, distances

SIDE = 16
INVERSION = make_task("generation", "inversion", {"side": SIDE, "judge": "fake-judge"})
TEXT = make_task("generation", "text-to-image", {"side": SIDE, "judge": "fake-judge"})
EXTERNAL = make_task("generation", "external", {"side": SIDE, "judge": "fake-judge"})


def test_pictures_are_area_averages_in_grey() -> None:
    """Four pixels become their mean, colours their luma, a volume its middle slice."""
    pixels = np.array([[0, 100, 10, 30], [100, 200, 20, 40]] * 2, dtype=np.uint8)
    assert picture_of(Image(pixels, "yx", "display", (0.0, 255.0)), side=2).tolist() == [
        [100, 25],
        [100, 25],
    ]
    green = np.zeros((3, 3, 3), np.uint8)
    green[..., 1] = 100
    assert (
        picture_of(Image(green, "yxc", "display", (0.0, 255.0)), side=2).tolist() == [[59] * 2] * 2
    )
    volume = np.zeros((2, 2, 3))
    volume[:, :, 1] = [[1.0, 0.5], [1.0, 0.5]]
    shown = picture_of(Image(volume, "xyz", "hu", (0.0, 1.0)), side=2)
    assert shown.tolist() == [[128, 128], [255, 255]]  # anterior on top


def test_equal_pictures_have_a_finite_psnr() -> None:
    """One perfect picture must not make the mean infinite."""
    picture = np.arange(256, dtype=np.uint8).reshape(16, 16)
    found = likeness(picture, picture)
    assert (found["ssim"], found["psnr"]) == (1.0, PSNR_LIMIT)
    assert [n_scales(side) for side in (16, 44, 175, 176)] == [0, 3, 3, 5]


def test_a_perfect_embedding_gives_the_picture_back() -> None:
    """Coordinates of the pictures' own patterns decode almost without loss; neighbours do not."""
    task = INVERSION
    one = cohort(n=40)
    table = predict_all(task, one.view(), one.data)
    values = values_of(task, table, one.data.card)
    assert tuple(table["key"].tolist()) == task.expected(one.data)
    assert values["ssim"] > 0.99
    assert values["ssim"] > values["ssim[nearest]"] + 0.1
    assert next(iter(values)) == "ssim"
    assert values["fd[fake-judge]"] < 1e-3
    assert all(name.endswith("/" + i) for name, i in zip(table["image"], table["id"], strict=True))


@pytest.mark.parametrize("kind", ["majority", "random"])
def test_controls_know_nothing_of_the_image(kind: str) -> None:
    """The mean picture is the same for all; a random one is one of train."""
    one = cohort()
    view = one.view(model_free(kind))
    values = values_of(INVERSION, predict_all(INVERSION, view, one.data), one.data.card)
    own = values_of(INVERSION, predict_all(INVERSION, one.view(), one.data), one.data.card)
    assert values["ssim"] == values["ssim[nearest]"] < 0.5 < own["ssim"]


def test_shuffled_images_are_compared_with_the_true_ones() -> None:
    """A control that also shuffled what it is compared with would score like the model."""
    one = cohort(n=40)
    view = control_view("shuffled-images", one.view(), one.data)
    table = predict_all(INVERSION, view, one.data)
    assert values_of(INVERSION, table, one.data.card)["ssim"] < 0.5
    assert table["answered"].all()


@pytest.mark.parametrize("task", [INVERSION, TEXT, EXTERNAL], ids=["inversion", "text", "external"])
def test_unreadable_images_count_as_nothing_shown(task: Task) -> None:
    """They stay in the table, unanswered, with 0; distances say that they are missing."""
    one = cohort(broken=True)
    table = predict_all(task, one.view(), one.data)
    row = table["id"] == UNREADABLE
    assert not table["answered"][row].any()
    assert table["answered"][~row].all()
    assert set(table["ssim"][row]) == set(table["psnr"][row]) == {0.0}
    scored = task.score(table, one.data.card)
    frechet = next(s for s in scored if s.metric == "fd[fake-judge]")
    assert "1 of 11 pictures missing" in frechet.reason
    assert np.isfinite(frechet.statistic(np.arange(11)))


@pytest.mark.parametrize("task", [INVERSION, TEXT, EXTERNAL], ids=["inversion", "text", "external"])
def test_a_resumed_run_and_another_order_give_the_same_rows(task: Task) -> None:
    """No row depends on which others are asked."""
    one = cohort()
    whole = predict_all(task, one.view(), one.data)
    done = frozenset(whole["key"].tolist()[::3])
    rest = predict_all(task, one.view(), one.data, done)
    first = Predictions({n: v[np.isin(whole["key"], list(done))] for n, v in whole.columns.items()})
    assert_same(in_order(join([first, rest]), whole["key"].tolist()), whole)
    other = replace(one.data, samples=one.data.samples[::-1])
    assert_same(predict_all(task, one.view(), other), whole)
    assert not list(task.predict(one.view(), one.data, frozenset(task.expected(one.data))))


@pytest.mark.parametrize("task", [INVERSION, TEXT], ids=["inversion", "text"])
def test_nothing_is_learnt_from_test(task: Task) -> None:
    """A picture does not change when another test picture does."""
    one, other = cohort(), cohort()
    changed = other.data.samples[-1].id
    other.pictures[changed] = 255 - other.pictures[changed]
    first, second = (predict_all(task, c.view(), c.data) for c in (one, other))
    rows = first["id"] != changed
    assert first["features"].tolist() == second["features"].tolist()
    np.testing.assert_array_equal(first["ssim"][rows], second["ssim"][rows])


def test_captions_that_say_everything_give_the_picture_back() -> None:
    """With nothing left unexplained the sampled residuals vanish."""
    one = cohort(n=40)
    values = values_of(TEXT, predict_all(TEXT, one.view(), one.data), one.data.card)
    assert values["ssim"] > 0.97


def test_captions_that_say_nothing_give_samples_and_not_the_mean() -> None:
    """Pictures vary as those of train do: nearer as a set than the mean picture is."""
    one = cohort(n=60)
    one.coordinates.update({name: np.ones(4, np.float32) for name in one.coordinates})
    drawn = values_of(TEXT, predict_all(TEXT, one.view(), one.data), one.data.card)
    mean = predict_all(TEXT, one.view(model_free("majority")), one.data)
    assert drawn["fd[fake-judge]"] < 0.5 * values_of(TEXT, mean, one.data.card)["fd[fake-judge]"]


def test_language_models_read_captions_and_gibberish() -> None:
    """A generator without text embedding is asked itself, and its control gets nonsense."""
    one, reader = cohort(), Reader()
    view = one.view(reader)
    assert TEXT.unsuitable(view, one.data) is None
    predict_all(TEXT, view, one.data)
    assert set(reader.seen) == {s.caption for s in one.data.samples}
    reader.seen.clear()
    predict_all(TEXT, control_view("gibberish-prompt", view, one.data), one.data)
    assert reader.seen
    assert not set(reader.seen) & {s.caption for s in one.data.samples}


def test_a_model_that_draws_is_given_the_captions() -> None:
    """Its pictures are brought to the size of the references and compared."""
    one = cohort()
    table = predict_all(EXTERNAL, one.view(), one.data)
    assert table["answered"].all()
    assert set(table["kind"]) == {"external"}
    flat = judge("x").image_features(Drawer().generate_images(["picture test-00"])[:1])
    np.testing.assert_allclose(table["features"][0], flat[0], atol=1e-5)
    np.testing.assert_allclose(table["caption_cosine"][0], 1.0, atol=1e-4)
    values = values_of(EXTERNAL, table, one.data.card)
    assert values["caption_cosine[fake-judge]"] == pytest.approx(table["caption_cosine"].mean())


def test_a_judge_without_texts_cannot_say_whether_they_fit() -> None:
    """As Inception-v3: distances are numbers, the cosine with the caption is undefined."""
    one = cohort()
    view = one.view()
    seeing = replace(judge("fake-judge"), text_features=None)
    view = replace(view, store=replace(view.store, judge=lambda name: seeing))
    table = predict_all(EXTERNAL, view, one.data)
    scored = {s.metric: s for s in EXTERNAL.score(table, one.data.card)}
    cosine = scored["caption_cosine[fake-judge]"]
    assert np.isnan(cosine.statistic(np.arange(table.n_rows)))
    assert cosine.reason == "no caption, or a judge that knows no texts"
    assert np.isfinite(scored["fd[fake-judge]"].statistic(np.arange(table.n_rows)))


def test_cells_without_a_number_say_why() -> None:
    """A model that cannot, and a dataset that has nothing to learn from."""
    one, mute = cohort(), object()
    reasons = [task.unsuitable(one.view(mute), one.data) for task in (INVERSION, TEXT, EXTERNAL)]
    assert reasons == [
        "model has no image embedding",
        "model does not embed texts",
        "model does not generate images",
    ]
    bare = replace(one.data, samples=tuple(replace(s, caption=None) for s in one.data.samples))
    assert TEXT.unsuitable(one.view(), bare) == "fewer than two test rows with a caption"
    small = cohort(n=4)
    assert INVERSION.unsuitable(small.view(), small.data) == "4 train rows, fewer than 8"


def test_kernel_distance_of_resamples_and_no_interval_of_the_frechet_distance() -> None:
    """Without repeats the batched value is the definition; copies of a picture make no pair."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 3)), rng.normal(size=(9, 3))
    y[4] = np.nan
    weights = np.ones((2, 9))
    weights[1, :4] = 0
    kernel, complete = KernelOf(x, y), np.arange(9) != 4
    expected = [kernel_distance(x, y[complete]), kernel_distance(x[4:], y[5:])]
    np.testing.assert_allclose(kernel.batched(weights), expected, atol=1e-12)
    np.testing.assert_allclose(kernel.batched(weights * 2), expected, atol=1e-12)
    assert kernel(np.arange(9)) == pytest.approx(expected[0])
    frechet = FrechetOf(x, y)
    assert frechet(np.arange(9)) == pytest.approx(frechet_distance(x, y[complete]))
    assert np.isnan(frechet.batched(weights)).all()


def test_only_inception_makes_an_fid() -> None:
    """Any other extractor stands in the name."""
    one = cohort()
    table = predict_all(EXTERNAL, one.view(), one.data)
    rows = np.arange(table.n_rows)
    names = [s.metric for s in distances(table, rows, judge="inception-v3", suffix="")]
    assert names == ["fid", "kid"]
    names = [s.metric for s in distances(table, rows, judge="mini:x", suffix="[nearest]")]
    assert names == ["fd[mini:x][nearest]", "kid[mini:x][nearest]"]


@pytest.mark.parametrize(
    "settings", [{"side": 8}, {"components": 0}, {"strengths": []}, {"train_limit": 0}]
)
def test_impossible_settings_are_refused(settings: dict[str, object]) -> None:
    """Before anything is computed."""
    with pytest.raises(InputError, match=next(iter(settings))):
        make_task("generation", "inversion", settings)
