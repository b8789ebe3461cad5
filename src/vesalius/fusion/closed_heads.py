"""Heads with a closed form: linear on joined inputs, and what joins the answers of single slots."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vesalius.fusion.answers import TINY, Answers, answers_of, softmax
from vesalius.fusion.linear import Linear, fit_linear, silent
from vesalius.fusion.slots import Examples, Inputs, Predict


def joined(inputs: Inputs, /) -> Float[np.ndarray, "n dims"]:
    """All slots side by side, and a column per slot that says where it is missing."""
    return np.concatenate([*inputs.values, 1.0 - inputs.present], axis=1)


def fit_joined(train: Examples, val: Examples, /) -> Linear:
    """The linear map from `joined` inputs."""
    return fit_linear(
        joined(train.inputs),
        answers_of(train),
        x_val=joined(val.inputs),
        answers_val=answers_of(val),
    )


@dataclass(frozen=True, slots=True, eq=False)
class OnInputs:
    """A linear map that takes inputs side by side."""

    linear: Linear

    @property
    def n_parameters(self) -> int:
        """Numbers that were fitted."""
        return self.linear.n_parameters

    def __call__(self, inputs: Inputs, /) -> Float[np.ndarray, "n outputs"]:
        """Answers of rows."""
        return self.linear(joined(inputs))


@dataclass(frozen=True, slots=True)
class Concat:
    """Slots side by side, then a linear map: what needs no interaction.

    Source: early fusion in Baltrušaitis et al. (2019), doi:10.1109/TPAMI.2018.2798607.
    """

    name: str = "concat"
    uses_seed: bool = False

    def fit(self, train: Examples, val: Examples, seed: int, /) -> Predict:
        """See the class."""
        del seed
        return OnInputs(fit_joined(train, val))


@dataclass(frozen=True, slots=True, eq=False)
class Singles:
    """One linear map per slot, and the prior where none has an answer.

    Attributes:
        linears: by slot; each sees its own slot only.
        prior: the answer without any input, see `Answers.prior`.
        precisions: of vectors one over the mean squared error on val, by slot.
    """

    linears: tuple[Linear, ...]
    prior: np.ndarray
    precisions: np.ndarray
    is_class: bool

    @property
    def n_parameters(self) -> int:
        """Numbers that were fitted."""
        return sum(linear.n_parameters for linear in self.linears)

    def said(self, inputs: Inputs, /) -> Float[np.ndarray, "slots n outputs"]:
        """By each slot; the prior where it is missing."""
        found = np.stack([f(x) for f, x in zip(self.linears, inputs.values, strict=True)])
        return np.where(inputs.present.T[:, :, None], found, self.prior)


def fit_singles(train: Examples, val: Examples, /) -> Singles:
    """A linear map for each slot from the rows that have it.

    A slot without train rows of two classes, or without val rows, always answers the prior.
    """
    answers, answers_val = answers_of(train), answers_of(val)
    linears, precisions = [], []
    for channel, channel_val in zip(train.inputs.channels, val.inputs.channels, strict=True):
        known, known_val = answers.rows(channel.present), answers_val.rows(channel_val.present)
        x, x_val = (c.values[c.present] for c in (channel, channel_val))
        if _says_nothing(known) or not len(x_val):
            linears.append(silent(channel.values.shape[1], answers))
            precisions.append(0.0)
            continue
        one = fit_linear(x, known, x_val=x_val, answers_val=known_val)
        linears.append(one)
        precisions.append(1 / max(known_val.loss(one(x_val)), TINY))
    return Singles(
        tuple(linears), answers.prior(), np.array(precisions), answers.labels is not None
    )


def _says_nothing(answers: Answers) -> bool:
    return not len(answers.targets) or (
        answers.labels is not None and len(np.unique(answers.labels)) < 2
    )


@dataclass(frozen=True, slots=True, eq=False)
class Averaged:
    """Mean answer of the slots that are present."""

    singles: Singles

    @property
    def n_parameters(self) -> int:
        """Numbers that were fitted."""
        return self.singles.n_parameters

    def __call__(self, inputs: Inputs, /) -> Float[np.ndarray, "n outputs"]:
        """Answers of rows; the prior where nothing is present."""
        return _weighted(self.singles, inputs, np.ones(len(self.singles.linears)))


def _weighted(
    singles: Singles, inputs: Inputs, weights: Float[np.ndarray, " slots"]
) -> Float[np.ndarray, "n outputs"]:
    """Weighted mean over the slots that are present; the prior where their weights are 0."""
    votes = (inputs.present * weights).T[:, :, None]
    total = votes.sum(axis=0)
    found = (singles.said(inputs) * votes).sum(axis=0)
    return np.where(total > 0, found / np.maximum(total, TINY), singles.prior)


@dataclass(frozen=True, slots=True)
class LateAverage:
    """Mean of what each slot alone says, over the slots that are present.

    Source: the sum rule of Kittler et al. (1998), doi:10.1109/34.667881.
    """

    name: str = "late-average"
    uses_seed: bool = False

    def fit(self, train: Examples, val: Examples, seed: int, /) -> Predict:
        """See the class."""
        del seed
        return Averaged(fit_singles(train, val))


@dataclass(frozen=True, slots=True, eq=False)
class Multiplied:
    """Product of the slots' probabilities over the prior, or of their Gaussians."""

    singles: Singles

    @property
    def n_parameters(self) -> int:
        """Numbers that were fitted."""
        return self.singles.n_parameters

    def __call__(self, inputs: Inputs, /) -> Float[np.ndarray, "n outputs"]:
        """Answers of rows; a missing slot says nothing."""
        if not self.singles.is_class:
            return _weighted(self.singles, inputs, self.singles.precisions)
        logs = np.log(np.maximum(self.singles.said(inputs), TINY))
        prior = np.log(self.singles.prior)
        return softmax(prior + (logs - prior).sum(axis=0))


@dataclass(frozen=True, slots=True)
class ProductOfExperts:
    """Product of what each slot alone says, as if slots were independent given the class.

    Vectors are means of Gaussians with the error on val as their variance; the mean of the
    product is theirs, weighted by one over the variance.

    Source: Hinton (2002), doi:10.1162/089976602760128018; the product rule of Kittler et al.
    (1998), doi:10.1109/34.667881.
    """

    name: str = "product-of-experts"
    uses_seed: bool = False

    def fit(self, train: Examples, val: Examples, seed: int, /) -> Predict:
        """See the class."""
        del seed
        return Multiplied(fit_singles(train, val))
