"""What a study is asked and what came out of it: frozen records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan, nan

from vesalius.errors import InputError
from vesalius.markup import MINIATURE_NOTE, named, range_of, table, text_of
from vesalius.records import Estimate, Resampling
from vesalius.stats import Difference


@dataclass(frozen=True, slots=True)
class Settings:
    """How a study is made.

    Attributes:
        seeds: of heads and shuffles; a score is the mean over them.
        width: most principal components of a slot that heads see.
        dropout: share of train rows that lose each slot in the second fit of the best head that
            can be taught to do without; 0 for none.
        shares: of test rows that lose a slot, in the curves.
        resampling: of test patients.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    width: int = 64
    dropout: float = 0.3
    shares: tuple[float, ...] = (0.25, 0.5, 0.75)
    resampling: Resampling = field(default_factory=Resampling)


@dataclass(frozen=True, slots=True)
class Place:
    """Which line of a study.

    Attributes:
        head: name of the head; of a single slot, the slot's.
        variant: ``single``, ``fused``, ``shuffled`` or ``missing``.
        slot: that is alone, shuffled or missing; empty for ``fused``.
        share: of test rows that lose the slot; below 1 on curves only.
    """

    head: str
    variant: str
    slot: str = ""
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a study.

    Attributes:
        place: which one.
        estimate: the score, the mean over seeds, on test patients; NaN with the reason where the
            head cannot join these slots.
        difference: to the best single slot, on the same resamples; None for that slot itself.
        p_holm: of the difference, adjusted for all heads; NaN where it is not one of the questions.
        n_parameters: that were fitted; 0 if the head does not say.
        fit_s: seconds that fitting took, a mean over seeds.
    """

    place: Place
    estimate: Estimate
    difference: Difference | None = None
    p_holm: float = nan
    n_parameters: int = 0
    fit_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Study:
    """What came out.

    Attributes:
        metric: the score; higher is better.
        n_rows: by split.
        floor: what an answer without any input scores.
        rows: singles first, then each head with its shuffled and missing slots.
        curves: the best head, and the one taught to do without, as slots go missing in a growing
            share of test rows.
        best_single: the slot that was best on val.
        best_head: the head that was best on val; contributions are its own.
        contributions: Shapley value of each slot in the best head's score above the floor.
        settings: how it was made.
    """

    metric: str
    n_rows: Mapping[str, int]
    floor: Estimate
    rows: tuple[Row, ...]
    curves: tuple[Row, ...]
    best_single: str
    best_head: str
    contributions: Mapping[str, Estimate]
    settings: Settings = field(default_factory=Settings)

    def _repr_html_(self) -> str:
        """Singles and heads against the best single slot, and contributions; for notebooks."""
        columns = ("input", self.metric, "interval", "difference", "its interval", "p (Holm)")
        rows = [_shown(row) for row in self.rows if row.place.variant in ("single", "fused")]
        first = table(
            columns,
            rows,
            title=f"Fusion: {self.metric}, difference from the best input alone",
            numeric=columns[1:],
            notes=self._notes(),
        )
        parts = [
            (named(slot), f"{one.value:+.3f}", _signed_range(one))
            for slot, one in self.contributions.items()
        ]
        title = f"What each input adds (Shapley values of {self.best_head})"
        second = table(("input", "adds", "interval"), parts, title=title)
        return f"{first}\n{second}"

    def _notes(self) -> list[str]:
        names = [row.place.head for row in self.rows if row.place.variant == "single"]
        patients = f"{self.floor.n_patients} test patients"
        floor = f"An answer without any input scores {text_of(self.floor.value)}; {patients}."
        return [floor, *[MINIATURE_NOTE] * any(name.startswith("mini:") for name in names)]

    def row(self, head: str, variant: str = "fused", slot: str = "") -> Row:
        """The line of a head.

        Raises:
            InputError: if there is none.
        """
        wanted = Place(head, variant, slot)
        for one in self.rows:
            if one.place == wanted:
                return one
        raise InputError(f"no line {wanted}; there are: {[r.place for r in self.rows]}")


def _shown(row: Row) -> tuple[object, ...]:
    one, name = row.estimate, named(row.place.head)
    if isnan(one.value):
        return (name, "n/a", one.reason, "", "", "")
    own = (name, text_of(one.value), range_of(one.low, one.high))
    if row.difference is None:
        return (*own, "best alone", "", "")
    apart = row.difference.estimate
    p = "" if isnan(row.p_holm) else f"{row.p_holm:.3f}"
    return (*own, f"{apart.value:+.3f}", _signed_range(apart), p)


def _signed_range(one: Estimate) -> str:
    return "" if isnan(one.low) or isnan(one.high) else f"[{one.low:+.3f}, {one.high:+.3f}]"
