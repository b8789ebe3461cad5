"""Grounding by maps, against boxes worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from grounding_fakes import (
    FLAT,
    FRAME,
    HOT,
    SIDE,
    WARM,
    FakeDense,
    attribution,
    hill,
    looking,
    scene,
    truthful,
)
from task_fakes import FakeDualEncoder, assert_same, axis, join, predict_all, values_of, view_of

from vesalius.errors import InputError
from vesalius.placement import Patches, Placement
from vesalius.records import Phrase, Sample
from vesalius.stats import bootstrap
from vesalius.tasks import default_protocols, make_task
from vesalius.views import Store

SIMILARITY = make_task("grounding", "similarity-map", {"smoothing": 0.0})


def test_a_model_that_knows_finds_every_box_and_gives_none_for_what_is_absent() -> None:
    """Threshold and extent from val, boxes in the dataset's order of numbers."""
    data = scene()
    task, view = attribution(), looking(truthful(data))
    table = predict_all(task, view, data)
    assert table["key"].tolist() == list(task.expected(data))
    there = ~table["absent"]
    assert table["box"][there].tolist() == table["reference"][there].tolist()
    assert table["box"][there][1] == [[1.0, 0.0, 4.0, 2.0]]
    assert (table["threshold"] == (HOT + WARM) / 2).all()
    assert set(table["threshold_source"]) == set(table["extent_source"]) == {"val"}
    values = values_of(task, table, data.card)
    assert next(iter(values)) == "iou[box]"
    best = dict.fromkeys(values, 1.0) | {"false_positive_rate[absent]": 0.0}
    for free in ("cnr[absolute]", "cnr[signed]"):  # no noise: undefined
        best[free] = np.nan
    assert values == pytest.approx(best, nan_ok=True)


def test_wrong_boxes_missed_boxes_and_false_alarms_are_what_they_are() -> None:
    """Half-overlapping, missed and one false alarm, all counted by hand."""
    data = scene(4)
    knows = truthful(data)

    def draw(one: Sample, text: str) -> np.ndarray:
        if one.id == "test-0" and text == "lung nodule":
            return hill((1, 0, 4, 2))  # reference (0, 0, 3, 2): 4 of 8 pixels
        if one.id == "test-1" and text == "lung nodule":
            return hill((1, 0, 4, 2), WARM)  # right place, too faint: a miss
        return hill((5, 5, 8, 8)) if (one.id, text) == ("test-2", "effusion") else knows(one, text)

    task = attribution()
    table = predict_all(task, looking(draw), data)
    there = ~table["absent"]
    assert table["iou"][there].tolist() == [0.5, 0.0, 1.0, 1.0]
    assert table["hit"][there].tolist() == [True, False, True, True]
    assert np.isnan(table["iou"][~there]).all()
    values = values_of(task, table, data.card)
    assert values["iou[box]"] == 0.625
    assert values["iou[box] @ nodule"] == values["iou[box][macro]"] == 0.625
    assert values["precision@iou0.5"] == values["detection_rate"] == 0.75
    assert values["false_positive_rate[absent]"] == 0.25
    # four boxes with one score, three of them right, four to find
    assert values["ap@0.5"] == pytest.approx(0.75 * 0.75)
    # of two maps the peak is inside; a plateau that leaves the box is no hit
    assert values["pointing_game"] == 0.75


def test_the_two_numbers_come_from_val_and_not_from_test() -> None:
    """Other test boxes and maps change neither threshold nor extent."""
    data = scene()
    knows = truthful(data)

    def other(one: Sample, text: str) -> np.ndarray:
        values = knows(one, text)
        return 7 - 3 * values if one.split == "test" else values

    tables = [predict_all(attribution(), looking(draw), data) for draw in (knows, other)]
    for column in ("threshold", "extent"):
        assert len(np.unique(np.concatenate([table[column] for table in tables]))) == 1


def test_extent_is_the_share_of_the_peak_that_fits_val_best() -> None:
    """A hot core in a warm box: only shares below the warm level reach the edge of the box."""
    data = scene()
    knows = truthful(data)

    def draw(one: Sample, text: str) -> np.ndarray:
        values = 0.42 * knows(one, text)
        row, column = np.argwhere(values == values.max())[0]
        values[row, column] *= 1 / 0.42
        return values

    table = predict_all(attribution(), looking(draw), data)
    assert set(table["extent"]) == {0.1}  # of equally good ones the first
    assert (table["iou"][~table["absent"]] == 1).all()


