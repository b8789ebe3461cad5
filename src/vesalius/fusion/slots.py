"""Named inputs of a fusion: features with one row a sample, some of which may be missing."""

from collections.abc import Callable, Sequence
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
        values: shape (n, dim), or (n, tokens, dim) for patches and words. A row that is missing
            holds NaN only, and so does a token that a row does not have.
        space: slots that name the same space hold unit rows of a dual encoder, comparable by
            cosine; empty for a space of its own.
        own_units: whether each column has a unit of its own, as in a table; columns are then
            divided by their spread.
    """

    name: str
    values: np.ndarray
    space: str = ""
    own_units: bool = False

    @property
    def has_tokens(self) -> bool:
        """Whether a row is a sequence of vectors."""
        return self.values.ndim == 3

    @property
    def present(self) -> Bool[np.ndarray, " n"]:
        """Which rows have a value."""
        axes = tuple(range(1, self.values.ndim))
        found: np.ndarray = ~np.isnan(self.values).all(axis=axes)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """The sequences behind a slot.

    Attributes:
        values: shape (n, tokens, dim), float32; 0 where a token is missing.
        there: shape (n, tokens).
    """

    values: np.ndarray
    there: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """One slot of some rows as heads see it, after `Scaling`.

    Attributes:
        name: of the slot.
        values: (n, dim), float64; 0, the mean of train, where it is missing. Of a slot with
            tokens the mean over them.
        present: shape (n,).
        space: of the slot.
        raw: unscaled rows of a slot with a space, 0 where it is missing; None for others.
        tokens: None for a slot of one vector a row.
    """

    name: str
    values: np.ndarray
    present: np.ndarray
    space: str = ""
    raw: np.ndarray | None = None
    tokens: Tokens | None = None

    def each(self, change: Callable[[np.ndarray], np.ndarray], /) -> "Channel":
        """The same change of rows to everything."""
        tokens = self.tokens
        return replace(
            self,
            values=change(self.values),
            present=change(self.present),
            raw=None if self.raw is None else change(self.raw),
            tokens=None if tokens is None else Tokens(change(tokens.values), change(tokens.there)),
        )

    def where(self, kept: Bool[np.ndarray, " n"], /) -> "Channel":
        """Missing in all rows but these."""

        def some(rows: np.ndarray) -> np.ndarray:
            shape = (-1,) + (1,) * (rows.ndim - 1)
            return np.where(kept.reshape(shape), rows, np.zeros((), rows.dtype))

        return self.each(some)


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Rows as a head sees them: one channel a slot."""

    channels: tuple[Channel, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the slots."""
        return tuple(channel.name for channel in self.channels)

    @property
    def values(self) -> tuple[np.ndarray, ...]:
        """Per slot (n, dim), see `Channel`."""
        return tuple(channel.values for channel in self.channels)

    @property
    def present(self) -> Bool[np.ndarray, "n slots"]:
        """Which rows have which slots."""
        return np.stack([channel.present for channel in self.channels], axis=1)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.channels[0].present)

    def rows(self, index: np.ndarray, /) -> "Inputs":
        """Some rows, by position or mask."""
        return Inputs(tuple(channel.each(lambda rows: rows[index]) for channel in self.channels))

    def only(self, names: Sequence[str], /) -> "Inputs":
        """Some slots, in their own order.

        Raises:
            InputError: for a name that is none of them.
        """
        kept = tuple(channel for channel in self.channels if channel.name in names)
        if len(kept) != len(set(names)):
            raise InputError(f"expected slots among {self.names}, got {tuple(names)}")
        return Inputs(kept)

    def without(self, name: str, /, *, share: float = 1.0, seed: int = 0) -> "Inputs":
        """The same slots, one of them missing: everywhere, or in a share of rows.

        The rows are drawn by the seed, and those of a smaller share are among those of a larger.
        """
        order = np.random.default_rng(seed).permutation(self.n_rows)
        kept = order >= round(share * self.n_rows)
        return self._with(name, lambda channel: channel.where(kept))

    def shuffled(self, name: str, /, *, seed: int) -> "Inputs":
        """The same slots, one of them with its rows in random order: pairs are broken."""
        order = np.random.default_rng(seed).permutation(self.n_rows)
        return self._with(name, lambda channel: channel.each(lambda rows: rows[order]))

    def _with(self, name: str, change: Callable[[Channel], Channel]) -> "Inputs":
        if name not in self.names:
            raise InputError(f"expected one of {self.names}, got {name!r}")
        return Inputs(tuple(change(c) if c.name == name else c for c in self.channels))


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Inputs with the class that is to be told of each row.

    Attributes:
        labels: class of each row, 0 to ``n_classes`` - 1.
        balanced: whether errors count so that all classes weigh the same, or all rows.
    """

    inputs: Inputs
    labels: Int[np.ndarray, " n"]
    n_classes: int
    balanced: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Paired:
    """Inputs with the vector that is to be told of each row, such as a caption's embedding.

    Attributes:
        targets: shape (n, dim).
    """

    inputs: Inputs
    targets: Float[np.ndarray, "n dim"]


Examples = Labelled | Paired


@runtime_checkable
class Predict(Protocol):
    """What a head gives after fitting."""

    def __call__(self, inputs: Inputs, /) -> Float[np.ndarray, "n outputs"]:
        """Class probabilities, whose rows sum to 1; vectors if the examples were `Paired`."""
        ...


@runtime_checkable
class Head(Protocol):
    """A way to join slots; any object with this method will do."""

    def fit(self, train: Examples, val: Examples, seed: int, /) -> Predict:
        """Fit on train, choose on val; the same numbers for the same seed."""
        ...


@runtime_checkable
class Choosy(Protocol):
    """A head that cannot join just any slots."""

    def unsuitable(self, inputs: Inputs, /) -> str | None:
        """Why these slots cannot be joined this way; None if they can."""
        ...


@runtime_checkable
class Droppable(Protocol):
    """A head that can be taught to do without slots."""

    def with_dropout(self, share: float, /) -> Head:
        """The same head, each slot lost in this share of train rows."""
        ...


@runtime_checkable
class Seeded(Protocol):
    """A head that says whether its seed changes anything; of others it is taken to do so."""

    @property
    def uses_seed(self) -> bool:
        """False if it fits the same whatever the seed."""
        ...
