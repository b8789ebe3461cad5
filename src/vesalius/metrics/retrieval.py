"""Retrieval over a whole gallery: where do the positives of each query rank?

Everything starts from `ranks`: for one query the 1-based ranks of its positives, in ascending
order. Ties are resolved pessimistically: an item that is not a positive and scores the same comes
first, so a collapsed embedding earns nothing. A query without positives has no value (NaN) and is
left out of means; say how many there were. Gains are binary and nothing is cut off unless the name
says so: `recall@k` is the share of the positives found in the first k, `hit@k` whether any is (the
Recall@K of the CLIP papers).
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int, Shaped

from vesalius.errors import InputError
from vesalius.metrics.weighted import ratio

Ranks = Int[np.ndarray, " _"]
PerQuery = Float[np.ndarray, " queries"]
CUTOFFS = (1, 5, 10)

_QUERIES_AT_ONCE = 512
_SORT_FROM = 32  # positives from which sorting the row beats counting once per positive
# A float32 product of unit rows is exact to about 1e-7, and equal rows may differ by that much
# depending on where they lie in the matrix: closer than this is a tie.
TIE_TOLERANCE = 1e-6


def positives_by_label(
    query_labels: Shaped[np.ndarray, " queries"], gallery_labels: Shaped[np.ndarray, " gallery"]
) -> list[Int[np.ndarray, " _"]]:
    """Gallery rows that carry each query's label; queries of one label share one array."""
    names, index = np.unique(gallery_labels, return_inverse=True)
    order = np.argsort(index, kind="stable")
    edges = np.searchsorted(index[order], np.arange(len(names) + 1))
    rows = {name: order[a:b] for name, (a, b) in zip(names.tolist(), pairwise(edges), strict=True)}
    none = np.zeros(0, dtype=np.int64)
    return [rows.get(label, none) for label in np.asarray(query_labels).tolist()]


def rank_positives(
    queries: Float[np.ndarray, "queries dim"],
    gallery: Float[np.ndarray, "gallery dim"],
    positives: Sequence[Int[np.ndarray, " _"]],
    *,
    excluded: Sequence[Int[np.ndarray, " _"]] | None = None,
) -> list[Ranks]:
    """Rank each query's positives in the whole gallery by inner product (cosine of unit rows).

    Args:
        queries: one row per query; products are taken in float32, 512 queries at a time.
        gallery: one row per item.
        positives: gallery rows that are right for each query; may be empty.
        excluded: per query the gallery rows that are not in its gallery, such as the query
            itself and its patient's other images; may be empty.

    Returns:
        Ascending 1-based ranks per query. Similarities within `TIE_TOLERANCE` are tied.

    Raises:
        InputError: if shapes disagree, a value is not finite or an index lies outside.
    """
    left, right = (np.ascontiguousarray(a, dtype=np.float32) for a in (queries, gallery))
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1]:
        raise InputError(f"queries and gallery must be rows × dim, got {left.shape}, {right.shape}")
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise InputError("embeddings must be finite; look for NaN rows in queries and gallery")
    _check_rows(positives, excluded, n_queries=len(left), n_items=len(right))
    ranks: list[Ranks] = []
    for start in range(0, len(left), _QUERIES_AT_ONCE):
        chunk = slice(start, start + _QUERIES_AT_ONCE)
        without = None if excluded is None else excluded[chunk]
        similarity = left[chunk] @ right.T
        ranks += _rank_rows(similarity, positives[chunk], without, tolerance=TIE_TOLERANCE)
    return ranks


def rank_positives_in(
    similarity: Float[np.ndarray, "queries gallery"],
    positives: Sequence[Int[np.ndarray, " _"]],
    *,
    excluded: Sequence[Int[np.ndarray, " _"]] | None = None,
) -> list[Ranks]:
    """`rank_positives` from a matrix of similarities; here only equal numbers are tied.

    Raises:
        InputError: if shapes disagree, a value is not finite or an index lies outside.
    """
    if similarity.ndim != 2 or not np.isfinite(similarity).all():
        raise InputError("similarity must be a finite matrix, one row per query")
    _check_rows(positives, excluded, n_queries=len(similarity), n_items=similarity.shape[1])
    rows = similarity if excluded is None else similarity.astype(np.float64)
    return _rank_rows(rows, positives, excluded, tolerance=0.0)