def test_images_of_several_sizes_are_fitted_together() -> None:
    """Some images have a column more than the others; each map lies on its own grid."""
    data = scene()
    knows, wider = truthful(data), Placement((SIDE, SIDE + 1), (FRAME,))
    view = looking(knows)
    assert view.attribution is not None
    usual = view.attribution

    def seen(one: Sample, text: str) -> Patches | None:
        patches = usual(one, text)
        odd = one.id in ("val-0", "val-2", "val-4")
        return replace(patches, placement=wider) if patches and odd else patches

    table = predict_all(attribution(), replace(view, attribution=seen), data)
    assert (table["iou"][~table["absent"]] == 1).all()


def test_without_val_the_train_split_serves_and_without_both_every_peak_gives_a_box() -> None:
    """Where the numbers come from stands in every row."""
    data = scene()
    knows = truthful(data)
    for kept, source, alarms in ((("train", "test"), "train", 0.0), (("test",), "default", 1.0)):
        some = replace(data, samples=tuple(s for s in data.samples if s.split in kept))
        task = attribution()
        table = predict_all(task, looking(knows), some)
        assert set(table["threshold_source"]) == set(table["extent_source"]) == {source}
        assert values_of(task, table, data.card)["false_positive_rate[absent]"] == alarms


def test_several_boxes_of_a_phrase_are_one_row() -> None:
    """One of two boxes is half of the region; with two components it is all of it."""
    data = scene()
    pair = [(0, 0, 2, 2), (5, 5, 7, 7)]
    both = [Phrase("test-0", "effusions", box) for box in pair]
    data = replace(data, phrases=data.phrases + tuple(both))
    for n_boxes, overlap in ((1, 0.5), (2, 1.0)):
        table = predict_all(attribution(n_boxes=n_boxes), looking(truthful(data)), data)
        (row,) = np.flatnonzero(table["phrase"] == "effusions")
        assert sorted(table["reference"][row]) == [list(map(float, box)) for box in pair]
        assert table["iou"][row] == overlap
        assert len(table["box"][row]) == n_boxes


def test_an_unanswered_phrase_is_a_miss_or_a_false_alarm() -> None:
    """A sample that cannot be read must not be better than a wrong answer."""
    data = scene(4)
    knows = truthful(data)

    def draw(one: Sample, text: str) -> np.ndarray | None:
        values = knows(one, text)
        if one.id == "test-1":
            values[0, 0] = np.nan
        return None if one.id == "test-0" else values

    task = attribution()
    table = predict_all(task, looking(draw), data)
    assert (~table["answered"]).sum() == 4
    values = values_of(task, table, data.card)
    for name in ("iou[box]", "pointing_game", "detection_rate", "ap@0.5", "energy_in_box"):
        assert values[name] == 0.5, name
    assert values["false_positive_rate[absent]"] == 0.5


def test_outside_of_what_the_model_sees_nothing_is_found() -> None:
    """A frame over the right half: the left half is as low as the lowest value seen."""
    data = scene(4)
    half = Placement((SIDE, SIDE), (replace(FRAME, left=4.0, width=4.0),))

    def draw(one: Sample, text: str) -> np.ndarray:
        values = np.full((1, 2, 2), 3.0)
        values[0, 0, 0] = HOT + 3 if text == "lung nodule" else WARM + 3
        return values

    table = predict_all(attribution(), looking(draw, placement=half), data)
    boxes = np.array(table["box"][~table["absent"]].tolist())
    assert (boxes[..., 0] == 4).all()


def test_a_constant_map_gives_no_box() -> None:
    """All of the image is not an answer."""
    data = scene(4)
    task = attribution()
    table = predict_all(task, looking(lambda *_: np.ones((SIDE, SIDE))), data)
    assert table["answered"].all()
    assert not table["detected"].any()
    assert values_of(task, table, data.card)["pointing_game"] == 0


def test_a_resumed_run_and_another_order_of_files_give_the_same_rows() -> None:
    """Every row depends on its phrase and on val alone."""
    data = scene(40)
    task, view = attribution(tuning_phrases=20), looking(truthful(data))
    whole = predict_all(task, view, data)
    done = frozenset(whole["key"][::3].tolist())
    rest = join(list(task.predict(view, data, done)))
    keep = np.array([key not in done for key in whole["key"].tolist()])
    left = {name: values[keep] for name, values in whole.columns.items()}
    assert_same(rest, replace(whole, columns=left))
    assert list(task.predict(view, data, frozenset(task.expected(data)))) == []
    turned = replace(data, samples=data.samples[::-1], phrases=data.phrases[::-1])
    assert_same(predict_all(task, view, turned), whole)


