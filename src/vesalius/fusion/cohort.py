"""The samples of a fusion study: slots, what is to be told, patients and splits."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Int

from vesalius.errors import InputError
from vesalius.fusion.goals import Classes, Goal
from vesalius.fusion.scaling import fit_scaling
from vesalius.fusion.slots import Examples, Inputs, Slot
from vesalius.records import SPLITS, Split


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """Rows of all splits, in one order.

    Attributes:
        slots: two or more, of different names.
        goal: what is to be told of each row, such as `Classes`.
        patients: who each row belongs to, shape (n,).
        split: ``train``, ``val`` or ``test`` of each row, shape (n,).
        split_overlap: why patients may stand in several splits, such as official splits that do
            so; empty where they may not.
    """

    slots: tuple[Slot, ...]
    goal: Goal
    patients: np.ndarray
    split: np.ndarray
    split_overlap: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """A cohort as heads see it.

    Attributes:
        train: what they learn from.
        val: what they are chosen by.
        asked: inputs of all val rows and of all test rows, by split; answers stay apart.
    """

    train: Examples
    val: Examples
    asked: dict[Split, Inputs]

    @property
    def test(self) -> Inputs:
        """Inputs of the test rows."""
        return self.asked["test"]

    def only(self, names: tuple[str, ...], /) -> "Parts":
        """The same rows with some of the slots."""
        return Parts(
            replace(self.train, inputs=self.train.inputs.only(names)),
            replace(self.val, inputs=self.val.inputs.only(names)),
            {split: inputs.only(names) for split, inputs in self.asked.items()},
        )


def rows_of(cohort: Cohort, split: Split, /) -> Int[np.ndarray, " m"]:
    """Positions of the rows of a split."""
    return np.flatnonzero(cohort.split == split)


def parts_of(cohort: Cohort, /, *, width: int) -> Parts:
    """Scale every slot by its train rows, and cut the cohort into its splits.

    Args:
        cohort: checked by `check_cohort`.
        width: most principal components of a slot that are kept.
    """
    train, val, test = (rows_of(cohort, split) for split in SPLITS)
    inputs = Inputs(
        tuple(
            fit_scaling(replace(slot, values=slot.values[train]), most=width).channel(slot)
            for slot in cohort.slots
        )
    )
    asked: dict[Split, Inputs] = {"val": inputs.rows(val), "test": inputs.rows(test)}
    return Parts(
        cohort.goal.examples(inputs.rows(train), train),
        cohort.goal.examples(asked["val"], val),
        asked,
    )


def check_cohort(cohort: Cohort, /) -> None:
    """Refuse what no study can be made of.

    Raises:
        InputError: naming the slot, split or patient at fault.
    """
    names = [slot.name for slot in cohort.slots]
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError(f"expected two or more slots of different names, got {names}")
    n = cohort.goal.n_rows
    lengths = {slot.name: len(slot.values) for slot in cohort.slots}
    lengths |= {"patients": len(cohort.patients), "split": len(cohort.split)}
    wrong = {name: length for name, length in lengths.items() if length != n}
    if wrong:
        raise InputError(f"expected one row for each of {n} answers, got {wrong}")
    for slot in cohort.slots:
        if slot.values.ndim not in (2, 3) or np.isinf(slot.values).any():
            raise InputError(
                f"slot {slot.name!r}: expected finite numbers of shape (n, dim) or "
                f"(n, tokens, dim), NaN where something is missing; got shape {slot.values.shape}"
            )
    _check_goal(cohort)
    _check_patients(cohort)


def _check_goal(cohort: Cohort) -> None:
    for split in SPLITS:
        lack = cohort.goal.lacks(rows_of(cohort, split))
        if lack is not None:
            raise InputError(f"{split}: {lack}")
    goal = cohort.goal
    if isinstance(goal, Classes) and not (
        goal.labels.min() >= 0 and goal.labels.max() < len(goal.names)
    ):
        raise InputError(f"labels: expected indices of {len(goal.names)} classes")


def _check_patients(cohort: Cohort) -> None:
    pairs = {(p, s) for p, s in zip(cohort.patients.tolist(), cohort.split.tolist(), strict=True)}
    patients = sorted(p for p, _ in pairs)
    shared = sorted({p for p, q in pairwise(patients) if p == q})
    if shared and not cohort.split_overlap:
        raise InputError(f"patients in more than one split: {', '.join(map(str, shared[:5]))}")
