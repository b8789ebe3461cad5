"""All retrieval metrics over a full gallery, beside the bare matrix product and a full sort.

The product of queries and gallery is the least that any exact method must do; ranking should cost
little more. Interleaved rounds in one process; only ratios inside one table mean anything. The
script fails when the values disagree.
"""

import argparse
import json
import time
from collections.abc import Callable

import numpy as np

from vesalius.metrics.retrieval import positives_by_label, query_values, rank_positives

CHUNK = 512


def make_embeddings(seed: int, *, n: int, dim: int, per_query: int) -> tuple[np.ndarray, ...]:
    """Unit rows for queries and gallery, and labels that `per_query` items share."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n // per_query, n)
    centres = rng.normal(size=(n // per_query, dim))
    pair = [
        centres[labels] + 4 * rng.normal(size=(n, dim)),
        centres[labels] + 4 * rng.normal(size=(n, dim)),
    ]
    queries, gallery = (
        (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32) for x in pair
    )
    return queries, gallery, labels


def by_counting(queries: np.ndarray, gallery: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    ranks = rank_positives(queries, gallery, positives_by_label(labels, labels))
    return {name: float(values.mean()) for name, values in query_values(ranks).items()}


def bare_product(queries: np.ndarray, gallery: np.ndarray) -> None:
    for start in range(0, len(queries), CHUNK):
        _ = queries[start : start + CHUNK] @ gallery.T


def by_full_sort(queries: np.ndarray, gallery: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Sort every row of similarities; average precision and hit@10 from the sorted labels."""
    precision, hits = [], []
    for start in range(0, len(queries), CHUNK):
        chunk = slice(start, start + CHUNK)
        order = np.argsort(-(queries[chunk] @ gallery.T), axis=1)
        relevant = labels[order] == labels[chunk, None]
        share = np.cumsum(relevant, axis=1) / np.arange(1, len(gallery) + 1)
        precision.append((share * relevant).sum(axis=1) / relevant.sum(axis=1))
        hits.append(relevant[:, :10].any(axis=1))
    return {
        "map": float(np.concatenate(precision).mean()),
        "hit@10": float(np.concatenate(hits).mean()),
    }


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a gallery of 1,000, one round")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--size", type=int, help="queries and gallery items")
    parser.add_argument("--per-query", type=int, default=5, help="positives per query")
    options = parser.parse_args()
    n, n_rounds = options.size or (1000 if options.quick else 5000), 1 if options.quick else 5
    queries, gallery, labels = make_embeddings(0, n=n, dim=512, per_query=options.per_query)
    ours, sort = by_counting(queries, gallery, labels), by_full_sort(queries, gallery, labels)
    difference = max(abs(ours[name] - value) for name, value in sort.items())
    if difference > 1e-4:  # only pairs closer than the tie tolerance may differ
        raise SystemExit(f"counting and sorting disagree by {difference:.2e}")
    calls: dict[str, Callable[[], object]] = {
        "bare float32 product": lambda: bare_product(queries, gallery),
        "vesalius, all metrics": lambda: by_counting(queries, gallery, labels),
        "numpy full argsort, mAP and hit@10": lambda: by_full_sort(queries, gallery, labels),
    }
    rounds = [{name: timed(call) for name, call in calls.items()} for _ in range(n_rounds)]
    median = {name: float(np.median([one[name] for one in rounds])) for name in calls}
    if options.json:
        print(json.dumps({"n": n, "seconds": median, "difference": difference}))
        return
    print(f"{n} queries × {n} items, 512 dimensions, about {options.per_query} positives a query")
    least = median["bare float32 product"]
    for name, seconds in median.items():
        print(f"{name:40} {seconds * 1e3:8.0f} ms {seconds / least:6.2f}")
    print(f"difference {difference:.1e}")


if __name__ == "__main__":
    main()