def test_intervals_draw_boxes_with_their_phrases() -> None:
    """AP is over boxes, but patients are drawn: the fast form agrees with the definition."""
    data = scene(12)
    knows, rng = truthful(data), np.random.default_rng(3)
    noise = {(s.id, p): rng.normal(size=(SIDE, SIDE)) for s in data.samples
             for p in ("lung nodule", "effusion")}  # fmt: skip
    task = attribution()
    table = predict_all(task, looking(lambda s, t: knows(s, t) + 0.7 * noise[s.id, t]), data)
    (ap,) = [one for one in task.score(table, data.card) if one.metric == "ap@0.5"]
    weights = rng.integers(0, 4, size=(20, table.n_rows)).astype(np.float32)
    rows = np.arange(table.n_rows)
    assert not np.array_equal(ap.statistic.owner, rows)  # some give no row and some give two
    by_hand = [ap.statistic(np.repeat(rows, w.astype(int))) for w in weights]
    np.testing.assert_allclose(ap.statistic.batched(weights), by_hand)
    estimate = bootstrap(ap.statistic, groups=table["patient"], n_resamples=50)
    assert estimate.low <= estimate.value <= estimate.high


def test_cosines_of_patches_with_the_phrase_are_the_map() -> None:
    """A patch on the axis of the phrase is where it is."""
    data = scene(4)

    def dense(one: Sample) -> Patches:
        values = np.tile(axis(7), (1, SIDE, SIDE, 1))
        (box,) = [p.box for p in data.phrases if p.id == one.id and p.box]
        values[0, box[1] : box[3], box[0] : box[2]] = axis(0)
        return Patches(values, FLAT)

    view = replace(view_of({}, FakeDense(("nodule",))), dense=dense)
    table = predict_all(SIMILARITY, view, data)
    there = ~table["absent"]
    assert (table["iou"][there] == 1).all()
    assert (table["peak"][there] == 1).all()
    assert (table["miou"][there] == 1).all()  # cosines as they are: 1 inside and 0 outside


def test_small_pictures_of_the_maps_are_kept() -> None:
    """Grey from the lowest to the highest value; the row says where the file is."""
    data, kept = scene(2), {}

    def keep(name: str, array: np.ndarray, one: Sample) -> str:
        kept[name, one.id] = array
        return f"maps/{name}/{one.id}"

    view = replace(looking(truthful(data)), store=Store(keep=keep))
    table = predict_all(attribution(), view, data)
    row = table["phrase"].tolist().index("lung nodule")
    number, _, name = table["key"][row].partition("/")
    assert table["map"][row] == f"maps/attribution/{number}/{name}"
    picture = kept[f"attribution/{number}", name]
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, hill((0, 0, 3, 2), 255))


def test_what_cannot_be_done_says_why() -> None:
    """Reasons are true and name what is missing."""
    data = scene(2)
    bare = replace(data, phrases=())
    absent = replace(data, phrases=tuple(replace(p, box=None) for p in data.phrases))
    view = looking(truthful(data))
    assert attribution().unsuitable(view, data) is None
    assert attribution().unsuitable(view, bare) == "dataset has no phrases"
    reason = attribution().unsuitable(view, absent)
    assert reason == "no phrase with a box about a test sample"
    assert "text embedding" in str(SIMILARITY.unsuitable(view, data))
    dual = view_of({}, FakeDualEncoder())
    assert "local embeddings" in str(SIMILARITY.unsuitable(dual, data))
    assert "where it looks" in str(attribution().unsuitable(dual, data))
    assert SIMILARITY.unsuitable(view_of({}, FakeDense()), data) is None


def test_settings_out_of_range_and_phrases_against_themselves_are_errors() -> None:
    """Bad input is named, not computed with."""
    for settings in ({"smoothing": -1.0}, {"n_boxes": 0}, {"tuning_phrases": 0}):
        for protocol in ("similarity-map", "attribution"):
            with pytest.raises(InputError, match=next(iter(settings))):
                make_task("grounding", protocol, settings)
    data = scene(2)
    both = replace(data, phrases=(*data.phrases, Phrase("test-0", "lung nodule", None)))
    with pytest.raises(InputError, match="has a box and is absent"):
        attribution().expected(both)
    deep = replace(data, phrases=(Phrase("test-0", "lung nodule", (0, 0, 1, 1, 0, 1)),))
    with pytest.raises(InputError, match="boxes of 4 numbers"):
        predict_all(attribution(), looking(lambda *_: hill((0, 0, 2, 2))), deep)


def test_boxes_as_text_are_tried_by_name_only() -> None:
    """No model here was trained for them, and they cost an answer per phrase."""
    assert default_protocols("grounding") == ("similarity-map", "attribution")
