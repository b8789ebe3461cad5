"""Many statistics on the same resamples, each evaluated once, and what can be told from them."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Float

from vesalius.records import Estimate, Resampling
from vesalius.stats.inference import Difference, estimate_of, p_value_of
from vesalius.stats.resampling import Groups, Plan, distributions, plan_resampling
from vesalius.stats.row_functions import Statistic

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True, eq=False)
class Resamples(Generic[K]):
    """Statistics by key: the value on all rows, and the value in every resample.

    Attributes:
        plan: of the resampling.
        values: on all rows.
        drawn: shape (resamples,).
    """

    plan: Plan
    values: Mapping[K, float]
    drawn: Mapping[K, np.ndarray]

    def estimate(self, factors: Mapping[K, float], /, *, metric: str) -> Estimate:
        """Sum of factor times statistic with its percentile interval; higher is better.

        One factor of 1 is the statistic itself, 1 and -1 are a difference, the weights of subsets
        a Shapley value. NaN where one of them is undefined.
        """
        value = float(sum(f * self.values[key] for key, f in factors.items()))
        return estimate_of(
            value, self._combined(factors), self.plan, metric=metric, higher_is_better=True
        )

    def difference(self, first: K, second: K, /, *, metric: str) -> Difference:
        """First minus second, see `vesalius.stats.paired_difference`."""
        factors = {first: 1.0, second: -1.0}
        found = self.estimate(factors, metric=f"Δ{metric}")
        p_value = float("nan") if found.reason else p_value_of(self._combined(factors))
        return Difference(found, p_value)

    def _combined(self, factors: Mapping[K, float]) -> Float[np.ndarray, " b"]:
        found: np.ndarray = np.sum([f * self.drawn[key] for key, f in factors.items()], axis=0)
        return found


def resample(
    statistics: Mapping[K, Statistic], /, *, groups: Groups, resampling: Resampling
) -> Resamples[K]:
    """Evaluate every statistic on all rows and in every resample of patients.

    Args:
        statistics: functions of positions in `groups`.
        groups: the patient of every row.
        resampling: seed, number and level.

    Raises:
        InputError: if the resampling is out of range.
    """
    plan = plan_resampling(
        groups,
        None,
        seed=resampling.seed,
        n_resamples=resampling.n_resamples,
        level=resampling.level,
    )
    values = {key: float(one(plan.rows)) for key, one in statistics.items()}
    return Resamples(plan, values, distributions(statistics, plan))
