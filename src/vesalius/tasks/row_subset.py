"""A statistic that lives on some rows of a table only, at the cost of those rows only."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vesalius.errors import InputError
from vesalius.stats import BatchedStatistic


@dataclass(frozen=True, slots=True, eq=False)
class OnRows:
    """`statistic` of short arrays, addressed by the row numbers of the whole table.

    Attributes:
        statistic: its arrays have one entry per row in `rows`.
        rows: ascending row numbers of the table.
    """

    statistic: BatchedStatistic
    rows: np.ndarray

    def __call__(self, rows: np.ndarray, /) -> float:
        """Value on rows of the table.

        Raises:
            InputError: for a row that the statistic is not defined on.
        """
        place = np.searchsorted(self.rows, rows)
        inside = place < len(self.rows)
        if not (inside.all() and np.array_equal(self.rows[place], rows)):
            raise InputError(f"expected rows among the {len(self.rows)} it is defined on")
        return self.statistic(place)

    def batched(self, weights: Float[np.ndarray, "b n"], /) -> Float[np.ndarray, " b"]:
        """Value per resample; the weights of other rows are not looked at."""
        return self.statistic.batched(weights.T[self.rows].T)