def _check_rows(
    positives: Sequence[np.ndarray],
    excluded: Sequence[np.ndarray] | None,
    *,
    n_queries: int,
    n_items: int,
) -> None:
    for name, rows_of in (("positives", positives), ("excluded", excluded)):
        if rows_of is None:
            continue
        if len(rows_of) != n_queries:
            raise InputError(
                f"{name}: expected one entry per query ({n_queries}), got {len(rows_of)}"
            )
        for query, rows in enumerate(rows_of):
            if len(rows) and not (rows.min() >= 0 and rows.max() < n_items):
                raise InputError(f"{name} of query {query} must be gallery rows below {n_items}")
    if excluded is not None:
        _check_disjoint(positives, excluded, n_items)


def _check_disjoint(
    positives: Sequence[np.ndarray], excluded: Sequence[np.ndarray], n_items: int
) -> None:
    is_excluded = np.zeros(n_items, dtype=np.bool_)  # one mask for all queries: no sorting
    for query, (rows, left_out) in enumerate(zip(positives, excluded, strict=True)):
        is_excluded[left_out] = True
        both = rows[is_excluded[rows]]
        if len(both):
            raise InputError(f"query {query}: row {both[0]} is both a positive and excluded")
        is_excluded[left_out] = False


def _rank_rows(
    similarity: np.ndarray,
    positives: Sequence[np.ndarray],
    excluded: Sequence[np.ndarray] | None,
    *,
    tolerance: float,
) -> list[Ranks]:
    if excluded is not None:
        for row, left_out in zip(similarity, excluded, strict=True):
            row[left_out] = -np.inf
    rows = zip(similarity, positives, strict=True)
    return [_ranks_of(row, row[wanted], tolerance=tolerance) for row, wanted in rows]


def _ranks_of(row: np.ndarray, own: np.ndarray, *, tolerance: float) -> Ranks:
    """Rank of the k-th best positive: k, plus the other items that score at least as high."""
    if not len(own):
        return np.zeros(0, dtype=np.int64)
    ascending = np.sort(own)
    limits = ascending[::-1] - row.dtype.type(tolerance)
    if len(own) < _SORT_FROM:
        at_least = np.array([np.count_nonzero(row >= limit) for limit in limits])
    else:
        at_least = len(row) - np.sort(row).searchsorted(limits)
    positives_at_least = len(own) - ascending.searchsorted(limits)
    ranks: Ranks = np.arange(1, len(own) + 1) + at_least - positives_at_least
    return ranks


def rank_first(ranks: Ranks) -> float:
    """Rank of the best positive. 1 is best; NaN without positives."""
    return float(ranks[0]) if len(ranks) else float("nan")


def reciprocal_rank(ranks: Ranks) -> float:
    """One over the rank of the best positive. In (0, 1], higher is better; NaN without positives.

    Source: Voorhees (1999), The TREC-8 Question Answering Track Report.
    """
    return 1 / rank_first(ranks)


def average_precision(ranks: Ranks) -> float:
    """Mean, over all positives, of the precision at the positive's rank; full depth.

    In (0, 1], higher is better. NaN without positives.

    Source: Buckley and Voorhees (2004), doi:10.1145/1008992.1009000.

    >>> average_precision(np.array([1, 4]))
    0.75
    """
    if not len(ranks):
        return float("nan")
    return float((np.arange(1, len(ranks) + 1) / ranks).mean())


def ndcg(ranks: Ranks) -> float:
    """Discounted gain of the positives over the best possible one; full depth, binary gain.

    The gain 1 is divided by log2(rank + 1); linear and exponential gain agree for binary
    relevance. In (0, 1], higher is better. NaN without positives.

    Source: Järvelin and Kekäläinen (2002), doi:10.1145/582415.582418.
    """
    if not len(ranks):
        return float("nan")
    ideal = np.arange(1, len(ranks) + 1)
    return float((1 / np.log2(ranks + 1)).sum() / (1 / np.log2(ideal + 1)).sum())


def recall_at(ranks: Ranks, *, k: int) -> float:
    """Share of the positives among the first `k`. In [0, 1], higher is better; NaN without any."""
    return float((ranks <= k).mean()) if len(ranks) else float("nan")


