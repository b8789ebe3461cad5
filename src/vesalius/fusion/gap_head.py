"""Correction of the modality gap: slots of one space are moved towards each other first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from vesalius.fusion.answers import TINY, answers_of
from vesalius.fusion.closed_heads import joined
from vesalius.fusion.linear import Linear, fit_linear
from vesalius.fusion.scaling import principal_axes
from vesalius.fusion.slots import Channel, Examples, Inputs, Predict

LAMBDAS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """Slots that lie in one space, and where.

    Attributes:
        gaps: slot → its mean over train minus the mean of all slots' means, shape (dim,).
        axes: principal components of all train rows, shape (k, dim): averages of the slots are
            looked at along these only.
        centre: mean of the averages, shape (k,).
        scale: factor that brings their mean square to 1.
    """

    gaps: Mapping[str, np.ndarray]
    axes: np.ndarray
    centre: np.ndarray
    scale: float = 1.0

    def average(self, inputs: Inputs, strength: float, /) -> Float[np.ndarray, "n k"]:
        """Mean of a row's slots, each moved along its gap and brought to unit length again.

        Along the axes; the length of what is moved comes from the length of the unit row, that
        of the gap, and their product. The centre where a row has none of the slots.
        """
        total, n_present = np.zeros((inputs.n_rows, len(self.axes))), np.zeros((inputs.n_rows, 1))
        for channel in inputs.channels:
            if channel.name not in self.gaps or channel.raw is None:
                continue
            shift = strength * self.gaps[channel.name]
            squares = (channel.raw**2).sum(axis=1) - 2 * channel.raw @ shift + shift @ shift
            moved = (channel.raw @ self.axes.T - self.axes @ shift) / np.sqrt(
                np.maximum(squares, TINY)
            )[:, None]
            there = channel.present[:, None]
            total += np.where(there, moved, 0.0)
            n_present += there
        mean = np.where(n_present > 0, total / np.maximum(n_present, 1), self.centre)
        found: np.ndarray = (mean - self.centre) * self.scale
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Shifted:
    """A linear map from shifted, averaged slots of each space beside all other slots.

    Attributes:
        strength: λ.
    """

    spaces: Mapping[str, Space]
    strength: float
    linear: Linear

    @property
    def n_parameters(self) -> int:
        """Numbers that were fitted."""
        return sum(s.axes.size for s in self.spaces.values()) + self.linear.n_parameters

    def __call__(self, inputs: Inputs, /) -> Float[np.ndarray, "n outputs"]:
        """Answers of rows."""
        return self.linear(joined(_merged(inputs, self.spaces, self.strength)))


@dataclass(frozen=True, slots=True)
class GapShift:
    """Embeddings of one space are moved along the gap between their modalities, then averaged.

    λ times its gap (see `Space`) is taken from the rows of a slot, which are brought to unit
    length again; the mean of a row's slots stands for the space, beside the slots that share none.
    λ is that of least loss on val, of equals the smallest.

    Source: Liang et al. (2022), arXiv:2203.02053.

    Attributes:
        lambdas: that are tried; 0 leaves the gap, 1 closes it.
        width: most principal components of a space that are kept.
    """

    name: str = "gap-shift"
    lambdas: tuple[float, ...] = LAMBDAS
    width: int = 64
    uses_seed: bool = False

    def unsuitable(self, inputs: Inputs, /) -> str | None:
        """No two slots are embedded in one space."""
        spaces = [channel.space for channel in inputs.channels if channel.space]
        if len(set(spaces)) < len(spaces):
            return None
        return "no two inputs lie in one space; name image and text of the same dual encoder"

    def fit(self, train: Examples, val: Examples, seed: int, /) -> Predict:
        """See the class."""
        del seed
        names = dict.fromkeys(c.space for c in train.inputs.channels if c.space)
        spaces = {space: _space(train.inputs, space, width=self.width) for space in names}
        fits = [_fit(train, val, spaces, strength) for strength in self.lambdas]
        answers = answers_of(val)
        return min(fits, key=lambda one: answers.loss(one(val.inputs)))


def _space(inputs: Inputs, name: str, /, *, width: int) -> Space:
    """The space of some slots, from the rows that have them."""
    rows = {
        c.name: c.raw[c.present] for c in inputs.channels if c.space == name and c.raw is not None
    }
    means = {slot: some.mean(axis=0) for slot, some in rows.items() if len(some)}
    middle = np.mean(list(means.values()), axis=0)
    together = np.concatenate(list(rows.values()))
    axes = principal_axes(together - together.mean(axis=0), most=width)
    gaps = {slot: mean - middle for slot, mean in means.items()}
    return Space(gaps, axes, np.zeros(len(axes)))


def _fit(train: Examples, val: Examples, spaces: Mapping[str, Space], strength: float) -> Shifted:
    scaled = {name: _scaled(space, train.inputs, strength) for name, space in spaces.items()}
    shown, shown_val = (_merged(one.inputs, scaled, strength) for one in (train, val))
    linear = fit_linear(
        joined(shown), answers_of(train), x_val=joined(shown_val), answers_val=answers_of(val)
    )
    return Shifted(scaled, strength, linear)


def _scaled(space: Space, inputs: Inputs, strength: float) -> Space:
    there = _there(space, inputs)
    averages = space.average(inputs, strength)[there]
    centre = averages.mean(axis=0)
    square = float(((averages - centre) ** 2).mean()) if averages.size else 0.0
    return replace(space, centre=centre, scale=1 / np.sqrt(square) if square > 0 else 0.0)


def _there(space: Space, inputs: Inputs) -> np.ndarray:
    found: np.ndarray = np.any([c.present for c in inputs.channels if c.name in space.gaps], axis=0)
    return found


def _merged(inputs: Inputs, spaces: Mapping[str, Space], strength: float) -> Inputs:
    """One channel a space instead of those of its slots."""
    apart = tuple(c for c in inputs.channels if not c.space)
    merged = tuple(
        Channel(name, space.average(inputs, strength), _there(space, inputs))
        for name, space in spaces.items()
    )
    return Inputs((*merged, *apart))
