"""Zero-shot segmentation, against masks and maps worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from grounding_fakes import SIDE, FakeAttributor, FakeDense
from segmentation_fakes import NAMES, STRUCTURES, drawing, scene, seeing, truthful
from task_fakes import (
    FakeDualEncoder,
    FakeImageEncoder,
    assert_same,
    in_order,
    join,
    predict_all,
    values_of,
    view_of,
)

from vesalius.errors import InputError
from vesalius.metrics.segmentation import dice, pixel_auprc
from vesalius.placement import Placement
from vesalius.records import Geometry, Predictions, Sample
from vesalius.stats import bootstrap_many
from vesalius.tasks import make_task
from vesalius.views import Store

TASK = make_task("segmentation", "zero-shot")
PERFECT = {
    "dice": 1.0, "iou": 1.0, "hd95[voxel]": 0.0, "nsd[surfel,2mm]": 1.0, "auprc[pixel]": 1.0,
    "missed": 0.0, "false_positive_rate[empty]": 0.0,
}  # fmt: skip


def test_patches_in_the_space_of_the_texts_find_every_structure() -> None:
    """Cosine minus the mean cosine with the other structure and three generic names."""
    data, masks = scene()
    table = predict_all(TASK, seeing(masks), data)
    assert table["key"].tolist() == list(TASK.expected(data))
    assert table["key"].tolist()[:3] == ["lung/test-00", "heart/test-00", "lung/test-01"]
    # structure 1, the other one -1/4, anything else -3/4: halfway between the first two
    np.testing.assert_allclose(table["threshold"], 0.375)
    assert set(table["threshold_source"]) == {"val"}
    values = values_of(TASK, table, data.card)
    assert next(iter(values)) == "dice"
    overall = {name: value for name, value in values.items() if "@" not in name}
    assert overall == pytest.approx(PERFECT)
    assert values["dice @ heart"] == 1


def test_counts_and_overlaps_of_a_model_that_is_wrong() -> None:
    """A lung of 6 pixels that overlaps half, one that lies elsewhere, and a false heart."""
    data, masks = scene(4)
    knows = truthful(masks)

    def draw(one: Sample, text: str) -> np.ndarray:
        values = knows(one, text)
        if (one.id, text) == ("test-00", "lung"):
            return np.roll(values, 1, axis=1)
        if (one.id, text) == ("test-01", "lung"):
            return np.where(np.eye(SIDE) > 0, 1.0, 0.0) * (masks[one.id] == 0)
        if (one.id, text) == ("test-03", "heart"):
            return np.where(np.eye(SIDE) > 0, 1.0, 0.0)
        return values

    table = predict_all(TASK, drawing(draw, masks), data)
    row = table["key"].tolist().index("lung/test-00")
    counts = [table[name][row] for name in ("tp", "fp", "fn", "tn")]
    assert counts == [3, 3, 3, SIDE * SIDE - 9]
    assert table["dice"][row] == 0.5
    assert table["iou"][row] == pytest.approx(1 / 3)
    assert table["hd95_mm"][row] == pytest.approx(0.5)  # one column away, 0.5 mm
    values = values_of(TASK, table, data.card)
    assert values["dice @ lung"] == pytest.approx((0.5 + 0 + 1 + 1) / 4)
    assert values["dice @ heart"] == 1
    assert values["dice"] == pytest.approx((0.625 + 1) / 2)
    assert values["false_positive_rate[empty] @ heart"] == 0.5


def test_a_structure_that_is_not_called_is_missed() -> None:
    """Nothing above the threshold: overlap 0 and the diagonal as distance."""
    data, masks = scene(4)
    knows = truthful(masks)

    def dim(one: Sample, text: str) -> np.ndarray:
        values = knows(one, text)
        return -values if one.id == "test-02" else values

    table = predict_all(TASK, drawing(dim, masks), data)
    row = table["key"].tolist().index("lung/test-02")
    assert table["missed"][row] == 1
    assert table["dice"][row] == table["nsd"][row] == 0
    assert table["hd95_mm"][row] == pytest.approx(np.hypot(SIDE * 2.0, SIDE * 0.5))
    assert values_of(TASK, table, data.card)["missed"] == pytest.approx((1 / 4 + 1 / 2) / 2)


def _noisy(masks: dict[str, np.ndarray], *, seed: int = 0, strength: float = 0.5):
    rng = np.random.default_rng(seed)
    noise = {(n, k): strength * rng.normal(size=(SIDE, SIDE)) for n in masks for k in NAMES}
    knows = truthful(masks)
    return lambda one, text: np.exp(knows(one, text) + noise[one.id, text])


def test_the_threshold_comes_from_val_and_not_from_test() -> None:
    """Other masks and maps of test change no threshold."""
    data, masks = scene(12)
    draw = _noisy(masks)
    other = {n: np.flipud(m) if n.startswith("test") else m for n, m in masks.items()}

    def turned(one: Sample, text: str) -> np.ndarray:
        values = draw(one, text)
        return values[::-1, ::-1] ** 3 if one.split == "test" else values

    tables = [predict_all(TASK, drawing(d, m), data) for d, m in ((draw, masks), (turned, other))]
    assert not np.array_equal(tables[0]["dice"], tables[1]["dice"], equal_nan=True)
    np.testing.assert_array_equal(tables[0]["threshold"], tables[1]["threshold"])


def test_the_threshold_has_the_highest_mean_dice_on_val() -> None:
    """Against every value of every map as the threshold; empty references take no part."""
    data, masks = scene(8)
    draw = _noisy(masks)
    table = predict_all(TASK, drawing(draw, masks), data)
    val = [s for s in data.samples if s.split == "val"]
    for name, label in STRUCTURES.items():
        pairs = [
            (masks[s.id] == label, draw(s, name).astype(np.float32))
            for s in val
            if (masks[s.id] == label).any()
        ]

        def mean_dice(limit: float, pairs=pairs) -> float:
            return float(np.mean([dice(reference, heat >= limit) for reference, heat in pairs]))

        best = max(mean_dice(v) for _, heat in pairs for v in np.unique(heat))
        (chosen,) = np.unique(table["threshold"][table["structure"] == name])
        assert mean_dice(chosen) == pytest.approx(best, abs=0.02)  # 256 candidates
        assert mean_dice(chosen) > mean_dice(0.5) - 1e-9


def test_without_val_the_train_split_serves_and_without_both_a_stated_value() -> None:
    """Where a threshold comes from stands in every row."""
    data, masks = scene()
    for kept, source in ((("train", "test"), "train"), (("test",), "default")):
        some = replace(data, samples=tuple(s for s in data.samples if s.split in kept))
        for view in (drawing(truthful(masks), masks), seeing(masks)):
            table = predict_all(TASK, view, some)
            assert set(table["threshold_source"]) == {source}
            assert (set(table["threshold"]) == {0.0}) == (source == "default")


def test_empty_references_are_nan_in_whatever_order_and_however_often_they_are_scored() -> None:
    """Neither 0 nor 1, and never in a mean; what is called there is a false positive."""
    data, masks = scene(6)
    table = predict_all(TASK, drawing(lambda *_: np.eye(SIDE), masks), data)
    empty = table["empty_reference"]
    assert table["key"][empty].tolist() == [f"heart/test-{n:02d}" for n in (1, 3, 5)]
    for column in ("dice", "iou", "hd95_mm", "nsd", "auprc", "missed"):
        assert np.isnan(table[column][empty]).all()
        assert not np.isnan(table[column][~empty]).any()
    turned = in_order(table, table["key"].tolist()[::-1])
    first, again, backwards = (values_of(TASK, t, data.card) for t in (table, table, turned))
    assert first == pytest.approx(again, nan_ok=True)
    assert first == pytest.approx(backwards, nan_ok=True)
    assert first["false_positive_rate[empty]"] == 1
    by_name = {(s.metric, s.class_name): s for s in TASK.score(table, data.card)}
    assert len(by_name["false_positive_rate[empty]", ""].rows) == 3
    assert len(by_name["dice", ""].rows) == 9
    assert len(by_name["false_positive_rate[empty]", "lung"].rows) == 0


def test_a_sample_that_cannot_be_seen_is_a_miss_or_a_false_positive() -> None:
    """No answer must not be better than a wrong one, even if the image itself is broken."""
    data, masks = scene(4)
    knows = truthful(masks)

    def draw(one: Sample, text: str) -> np.ndarray | None:
        return None if one.id in ("test-00", "test-01", "test-02") else knows(one, text)

    view = drawing(draw, masks, unreadable=frozenset({"test-02"}))
    table = predict_all(TASK, view, data)
    place = {key: row for row, key in enumerate(table["key"].tolist())}
    silent, absent, broken = (place[k] for k in ("lung/test-00", "heart/test-01", "lung/test-02"))
    assert table["answered"].tolist() == [False] * 6 + [True] * 2
    for row in (silent, broken):
        worst = [table[name][row] for name in ("dice", "iou", "nsd", "auprc", "missed")]
        assert worst == [0, 0, 0, 0, 1]
    assert table["false_positive"][absent] == 1
    assert not table["reference_read"][broken]
    assert np.isnan(table["tp"][broken])
    values = values_of(TASK, table, data.card)
    assert values["dice @ lung"] == 0.25
    assert values["auprc[pixel] @ lung"] == 0.25
    assert values["false_positive_rate[empty]"] == 0.5


def test_a_mask_that_cannot_be_read_says_nothing_about_a_model_that_answered() -> None:
    """The row stays, and says why it has no value."""
    data, masks = scene(4)
    fewer = {name: mask for name, mask in masks.items() if name != "test-01"}
    view = drawing(truthful(masks), masks)
    view = replace(view, store=Store(mask=lambda one: fewer.get(one.id)))
    table = predict_all(TASK, view, data)
    row = table["key"].tolist().index("lung/test-01")
    assert table["answered"][row]
    assert not table["reference_read"][row]
    assert not table["empty_reference"][row]
    assert np.isnan(table["dice"][row])
    assert table["key"].tolist() == list(TASK.expected(data))
    scored = TASK.score(table, data.card)
    assert len(scored[0].rows) == 3 + 2
    assert values_of(TASK, table, data.card)["dice"] == 1


def test_a_resumed_run_and_another_order_of_files_give_the_same_rows() -> None:
    """Every row depends on its sample and on val alone."""
    data, masks = scene(40)
    view = drawing(_noisy(masks), masks)
    whole = predict_all(TASK, view, data)
    done = frozenset(whole["key"][::3].tolist())
    rest = join(list(TASK.predict(view, data, done)))
    keep = np.array([key not in done for key in whole["key"].tolist()])
    assert_same(rest, Predictions({name: v[keep] for name, v in whole.columns.items()}))
    assert list(TASK.predict(view, data, frozenset(TASK.expected(data)))) == []
    assert_same(predict_all(TASK, view, replace(data, samples=data.samples[::-1])), whole)


def test_what_the_model_does_not_see_is_never_called_and_ranks_last() -> None:
    """A frame over the right half: structures of the left half are missed, not guessed."""
    data, masks = scene(4)
    half = Placement((SIDE, SIDE), (Geometry(0.0, 4.0, 8.0, 4.0),))
    view = drawing(lambda *_: np.ones((2, 2)), masks, placement=half)
    kept = {}

    def keep(name: str, array: np.ndarray, one: Sample) -> str:
        kept[name, one.id] = array
        return f"maps/{name}/{one.id}"

    view = replace(view, store=replace(view.store, keep=keep))
    table = predict_all(TASK, view, data)
    assert table["map"][1] == "maps/zero-shot/heart/test-00"
    called = kept["zero-shot/heart", "test-00"]
    assert called.dtype == np.bool_
    np.testing.assert_array_equal(called, np.arange(SIDE)[None] >= np.full((SIDE, 1), 4))
    seen = np.where(called, 1.0, 0.0)
    for row, name in enumerate(("lung", "heart")):
        reference = masks["test-00"] == STRUCTURES[name]
        assert table["auprc"][row] == pytest.approx(pixel_auprc(reference, seen))
    assert table["dice"][0] == 0  # the lung of the first sample lies left


def test_volumes_are_scored_in_3d_in_millimetres() -> None:
    """Slices of an xyz volume, stacked where they were cut; one voxel away along z is 3 mm."""
    size = (6, 5, 7)
    frame = Geometry(0.0, 0.0, 5.0, 6.0)
    placement = Placement(size, (frame,) * 7, tuple(range(7)))
    data, _ = scene(3)
    masks = {s.id: np.zeros(size, np.uint8) for s in data.samples}
    for name, mask in masks.items():
        mask[1:4, 1:4, 2:4] = 1
        mask[5, 4, 6] = 2 if name != "test-00" else 0

    def draw(one: Sample, text: str) -> np.ndarray:
        volume = np.where(masks[one.id] == STRUCTURES[text], 1.0, 0.0)
        if one.id == "test-01":
            volume = np.roll(volume, 1, axis=2)
        return np.stack([volume[::-1, ::-1, z].T for z in range(7)])

    view = drawing(draw, masks, placement=placement, spacing=(1.0, 1.0, 3.0))
    table = predict_all(TASK, view, data)
    lungs = table["structure"] == "lung"
    assert table["dice"][lungs].tolist() == [1, 0.5, 1]
    assert table["hd95_mm"][lungs].tolist() == [0, 3, 0]
    assert (table["tp"] + table["fp"] + table["fn"] + table["tn"] == np.prod(size)).all()
    values = values_of(TASK, table, data.card)
    assert values["dice"] == pytest.approx((2.5 / 3 + 0.5) / 2)


def test_without_spacing_distances_are_undefined_and_say_why() -> None:
    """Never millimetres of pixels whose size nobody knows."""
    data, masks = scene(4)
    table = predict_all(TASK, drawing(truthful(masks), masks, spacing=None), data)
    assert np.isnan(table["hd95_mm"]).all()
    scored = {s.metric: s for s in TASK.score(table, data.card) if not s.class_name}
    assert scored["hd95[voxel]"].reason == "how large the pixels of these images are is not known"
    assert scored["dice"].reason == ""
    assert values_of(TASK, table, data.card)["dice"] == 1


def test_a_faint_map_of_a_structure_that_is_not_there_is_not_called() -> None:
    """Attributions keep their scale: a peak alone is no structure."""
    data, masks = scene(6)

    def faint(one: Sample, text: str) -> np.ndarray:
        there = masks[one.id] == STRUCTURES[text]
        return np.where(there, 1e-3, 0.0) if there.any() else 1e-5 * np.eye(SIDE)

    table = predict_all(TASK, drawing(faint, masks), data)
    values = values_of(TASK, table, data.card)
    assert values["dice"] == 1
    assert values["false_positive_rate[empty]"] == 0


def test_single_templates_have_their_own_threshold_and_a_spread() -> None:
    """One template names the structures, the other does not: Dice 1 and that of everything."""
    data, masks = scene(6, templates=("a {} here", "picture {}"))
    view = seeing(masks)
    plain = view.text_features

    def texts(asked: list[str]) -> np.ndarray:
        return plain([t.replace("lung", "?") if t.startswith("picture") else t for t in asked])

    view = replace(view, text_features=texts)
    table = predict_all(TASK, view, data)
    lungs = table["structure"] == "lung"
    assert (table["template 1:dice"][lungs] == 1).all()
    assert (table["template 2:dice"][lungs] < 0.5).all()
    values = values_of(TASK, table, data.card)
    assert values["dice[template 1]"] == values["dice[templates, max]"] == 1
    assert values["dice[templates, min]"] == values["dice[template 2]"] < 0.75
    alone = make_task("segmentation", "zero-shot", {"single_templates": False})
    assert not [n for n in predict_all(alone, view, data).columns if n.startswith("template")]


def test_intervals_agree_with_the_definition() -> None:
    """The fast form of every metric against the plain one on drawn rows."""
    data, masks = scene(10, templates=("a {} here", "picture {}"))
    view = seeing(masks, noise=0.6)
    table = predict_all(TASK, view, data)
    weights = np.random.default_rng(1).integers(0, 3, size=(8, table.n_rows)).astype(np.float32)
    n_checked = 0
    for one in TASK.score(table, data.card):
        rows = one.rows
        if not len(rows):
            continue
        by_hand = [one.statistic(np.repeat(rows, w[rows].astype(int))) for w in weights]
        np.testing.assert_allclose(one.statistic.batched(weights), by_hand, atol=1e-12)
        n_checked += 1
    assert n_checked > 20
    headline = TASK.score(table, data.card)[0]
    found = bootstrap_many(
        {"dice": headline.statistic}, groups=table["patient"], rows=headline.rows, n_resamples=50
    )
    estimate = found["dice"]
    assert estimate.low < estimate.value < estimate.high


def test_what_cannot_be_done_says_why() -> None:
    """Reasons are true and name what is missing."""
    data, masks = scene(2)
    view = seeing(masks)
    bare = replace(data, card=replace(data.card, structures={}))
    blind = replace(data, samples=tuple(replace(s, mask=None) for s in data.samples))
    assert TASK.unsuitable(view, data) is None
    assert TASK.unsuitable(view, bare) == "dataset declares no structures"
    assert TASK.unsuitable(view, blind) == "no test sample with a mask"
    for model in (FakeDualEncoder(), FakeImageEncoder(), FakeDense(dense_text_aligned=False)):
        reason = TASK.unsuitable(view_of({}, model), data)
        assert reason is not None
        assert "local embeddings in the space of its texts" in reason
    assert TASK.unsuitable(view_of({}, FakeAttributor()), data) is None


def test_settings_out_of_range_are_errors() -> None:
    """Bad input is named, not computed with."""
    for settings in ({"tuning_cases": 0}, {"background": []}, {"tolerance_mm": 3}, {"fit": "crop"}):
        with pytest.raises(InputError, match=next(iter(settings))):
            make_task("segmentation", "zero-shot", settings)


def test_a_tolerance_is_part_of_the_name() -> None:
    """Surface Dice at another tolerance is another metric."""
    data, masks = scene(2)
    task = make_task("segmentation", "zero-shot", {"tolerance_mm": 5})
    table = predict_all(task, seeing(masks), data)
    assert "nsd[surfel,5mm]" in values_of(task, table, data.card)