def hit_at(ranks: Ranks, *, k: int) -> float:
    """1 if any positive is among the first `k`, else 0; NaN without positives."""
    return float(ranks[0] <= k) if len(ranks) else float("nan")


def precision_at(ranks: Ranks, *, k: int) -> float:
    """Share of the first `k` that are positives; a gallery smaller than `k` counts as misses.

    In [0, 1], higher is better. NaN without positives.
    """
    return float((ranks <= k).sum() / k) if len(ranks) else float("nan")


def r_precision(ranks: Ranks) -> float:
    """Precision at as many items as there are positives. In [0, 1]; NaN without positives.

    Source: Buckley and Voorhees (2004), doi:10.1145/1008992.1009000.
    """
    return precision_at(ranks, k=max(1, len(ranks)))


def query_values(ranks: Sequence[Ranks]) -> Mapping[str, PerQuery]:
    """All values of all queries at once, under the names of the aggregates in `METRICS`.

    ``map`` holds average precision, ``mrr`` the reciprocal rank, ``median_rank`` the rank of the
    best positive. The aggregate is the mean (for ``median_rank`` the median) over queries.
    """
    n = np.array([len(r) for r in ranks], dtype=np.int64)
    flat = np.concatenate([np.zeros(0), *ranks])
    query = np.repeat(np.arange(len(n)), n)
    nth = np.arange(len(flat)) - np.repeat(np.cumsum(n) - n, n) + 1
    first = np.full(len(n), np.nan)
    first[n > 0] = flat[nth == 1]
    n_positive = n.astype(np.float64)

    def total(values: np.ndarray) -> np.ndarray:
        # without any positive, bincount forgets that its weights are real numbers
        return np.bincount(query, weights=values, minlength=len(n)).astype(np.float64)

    ideal = np.cumsum(1 / np.log2(np.arange(2, n.max(initial=0) + 2)))
    best = np.where(n > 0, np.append(ideal, np.nan)[n - 1], 0.0)
    values = {
        "map": ratio(total(nth / flat), n_positive),
        "ndcg": ratio(total(1 / np.log2(flat + 1)), best),
        "mrr": 1 / first,
        "median_rank": first,
        "r_precision": ratio(total(flat <= n_positive[query]), n_positive),
    }
    for k in CUTOFFS:
        found = total(flat <= k)
        values[f"recall@{k}"] = ratio(found, n_positive)
        values[f"hit@{k}"] = np.where(n > 0, found > 0, np.nan)
        values[f"precision@{k}"] = np.where(n > 0, found / k, np.nan)
    return values


def _check_chance(gallery_size: int, n_positive: int) -> None:
    if not 1 <= n_positive <= gallery_size:
        raise InputError(f"expected 1 to {gallery_size} positives in the gallery, got {n_positive}")


def chance_hit(*, gallery_size: int, n_positive: int, k: int) -> float:
    """Expected `hit_at` of a random order: one minus the chance to draw `k` items, none positive.

    Source: hypergeometric distribution without replacement.
    """
    _check_chance(gallery_size, n_positive)
    drawn = np.arange(min(k, gallery_size))
    missed = np.maximum(0, gallery_size - n_positive - drawn) / (gallery_size - drawn)
    return float(1 - missed.prod())


def chance_recall(*, gallery_size: int, n_positive: int, k: int) -> float:
    """Expected `recall_at` of a random order: min(k, gallery) / gallery, whatever the positives."""
    _check_chance(gallery_size, n_positive)
    return min(k, gallery_size) / gallery_size


def chance_average_precision(*, gallery_size: int, n_positive: int) -> float:
    """Expected `average_precision` of a random order, exactly.

    With G items, P positives and H the G-th harmonic number: (H + (G - H)(P - 1)/(G - 1)) / G, for
    a positive at rank i expects (i - 1)(P - 1)/(G - 1) others before it.

    Source: Manzhos, Ianevych and Melnyk (2026), doi:10.15559/26-VMSTA298.
    """
    _check_chance(gallery_size, n_positive)
    harmonic = float((1 / np.arange(1, gallery_size + 1)).sum())
    others = (n_positive - 1) / max(1, gallery_size - 1)
    return (harmonic + (gallery_size - harmonic) * others) / gallery_size
