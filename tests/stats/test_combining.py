"""Statistics that are resampled once: the same numbers as each on its own."""

import numpy as np
import pytest

from vesalius.records import Resampling
from vesalius.stats import (
    DifferenceOf,
    bootstrap,
    bootstrap_many,
    paired_difference,
    resample,
    statistic,
)

RNG = np.random.default_rng(0)
PATIENTS = np.repeat(np.arange(60), 2)
TRUTH = RNG.random(120) < 0.4
SCORES = {name: RNG.normal(size=120) + shift * TRUTH for name, shift in (("a", 1.0), ("b", 0.3))}
AREAS = {name: statistic("auroc", TRUTH, score) for name, score in SCORES.items()}
PLAN = Resampling(seed=3, n_resamples=200)
TOGETHER = resample(AREAS, groups=PATIENTS, resampling=PLAN)


def test_one_factor_of_one_is_the_bootstrap() -> None:
    """To the bit, for value and interval."""
    alone = bootstrap_many(AREAS, groups=PATIENTS, seed=3, n_resamples=200)
    for name in AREAS:
        found = TOGETHER.estimate({name: 1.0}, metric=name)
        assert found == alone[name]


def test_a_difference_is_the_paired_one() -> None:
    """With the same p-value."""
    mine = TOGETHER.difference("a", "b", metric="auroc")
    other = paired_difference(AREAS["a"], AREAS["b"], groups=PATIENTS, seed=3, n_resamples=200)
    assert mine.p_value == other.p_value
    assert mine.estimate.value == pytest.approx(other.estimate.value, abs=1e-15)
    assert mine.estimate.low == pytest.approx(other.estimate.low, abs=1e-12)
    assert mine.estimate.high == pytest.approx(other.estimate.high, abs=1e-12)


def test_factors_may_be_anything() -> None:
    """A weighted sum is the bootstrap of that sum."""

    def sum_of(rows: np.ndarray) -> float:
        return 0.25 * AREAS["a"](rows) - 2 * DifferenceOf(AREAS["a"], AREAS["b"])(rows)

    mine = TOGETHER.estimate({"a": -1.75, "b": 2.0}, metric="x")
    other = bootstrap(sum_of, groups=PATIENTS, seed=3, n_resamples=200)
    assert (mine.value, mine.low, mine.high) == pytest.approx((other.value, other.low, other.high))


def test_what_is_undefined_makes_its_sums_undefined() -> None:
    """Not 0, and with a reason; others stay as they are."""
    one_class = statistic("auroc", np.zeros(120, bool), SCORES["a"])
    found = resample({**AREAS, "c": one_class}, groups=PATIENTS, resampling=PLAN)
    undefined = found.difference("a", "c", metric="auroc")
    assert np.isnan(undefined.estimate.value)
    assert np.isnan(undefined.p_value)
    assert "undefined" in undefined.estimate.reason
    assert found.estimate({"a": 1.0}, metric="a") == TOGETHER.estimate({"a": 1.0}, metric="a")
