"""Retrieval: ranks against brute force, values by hand and against scikit-learn, chance levels."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score

from vesalius.errors import InputError
from vesalius.metrics import retrieval as r
from vesalius.metrics.table import METRICS

RANKS = np.array([2, 3, 8])
BY_HAND = {
    "map": (1 / 2 + 2 / 3 + 3 / 8) / 3,
    "ndcg": (1 / np.log2(3) + 1 / np.log2(4) + 1 / np.log2(9))
    / (1 + 1 / np.log2(3) + 1 / np.log2(4)),
    "mrr": 1 / 2,
    "median_rank": 2,
    "r_precision": 2 / 3,
    "recall@1": 0,
    "recall@5": 2 / 3,
    "recall@10": 1,
    "hit@1": 0,
    "hit@5": 1,
    "hit@10": 1,
    "precision@1": 0,
    "precision@5": 2 / 5,
    "precision@10": 3 / 10,
}
ONE_BY_ONE = {
    "map": r.average_precision,
    "ndcg": r.ndcg,
    "mrr": r.reciprocal_rank,
    "median_rank": r.rank_first,
    "r_precision": r.r_precision,
    **{f"recall@{k}": lambda ranks, k=k: r.recall_at(ranks, k=k) for k in r.CUTOFFS},
    **{f"hit@{k}": lambda ranks, k=k: r.hit_at(ranks, k=k) for k in r.CUTOFFS},
    **{f"precision@{k}": lambda ranks, k=k: r.precision_at(ranks, k=k) for k in r.CUTOFFS},
}


def _brute_force(scores: np.ndarray, positives: np.ndarray) -> list[int]:
    """Sort by falling score, items that are not positives first among equals; read the ranks."""
    wanted = set(positives.tolist())
    order = sorted(range(len(scores)), key=lambda item: (-scores[item], item in wanted))
    return [place for place, item in enumerate(order, start=1) if item in wanted]


def _unit(rng: np.random.Generator, n: int, dim: int = 16) -> np.ndarray:
    rows = rng.normal(size=(n, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("name", BY_HAND)
def test_value_by_hand(name: str) -> None:
    """Positives at ranks 2, 3 and 8 give the values worked out on paper, alone and together."""
    assert ONE_BY_ONE[name](RANKS) == pytest.approx(BY_HAND[name])
    assert r.query_values([RANKS])[name][0] == pytest.approx(BY_HAND[name])
    assert METRICS[name].function(np.array([BY_HAND[name], np.nan])) == pytest.approx(BY_HAND[name])


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_all_queries_at_once_equal_one_by_one(name: str) -> None:
    """The vectorised values are the per-query definitions; no positives is NaN, not 0."""
    rng = np.random.default_rng(0)
    ranks = [np.sort(rng.choice(60, rng.integers(0, 15), replace=False)) + 1 for _ in range(40)]
    expected = [ONE_BY_ONE[name](one) for one in ranks]
    np.testing.assert_allclose(r.query_values(ranks)[name], expected, rtol=1e-12)
    assert np.isnan(expected).any()
    assert len(r.query_values([])[name]) == 0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), levels=st.sampled_from([2, 5, 1000]))
def test_ranks_equal_brute_force(seed: int, levels: int) -> None:
    """Counting gives the ranks of a full pessimistic sort, ties and many positives included."""
    rng = np.random.default_rng(seed)
    similarity = rng.integers(0, levels, (4, 40)).astype(float)
    positives = [rng.choice(40, size, replace=False) for size in (0, 1, 6, 35)]
    ranks = r.rank_positives_in(similarity, positives)
    expected = [_brute_force(s, p) for s, p in zip(similarity, positives, strict=True)]
    assert [one.tolist() for one in ranks] == expected


def test_values_agree_with_scikit_learn() -> None:
    """Mean average precision and nDCG over distinct scores equal sklearn.metrics to 1e-9."""
    rng = np.random.default_rng(4)
    scores = rng.permuted(np.tile(np.arange(30.0), (20, 1)), axis=1)
    relevant = rng.random((20, 30)) < 0.2
    relevant[:, 0] = True
    values = r.query_values(r.rank_positives_in(scores, [np.flatnonzero(row) for row in relevant]))
    oracle = label_ranking_average_precision_score(relevant, scores)
    assert values["map"].mean() == pytest.approx(oracle, abs=1e-9)
    assert values["ndcg"].mean() == pytest.approx(ndcg_score(relevant, scores), abs=1e-9)


def test_ranking_is_over_the_whole_gallery() -> None:
    """Defect 12: queries are ranked in chunks, but always against every gallery item."""
    rng = np.random.default_rng(1)
    queries, gallery = _unit(rng, 1100), _unit(rng, 1300)
    positives = [np.array([i, (i * 7 + 1) % 1300]) for i in range(1100)]
    ranks = r.rank_positives(queries, gallery, positives)
    similarity = queries.astype(float) @ gallery.astype(float).T
    for query in (0, 511, 512, 1099):
        assert ranks[query].tolist() == _brute_force(similarity[query], positives[query])
    assert max(int(one.max()) for one in ranks) > 1200


def test_collapsed_embeddings_earn_nothing() -> None:
    """When every vector is the same, positives come last, whatever rounding BLAS does."""
    row = _unit(np.random.default_rng(3), 1, dim=77)
    ranks = r.rank_positives(
        np.repeat(row, 700, axis=0), np.repeat(row, 333, axis=0), [np.array([5, 9])] * 700
    )
    assert all(one.tolist() == [332, 333] for one in ranks)


def test_excluded_item_is_not_in_the_gallery() -> None:
    """Image-to-image search: the query itself neither helps nor takes a place."""
    similarity = np.array([[9.0, 1.0, 2.0], [0.0, 9.0, 3.0]])
    kept = similarity.copy()
    ranks = r.rank_positives_in(
        similarity,
        [np.array([1]), np.array([0])],
        excluded=[np.array([0]), np.zeros(0, dtype=np.int64)],
    )
    assert [one.tolist() for one in ranks] == [[2], [3]]
    np.testing.assert_array_equal(similarity, kept)
    unit = _unit(np.random.default_rng(0), 3)
    by_vectors = r.rank_positives(
        unit,
        unit,
        [np.array([1]), np.array([2]), np.array([0])],
        excluded=list(np.arange(3)[:, None]),
    )
    assert all(one[0] in (1, 2) for one in by_vectors)


def test_several_items_can_be_excluded_for_one_query() -> None:
    """A patient has several images; none of them takes a place."""
    similarity = np.array([[9.0, 8.0, 1.0, 2.0]])
    ranks = r.rank_positives_in(similarity, [np.array([2])], excluded=[np.array([0, 1])])
    assert ranks[0].tolist() == [2]
    with pytest.raises(InputError, match="excluded of query 0 must be gallery rows below 4"):
        r.rank_positives_in(similarity, [np.array([2])], excluded=[np.array([4])])


def test_positives_by_label() -> None:
    """Equal labels are positives of each other; a label that the gallery lacks has none."""
    positives = r.positives_by_label(np.array(["b", "x", "a"]), np.array(["a", "b", "a"]))
    assert [rows.tolist() for rows in positives] == [[1], [], [0, 2]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: r.rank_positives_in(np.array([[np.nan]]), [np.array([0])]), "finite matrix"),
        (lambda: r.rank_positives_in(np.ones((1, 2)), []), r"one entry per query \(1\), got 0"),
        (lambda: r.rank_positives_in(np.ones((1, 2)), [np.array([2])]), "query 0 must be gallery"),
        (
            lambda: r.rank_positives_in(np.ones((1, 2)), [np.array([0])], excluded=[np.array([0])]),
            "both a positive and excluded",
        ),
        (
            lambda: r.rank_positives(np.array([[np.inf]]), np.ones((1, 1)), [np.array([0])]),
            "must be finite",
        ),
        (lambda: r.chance_hit(gallery_size=3, n_positive=4, k=1), "1 to 3 positives"),
    ],
)
def test_bad_input_is_named(call, message: str) -> None:
    """Wrong shapes and indices are errors that say what came."""
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("n_positive", [1, 2, 5, 6])
def test_chance_levels_equal_enumeration(n_positive: int) -> None:
    """Chance is the mean over every possible placement of the positives in a gallery of six."""
    places = [np.array(p) + 1 for p in combinations(range(6), n_positive)]
    values = r.query_values(places)
    size = {"gallery_size": 6, "n_positive": n_positive}
    assert r.chance_average_precision(**size) == pytest.approx(values["map"].mean())
    assert r.chance_hit(**size, k=5) == pytest.approx(values["hit@5"].mean())
    assert r.chance_recall(**size, k=5) == pytest.approx(values["recall@5"].mean())
    assert r.chance_hit(**size, k=10) == 1
    assert r.chance_recall(**size, k=10) == 1


def test_one_item_gallery() -> None:
    """The smallest gallery has a certain answer."""
    assert r.chance_average_precision(gallery_size=1, n_positive=1) == 1


def test_better_ranks_never_lower_a_value() -> None:
    """Moving the positive of a query up never lowers a higher-is-better value."""
    values = r.query_values([np.array([rank]) for rank in range(20, 0, -1)])
    for name, column in values.items():
        sign = 1 if METRICS[name].higher_is_better else -1
        assert all(sign * (b - a) >= 0 for a, b in pairwise(column)), name
