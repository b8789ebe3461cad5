"""The study: every head against the best single slot, on the same patients, with certainty."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from jaxtyping import Float

from vesalius.errors import InputError
from vesalius.fusion.closed_heads import Concat
from vesalius.fusion.cohort import Cohort, Parts, check_cohort, parts_of, rows_of
from vesalius.fusion.shapley import MOST_SLOTS, shapley_weights, subsets
from vesalius.fusion.slots import Head, Inputs, Predict
from vesalius.records import Estimate, Resampling
from vesalius.stats import (
    Difference,
    MeanOf,
    Statistic,
    bootstrap_many,
    holm,
    paired_difference,
    statistic,
)
from vesalius.stats.row_functions import evaluate

CHANCE = 0.5  # of the area under the curve
METRIC = "auroc"


@dataclass(frozen=True, slots=True)
class Settings:
    """How a study is made.

    Attributes:
        seeds: of heads and shuffles; a score is the mean over them.
        width: most principal components of a slot that heads see.
        resampling: of test patients.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    width: int = 64
    resampling: Resampling = field(default_factory=Resampling)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a study.

    Attributes:
        head: name of the head; of a single slot, the slot's.
        variant: ``single``, ``fused``, ``shuffled`` or ``missing``.
        slot: that is alone, shuffled or missing; empty for ``fused``.
        estimate: area under the curve, the mean over classes and seeds, on test patients.
        difference: to the best single slot, on the same resamples; None for that slot itself.
        p_holm: of the difference, adjusted for all heads; NaN where it is not one of the questions.
        n_parameters: that were fitted; 0 if the head does not say.
        fit_s: seconds that fitting took, a mean over seeds.
    """

    head: str
    variant: str
    slot: str
    estimate: Estimate
    difference: Difference | None = None
    p_holm: float = float("nan")
    n_parameters: int = 0
    fit_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Study:
    """What came out.

    Attributes:
        rows: singles first, then each head with its shuffled and missing slots.
        best_single: the slot that was best on val.
        best_head: the head that was best on val; contributions are its own.
        contributions: Shapley value of each slot in the best head's score.
    """

    rows: tuple[Row, ...]
    best_single: str
    best_head: str
    contributions: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A head on some slots: what it predicts, one array (rows, classes) a seed."""

    predictors: tuple[Predict, ...]
    val_score: float
    fit_s: float

    def on(self, inputs: Inputs, /) -> list[np.ndarray]:
        """Probabilities by every seed's predictor."""
        return [predict(inputs) for predict in self.predictors]


def fusion_study(
    cohort: Cohort, heads: Mapping[str, Head], /, *, settings: Settings | None = None
) -> Study:
    """Fit every head on train, choose on val, and compare on test.

    Args:
        cohort: slots, labels, patients, splits.
        heads: name → anything with ``fit(train, val, seed)``.
        settings: seeds, width, resampling.

    Raises:
        InputError: if the cohort cannot be studied, there is no head or there are too many slots.
    """
    settings = settings or Settings()
    check_cohort(cohort)
    names = tuple(slot.name for slot in cohort.slots)
    if not heads or len(names) > MOST_SLOTS:
        raise InputError(f"expected heads and at most {MOST_SLOTS} slots, got {len(names)} slots")
    parts = parts_of(cohort, width=settings.width)
    single = {name: fit_head(Concat(), parts.only((name,)), settings.seeds[:1]) for name in names}
    best_single = max(names, key=lambda name: single[name].val_score)
    fitted = {name: fit_head(head, parts, settings.seeds) for name, head in heads.items()}
    best_head = max(fitted, key=lambda name: fitted[name].val_score)
    judge = Judged(cohort, settings.resampling)
    reference = judge.statistic(single[best_single].on(parts.test.only((best_single,))))
    rows = [
        judge.row(
            (name, "single", name),
            one.on(parts.test.only((name,))),
            None if name == best_single else reference,
            fitted=one,
        )
        for name, one in single.items()
    ]
    for name, one in fitted.items():
        rows += _rows_of_head(name, one, parts, judge, reference, settings.seeds)
    contributions = judge.contributions(heads[best_head], parts, settings.seeds)
    return Study(_adjusted(rows), best_single, best_head, contributions)


def fit_head(head: Head, parts: Parts, seeds: Sequence[int], /) -> Fitted:
    """Fit once per seed."""
    started = time.perf_counter()
    predictors = tuple(head.fit(parts.train, parts.val, seed) for seed in seeds)
    took = (time.perf_counter() - started) / len(seeds)
    rows = np.arange(len(parts.val.labels))
    said = [predict(parts.val.inputs) for predict in predictors]
    return Fitted(predictors, score_of(parts.val.labels, said)(rows), took)


