"""Heads in two closed-form steps: stacking of single slots, and canonical correlation."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from vesalius.fusion.answers import TINY, answers_of
from vesalius.fusion.closed_heads import Singles, fit_singles
from vesalius.fusion.linear import Linear, fit_linear
from vesalius.fusion.slots import Examples, Inputs, Labelled, Paired, Predict

_RIDGE = 1e-2  # of the whitening, relative to the mean variance of a slot


@dataclass(frozen=True, slots=True, eq=False)
class Stacked:
    """A linear map from what each slot alone says."""

    singles: Singles
    linear: Linear

    @property
    def n_parameters(self) -> int:
        """Numbers that were fitted."""
        return self.singles.n_parameters + self.linear.n_parameters

    def __call__(self, inputs: Inputs, /) -> Float[np.ndarray, "n outputs"]:
        """Answers of rows."""
        return self.linear(_said(self.singles, inputs))


@dataclass(frozen=True, slots=True)
class LateStacking:
    """A linear map from what each slot alone says, probabilities as their logarithms.

    It is fitted on answers that the slots' classifiers give for train rows which they have not
    seen, in `n_folds` folds drawn by the seed: their answers for their own rows are too good.

    Source: Wolpert (1992), doi:10.1016/S0893-6080(05)80023-1.
    """

    name: str = "late-stacking"
    n_folds: int = 5

    def fit(self, train: Examples, val: Examples, seed: int, /) -> Predict:
        """See the class."""
        singles = fit_singles(train, val)
        n = train.inputs.n_rows
        folds = np.random.default_rng(seed).permutation(n) % self.n_folds
        said = np.zeros((n, len(train.inputs.names) * len(singles.prior)))
        for fold in range(self.n_folds):
            others = fit_singles(_rows_of(train, folds != fold), val)
            said[folds == fold] = _said(others, train.inputs.rows(folds == fold))
        linear = fit_linear(
            said,
            answers_of(train),
            x_val=_said(singles, val.inputs),
            answers_val=answers_of(val),
        )
        return Stacked(singles, linear)


def _rows_of(examples: Examples, rows: np.ndarray) -> Examples:
    inputs = examples.inputs.rows(rows)
    if isinstance(examples, Labelled):
        return replace(examples, inputs=inputs, labels=examples.labels[rows])
    return Paired(inputs, examples.targets[rows])


def _said(singles: Singles, inputs: Inputs) -> Float[np.ndarray, "n answers"]:
    """What all slots say beyond the prior, side by side; 0 where one is missing.

    Probabilities are compared by their logarithms.
    """
    found, prior = singles.said(inputs), singles.prior
    if singles.is_class:
        found, prior = np.log(np.maximum(found, TINY)), np.log(prior)
    side_by_side: np.ndarray = np.moveaxis(found - prior, 0, 1).reshape(inputs.n_rows, -1)
    return side_by_side


@dataclass(frozen=True, slots=True, eq=False)
class Correlated:
    """A linear map from canonical variates.

    Attributes:
        maps: per slot, from its values to the variates, shape (dim, variates).
    """

    maps: tuple[np.ndarray, ...]
    linear: Linear

    @property
    def n_parameters(self) -> int:
        """Numbers that were fitted."""
        return sum(one.size for one in self.maps) + self.linear.n_parameters

    def __call__(self, inputs: Inputs, /) -> Float[np.ndarray, "n outputs"]:
        """Answers of rows."""
        return self.linear(_variates(self.maps, inputs))


@dataclass(frozen=True, slots=True)
class Cca:
    """What slots have in common: generalised canonical correlation, then a linear map.

    Each slot is whitened, the whitened slots are decomposed together, and a sample's variates are
    the mean of those of the slots it has. Only what slots share gets through: what one of them
    alone knows is lost. The number of variates is that of least log-loss on val.

    Source: MAXVAR of Kettenring (1971), doi:10.1093/biomet/58.3.433; for two slots the canonical
    correlation of Hotelling (1936), doi:10.1093/biomet/28.3-4.321.
    """

    name: str = "cca"
    uses_seed: bool = False
    variates: tuple[int, ...] = (2, 8, 32)

    def fit(self, train: Examples, val: Examples, seed: int, /) -> Predict:
        """See the class."""
        del seed
        complete = np.asarray(train.inputs.present.all(axis=1))
        inputs = train.inputs.rows(complete) if complete.sum() > 1 else train.inputs
        maps = _canonical(inputs)
        answers, answers_val = answers_of(train), answers_of(val)
        fits = []
        for n in sorted({min(n, maps[0].shape[1]) for n in self.variates}):
            kept = tuple(one[:, :n] for one in maps)
            linear = fit_linear(
                _variates(kept, train.inputs),
                answers,
                x_val=_variates(kept, val.inputs),
                answers_val=answers_val,
            )
            fits.append(Correlated(kept, linear))
        losses = [answers_val.loss(one(val.inputs)) for one in fits]
        return fits[int(np.argmin(losses))]


def _canonical(inputs: Inputs) -> tuple[np.ndarray, ...]:
    """Maps of all slots to common variates, the most correlated first."""
    whitenings = [_whitening(x) for x in inputs.values]
    whitened = np.concatenate(
        [x @ w for x, w in zip(inputs.values, whitenings, strict=True)], axis=1
    )
    _, _, right = np.linalg.svd(whitened, full_matrices=False)
    borders = np.cumsum([w.shape[1] for w in whitenings])[:-1]
    return tuple(w @ r.T for w, r in zip(whitenings, np.split(right, borders, axis=1), strict=True))


def _whitening(x: Float[np.ndarray, "n dim"]) -> Float[np.ndarray, "dim dim"]:
    """A symmetric map to uncorrelated columns of unit variance, regularised."""
    covariance = x.T @ x / max(len(x), 1)
    values, vectors = np.linalg.eigh(covariance)
    ridge = _RIDGE * max(float(values.mean()), TINY)
    found: np.ndarray = (vectors / np.sqrt(np.clip(values, 0, None) + ridge)) @ vectors.T
    return found


def _variates(maps: tuple[np.ndarray, ...], inputs: Inputs) -> Float[np.ndarray, "n variates"]:
    """Mean over the slots that are present, 0 where none is."""
    total = sum(x @ one for x, one in zip(inputs.values, maps, strict=True))
    n_present = np.maximum(inputs.present.sum(axis=1, keepdims=True), 1)
    found: np.ndarray = np.asarray(total) / n_present
    return found
