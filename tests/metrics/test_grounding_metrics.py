"""Grounding: boxes and heat maps by hand, symmetries, agreement with COCO, scipy and sklearn."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy import ndimage, sparse
from sklearn import metrics as sk

from vesalius.errors import InputError
from vesalius.metrics import boxes as b
from vesalius.metrics import heatmaps as h
from vesalius.metrics.table import METRICS
from vesalius.metrics.weighted import mean_defined

NO_BOX = np.zeros((0, 4))
BOX = np.array([[0.0, 0.0, 4.0, 2.0]])
SHIFTED = np.array([[1.0, 0.0, 5.0, 2.0]])  # 6 of 10 in common
INSIDE = np.array([[True, True, False, False]])
HEAT = np.array([[0.5, 0.3, 0.2, -0.2]])
BY_HAND: dict[str, float] = {
    "iou[box]": 6 / 10,
    "precision@iou0.1": 1,
    "precision@iou0.3": 1,
    "precision@iou0.5": 1,
    "detection_rate": 1,
    "false_positive_rate[absent]": 1,
    "pointing_game": 1,
    # 0.4 ± 0.1 inside, 0 ± 0.2 outside
    "cnr[absolute]": 0.4 / np.sqrt(0.01 + 0.04),
    "cnr[signed]": 0.4 / np.sqrt(0.01 + 0.04),
    # at 0.1 and 0.2 three cells, at 0.3 both, at 0.4 and 0.5 one
    "miou[0.1-0.5]": (2 / 3 + 2 / 3 + 1 + 1 / 2 + 1 / 2) / 5,
    "energy_in_box": 0.8 / 1.0,
    # hit, false, hit, one missed: best precision 1, then 2/3, then nothing
    "ap@0.5": (1 + 2 / 3) / 3,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_value_by_hand(name: str) -> None:
    """Small boxes and a map of four cells give the values worked out on paper."""
    if name == "ap@0.5":
        rows = np.array([True, False, True, True]), np.array([0.9, 0.8, 0.7, -np.inf])
        assert METRICS[name].function(*rows) == pytest.approx(BY_HAND[name])
        return
    reference = NO_BOX if name == "false_positive_rate[absent]" else BOX
    values = {**b.phrase_values(reference, SHIFTED), **h.map_values(INSIDE, HEAT)}
    assert values[name] == pytest.approx(BY_HAND[name], abs=1e-12)
    assert METRICS[name].function(np.array([values[name], np.nan])) == values[name]


def _boxes(rng: np.random.Generator, n: int, n_axes: int = 2) -> np.ndarray:
    lower = rng.integers(0, 12, (n, n_axes))
    return np.concatenate([lower, lower + rng.integers(1, 9, (n, n_axes))], axis=1).astype(float)


def _as_coco(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_box_iou_agrees_with_coco(seed: int) -> None:
    """The matrix equals pycocotools' (which has predictions along the first axis)."""
    rng = np.random.default_rng(seed)
    reference, prediction = _boxes(rng, 7), _boxes(rng, 5)
    expected = coco_mask.iou(_as_coco(prediction), _as_coco(reference), np.zeros(7, dtype=np.uint8))
    np.testing.assert_allclose(b.box_iou(reference, prediction), expected.T, atol=1e-12)


