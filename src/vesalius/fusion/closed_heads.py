"""Heads with a closed form: linear on joined inputs, and what joins the answers of single slots."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vesalius.fusion.linear import Linear, fit_linear, silent, softmax
from vesalius.fusion.slots import Inputs, Labelled, Predict

_TINY = 1e-12


def joined(inputs: Inputs, /) -> Float[np.ndarray, "n dims"]:
    """All slots side by side, and a column per slot that says where it is missing."""
    return np.concatenate([*inputs.values, 1.0 - inputs.present], axis=1)


def fit_joined(train: Labelled, val: Labelled, /) -> Linear:
    """The linear classifier on `joined` inputs."""
    return fit_linear(
        joined(train.inputs),
        train.labels,
        train.n_classes,
        x_val=joined(val.inputs),
        labels_val=val.labels,
    )


@dataclass(frozen=True, slots=True, eq=False)
class OnInputs:
    """A linear classifier that takes inputs side by side."""

    linear: Linear

    @property
    def n_parameters(self) -> int:
        """Numbers that were fitted."""
        return self.linear.n_parameters

    def __call__(self, inputs: Inputs, /) -> Float[np.ndarray, "n classes"]:
        """Class probabilities."""
        return self.linear(joined(inputs))


@dataclass(frozen=True, slots=True)
class Concat:
    """Slots side by side, then a linear classifier: what needs no interaction.

    Source: early fusion in Baltrušaitis et al. (2019), doi:10.1109/TPAMI.2018.2798607.
    """

    name: str = "concat"

    def fit(self, train: Labelled, val: Labelled, seed: int, /) -> Predict:
        """See the class; the seed changes nothing."""
        del seed
        return OnInputs(fit_joined(train, val))


@dataclass(frozen=True, slots=True, eq=False)
class Singles:
    """One classifier per slot, and the classes' shares in train where none has an answer.

    Attributes:
        linears: by slot; each sees its own slot only.
        prior: class probabilities without any input.
    """

    linears: tuple[Linear, ...]
    prior: np.ndarray

    @property
    def n_parameters(self) -> int:
        """Numbers that were fitted."""
        return sum(linear.n_parameters for linear in self.linears)

    def probabilities(self, inputs: Inputs, /) -> Float[np.ndarray, "slots n classes"]:
        """Of each slot; the prior where it is missing."""
        found = np.stack([f(x) for f, x in zip(self.linears, inputs.values, strict=True)])
        return np.where(inputs.present.T[:, :, None], found, self.prior)


def fit_singles(train: Labelled, val: Labelled, /) -> Singles:
    """A classifier for each slot from the rows that have it.

    A slot without rows of two classes in train, or without val rows, always answers the prior.
    """
    linears = []
    for place, (x, x_val) in enumerate(zip(train.inputs.values, val.inputs.values, strict=True)):
        rows, rows_val = (part.inputs.present[:, place] for part in (train, val))
        labels = train.labels[rows]
        if len(np.unique(labels)) < 2 or not rows_val.any():
            linears.append(silent(x.shape[1], train.n_classes))
            continue
        linears.append(
            fit_linear(
                x[rows],
                labels,
                train.n_classes,
                x_val=x_val[rows_val],
                labels_val=val.labels[rows_val],
            )
        )
    return Singles(tuple(linears), np.full(train.n_classes, 1 / train.n_classes))


@dataclass(frozen=True, slots=True, eq=False)
class Averaged:
    """Mean probability of the slots that are present."""

    singles: Singles

    @property
    def n_parameters(self) -> int:
        """Numbers that were fitted."""
        return self.singles.n_parameters

    def __call__(self, inputs: Inputs, /) -> Float[np.ndarray, "n classes"]:
        """Class probabilities; the prior where nothing is present."""
        present = inputs.present.T[:, :, None].astype(np.float64)
        found = (self.singles.probabilities(inputs) * present).sum(axis=0)
        n_present = present.sum(axis=0)
        return np.where(n_present > 0, found / np.maximum(n_present, 1), self.singles.prior)


@dataclass(frozen=True, slots=True)
class LateAverage:
    """Mean of what each slot alone says, over the slots that are present.

    Source: the sum rule of Kittler et al. (1998), doi:10.1109/34.667881.
    """

    name: str = "late-average"

    def fit(self, train: Labelled, val: Labelled, seed: int, /) -> Predict:
        """See the class; the seed changes nothing."""
        del seed
        return Averaged(fit_singles(train, val))


@dataclass(frozen=True, slots=True, eq=False)
class Multiplied:
    """Product of the slots' probabilities over the prior, renormalised."""

    singles: Singles

    @property
    def n_parameters(self) -> int:
        """Numbers that were fitted."""
        return self.singles.n_parameters

    def __call__(self, inputs: Inputs, /) -> Float[np.ndarray, "n classes"]:
        """Class probabilities; a missing slot says nothing."""
        logs = np.log(np.maximum(self.singles.probabilities(inputs), _TINY))
        prior = np.log(self.singles.prior)
        return softmax(prior + (logs - prior).sum(axis=0))


@dataclass(frozen=True, slots=True)
class ProductOfExperts:
    """Product of what each slot alone says, as if slots were independent given the class.

    Source: Hinton (2002), doi:10.1162/089976602760128018; the product rule of Kittler et al.
    (1998), doi:10.1109/34.667881.
    """

    name: str = "product-of-experts"

    def fit(self, train: Labelled, val: Labelled, seed: int, /) -> Predict:
        """See the class; the seed changes nothing."""
        del seed
        return Multiplied(fit_singles(train, val))
