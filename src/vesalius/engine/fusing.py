"""From a dataset and names of features to the cohort of a fusion study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vesalius.data.manifest import Dataset
from vesalius.engine.fusion_goals import GOALS
from vesalius.engine.fusion_names import split_slot
from vesalius.engine.fusion_slots import Encoders, SlotReader
from vesalius.errors import UsageError, did_you_mean
from vesalius.fusion.cohort import Cohort
from vesalius.records import DatasetCard, ModelCard

WIDTH = 64  # of partners and pictures, in principal components


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A cohort with what was found out while it was made.

    Attributes:
        keys: of the rows: sample ids, or keys of questions.
        problems: slot → sample id → why it has no feature.
        card: of the dataset.
        task: and `target`: what was asked for.
        models: slot → the model that it comes from; a table has none.
    """

    cohort: Cohort
    keys: tuple[str, ...]
    problems: Mapping[str, Mapping[str, str]]
    card: DatasetCard
    task: str
    target: str | None
    models: Mapping[str, ModelCard]


def prepare_cohort(
    dataset: Dataset,
    features: Sequence[str],
    encoders: Encoders,
    /,
    *,
    task: str = "classification",
    target: str | None = None,
) -> Prepared:
    """Features of every row, by sample id, and what is to be told of it.

    Args:
        dataset: with what the task needs.
        features: names of slots, see `vesalius.engine.fusion_names`.
        encoders: where features come from.
        task: ``classification``, ``vqa``, ``retrieval`` or ``generation``.
        target: a class or column (classification); ``closed`` or ``open`` questions (vqa); the
            slot that is to be found (retrieval).

    Raises:
        UsageError: for an unknown task, slot or class, or features that a dataset or model has
            not.
        ModelError: if a model cannot be loaded.
    """
    if task not in GOALS:
        hint = did_you_mean(task, GOALS)
        raise UsageError(f"unknown task {task!r}{hint}; fusion has: {', '.join(GOALS)}")
    names = [split_slot(feature) for feature in features]
    if target in features:
        raise UsageError(f"target {target!r} is among the features, which would give it away")
    slots = SlotReader(dataset, encoders)
    units, goal = GOALS[task](slots, target, WIDTH)
    cohort = Cohort(
        slots=tuple(slots.slot(name, units) for name in names),
        goal=goal,
        patients=np.array([unit.sample.patient for unit in units]),
        split=np.array([unit.sample.split for unit in units]),
        split_overlap="; ".join(dataset.card.notes),  # others were refused when it was loaded
    )
    problems = {slot: found for slot, found in slots.problems.items() if found}
    return Prepared(
        cohort,
        tuple(unit.key for unit in units),
        problems,
        card=dataset.card,
        task=task,
        target=target,
        models=slots.cards,
    )
