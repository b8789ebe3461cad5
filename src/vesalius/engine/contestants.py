"""Who takes part in a comparison of runs, and under which name."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from vesalius.records import Cell, Done
from vesalius.store.runs import Run

K = TypeVar("K", bound=Hashable)
Metric = tuple[str, str]  # name, class


@dataclass(frozen=True, slots=True)
class Place:
    """What contestants must share to meet: the same data and the same settings."""

    dataset: str
    digest: str
    task: str
    protocol: str
    task_card: str


@dataclass(frozen=True, slots=True)
class Contestant:
    """A finished cell in a comparison.

    Attributes:
        cell: as it is called there; different contestants have different names.
        run: where its predictions lie.
        outcome: of the cell, under its own name in that run.
        metric: what it is compared on; None for the task's headline, the first that it scores.
    """

    cell: Cell
    run: Run
    outcome: Done
    metric: Metric | None = None

    @property
    def place(self) -> Place:
        """Its data and settings."""
        cell = self.outcome.cell
        digest = str(self.run.info["datasets"][cell.dataset]["digest"])
        return Place(cell.dataset, digest, cell.task, cell.protocol, self.outcome.task_card)


def contestants(runs: Sequence[Run], /) -> tuple[Contestant, ...]:
    """Every finished cell of a model, controls left out, by names that say what it is.

    A cell that stands in several runs counts once. Different models of one name are called
    ``name (run k)``, as in the report; different data sets of one name ``name (digest)`` and
    different settings of one protocol ``name (task card)``, of each the first eight digits.
    """
    found: dict[tuple[Place, str, str], tuple[int, Contestant]] = {}
    for number, run in enumerate(runs, start=1):
        for outcome in run.outcomes:
            if isinstance(outcome, Done) and not outcome.cell.model.startswith("control:"):
                one = Contestant(outcome.cell, run, outcome)
                key = (one.place, outcome.cell.model, outcome.fingerprint)
                found.setdefault(key, (number, one))
    datasets = _ambiguous((place.dataset, place.digest) for place, *_ in found)
    protocols = _ambiguous(
        ((place.dataset, place.task, place.protocol), place.task_card) for place, *_ in found
    )
    twins = _ambiguous(((place, model), fingerprint) for place, model, fingerprint in found)
    models = {model for _, model in twins}

    def named(number: int, one: Contestant) -> Contestant:
        place, cell = one.place, one.outcome.cell
        if cell.model in models:
            cell = replace(cell, model=f"{cell.model} (run {number})")
        if (place.dataset, place.task, place.protocol) in protocols:
            cell = replace(cell, protocol=f"{cell.protocol} ({place.task_card[:8]})")
        if place.dataset in datasets:
            cell = replace(cell, dataset=f"{cell.dataset} ({place.digest[:8]})")
        return replace(one, cell=cell)

    return tuple(named(number, one) for number, one in found.values())


def _ambiguous(pairs: Iterable[tuple[K, str]]) -> set[K]:
    """Names that stand for more than one thing."""
    things: dict[K, set[str]] = {}
    for name, thing in pairs:
        things.setdefault(name, set()).add(thing)
    return {name for name, found in things.items() if len(found) > 1}
