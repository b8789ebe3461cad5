"""Intervals, differences and multiplicity: the public part of the statistics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from vesalius.records import Estimate
from vesalius.stats.resampling import (
    Groups,
    Method,
    Plan,
    distributions,
    interval,
    plan_resampling,
)
from vesalius.stats.row_functions import DifferenceOf, Statistic, metric_of


@dataclass(frozen=True, slots=True)
class Difference:
    """Estimate of a difference and its two-sided p-value; NaN where the difference is undefined."""

    estimate: Estimate
    p_value: float


def bootstrap(  # noqa: PLR0913 - the published signature; each keyword is one fact of the interval
    statistic: Statistic,
    *,
    groups: Groups,
    seed: int = 0,
    n_resamples: int = 2000,
    level: float = 0.95,
    method: Method = "percentile",
    metric: str = "",
    higher_is_better: bool | None = None,
) -> Estimate:
    """Value on all rows with its interval over resampled patients.

    Resamples in which the statistic is NaN are counted and left out. There is no interval (NaN,
    with the reason) for fewer than two patients or when more than half of them are undefined.

    Args:
        statistic: function of an array of row indices; a `BatchedStatistic` is much faster.
        groups: the patient of every row.
        seed: of the resamples; the same seed and patients give the same resamples.
        n_resamples: how many to draw; at least 1,000 for publication.
        level: of the interval.
        method: ``percentile``, or ``bca`` (bias-corrected and accelerated, patient jackknife).
        metric: name in the estimate; by default that of the metric.
        higher_is_better: direction in the estimate; by default that of the metric, else True.

    Raises:
        InputError: if an argument is out of range.

    Source: Davison and Hinkley (1997), Bootstrap Methods and their Application, section 3.8
    (clusters); Efron (1987), doi:10.1080/01621459.1987.10478410 (BCa).
    """
    plan = plan_resampling(
        groups, None, seed=seed, n_resamples=n_resamples, level=level, method=method
    )
    info = metric_of(statistic)
    name = metric or (info.name if info else "")
    natural = info is None or info.higher_is_better
    upwards = natural if higher_is_better is None else higher_is_better
    drawn = distributions({name: statistic}, plan)[name]
    return _estimate(statistic, drawn, plan, metric=name, higher_is_better=upwards)


def bootstrap_many(
    statistics: Mapping[str, Statistic],
    *,
    groups: Groups,
    seed: int = 0,
    n_resamples: int = 2000,
    level: float = 0.95,
    rows: Int[np.ndarray, " m"] | None = None,
) -> dict[str, Estimate]:
    """`bootstrap` of several statistics over the same resamples, drawn once.

    Args:
        statistics: name in the estimate → function of row indices.
        groups: the patient of every row, of all rows.
        seed: of the resamples.
        n_resamples: how many to draw.
        level: of the intervals.
        rows: a subgroup: only these rows exist, and only their patients are drawn.

    Raises:
        InputError: if an argument is out of range.
    """
    plan = plan_resampling(groups, rows, seed=seed, n_resamples=n_resamples, level=level)
    estimates = {}
    for name, drawn in distributions(statistics, plan).items():
        info = metric_of(statistics[name])
        upwards = info is None or info.higher_is_better
        estimates[name] = _estimate(
            statistics[name], drawn, plan, metric=name, higher_is_better=upwards
        )
    return estimates


def paired_difference(  # noqa: PLR0913 - as `bootstrap`, of two statistics
    first: Statistic,
    second: Statistic,
    *,
    groups: Groups,
    seed: int = 0,
    n_resamples: int = 2000,
    level: float = 0.95,
    method: Method = "percentile",
    metric: str = "",
) -> Difference:
    """First statistic minus second on the same resamples, with a two-sided p-value.

    p inverts the percentile interval: twice the smaller share of resamples at or beyond zero, one
    added to count and total, so that it is never 0. Positive means that the first is larger.

    Raises:
        InputError: if an argument is out of range.

    Source: Davison and Hinkley (1997), Bootstrap Methods and their Application, section 4.2.
    """
    plan = plan_resampling(
        groups, None, seed=seed, n_resamples=n_resamples, level=level, method=method
    )
    difference, info = DifferenceOf(first, second), metric_of(first)
    name = metric or (f"Δ{info.name}" if info else "")
    upwards = info is None or info.higher_is_better
    drawn = distributions({name: difference}, plan)[name]
    estimate = _estimate(difference, drawn, plan, metric=name, higher_is_better=upwards)
    return Difference(estimate, float("nan") if estimate.reason else p_value_of(drawn))


def p_value_of(drawn: Float[np.ndarray, " b"], /) -> float:
    """Two-sided p-value of what a difference is in every resample, see `paired_difference`.

    What is within 1e-12 of zero is zero: whether two equal shares differ in their last bit depends
    on the order of a sum.
    """
    defined = drawn[~np.isnan(drawn)]
    defined = np.where(np.abs(defined) < 1e-12, 0.0, defined)
    tail = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return min(1.0, 2 * (tail + 1) / (len(defined) + 1))


def holm(p_values: Sequence[float] | Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """Holm's step-down adjustment: the family-wise error of all comparisons stays at the level.

    A NaN stays NaN and is not one of the comparisons.

    Source: Holm (1979), Scandinavian Journal of Statistics 6, 65–70.

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted = np.full(p.shape, np.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * factors))
    return adjusted


def _estimate(
    statistic: Statistic,
    drawn: Float[np.ndarray, " b"],
    plan: Plan,
    *,
    metric: str,
    higher_is_better: bool,
) -> Estimate:
    value = float(statistic(plan.rows))
    return estimate_of(
        value, drawn, plan, metric=metric, higher_is_better=higher_is_better, statistic=statistic
    )


def estimate_of(
    value: float,
    drawn: Float[np.ndarray, " b"],
    plan: Plan,
    /,
    *,
    metric: str,
    higher_is_better: bool,
    statistic: Statistic | None = None,
) -> Estimate:
    """The record of a value and what it is in every resample.

    Args:
        value: on all rows.
        drawn: in every resample.
        plan: of the resampling.
        metric: name.
        higher_is_better: direction.
        statistic: the function itself, which only the method ``bca`` asks again.
    """
    low, high, reason = interval(statistic, value, drawn, plan)
    return Estimate(
        metric=metric,
        value=value,
        low=low,
        high=high,
        level=plan.level,
        n=len(plan.rows),
        n_patients=plan.n_groups,
        n_resamples=len(drawn),
        n_undefined=int(np.isnan(drawn).sum()),
        higher_is_better=higher_is_better,
        seed=plan.seed,
        reason=reason,
    )
