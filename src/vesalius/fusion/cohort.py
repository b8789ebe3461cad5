"""The samples of a fusion study: slots, labels, patients and splits, scaled on train."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Int

from vesalius.errors import InputError
from vesalius.fusion.slots import Inputs, Labelled, Scaling, Slot, fit_scaling
from vesalius.records import Split


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """Rows of all splits, in one order.

    Attributes:
        slots: two or more, of different names.
        labels: class of each row, an index into `classes`.
        classes: their names, two or more.
        patients: who each row belongs to, shape (n,).
        split: ``train``, ``val`` or ``test`` of each row, shape (n,).
    """

    slots: tuple[Slot, ...]
    labels: Int[np.ndarray, " n"]
    classes: tuple[str, ...]
    patients: np.ndarray
    split: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """A cohort as heads see it.

    Attributes:
        test: inputs of the test rows; their labels stay apart.
    """

    train: Labelled
    val: Labelled
    test: Inputs

    def only(self, names: tuple[str, ...], /) -> "Parts":
        """The same rows with some of the slots."""
        train, val = (replace(p, inputs=p.inputs.only(names)) for p in (self.train, self.val))
        return Parts(train, val, self.test.only(names))


def rows_of(cohort: Cohort, split: Split, /) -> Int[np.ndarray, " m"]:
    """Positions of the rows of a split."""
    return np.flatnonzero(cohort.split == split)


def parts_of(cohort: Cohort, /, *, width: int) -> Parts:
    """Scale every slot by its train rows, and cut the cohort into its splits.

    Args:
        cohort: checked by `check_cohort`.
        width: most principal components of a slot that are kept.
    """
    train, val, test = (rows_of(cohort, split) for split in ("train", "val", "test"))
    scalings = [
        fit_scaling(Slot(slot.name, slot.values[train]), most=width) for slot in cohort.slots
    ]
    inputs = Inputs(
        tuple(slot.name for slot in cohort.slots),
        tuple(_scaled(one, slot) for one, slot in zip(scalings, cohort.slots, strict=True)),
        np.stack([slot.present for slot in cohort.slots], axis=1),
    )
    return Parts(
        Labelled(inputs.rows(train), cohort.labels[train], len(cohort.classes)),
        Labelled(inputs.rows(val), cohort.labels[val], len(cohort.classes)),
        inputs.rows(test),
    )


def _scaled(scaling: Scaling, slot: Slot) -> np.ndarray:
    return np.where(slot.present[:, None], scaling(slot), 0.0)


def check_cohort(cohort: Cohort, /) -> None:
    """Refuse what no study can be made of.

    Raises:
        InputError: naming the slot, split or patient at fault.
    """
    names = [slot.name for slot in cohort.slots]
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError(f"expected two or more slots of different names, got {names}")
    n = len(cohort.labels)
    lengths = {slot.name: len(slot.values) for slot in cohort.slots}
    lengths |= {"patients": len(cohort.patients), "split": len(cohort.split)}
    wrong = {name: length for name, length in lengths.items() if length != n}
    if wrong:
        raise InputError(f"expected one row for each of {n} labels, got {wrong}")
    for slot in cohort.slots:
        if slot.values.ndim != 2 or np.isinf(slot.values).any():
            raise InputError(
                f"slot {slot.name!r}: expected finite numbers of shape (n, dim), NaN where a row "
                f"is missing; got shape {slot.values.shape}"
            )
    _check_splits(cohort)


def _check_splits(cohort: Cohort) -> None:
    for split in ("train", "val", "test"):
        found = np.unique(cohort.labels[cohort.split == split])
        if len(found) < 2:
            raise InputError(f"{split}: expected rows of two classes or more, got {len(found)}")
    if cohort.labels.min() < 0 or cohort.labels.max() >= len(cohort.classes):
        raise InputError(f"labels: expected indices of {len(cohort.classes)} classes")
    pairs = {(p, s) for p, s in zip(cohort.patients.tolist(), cohort.split.tolist(), strict=True)}
    patients = sorted(p for p, _ in pairs)
    shared = sorted({p for p, q in pairwise(patients) if p == q})
    if shared:
        raise InputError(f"patients in more than one split: {', '.join(map(str, shared[:5]))}")
