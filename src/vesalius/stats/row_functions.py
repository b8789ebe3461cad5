"""Statistics: functions of row indices, plain or for many resamples at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from vesalius.errors import InputError, did_you_mean
from vesalius.metrics.table import METRICS, MetricInfo
from vesalius.metrics.weighted import mean_defined, mean_over

Statistic = Callable[[np.ndarray], float]


@runtime_checkable
class BatchedStatistic(Protocol):
    """A statistic that can also be evaluated for many resamples at once."""

    def __call__(self, rows: np.ndarray, /) -> float:
        """Value on these rows; an index that stands twice counts twice."""
        ...

    def batched(self, weights: Float[np.ndarray, "b n"], /) -> Float[np.ndarray, " b"]:
        """Value per weighting: `weights[i, j]` says how often resample i holds row j."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ArrayStatistic:
    """A metric of the table applied to arrays of one length."""

    metric: MetricInfo
    arrays: tuple[np.ndarray, ...]

    def __call__(self, rows: np.ndarray, /) -> float:
        """The definition, on the rows named."""
        return self.metric.function(*(array[rows] for array in self.arrays))

    def batched(self, weights: Float[np.ndarray, "b n"], /) -> Float[np.ndarray, " b"]:
        """The batched form, or the definition resample by resample where there is none.

        Raises:
            InputError: if the weights are of another number of rows than the arrays.
        """
        n_rows = len(self.arrays[0])
        if weights.shape[1] != n_rows:
            raise InputError(
                f"{self.metric.name} has {n_rows} rows, groups name the patients of "
                f"{weights.shape[1]}; expected one patient per row"
            )
        if self.metric.batched is None:
            return one_by_one(self, weights)
        return self.metric.batched(*self.arrays, weights=weights)


@dataclass(frozen=True, slots=True)
class MeanOf:
    """Mean of several statistics over those that are defined: a macro average."""

    statistics: tuple[Statistic, ...]

    def __call__(self, rows: np.ndarray, /) -> float:
        """Mean on these rows."""
        return mean_defined(np.array([statistic(rows) for statistic in self.statistics]))

    def batched(self, weights: Float[np.ndarray, "b n"], /) -> Float[np.ndarray, " b"]:
        """Mean per resample; what is undefined in one resample is left out of that one only."""
        return mean_over(np.stack([evaluate(s, weights) for s in self.statistics]))


@dataclass(frozen=True, slots=True)
class DifferenceOf:
    """First statistic minus second, on the same rows."""

    first: Statistic
    second: Statistic

    def __call__(self, rows: np.ndarray, /) -> float:
        """Difference on these rows."""
        return self.first(rows) - self.second(rows)

    def batched(self, weights: Float[np.ndarray, "b n"], /) -> Float[np.ndarray, " b"]:
        """Difference per resample."""
        first, second = (evaluate(part, weights) for part in (self.first, self.second))
        return np.asarray(first - second)


@dataclass(frozen=True, slots=True, eq=False)
class OnRows:
    """A statistic of some of the rows, as a function of all of them: others are left out.

    Resamples are of the patients of all rows, so that statistics of different rows are paired.
    """

    statistic: Statistic
    rows: np.ndarray

    def __call__(self, rows: np.ndarray, /) -> float:
        """Value on those of these rows that it speaks of."""
        return self.statistic(rows[np.isin(rows, self.rows)])

    def batched(self, weights: Float[np.ndarray, "b n"], /) -> Float[np.ndarray, " b"]:
        """Value per resample; other rows are drawn zero times."""
        inside = np.zeros(weights.shape[1], dtype=bool)
        inside[self.rows] = True
        return evaluate(self.statistic, np.where(inside, weights, 0))


def evaluate(statistic: Statistic, weights: Float[np.ndarray, "b n"], /) -> Float[np.ndarray, " b"]:
    """The statistic in every resample, at once where it can."""
    if isinstance(statistic, BatchedStatistic):
        return statistic.batched(weights)
    return one_by_one(statistic, weights)


def one_by_one(
    statistic: Statistic, weights: Float[np.ndarray, "b n"], /
) -> Float[np.ndarray, " b"]:
    """The statistic in every resample, each row index repeated as often as it was drawn."""
    rows = np.arange(weights.shape[1])
    return np.array([statistic(np.repeat(rows, w.astype(np.int64))) for w in weights])


def metric_of(statistic: Statistic, /) -> MetricInfo | None:
    """The metric behind a statistic, None for a function that Vesalius does not know."""
    if isinstance(statistic, ArrayStatistic):
        return statistic.metric
    if isinstance(statistic, MeanOf):
        known = {metric_of(part) for part in statistic.statistics}
        return known.pop() if len(known) == 1 else None
    return None


def statistic(name: str, *arrays: np.ndarray) -> ArrayStatistic:
    """The metric called `name` in `METRICS`, applied to arrays: reference first, prediction second.

    Raises:
        InputError: if there is no such metric or the arrays differ in length.
    """
    if name not in METRICS:
        raise InputError(
            f"no metric called {name!r}{did_you_mean(name, METRICS)}; known: {', '.join(METRICS)}"
        )
    if len({len(array) for array in arrays}) != 1:
        raise InputError(f"{name} needs arrays of one length, got {[len(a) for a in arrays]}")
    return ArrayStatistic(METRICS[name], tuple(np.asarray(array) for array in arrays))
