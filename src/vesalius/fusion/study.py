"""The study: every head against the best single slot, on the same patients, with certainty."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from vesalius.errors import InputError
from vesalius.fusion.cohort import Cohort, check_cohort, parts_of
from vesalius.fusion.fitting import Bench, Fits, Fitted, fit_everything, n_fits
from vesalius.fusion.heads import HEADS
from vesalius.fusion.results import Place, Row, Settings, Study
from vesalius.fusion.shapley import MOST_SLOTS, shapley_weights
from vesalius.fusion.slots import Choosy, Head, Inputs
from vesalius.records import SPLITS, Estimate
from vesalius.stats import Resamples, Statistic, holm, resample

Watch = Callable[[int, int], None]
Said = Sequence[Float[np.ndarray, "n outputs"]]
Key = Place | frozenset[str]


def fusion_study(
    cohort: Cohort,
    heads: Mapping[str, Head] = HEADS,
    /,
    *,
    settings: Settings | None = None,
    watch: Watch | None = None,
) -> Study:
    """Fit every head on train, choose on val, and compare on test.

    Args:
        cohort: slots, goal, patients, splits.
        heads: name → anything with ``fit(train, val, seed)``; by default all that there are.
        settings: seeds, width, resampling.
        watch: called with (fits done, fits in all).

    Raises:
        InputError: if the cohort cannot be studied, no head can join its slots or there are too
            many slots.
    """
    check_cohort(cohort)
    # matrices are small: threads gain little, and cost much where other work runs beside
    with threadpool_limits(1):
        return _studied(cohort, heads, settings or Settings(), watch)


def _studied(
    cohort: Cohort, heads: Mapping[str, Head], settings: Settings, watch: Watch | None
) -> Study:
    if len(cohort.slots) > MOST_SLOTS:
        raise InputError(f"expected at most {MOST_SLOTS} slots, got {len(cohort.slots)}")
    parts = parts_of(cohort, width=settings.width)
    reasons = {name: _unsuitable(head, parts.test) for name, head in heads.items()}
    usable = {name: head for name, head in heads.items() if reasons[name] is None}
    if not usable:
        raise InputError(f"expected a head that can join these slots, got {reasons}")
    tick = _ticking(n_fits(len(cohort.slots), len(usable)), watch)
    bench = Bench(cohort, parts, settings.seeds, tick)
    fits = fit_everything(bench, usable, dropout=settings.dropout)
    found = resample(
        _statistics(fits, bench, settings.shares),
        groups=cohort.patients[cohort.split == "test"],
        resampling=settings.resampling,
    )
    telling = _Telling(cohort.goal.metric, fits, found)
    unsuited = [telling.unsuited(name, why) for name, why in reasons.items() if why is not None]
    return _study(cohort, telling, unsuited, settings)


def _unsuitable(head: Head, inputs: Inputs) -> str | None:
    return head.unsuitable(inputs) if isinstance(head, Choosy) else None


def _ticking(total: int, watch: Watch | None) -> Callable[[], None]:
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if watch is not None:
            watch(done, total)

    return tick


def _statistics(fits: Fits, bench: Bench, shares: Sequence[float]) -> dict[Key, Statistic]:
    """Scores of test rows by line, and by subset of slots for the best head."""
    test = bench.parts.test
    found: dict[Key, Statistic] = {
        Place(name, "single", name): bench.statistic(one.on(test.only((name,))))
        for name, one in fits.singles.items()
    }
    for name, one in fits.heads.items():
        for place, said in _asked(name, one, bench, shares=shares if name in fits.curved else ()):
            found[place] = bench.statistic(said)
    for chosen, one in fits.parts.items():
        found[chosen] = bench.statistic(one.on(test.only(one.names)))
    found[frozenset()] = bench.floor()
    found[frozenset(test.names)] = found[Place(fits.best_head, "fused")]
    return found


def _asked(
    name: str, one: Fitted, bench: Bench, *, shares: Sequence[float]
) -> Iterator[tuple[Place, Said]]:
    """A head with all slots, with each shuffled, with each missing in all or some rows."""
    test = bench.parts.test
    yield Place(name, "fused"), one.on(test)
    for slot in test.names:
        broken = [test.shuffled(slot, seed=seed) for seed in bench.seeds]
        yield Place(name, "shuffled", slot), one.on_each(broken)
        yield Place(name, "missing", slot), one.on(test.without(slot))
        for share in shares:
            some = [test.without(slot, share=share, seed=seed) for seed in bench.seeds]
            yield Place(name, "missing", slot, share), one.on_each(some)


@dataclass(frozen=True, slots=True, eq=False)
class _Telling:
    """Lines of the study from resampled scores."""

    metric: str
    fits: Fits
    found: Resamples[Key]

    def row(self, place: Place) -> Row:
        """A line with its difference from the best single slot."""
        best = Place(self.fits.best_single, "single", self.fits.best_single)
        fitted = self.fits.singles if place.variant == "single" else self.fits.heads
        one = fitted[place.head]
        return Row(
            place,
            self.estimate({place: 1.0}),
            None if place == best else self.found.difference(place, best, metric=self.metric),
            n_parameters=one.n_parameters,
            fit_s=one.fit_s,
        )

    def estimate(self, factors: Mapping[Key, float]) -> Estimate:
        """Sum of factor times score."""
        return self.found.estimate(factors, metric=self.metric)

    def contribution(self, name: str, names: Sequence[str]) -> Estimate:
        """Shapley value of a slot."""
        factors: dict[Key, float] = {}
        factors.update(shapley_weights(names, name).items())
        return self.estimate(factors)

    def unsuited(self, name: str, why: str) -> Row:
        """The line of a head that cannot join these slots."""
        return Row(Place(name, "fused"), Estimate(self.metric, nan, reason=why))


def _study(cohort: Cohort, telling: _Telling, unsuited: Sequence[Row], settings: Settings) -> Study:
    fits = telling.fits
    rows = [telling.row(key) for key in telling.found.values if isinstance(key, Place)]
    names = tuple(slot.name for slot in cohort.slots)
    return Study(
        metric=telling.metric,
        n_rows={split: int((cohort.split == split).sum()) for split in SPLITS},
        floor=telling.estimate({frozenset(): 1.0}),
        rows=_adjusted([*(row for row in rows if row.place.share == 1), *unsuited]),
        curves=tuple(row for row in rows if row.place.share < 1),
        best_single=fits.best_single,
        best_head=fits.best_head,
        contributions={name: telling.contribution(name, names) for name in names},
        settings=settings,
    )


def _adjusted(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Holm's adjustment over the questions: does a head beat the best single slot?"""
    p_values = [
        one.difference.p_value if one.difference and one.place.variant == "fused" else nan
        for one in rows
    ]
    adjusted = holm(p_values).tolist()
    return tuple(replace(row, p_holm=p) for row, p in zip(rows, adjusted, strict=True))
