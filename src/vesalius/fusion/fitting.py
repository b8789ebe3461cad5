"""All fits of a study: each slot alone, each head on all slots, the best head on every subset."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from vesalius.fusion.closed_heads import Concat
from vesalius.fusion.cohort import Cohort, Parts, rows_of
from vesalius.fusion.shapley import subsets
from vesalius.fusion.slots import Droppable, Head, Inputs, Predict, Seeded
from vesalius.stats import Statistic

Tick = Callable[[], None]


@runtime_checkable
class Counted(Protocol):
    """A predictor that says how large it is."""

    @property
    def n_parameters(self) -> int:
        """Numbers that were fitted."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A head on some slots.

    Attributes:
        names: of the slots.
        predictors: one a seed, or one for all.
        val_score: the score on val, the mean over seeds; minus infinity where it is undefined.
        fit_s: seconds that fitting took, the mean over seeds.
    """

    names: tuple[str, ...]
    predictors: tuple[Predict, ...]
    val_score: float
    fit_s: float

    @property
    def n_parameters(self) -> int:
        """Of the first predictor; 0 if it does not say."""
        first = self.predictors[0]
        return first.n_parameters if isinstance(first, Counted) else 0

    def on(self, inputs: Inputs, /) -> list[Float[np.ndarray, "n outputs"]]:
        """What every predictor says."""
        return [predict(inputs) for predict in self.predictors]

    def on_each(self, inputs: Sequence[Inputs], /) -> list[Float[np.ndarray, "n outputs"]]:
        """What the predictor of each seed says of the inputs of that seed."""
        n = len(self.predictors)
        return [self.predictors[i % n](one) for i, one in enumerate(inputs)]


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """A cohort, cut and scaled, on which heads are fitted and asked.

    Attributes:
        seeds: one fit each.
        tick: called after each fit.
    """

    cohort: Cohort
    parts: Parts
    seeds: tuple[int, ...]
    tick: Tick

    def fit(self, head: Head, names: tuple[str, ...], /) -> Fitted:
        """Fit on some slots, once per seed, or once if the seed changes nothing."""
        parts = self.parts.only(names)
        fixed = isinstance(head, Seeded) and not head.uses_seed
        seeds = self.seeds[:1] if fixed else self.seeds
        started = time.perf_counter()
        predictors = tuple(head.fit(parts.train, parts.val, seed) for seed in seeds)
        took = (time.perf_counter() - started) / len(seeds)
        rows = rows_of(self.cohort, "val")
        said = [predict(parts.asked["val"]) for predict in predictors]
        score = self.cohort.goal.score(said, rows)(np.arange(len(rows)))
        self.tick()
        return Fitted(names, predictors, -np.inf if np.isnan(score) else score, took)

    def statistic(self, said: Sequence[Float[np.ndarray, "n outputs"]], /) -> Statistic:
        """The score of what was said of the test rows."""
        return self.cohort.goal.score(said, rows_of(self.cohort, "test"))

    def floor(self) -> Statistic:
        """The score of test rows without any input."""
        train, test = (rows_of(self.cohort, split) for split in ("train", "test"))
        return self.cohort.goal.floor(train, test)


@dataclass(frozen=True, slots=True, eq=False)
class Fits:
    """Everything that was fitted.

    Attributes:
        singles: by slot, with the linear head.
        heads: by name; the best one that can be taught so stands here once more, with dropout.
        parts: the best head by subset of slots; neither none of them nor all.
        best_single: the slot that is best on val.
        best_head: the head that is best on val.
        curved: heads whose scores are drawn as slots go missing.
    """

    singles: Mapping[str, Fitted]
    heads: Mapping[str, Fitted]
    parts: Mapping[frozenset[str], Fitted]
    best_single: str
    best_head: str
    curved: tuple[str, ...]


def n_fits(n_slots: int, n_heads: int, /) -> int:
    """How many fits `fit_everything` makes at most."""
    return n_slots + n_heads - 1 + (1 << n_slots)


def fit_everything(bench: Bench, heads: Mapping[str, Head], /, *, dropout: float) -> Fits:
    """Fit on train, choose on val.

    Args:
        bench: the cohort.
        heads: by name; all of them suit the slots.
        dropout: share of train rows that lose each slot in the second fit of the best head that
            can be taught to do without; 0 for none.
    """
    names = bench.parts.test.names
    singles = {name: bench.fit(Concat(), (name,)) for name in names}
    fitted = {name: bench.fit(head, names) for name, head in heads.items()}
    best_head = max(fitted, key=lambda name: fitted[name].val_score)
    hardened = {
        name: bench.fit(head, names) for name, head in _hardened(heads, fitted, dropout=dropout)
    }
    return Fits(
        singles=singles,
        heads=fitted | hardened,
        parts={
            chosen: bench.fit(heads[best_head], tuple(n for n in names if n in chosen))
            for chosen in subsets(names)[1:-1]
        },
        best_single=max(names, key=lambda name: singles[name].val_score),
        best_head=best_head,
        curved=tuple(dict.fromkeys((best_head, *hardened))),
    )


def _hardened(
    heads: Mapping[str, Head], fitted: Mapping[str, Fitted], *, dropout: float
) -> Iterator[tuple[str, Head]]:
    """The best head that can be taught to do without slots, if there is one, under its name."""
    able = {name: head for name, head in heads.items() if isinstance(head, Droppable)}
    if able and dropout:
        best = max(able, key=lambda name: fitted[name].val_score)
        yield f"{best}[dropout={dropout:g}]", able[best].with_dropout(dropout)
