"""Structures that are to be outlined in images: which rows there are, and what is known of each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from vesalius.errors import DataError
from vesalius.records import DatasetCard, Sample, Split
from vesalius.tasks import TaskData
from vesalius.tasks.controls import PREFIX, seeded
from vesalius.tasks.prompts import Prompts, class_prompts
from vesalius.views import ModelView

OTHER_PICTURES = ("blank-image", "shuffled-images")  # what `read` gives there is not the sample's


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A sample with its reference.

    Attributes:
        labels: label map in the grid of the image; None if mask or image cannot be read.
        spacing_mm: distance of neighbouring cells along each axis; None where it is not known.
    """

    sample: Sample
    labels: np.ndarray | None
    spacing_mm: tuple[float, ...] | None

    def reference(self, label: int, /) -> Bool[np.ndarray, "*grid"] | None:
        """Where the structure with this label is; None if that is not known."""
        return None if self.labels is None else self.labels == label


def masked(data: TaskData, split: Split, /) -> tuple[Sample, ...]:
    """Samples of a split that have a mask, by id."""
    chosen = (s for s in data.samples if s.split == split and s.mask is not None)
    return tuple(sorted(chosen, key=lambda s: s.id))


def drawn(data: TaskData, split: Split, /, *, most: int) -> tuple[Sample, ...]:
    """At most so many samples of a split with a mask, drawn with the seed; by id again."""
    everything = masked(data, split)
    if len(everything) <= most:
        return everything
    by_lot = sorted(everything, key=lambda s: float(seeded(data.seed, "masked", s.id).random()))
    return tuple(sorted(by_lot[:most], key=lambda s: s.id))


def key_of(structure: str, sample: Sample, /) -> str:
    """Identity of a row."""
    return f"{structure}/{sample.id}"


def expected_keys(data: TaskData, /) -> tuple[str, ...]:
    """Sample by sample, every structure of the dataset card."""
    test = masked(data, "test")
    return tuple(key_of(name, sample) for sample in test for name in data.card.structures)


def read_case(view: ModelView, sample: Sample, /) -> Case:
    """The reference of a sample.

    Where a control shows another picture than the sample's own, the spacing counts as unknown:
    distances in the millimetres of a stranger would be wrong.
    """
    try:
        spacing_mm = view.read(sample).spacing_mm
    except DataError:  # the engine names the file when it is put to the model
        spacing_mm = None
    if view.name.startswith(tuple(f"{PREFIX}{name}(" for name in OTHER_PICTURES)):
        spacing_mm = None
    return Case(sample, view.store.mask(sample), spacing_mm)


def unsuitable_cases(data: TaskData, /, *, learns: bool) -> str | None:
    """Why the dataset has nothing to outline; `learns` if masks of train are needed."""
    if not data.card.structures:
        return "dataset declares no structures"
    if not masked(data, "test"):
        return "no test sample with a mask"
    if learns and not masked(data, "train"):
        return "no train sample with a mask"
    return None


def names_of(card: DatasetCard, /) -> Mapping[str, tuple[str, ...]]:
    """Structure → what it is called in a prompt, its own name if the card says nothing else."""
    return {name: card.structure_prompts.get(name) or (name,) for name in card.structures}


def structure_prompts(
    card: DatasetCard, /, *, templates: tuple[str, ...] = (), background: tuple[str, ...] = ()
) -> Prompts:
    """Every template filled with every name of the structures, then of the background."""
    named = {**names_of(card), **{f"background {n}": (n,) for n in background}}
    return class_prompts(replace(card, classes=named), templates=templates)
