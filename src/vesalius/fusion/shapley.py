"""Shapley values: how much of a score each slot brings, over all orders of joining."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import comb

MOST_SLOTS = 8  # 2^8 subsets


def subsets(names: Sequence[str], /) -> tuple[frozenset[str], ...]:
    """Every subset, the empty one first."""
    return tuple(
        frozenset(chosen) for size in range(len(names) + 1) for chosen in combinations(names, size)
    )


def shapley_weights(names: Sequence[str], name: str, /) -> Mapping[frozenset[str], float]:
    """Factor of the score of each subset in the Shapley value of one slot.

    The value is the sum of factor times score over all subsets. All slots' values sum to the score
    of all together minus that of none.

    Source: Shapley (1953), doi:10.1515/9781400881970-018.

    >>> shapley_weights(("a", "b"), "a")[frozenset({"a", "b"})]
    0.5
    """
    n = len(names)
    found: dict[frozenset[str], float] = {}
    for chosen in subsets(names):
        size = len(chosen - {name})
        share = 1 / (n * comb(n - 1, size))
        found[chosen] = share if name in chosen else -share
    return found