def _images(seed: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(30):
        reference = _boxes(rng, rng.integers(1, 4)) * 10
        near = reference[rng.integers(0, len(reference), 5)] + rng.integers(-15, 16, (5, 4))
        good = (near[:, 2:] > near[:, :2]).all(axis=1)
        images.append((reference, near[good], rng.random(good.sum())))
    return images


def _coco_precision(images: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> np.ndarray:
    """Precision at recall 0, 0.01, …, 1 as pycocotools gives it for IoU 0.5."""
    truth, found = [], []
    for image, (reference, prediction, score) in enumerate(images, start=1):
        for box in _as_coco(reference).tolist():
            row = {"image_id": image, "category_id": 1, "bbox": box, "area": box[2] * box[3]}
            truth.append({**row, "id": len(truth) + 1, "iscrowd": 0})
        for box, value in zip(_as_coco(prediction).tolist(), score.tolist(), strict=True):
            row = {"image_id": image, "category_id": 1, "bbox": box, "score": value}
            found.append(row)
    coco = COCO()
    coco.dataset = {
        "info": {},
        "images": [{"id": i + 1} for i in range(len(images))],
        "annotations": truth,
        "categories": [{"id": 1}],
    }
    coco.createIndex()
    evaluation = COCOeval(coco, coco.loadRes(found), "bbox")
    evaluation.params.iouThrs = np.array([0.5])
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation.eval["precision"][0, :, 0, 0, -1]


@pytest.mark.parametrize("seed", range(3))
def test_matching_and_curve_agree_with_coco(seed: int) -> None:
    """Read at 101 recalls, the falling curve of our matches is pycocotools' to 1e-9."""
    images = _images(seed)
    rows = [b.detections(*image) for image in images]
    is_box, score = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    order = np.argsort(-score)[: int(np.isfinite(score).sum())]
    hits = np.cumsum(is_box[order])
    recall, precision = hits / is_box.sum(), hits / np.arange(1, len(order) + 1)
    falling = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0)
    sampled = falling[np.searchsorted(recall, np.linspace(0, 1, 101))]
    np.testing.assert_allclose(sampled, _coco_precision(images), atol=1e-9)
    area = (np.diff(recall, prepend=0) * falling[:-1]).sum()
    assert b.detection_ap(is_box, score) == pytest.approx(area, abs=1e-12)
    assert abs(area - sampled.mean()) < 0.01


def _average_precision(is_box: np.ndarray, score: np.ndarray) -> float:
    """Area under sklearn's curve made falling, the missed ones (found last of all) taken out."""
    ranked = np.where(np.isinf(score), -1e9, score)
    precision, recall, _ = sk.precision_recall_curve(is_box, ranked)
    if np.isinf(score).any():
        precision[0] = 0
    return float(-(np.diff(recall) * np.maximum.accumulate(precision)[:-1]).sum())


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_agrees_with_scikit_learn(seed: int) -> None:
    """Ties and missed boxes included, it is the area under sklearn's curve made falling."""
    rng = np.random.default_rng(seed)
    is_box, score = rng.random(80) < 0.4, rng.integers(0, 20, 80).astype(float)
    score[is_box & (rng.random(80) < 0.3)] = -np.inf
    expected = AGREEMENT["ap@0.5"](is_box, score)
    assert b.detection_ap(is_box, score) == pytest.approx(expected, abs=1e-12)


def _rasterised(boxes: np.ndarray) -> np.ndarray:
    return h.cells_inside(boxes, shape=(24,) * (boxes.shape[1] // 2))


def _phrase_by_pixels(reference: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
    value = sk.jaccard_score(_rasterised(reference).ravel(), _rasterised(prediction).ravel())
    return {
        "iou[box]": value,
        **{f"precision@iou{t}": float(value >= t) for t in b.IOU_LEVELS},
        "detection_rate": float(_rasterised(prediction).any()),
    }


def _absent_by_pixels(_: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
    nothing = np.zeros(24 * 24, dtype=bool)
    found = np.array([_rasterised(prediction).any()])
    false_positives = sk.confusion_matrix(nothing[:1], found, labels=[False, True])[0, 1]
    return {"false_positive_rate[absent]": float(false_positives)}


def _map_by_scipy(inside: np.ndarray, heat: np.ndarray) -> dict[str, float]:
    labels = inside.astype(int)
    low, high = (ndimage.mean(heat, labels, i) for i in (0, 1))
    noise = np.sqrt(sum(ndimage.variance(heat, labels, i) for i in (0, 1)))
    overlaps = [sk.jaccard_score(inside.ravel(), (heat >= t).ravel()) for t in h.MAP_THRESHOLDS]
    positive = np.maximum(heat, 0)
    return {
        "pointing_game": float(labels[ndimage.maximum_position(heat)]),
        "cnr[absolute]": abs(high - low) / noise,
        "cnr[signed]": (high - low) / noise,
        "miou[0.1-0.5]": float(np.mean(overlaps)),
        "energy_in_box": ndimage.sum(positive, labels, 1) / ndimage.sum(positive),
    }


AGREEMENT: dict[str, Callable[[np.ndarray, np.ndarray], object]] = {
    **dict.fromkeys(("iou[box]", *(f"precision@iou{t}" for t in b.IOU_LEVELS)), _phrase_by_pixels),
    "detection_rate": _phrase_by_pixels,
    "false_positive_rate[absent]": _absent_by_pixels,
    **dict.fromkeys(("pointing_game", "cnr[absolute]", "cnr[signed]"), _map_by_scipy),
    **dict.fromkeys(("miou[0.1-0.5]", "energy_in_box"), _map_by_scipy),
    "ap@0.5": _average_precision,
}


@pytest.mark.parametrize("n_axes", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_phrases_agree_with_pixel_counts(seed: int, n_axes: int) -> None:
    """Regions of whole pixels overlap as sklearn's Jaccard score of their pixels says."""
    rng = np.random.default_rng(seed)
    reference, prediction = _boxes(rng, 3, n_axes), _boxes(rng, 2, n_axes)
    values = b.phrase_values(reference, prediction)
    expected = _phrase_by_pixels(reference, prediction)
    assert {name: values[name] for name in expected} == pytest.approx(expected)
    absent = b.phrase_values(np.zeros((0, 2 * n_axes)), prediction)
    expected = _absent_by_pixels(reference, prediction)
    assert {name: absent[name] for name in expected} == expected


@pytest.mark.parametrize("shape", [(9, 13), (5, 6, 7)], ids=["2D", "3D"])
@pytest.mark.parametrize("seed", range(3))
def test_map_values_agree_with_scipy(shape: tuple[int, ...], seed: int) -> None:
    """Means, variances and sums of scipy's labelled regions give the same values."""
    rng = np.random.default_rng(seed)
    inside, heat = rng.random(shape) < 0.3, rng.normal(0.2, 0.3, shape)
    assert h.map_values(inside, heat) == pytest.approx(_map_by_scipy(inside, heat), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_axes=st.sampled_from([2, 3]))
def test_overlap_properties(seed: int, n_axes: int) -> None:
    """Symmetric, in [0, 1], blind to scale, shift and repeated boxes; one box each is box_iou."""
    rng = np.random.default_rng(seed)
    one, other = _boxes(rng, 2, n_axes), _boxes(rng, 3, n_axes)
    value = b.region_iou(one, other)
    assert 0 <= value <= 1
    assert b.region_iou(other, one) == pytest.approx(value)
    assert b.region_iou(one * 3 - 7, other * 3 - 7) == pytest.approx(value)
    assert b.region_iou(np.repeat(one, 2, axis=0), other) == pytest.approx(value)
    assert b.region_iou(one[:1], other[:1]) == pytest.approx(b.box_iou(one, other)[0, 0])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_each_reference_is_found_once(seed: int) -> None:
    """No reference box counts twice, every match reaches the threshold, order changes nothing."""
    rng = np.random.default_rng(seed)
    reference, prediction, score = _boxes(rng, 4), _boxes(rng, 9), rng.permutation(9) / 9
    found = b.match_boxes(reference, prediction, score, iou_threshold=0.3)
    taken = found[found >= 0]
    assert len(set(taken.tolist())) == len(taken)
    assert (b.box_iou(reference, prediction)[taken, np.flatnonzero(found >= 0)] >= 0.3).all()
    order = rng.permutation(9)
    again = b.match_boxes(reference, prediction[order], score[order], iou_threshold=0.3)
    np.testing.assert_array_equal(again, found[order])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_axes=st.sampled_from([2, 3]))
def test_map_properties(seed: int, n_axes: int) -> None:
    """CNR and pointing do not see the scale of a map; the sign of CNR is the only difference."""
    rng = np.random.default_rng(seed)
    inside, heat = rng.random((6,) * n_axes) < 0.4, rng.normal(size=(6,) * n_axes)
    values, scaled = h.map_values(inside, heat), h.map_values(inside, 5 * heat + 2)
    for name in ("pointing_game", "cnr[absolute]", "cnr[signed]"):
        assert scaled[name] == pytest.approx(values[name], nan_ok=True)
    assert abs(values["cnr[signed]"]) == pytest.approx(values["cnr[absolute]"], nan_ok=True)
    turned = h.cnr(inside, -heat, signed=True)
    assert turned == pytest.approx(-values["cnr[signed]"], nan_ok=True)


def test_boxes_of_a_map_by_hand() -> None:
    """Three components: the largest first, corners exclusive above, diagonals do not connect."""
    heat = np.array(
        [[0.9, 0.0, 0.0, 0.5], [0.0, 0.4, 0.4, 0.0], [0.0, 0.4, 0.0, 0.0], [0.3, 0.0, 0.0, 0.2]]
    )
    boxes, score = h.boxes_in_map(heat, threshold=0.3, n_boxes=3)
    np.testing.assert_array_equal(boxes, [[1, 1, 3, 3], [0, 0, 1, 1], [0, 3, 1, 4]])
    np.testing.assert_array_equal(score, [0.4, 0.9, 0.5])
    assert h.boxes_in_map(heat, threshold=0.3)[0].tolist() == [[1, 1, 3, 3]]
    nothing, no_score = h.boxes_in_map(heat, threshold=2.0)
    assert nothing.shape == (0, 4)
    assert no_score.shape == (0,)
    volume = np.zeros((3, 4, 5))
    volume[1:3, 2, 3] = 1
    assert h.boxes_in_map(volume, threshold=0.5)[0].tolist() == [[1, 2, 3, 3, 3, 4]]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_components_agree_with_a_graph(seed: int) -> None:
    """Components are those of scipy's graph of neighbouring cells, each within its box."""
    rng = np.random.default_rng(seed)
    heat = rng.random((4, 5, 3))
    cells = np.argwhere(heat >= 0.6)
    apart = np.abs(cells[:, None] - cells[None]).sum(axis=2)
    n_components, label = sparse.csgraph.connected_components(apart == 1)
    boxes, score = h.boxes_in_map(heat, threshold=0.6, n_boxes=100)
    groups = [cells[label == i] for i in range(n_components)]
    expected = {(*g.min(axis=0), *(g.max(axis=0) + 1), heat[tuple(g.T)].max()) for g in groups}
    assert {(*box, top) for box, top in zip(boxes, score, strict=True)} == expected


def test_cells_inside_are_those_whose_centre_is() -> None:
    """A box of pixel edges covers those pixels; half a pixel more or less decides by the centre."""
    inside = h.cells_inside(np.array([[0.0, 0.6, 1.0, 2.4], [1.6, -3.0, 9.0, 0.5]]), shape=(3, 4))
    np.testing.assert_array_equal(inside.astype(int), [[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])


def test_a_phrase_without_answer_is_a_miss() -> None:
    """Defect 7: a phrase for which no box came counts as 0 in the mean; it is not dropped."""
    lost, found = b.phrase_values(BOX, NO_BOX), b.phrase_values(BOX, BOX)
    for name in ("iou[box]", "precision@iou0.1", "precision@iou0.5", "detection_rate"):
        assert (lost[name], found[name]) == (0, 1)
        assert mean_defined(np.array([lost[name], found[name]])) == 0.5
    is_box, score = b.detections(BOX, NO_BOX, np.zeros(0))
    assert b.detection_ap(is_box, score) == 0


def test_absent_phrases_have_no_overlap() -> None:
    """Without reference every value but the false alarm is NaN, never 0."""
    values = {**b.phrase_values(NO_BOX, BOX), **h.map_values(INSIDE & False, HEAT)}
    assert values.pop("false_positive_rate[absent]") == 1
    assert all(np.isnan(value) for value in values.values())
    assert b.phrase_values(NO_BOX, NO_BOX)["false_positive_rate[absent]"] == 0
    is_box, score = b.detections(NO_BOX, BOX, np.array([0.3]))
    assert np.isnan(b.detection_ap(is_box, score))


def test_a_constant_map_earns_nothing() -> None:
    """A map that says nothing neither points anywhere nor has a contrast."""
    flat = np.full((1, 4), 0.1)
    assert h.pointing_game(INSIDE, flat) == 0
    assert np.isnan(h.cnr(INSIDE, flat, signed=True))
    assert np.isnan(h.energy_inside(INSIDE, -flat))
    assert np.isnan(h.cnr(INSIDE | True, HEAT, signed=False))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: b.check_boxes(np.zeros((2, 3))), r"4 \(2D\) or 6 \(3D\) numbers, got \(2, 3\)"),
        (lambda: b.region_iou(BOX[:, ::-1], BOX), "reference must have the lower corner"),
        (lambda: b.box_iou(BOX, np.array([[0, 0, 0, 1, 1, 1]])), "equally many axes"),
        (lambda: b.match_boxes(BOX, SHIFTED, np.array([np.nan])), "1 finite scores"),
        (lambda: b.detection_ap(np.array([False]), np.array([-np.inf])), "score must be finite"),
        (lambda: b.detection_ap(np.array([True]), np.zeros(2)), "one row each, got 1, 2"),
        (lambda: h.cells_inside(BOX, shape=(2, 2, 2)), "must have 6 numbers each"),
        (lambda: h.pointing_game(INSIDE, HEAT[:, :2]), r"boolean grid \(1, 2\)"),
        (lambda: h.mean_iou(INSIDE, HEAT * np.nan), "finite grid"),
        (lambda: h.boxes_in_map(HEAT, threshold=0.1, n_boxes=0), "at least 1, got 0"),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], message: str) -> None:
    """Boxes, scores and grids that make no sense are errors that say what came."""
    with pytest.raises(InputError, match=message):
        call()
