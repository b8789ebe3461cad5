"""Which patients a resample holds, a statistic in every resample, and the interval from it."""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Literal, TypeVar

import numpy as np
from jaxtyping import Float, Int, Shaped

from vesalius.errors import InputError
from vesalius.stats.row_functions import Statistic, evaluate

Groups = Shaped[np.ndarray, " n"] | Sequence[str] | Sequence[int]
K = TypeVar("K", bound=Hashable)
Method = Literal["percentile", "bca"]

_BLOCK_BYTES = 64 << 20
_NORMAL = NormalDist()
_NAN = float("nan")
_MOST_KEPT = 1 << 23  # draws of one plan that are kept for the next one, about 8 to 16 MB


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What is drawn, from which patients, and how the interval is read.

    Attributes:
        rows: the rows that exist, ascending; all of them, or those of a subgroup.
        group: for each of `rows`, the position of its patient among the sorted names.
        n_groups: number of patients that have rows.
        n_rows: number of all rows, inside and outside the subgroup.
    """

    rows: np.ndarray
    group: np.ndarray
    n_groups: int
    n_rows: int
    seed: int
    n_resamples: int
    level: float
    method: Method


def plan_resampling(
    groups: Groups,
    rows: Int[np.ndarray, " m"] | None,
    *,
    seed: int,
    n_resamples: int,
    level: float,
    method: Method = "percentile",
) -> Plan:
    """Check the arguments of a bootstrap and resolve patients to positions.

    Raises:
        InputError: if an argument is out of range or a row of the subgroup stands twice.
    """
    names = np.asarray(groups)
    if names.ndim != 1:
        raise InputError(f"groups must name the patient of every row, got shape {names.shape}")
    if n_resamples < 1 or not 0 < level < 1 or method not in ("percentile", "bca"):
        raise InputError(
            "expected n_resamples ≥ 1, 0 < level < 1 and method percentile or bca, "
            f"got {n_resamples}, {level} and {method!r}"
        )
    chosen = np.arange(len(names)) if rows is None else _subgroup(rows, len(names))
    patients, group = np.unique(names[chosen], return_inverse=True)
    return Plan(
        rows=chosen,
        group=group,
        n_groups=len(patients),
        n_rows=len(names),
        seed=seed,
        n_resamples=n_resamples,
        level=level,
        method=method,
    )


def _subgroup(rows: Int[np.ndarray, " m"], n_rows: int) -> Int[np.ndarray, " m"]:
    chosen = np.unique(np.asarray(rows, dtype=np.int64))
    if len(chosen) != len(rows) or (len(chosen) and not 0 <= chosen[0] <= chosen[-1] < n_rows):
        raise InputError(f"rows must be different indices from 0 to {n_rows - 1}")
    return chosen


def distributions(
    statistics: Mapping[K, Statistic], plan: Plan
) -> dict[K, Float[np.ndarray, " b"]]:
    """Every statistic in every resample; the resamples are drawn once for all."""
    parts: dict[K, list[np.ndarray]] = {name: [] for name in statistics}
    if plan.n_groups:
        for weights in _resamples(plan):
            for name, statistic in statistics.items():
                parts[name].append(evaluate(statistic, weights))
    return {name: np.concatenate([np.zeros(0), *part]) for name, part in parts.items()}


def _resamples(plan: Plan) -> Iterator[Float[np.ndarray, "b n"]]:
    for drawn in _draws(plan):
        yield _weights(drawn, plan)


def _draws(plan: Plan) -> Iterator[Shaped[np.ndarray, "b groups"]]:
    """How often each patient is drawn, in blocks; small plans share what was drawn before."""
    blocks = _blocks(plan.n_resamples, plan.n_rows)
    if plan.n_resamples * plan.n_groups > _MOST_KEPT:
        rng = np.random.default_rng(plan.seed)
        yield from (_draw(rng, plan.n_groups, n) for n in blocks)
        return
    start, kept = 0, _kept_draws(plan.seed, plan.n_groups, plan.n_resamples)
    for n in blocks:
        yield kept[start : start + n]
        start += n


@lru_cache(maxsize=8)
def _kept_draws(
    seed: int, n_groups: int, n_resamples: int
) -> Shaped[np.ndarray, "resamples groups"]:
    """All draws of a plan: the cells of a run draw the same patients hundreds of times."""
    drawn = _draw(np.random.default_rng(seed), n_groups, n_resamples)
    drawn.flags.writeable = False
    return drawn


def _draw(
    rng: np.random.Generator, n_groups: int, n_resamples: int
) -> Shaped[np.ndarray, "resamples groups"]:
    # one call per resample, so that the block size cannot change a number
    counts = [
        np.bincount(rng.integers(0, n_groups, n_groups), minlength=n_groups)
        for _ in range(n_resamples)
    ]
    # nobody is drawn more often than there are draws, so large plans keep wide numbers
    return np.stack(counts).astype(np.min_scalar_type(n_groups))


def _leave_one_out(plan: Plan) -> Iterator[Float[np.ndarray, "b n"]]:
    start = 0
    for n_left_out in _blocks(plan.n_groups, plan.n_rows):
        kept = np.ones((n_left_out, plan.n_groups))
        kept[np.arange(n_left_out), np.arange(start, start + n_left_out)] = 0
        start += n_left_out
        yield _weights(kept, plan)


def _blocks(total: int, n_rows: int) -> Iterator[int]:
    size = max(1, _BLOCK_BYTES // (4 * max(1, n_rows)))
    for start in range(0, total, size):
        yield min(size, total - start)


def _weights(per_group: Shaped[np.ndarray, "b groups"], plan: Plan) -> Float[np.ndarray, "b n"]:
    """Weights of rows from weights of patients, laid out as the batched metrics like it."""
    columns = np.ascontiguousarray(per_group.T, dtype=np.float32)[plan.group]
    if len(plan.rows) == plan.n_rows:
        return np.transpose(columns)
    everywhere = np.zeros((plan.n_rows, len(per_group)), dtype=np.float32)
    everywhere[plan.rows] = columns
    return everywhere.T


def interval(
    statistic: Statistic | None, value: float, drawn: Float[np.ndarray, " b"], plan: Plan
) -> tuple[float, float, str]:
    """Lower end, upper end, and the reason when there are none."""
    reason = _no_interval(value, drawn, plan)
    if reason:
        return _NAN, _NAN, reason
    defined = drawn[~np.isnan(drawn)]
    tail = (1 - plan.level) / 2
    ends = (tail, 1 - tail)
    if plan.method == "bca":
        assert statistic is not None
        left_out = np.concatenate([evaluate(statistic, w) for w in _leave_one_out(plan)])
        ends = _bca_ends(ends, value, defined, left_out[~np.isnan(left_out)])
    low, high = np.quantile(defined, ends)
    return float(low), float(high), ""


def _no_interval(value: float, drawn: Float[np.ndarray, " b"], plan: Plan) -> str:
    n_undefined = int(np.isnan(drawn).sum())
    if not len(plan.rows):
        return "undefined: there are no rows"
    if math.isnan(value):
        return f"undefined on these {len(plan.rows)} rows of {plan.n_groups} patients"
    if plan.n_groups < 2:
        return "no interval: all rows belong to one patient"
    if 2 * n_undefined > len(drawn):
        return f"no interval: undefined in {n_undefined} of {len(drawn)} resamples"
    return ""


def _bca_ends(
    ends: tuple[float, float],
    value: float,
    defined: Float[np.ndarray, " b"],
    left_out: Float[np.ndarray, " k"],
) -> tuple[float, float]:
    """Corrected quantiles; the uncorrected ones where all resamples agree or lie to one side."""
    share_below = float((defined < value).mean() + (defined == value).mean() / 2)
    if not 0 < share_below < 1:
        return ends
    bias = _NORMAL.inv_cdf(share_below)
    deviation = left_out.mean() - left_out
    spread = float((deviation**2).sum())
    skew = float((deviation**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    low, high = (bias + _NORMAL.inv_cdf(end) for end in ends)
    return (
        _NORMAL.cdf(bias + low / (1 - skew * low)),
        _NORMAL.cdf(bias + high / (1 - skew * high)),
    )
