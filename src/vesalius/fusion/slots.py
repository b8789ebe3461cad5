"""Named inputs of a fusion: arrays with one row a sample, some of which may be missing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from vesalius.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """One modality, as somebody's features.

    Attributes:
        name: such as ``mini:clip:image`` or ``tabular``.
        values: shape (n, dim); a row that is missing holds NaN only.
    """

    name: str
    values: np.ndarray

    @property
    def present(self) -> Bool[np.ndarray, " n"]:
        """Which rows have a value."""
        found: np.ndarray = ~np.isnan(self.values).all(axis=1)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Rows as a head sees them, after `Scaling`.

    Attributes:
        names: of the slots.
        values: per slot (n, dim), float64; 0, the mean of train, where the slot is missing.
        present: shape (n, slots).
    """

    names: tuple[str, ...]
    values: tuple[np.ndarray, ...]
    present: np.ndarray

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.present)

    def rows(self, index: np.ndarray, /) -> "Inputs":
        """Some rows, by position or mask."""
        return replace(
            self, values=tuple(v[index] for v in self.values), present=self.present[index]
        )

    def only(self, names: Sequence[str], /) -> "Inputs":
        """Some slots, in their own order.

        Raises:
            InputError: for a name that is none of them.
        """
        kept = [i for i, name in enumerate(self.names) if name in names]
        if len(kept) != len(set(names)):
            raise InputError(f"expected slots among {self.names}, got {tuple(names)}")
        return Inputs(
            tuple(self.names[i] for i in kept),
            tuple(self.values[i] for i in kept),
            self.present[:, kept],
        )

    def without(self, name: str, /) -> "Inputs":
        """The same slots, one of them missing in every row."""
        return self._with(name, np.zeros_like(self.values[self._place(name)]), False)

    def shuffled(self, name: str, /, *, seed: int) -> "Inputs":
        """The same slots, one of them with its rows in random order: pairs are broken."""
        place = self._place(name)
        order = np.random.default_rng(seed).permutation(self.n_rows)
        return self._with(name, self.values[place][order], self.present[order, place])

    def _place(self, name: str) -> int:
        if name not in self.names:
            raise InputError(f"expected one of {self.names}, got {name!r}")
        return self.names.index(name)

    def _with(self, name: str, values: np.ndarray, present: np.ndarray | bool) -> "Inputs":
        place, changed = self._place(name), self.present.copy()
        changed[:, place] = present
        kept = (*self.values[:place], values, *self.values[place + 1 :])
        return replace(self, values=kept, present=changed)


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Inputs with what is to be told of them.

    Attributes:
        labels: class of each row, 0 to ``n_classes`` - 1.
    """

    inputs: Inputs
    labels: Int[np.ndarray, " n"]
    n_classes: int


@runtime_checkable
class Predict(Protocol):
    """What a head gives after fitting."""

    def __call__(self, inputs: Inputs, /) -> Float[np.ndarray, "n classes"]:
        """Class probabilities; rows sum to 1."""
        ...


@runtime_checkable
class Head(Protocol):
    """A way to join slots; any object with this method will do."""

    def fit(self, train: Labelled, val: Labelled, seed: int, /) -> Predict:
        """Fit on train, choose on val; the same numbers for the same seed."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """How one slot is brought to zero mean, unit mean square and a bounded width.

    Attributes:
        mean: of the train rows that are present, shape (dim,).
        axes: principal components of them as columns, shape (dim, kept).
        scale: one factor for all components, so that their mean square is 1.
    """

    mean: np.ndarray
    axes: np.ndarray
    scale: float

    def __call__(self, slot: Slot, /) -> Float[np.ndarray, "n kept"]:
        """Scaled rows; 0 where the slot is missing, and for single numbers that are missing."""
        centred = np.where(np.isnan(slot.values), 0.0, slot.values - self.mean)
        found: np.ndarray = centred @ self.axes * self.scale
        return found


def fit_scaling(slot: Slot, /, *, most: int) -> Scaling:
    """Centre, rotate to principal components, keep at most `most` of them, scale.

    Numbers of a table are first divided by their own spread, because they have different units;
    features of a network, recognised by unit rows, are not.

    Raises:
        InputError: if no train row has the slot.
    """
    rows = slot.values[slot.present].astype(np.float64)
    if not len(rows):
        raise InputError(f"slot {slot.name!r}: no train row has it; leave the slot out")
    n_known = np.maximum((~np.isnan(rows)).sum(axis=0), 1)
    mean = np.nansum(rows, axis=0) / n_known
    centred = np.where(np.isnan(rows), 0.0, rows - mean)
    spread = _spread(rows, centred)
    _, _, right = np.linalg.svd(centred / spread, full_matrices=False)
    axes = (right[: min(most, len(right))] / spread).T
    square = float(((centred @ axes) ** 2).mean())
    return Scaling(mean, axes, 1 / np.sqrt(square) if square > 0 else 0.0)


def _spread(rows: np.ndarray, centred: np.ndarray) -> Float[np.ndarray, " dim"]:
    """What each column is divided by."""
    lengths = np.linalg.norm(rows, axis=1)
    if np.allclose(lengths, 1, atol=1e-3):
        return np.ones(rows.shape[1])
    deviation = np.sqrt((centred**2).mean(axis=0))
    return np.where(deviation > 0, deviation, 1.0)
