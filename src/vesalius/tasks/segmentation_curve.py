"""One map against one reference at every threshold: Dice and average precision by ranks."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from vesalius.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """The values of a map in ascending order; cells that the model did not see are below all.

    Attributes:
        everywhere: values of the cells that were seen.
        inside: those of them that lie in the reference.
        n_cells: seen or not.
        n_inside: cells of the reference, seen or not; at least 1.
    """

    everywhere: np.ndarray
    inside: np.ndarray
    n_cells: int
    n_inside: int

    def dice(self, thresholds: Float[np.ndarray, " t"], /) -> Float[np.ndarray, " t"]:
        """Dice of what is at least each threshold."""
        overlap = len(self.inside) - np.searchsorted(self.inside, thresholds)
        n_called = len(self.everywhere) - np.searchsorted(self.everywhere, thresholds)
        values: np.ndarray = 2 * overlap / (self.n_inside + n_called)
        return values

    def average_precision(self) -> float:
        """As `metrics.segmentation.pixel_auprc`, several times faster.

        Precision changes its weight only at values that occur inside the reference.
        """
        values, first = np.unique(self.inside, return_index=True)
        gained = np.diff(np.append(first, len(self.inside)))
        found = len(self.inside) - first
        called = len(self.everywhere) - np.searchsorted(self.everywhere, values)
        unseen = (self.n_inside - len(self.inside)) * self.n_inside / self.n_cells
        return float(((gained * found / called).sum() + unseen) / self.n_inside)


def ranked(reference: Bool[np.ndarray, "*grid"], heat: Float[np.ndarray, "*grid"], /) -> Ranked:
    """Sort a map.

    Raises:
        InputError: if the reference is empty: nothing is defined then.
    """
    if not reference.any():
        raise InputError("a map is ranked against a reference that is not empty")
    everywhere, inside = heat[~np.isnan(heat)], heat[reference]
    inside = inside[~np.isnan(inside)]
    return Ranked(np.sort(everywhere), np.sort(inside), heat.size, int(reference.sum()))
