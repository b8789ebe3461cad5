"""No metric is forgotten: each has a value by hand, a property and an independent oracle."""

from collections.abc import Callable

import numpy as np
import pytest
import test_answer_faults as faults
import test_classification_metrics as classification
import test_generation_metrics as generation
import test_grounding_metrics as grounding
import test_retrieval_metrics as retrieval
import test_segmentation_metrics as segmentation
import test_text_metrics as text
from sklearn import metrics as sk
from test_batched import KINDS, ON_SETS

from vesalius.metrics.retrieval import CUTOFFS, query_values, rank_positives_in
from vesalius.metrics.table import METRICS

Oracle = Callable[[np.ndarray, np.ndarray], float]


def _on_first(metric: Callable[..., float], k: int) -> Oracle:
    """A metric of decisions, the decision being to take the first `k`; 0: as many as positives."""

    def value(relevant: np.ndarray, score: np.ndarray) -> float:
        n_taken = k or int(relevant.sum())
        return float(metric(relevant, score >= np.sort(score)[-n_taken]))

    return value


def _rank_first(relevant: np.ndarray, score: np.ndarray) -> float:
    """The depth at which sklearn has covered the best positive, as if it were the only one."""
    best = (relevant & (score == score[relevant].max()))[None]
    return float(sk.coverage_error(best, score[None]))


RETRIEVAL: dict[str, Oracle] = {
    "map": lambda y, s: sk.label_ranking_average_precision_score(y[None], s[None]),
    "ndcg": lambda y, s: sk.ndcg_score(y[None], s[None]),
    "mrr": lambda y, s: 1 / _rank_first(y, s),
    "median_rank": _rank_first,
    "r_precision": _on_first(sk.precision_score, 0),
    **{f"recall@{k}": _on_first(sk.recall_score, k) for k in CUTOFFS},
    **{f"precision@{k}": _on_first(sk.precision_score, k) for k in CUTOFFS},
    **{
        f"hit@{k}": lambda y, s, k=k: float(_on_first(sk.recall_score, k)(y, s) > 0)
        for k in CUTOFFS
    },
}


@pytest.mark.filterwarnings("ignore:Precision is ill-defined")
@pytest.mark.parametrize("name", RETRIEVAL)
def test_retrieval_agrees_with_scikit_learn(name: str) -> None:
    """Over distinct scores each value of a query is what sklearn makes of its first items."""
    rng = np.random.default_rng(9)
    score = rng.permuted(np.tile(np.arange(30.0), (20, 1)), axis=1)
    relevant = rng.random((20, 30)) < 0.2
    relevant[:, 0] = True
    values = query_values(rank_positives_in(score, [np.flatnonzero(row) for row in relevant]))
    expected = [RETRIEVAL[name](y, s) for y, s in zip(relevant, score, strict=True)]
    np.testing.assert_allclose(values[name], expected, atol=1e-9)


MODULES = (classification, retrieval, segmentation, grounding, text, generation, faults)
DEFINED = {name for module in MODULES for name in module.BY_HAND}
COMPARED = {
    *classification.SKLEARN,
    *RETRIEVAL,
    *segmentation.AGREEMENT,
    "auprc[pixel]",  # test_pixel_auprc_agrees_with_scikit_learn
    *grounding.AGREEMENT,
    *text.AGREEMENT,
    *faults.AGREEMENT,
    *generation.AGREEMENT,
}


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_tested_three_ways(name: str) -> None:
    """A new row in the table needs a definition, a property and an agreement test."""
    assert name in DEFINED, "no value by hand"
    assert name in KINDS or name in ON_SETS, "no property"
    assert name in COMPARED, "no independent oracle"
