"""Metrics of a retrieval table, with what a random order expects and what is possible.

Queries without a positive in the gallery have no value: they are left out, and `n` of each
estimate says how many queries were left.
"""

from functools import partial
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from vesalius.metrics import METRICS
from vesalius.metrics.retrieval import (
    CUTOFFS,
    chance_average_precision,
    chance_hit,
    chance_recall,
    query_values,
)
from vesalius.metrics.weighted import ratio
from vesalius.records import Predictions
from vesalius.stats import statistic
from vesalius.tasks import Scored
from vesalius.tasks.row_subset import OnRows

AVERAGED = (
    "recall@5",
    "map",
    *(f"recall@{k}" for k in CUTOFFS if k != 5),
    *(f"hit@{k}" for k in CUTOFFS),
    *(f"precision@{k}" for k in CUTOFFS),
    "ndcg",
    "mrr",
    "median_rank",
)


@runtime_checkable
class Chance(Protocol):
    """Expected value of a metric for one query under a random order of the gallery."""

    def __call__(self, *, gallery_size: int, n_positive: int) -> float:
        """The expectation."""
        ...


def score_retrieval(predictions: Predictions, /) -> list[Scored]:
    """Metrics over the primary queries, then for each direction and relevance.

    Primary are both directions between image and text with relevance by pair; image→image
    where the dataset has no captions.
    """
    values = _per_query(predictions)
    has_positive = predictions["n_positive"] > 0
    kinds = list(zip(predictions["direction"], predictions["relevance"], strict=True))
    by_pair = predictions["relevance"] == "pair"
    primary = by_pair if by_pair.any() else np.ones(len(by_pair), dtype=np.bool_)
    scored = _named(values, np.flatnonzero(primary & has_positive), "")
    for direction, relevance in dict.fromkeys(kinds):
        same = (predictions["direction"] == direction) & (predictions["relevance"] == relevance)
        place = f"{direction}, {relevance}"
        scored += _named(values, np.flatnonzero(same & has_positive), place)
    return scored


def _named(values: dict[str, np.ndarray], rows: np.ndarray, place: str) -> list[Scored]:
    return [
        Scored(
            metric,
            OnRows(statistic(metric.partition("[")[0], per_query[rows]), rows),
            class_name=place,
            rows=rows,
            higher_is_better=METRICS[metric.partition("[")[0]].higher_is_better,
        )
        for metric, per_query in values.items()
    ]


def _per_query(predictions: Predictions) -> dict[str, Float[np.ndarray, " queries"]]:
    """Every metric, its chance level and its limit, for every query.

    A query without an answer found nothing, however many of a small gallery are right for it.
    """
    found = query_values([np.asarray(r, dtype=np.int64) for r in predictions["ranks"]])
    sizes, positives = predictions["gallery"], predictions["n_positive"]
    unanswered = ~predictions["answered"] & (positives > 0)
    values = {name: np.where(unanswered, 0.0, found[name]) for name in AVERAGED}
    values["median_rank"] = np.where(unanswered, sizes, found["median_rank"])

    chances: dict[str, Chance] = {"map": chance_average_precision}
    for k in CUTOFFS:
        chances[f"recall@{k}"] = partial(chance_recall, k=k)
        chances[f"hit@{k}"] = partial(chance_hit, k=k)
    for name, chance in chances.items():
        values[f"{name}[chance]"] = _of_pairs(sizes, positives, chance)
    for k in CUTOFFS:  # k places cannot hold more than k of the positives
        values[f"recall@{k}[best possible]"] = ratio(
            np.minimum(k, positives).astype(np.float64), positives.astype(np.float64)
        )
    return values


def _of_pairs(
    sizes: Int[np.ndarray, " n"], positives: Int[np.ndarray, " n"], chance: Chance
) -> Float[np.ndarray, " n"]:
    """`chance` of every (gallery size, positives), computed once for each distinct pair."""
    pairs, place = np.unique(np.stack([sizes, positives], axis=1), axis=0, return_inverse=True)
    values = [
        chance(gallery_size=int(size), n_positive=int(n)) if n else np.nan for size, n in pairs
    ]
    return np.array(values)[place.reshape(-1)]