def score_of(labels: np.ndarray, said: Sequence[Float[np.ndarray, "n classes"]], /) -> MeanOf:
    """Area under the curve as a function of rows: the mean over predictors and classes.

    Of two classes only the second one counts, for the first has the same area.
    """
    n_classes = said[0].shape[1]
    counted = range(1, n_classes) if n_classes == 2 else range(n_classes)
    return MeanOf(tuple(statistic(METRIC, labels == c, one[:, c]) for one in said for c in counted))


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Scores on the test rows of a cohort."""

    cohort: Cohort
    resampling: Resampling

    @property
    def patients(self) -> np.ndarray:
        """Of the test rows."""
        found: np.ndarray = self.cohort.patients[rows_of(self.cohort, "test")]
        return found

    def statistic(self, said: Sequence[np.ndarray], /) -> MeanOf:
        """The score of predictions as a function of test rows."""
        return score_of(self.cohort.labels[rows_of(self.cohort, "test")], said)

    def row(
        self,
        place: tuple[str, str, str],
        said: Sequence[np.ndarray],
        reference: Statistic | None,
        *,
        fitted: Fitted,
    ) -> Row:
        """A line of the study: head, variant and slot, and how far from the reference."""
        found = self.statistic(said)
        settings = asdict(self.resampling)
        difference = None
        if reference is not None:
            difference = paired_difference(
                found, reference, groups=self.patients, metric=METRIC, **settings
            )
        n_parameters = getattr(fitted.predictors[0], "n_parameters", 0)
        return Row(
            *place, self._estimate(found), difference, float("nan"), n_parameters, fitted.fit_s
        )

    def contributions(
        self, head: Head, parts: Parts, seeds: Sequence[int], /
    ) -> dict[str, Estimate]:
        """Shapley value of every slot: the head is fitted on each subset; no slot scores chance."""
        names = parts.test.names
        scores: dict[frozenset[str], Statistic] = {frozenset(): Constant(CHANCE)}
        for chosen in subsets(names)[1:]:
            some = parts.only(tuple(n for n in names if n in chosen))
            scores[chosen] = self.statistic(fit_head(head, some, seeds).on(some.test))
        return {name: self._estimate(_value_of(name, names, scores)) for name in names}

    def _estimate(self, found: Statistic) -> Estimate:
        estimates = bootstrap_many({METRIC: found}, groups=self.patients, **asdict(self.resampling))
        return replace(estimates[METRIC], metric=METRIC, higher_is_better=True)


@dataclass(frozen=True, slots=True)
class Constant:
    """The same value whatever the rows."""

    value: float

    def __call__(self, rows: np.ndarray, /) -> float:
        """The value."""
        del rows
        return self.value

    def batched(self, weights: Float[np.ndarray, "b n"], /) -> Float[np.ndarray, " b"]:
        """The value, once per resample."""
        return np.full(len(weights), self.value)


@dataclass(frozen=True, slots=True)
class Combination:
    """Statistics times factors, added up; NaN where one of them is undefined."""

    factors: tuple[float, ...]
    statistics: tuple[Statistic, ...]

    def __call__(self, rows: np.ndarray, /) -> float:
        """The sum on these rows."""
        values = np.array([one(rows) for one in self.statistics])
        return float(values @ np.array(self.factors))

    def batched(self, weights: Float[np.ndarray, "b n"], /) -> Float[np.ndarray, " b"]:
        """The sum per resample."""
        values = np.stack([evaluate(one, weights) for one in self.statistics])
        found: np.ndarray = np.array(self.factors) @ values
        return found


def _value_of(
    name: str, names: Sequence[str], scores: Mapping[frozenset[str], Statistic]
) -> Combination:
    weights = shapley_weights(names, name)
    return Combination(
        tuple(weights[chosen] for chosen in scores), tuple(scores[chosen] for chosen in scores)
    )


def _rows_of_head(
    name: str,
    fitted: Fitted,
    parts: Parts,
    judge: Judged,
    reference: Statistic,
    seeds: Sequence[int],
) -> Iterator[Row]:
    test = parts.test
    yield judge.row((name, "fused", ""), fitted.on(test), reference, fitted=fitted)
    for slot in test.names:
        shuffled = [
            predict(test.shuffled(slot, seed=seed))
            for predict, seed in zip(fitted.predictors, seeds, strict=True)
        ]
        yield judge.row((name, "shuffled", slot), shuffled, reference, fitted=fitted)
        missing = fitted.on(test.without(slot))
        yield judge.row((name, "missing", slot), missing, reference, fitted=fitted)


def _adjusted(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Holm's adjustment over the questions: does a head beat the best single slot?"""
    asked = [i for i, row in enumerate(rows) if row.variant == "fused" and row.difference]
    p_values = [d.p_value for i in asked if (d := rows[i].difference) is not None]
    adjusted = dict(zip(asked, holm(p_values).tolist(), strict=True))
    return tuple(replace(row, p_holm=adjusted.get(i, float("nan"))) for i, row in enumerate(rows))
