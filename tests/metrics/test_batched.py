"""The property that the bootstrap rests on: batched(weights) = definition on repeated rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vesalius.errors import InputError
from vesalius.metrics.table import METRICS, MetricInfo
from vesalius.metrics.weighted import by_row

ON_SCORES = ("auroc", "auprc", "brier", "ece", "specificity@90sensitivity")
ON_SCORES += ("specificity@95sensitivity", "prevalence")
ON_DECISIONS = ("f1", "precision", "recall", "specificity")
ON_CLASSES = ("accuracy", "balanced_accuracy", "macro_f1", "mcc")
ON_PROBABILITIES = ("macro_auroc", "macro_auprc", "brier[multiclass]", "ece[top-label]")
ON_QUERIES = ("map", "ndcg", "mrr", "r_precision", "median_rank")
ON_QUERIES += tuple(f"{name}@{k}" for name in ("recall", "hit", "precision") for k in (1, 5, 10))
ON_CASES = ("dice", "iou", "auprc[pixel]", "missed", "false_positive_rate[empty]")
ON_CASES += ("hd95[voxel]", "nsd[surfel,1mm]", "nsd[surfel,2mm]", "nsd[surfel,5mm]")
ON_PHRASES = ("iou[box]", "precision@iou0.1", "precision@iou0.3", "precision@iou0.5")
ON_PHRASES += ("detection_rate", "false_positive_rate[absent]", "pointing_game", "energy_in_box")
ON_PHRASES += ("cnr[absolute]", "cnr[signed]", "miou[0.1-0.5]")
ON_ANSWERS = ("exact_match", "exact_match[normalised]", "token_f1", "token_recall", "rouge_l")
ON_ANSWERS += ("meteor[nltk-2007]", "unparsed", "ambiguous")
ON_IMAGES = ("psnr", "ssim", "ms_ssim", "ms_ssim[3-scale]", "caption_cosine")
# they need different images: a repeated row is not a row counted twice
ON_SETS = ("fd", "kid")
KINDS = {
    **dict.fromkeys(ON_SCORES, "scores"),
    **dict.fromkeys(ON_DECISIONS, "decisions"),
    **dict.fromkeys(ON_CLASSES, "classes"),
    **dict.fromkeys(ON_PROBABILITIES, "probabilities"),
    **dict.fromkeys(ON_QUERIES, "queries"),
    **dict.fromkeys(ON_CASES + ON_PHRASES + ON_ANSWERS + ON_IMAGES, "units"),
    "ap@0.5": "boxes",
    **{f"bleu{order}[sacrebleu]": "statistics" for order in (1, 2, 3, 4)},
}


def _arrays(kind: str, rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """Small random input, coarse enough that ties and missing classes are common."""
    if kind == "scores":
        return rng.random(n) < rng.choice([0.1, 0.5]), rng.integers(0, 8, n) / 7
    if kind == "decisions":
        return rng.random(n) < 0.3, rng.random(n) < 0.3
    if kind == "classes":
        return rng.integers(0, 4, n), rng.integers(0, 4, n)
    if kind == "probabilities":
        raw = rng.integers(1, 4, (n, 3)).astype(float)
        return rng.integers(0, 3, n), raw / raw.sum(axis=1, keepdims=True)
    if kind in ("statistics", "boxes"):
        return _pooled(kind, rng, n)
    column = rng.integers(1, 6, n) / 2 if kind == "queries" else rng.integers(0, 5, n) / 4
    return (np.where(rng.random(n) < 0.2, np.nan, column),)


def _pooled(kind: str, rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """What is summed or ranked over all rows: counts of n-grams, or boxes and their scores."""
    if kind == "statistics":  # longer n-grams are fewer, and matched at most as often
        predicted = np.clip(rng.integers(0, 7, (n, 1)) - np.arange(4), 0, None)
        matched = np.minimum.accumulate(rng.integers(0, 7, (n, 4)), axis=1).clip(max=predicted)
        return (np.hstack([matched, predicted, predicted[:, :1], rng.integers(0, 6, (n, 1))]),)
    is_box = rng.random(n) < 0.5
    missed = is_box & (rng.random(n) < 0.3)
    return is_box, np.where(missed, -np.inf, rng.integers(0, 6, n))


def _repeated(
    metric: MetricInfo, arrays: tuple[np.ndarray, ...], weights: np.ndarray
) -> np.ndarray:
    rows = np.arange(weights.shape[1])
    draws = [np.repeat(rows, w.astype(int)) for w in weights]
    return np.array([metric.function(*(a[d] for a in arrays)) for d in draws])


def test_every_metric_has_a_kind() -> None:
    """No metric is forgotten by the property below, save those that have no batched form."""
    assert KINDS.keys() | set(ON_SETS) == METRICS.keys()
    assert [name for name, metric in METRICS.items() if metric.batched is None] == list(ON_SETS)


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 30))
def test_batched_equals_repeated_rows(name: str, seed: int, n: int) -> None:
    """Weights count exactly like repeated rows, NaN included, to 1e-12."""
    rng = np.random.default_rng(seed)
    metric, arrays = METRICS[name], _arrays(KINDS[name], rng, n)
    weights = rng.integers(0, 3, (4, n)) * (rng.random((4, 1)) < 0.9)
    assert metric.batched is not None
    np.testing.assert_allclose(
        metric.batched(*arrays, weights=weights), _repeated(metric, arrays, weights), atol=1e-12
    )


@pytest.mark.parametrize("name", KINDS)
def test_row_order_and_duplication_change_nothing(name: str) -> None:
    """A permutation of the rows, or every row twice, gives the same value."""
    rng = np.random.default_rng(5)
    function, arrays = METRICS[name].function, _arrays(KINDS[name], rng, 60)
    value = function(*arrays)
    shuffled, twice = rng.permutation(60), np.repeat(np.arange(60), 2)
    assert function(*(a[shuffled] for a in arrays)) == pytest.approx(value, abs=1e-12)
    assert function(*(a[twice] for a in arrays)) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("name", KINDS)
def test_value_lies_in_the_declared_range(name: str) -> None:
    """Table and values agree on the range; source and unit are filled in."""
    metric = METRICS[name]
    rng = np.random.default_rng(11)
    values = [metric.function(*_arrays(KINDS[name], rng, 25)) for _ in range(20)]
    low = 0 if KINDS[name] == "queries" else metric.low
    high = 3 if KINDS[name] == "queries" else metric.high
    assert all(np.isnan(v) or low <= v <= high for v in values)
    assert metric.name == name
    assert metric.source


@pytest.mark.parametrize("name", KINDS)
def test_empty_arrays_and_layouts(name: str) -> None:
    """No rows give NaN per resample; memory layout and dtype of the weights do not matter."""
    rng = np.random.default_rng(2)
    batched, arrays = METRICS[name].batched, _arrays(KINDS[name], rng, 40)
    assert batched is not None
    empty = batched(*(a[:0] for a in arrays), weights=np.zeros((3, 0)))
    assert np.isnan(empty).all()
    assert empty.shape == (3,)
    weights = rng.integers(0, 3, (5, 40))
    fast = np.ascontiguousarray(weights.T.astype(np.float32)).T
    np.testing.assert_array_equal(batched(*arrays, weights=weights), batched(*arrays, weights=fast))


def test_wrong_weights_are_refused() -> None:
    """Weights of another number of rows are an error, not a broadcast."""
    with pytest.raises(InputError, match="resamples × 3 rows"):
        by_row(np.ones((2, 4)), 3)
