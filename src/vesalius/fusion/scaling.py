"""How slots are brought to one scale, by their train rows alone."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vesalius.errors import InputError
from vesalius.fusion.slots import Channel, Slot, Tokens

_TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """How one slot is brought to zero mean, unit mean square and a bounded width.

    Attributes:
        mean: of the train rows, or tokens, that are present, shape (dim,).
        axes: principal components of them as columns, shape (dim, kept).
        scale: one factor for all components, so that their mean square is 1.
    """

    mean: np.ndarray
    axes: np.ndarray
    scale: float

    def __call__(self, values: Float[np.ndarray, "*rows dim"], /) -> Float[np.ndarray, "*rows k"]:
        """Scaled vectors; 0 for those that are missing, and for single numbers that are."""
        centred = np.where(np.isnan(values), 0.0, values - self.mean)
        found: np.ndarray = centred @ self.axes * self.scale
        return found

    def channel(self, slot: Slot, /) -> Channel:
        """The slot as heads see it."""
        present = slot.present
        raw = np.where(np.isnan(slot.values), 0.0, slot.values) if slot.space else None
        if not slot.has_tokens:
            values = np.where(present[:, None], self(slot.values), 0.0)
            return Channel(slot.name, values, present, slot.space, raw)
        there = ~np.isnan(slot.values).all(axis=2)
        scaled = np.where(there[:, :, None], self(slot.values), 0.0)
        mean = scaled.sum(axis=1) / np.maximum(there.sum(axis=1, keepdims=True), 1)
        return Channel(slot.name, mean, present, tokens=Tokens(scaled.astype(np.float32), there))


def fit_scaling(slot: Slot, /, *, most: int) -> Scaling:
    """Centre, rotate to principal components, keep at most `most` of them, scale.

    Raises:
        InputError: if no train row has the slot.
    """
    rows = slot.values.reshape(-1, slot.values.shape[-1])
    rows = rows[~np.isnan(rows).all(axis=1)].astype(np.float64)
    if not len(rows):
        raise InputError(f"slot {slot.name!r}: no train row has it; leave the slot out")
    n_known = np.maximum((~np.isnan(rows)).sum(axis=0), 1)
    mean = np.nansum(rows, axis=0) / n_known
    centred = np.where(np.isnan(rows), 0.0, rows - mean)
    spread = _spread(centred) if slot.own_units else np.ones(rows.shape[1])
    axes = (principal_axes(centred / spread, most=most) / spread).T
    square = float(((centred @ axes) ** 2).mean()) if axes.size else 0.0
    return Scaling(mean, axes, 1 / np.sqrt(square) if square > 0 else 0.0)


def principal_axes(x: Float[np.ndarray, "n dim"], /, *, most: int) -> Float[np.ndarray, "kept dim"]:
    """Leading principal components of centred rows as orthonormal rows, the strongest first.

    From the smaller of the two products of `x` with itself, which is many times faster than its
    singular value decomposition where one side is long. Directions without variance are left out.
    """
    n, dim = x.shape
    if n >= dim:
        values, vectors = np.linalg.eigh(x.T @ x)
        rows = vectors.T
    else:
        values, vectors = np.linalg.eigh(x @ x.T)
        rows = vectors.T @ x / np.sqrt(np.maximum(values, _TINY))[:, None]
    kept = values > _TINY * max(float(values.max(initial=0.0)), _TINY)
    strongest: np.ndarray = rows[kept][::-1][:most]
    return strongest


def _spread(centred: Float[np.ndarray, "n dim"]) -> Float[np.ndarray, " dim"]:
    deviation = np.sqrt((centred**2).mean(axis=0))
    return np.where(deviation > 0, deviation, 1.0)
