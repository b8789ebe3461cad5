"""How much a metric moves between variants of the same protocol."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from vesalius.stats import BatchedStatistic

Spread = Literal["min", "max", "std"]
SPREADS: tuple[Spread, ...] = ("min", "max", "std")


@dataclass(frozen=True, slots=True)
class SpreadOf:
    """Lowest, highest or standard deviation (n - 1) of several statistics on the same rows.

    NaN as soon as one of them is undefined.
    """

    statistics: tuple[BatchedStatistic, ...]
    kind: Spread

    def __call__(self, rows: np.ndarray, /) -> float:
        """Value on these rows."""
        return float(self._over(np.array([[one(rows)] for one in self.statistics]))[0])

    def batched(self, weights: Float[np.ndarray, "b n"], /) -> Float[np.ndarray, " b"]:
        """Value per resample."""
        return self._over(np.stack([one.batched(weights) for one in self.statistics]))

    def _over(self, values: Float[np.ndarray, "k b"]) -> Float[np.ndarray, " b"]:
        if self.kind == "std":
            spread: np.ndarray = values.std(axis=0, ddof=1)
            return spread
        reduced: np.ndarray = getattr(np, self.kind)(values, axis=0)
        return reduced
