"""Phrases that are to be found in images, and the order of the numbers of a box.

A dataset's box is (x0, y0, x1, y1[, z0, z1]). Of an image x counts columns and y rows; of a volume
all three count voxels of the ``xyz`` array in RAS+ order that reading the file gives. Arithmetic
on maps needs the lower corner and then the upper one, each in the order of the array's axes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vesalius.errors import InputError
from vesalius.records import Sample, Split
from vesalius.tasks import TaskData
from vesalius.tasks.controls import seeded

Box = tuple[float, ...]
CORNERS = {4: (1, 0, 3, 2), 6: (0, 1, 4, 2, 3, 5)}
"""Numbers of a dataset's box in array order: rows before columns; x, y, z of both corners."""


@dataclass(frozen=True, slots=True)
class AskedPhrase:
    """One phrase about one sample.

    Attributes:
        number: place among the phrases of its sample, in alphabetical order.
        boxes: where it is, in the order of numbers of the dataset; none if it is absent.
    """

    sample: Sample
    phrase: str
    number: int
    boxes: tuple[Box, ...] = ()

    @property
    def key(self) -> str:
        """Identity of the row."""
        return f"{self.number}/{self.sample.id}"


def asked_phrases(data: TaskData, split: Split, /) -> tuple[AskedPhrase, ...]:
    """Every phrase about a sample of the split once, by sample and text, with all of its boxes.

    Raises:
        InputError: if a phrase is said to be both in an image and absent from it.
    """
    samples = {s.id: s for s in data.samples if s.split == split}
    found: dict[str, dict[str, set[Box | None]]] = {}
    for one in data.phrases:
        if one.id in samples:
            found.setdefault(one.id, {}).setdefault(one.phrase, set()).add(one.box)
    return tuple(
        AskedPhrase(samples[name], phrase, number, _boxes(found[name][phrase], name, phrase))
        for name in sorted(found)
        for number, phrase in enumerate(sorted(found[name]))
    )


def _boxes(found: set[Box | None], name: str, phrase: str) -> tuple[Box, ...]:
    boxes = tuple(sorted(box for box in found if box is not None))
    if boxes and None in found:
        raise InputError(f"phrase {phrase!r} of sample {name!r} has a box and is absent as well")
    return boxes


def for_tuning(data: TaskData, split: Split, /, *, most: int) -> tuple[AskedPhrase, ...]:
    """At most so many phrases of a split, drawn with the seed; by sample and text again."""
    everything = asked_phrases(data, split)
    if len(everything) <= most:
        return everything
    drawn = sorted(everything, key=lambda p: float(seeded(data.seed, "tuning", p.key).random()))
    return tuple(sorted(drawn[:most], key=lambda p: (p.sample.id, p.number)))


def in_array_order(boxes: Sequence[Sequence[float]], /, *, n_axes: int) -> Float[np.ndarray, "n c"]:
    """Boxes of a dataset as the arithmetic on arrays needs them.

    Raises:
        InputError: for a box with another number of axes.
    """
    for box in boxes:
        if len(box) != 2 * n_axes:
            raise InputError(f"expected boxes of {2 * n_axes} numbers, got {list(box)}")
    rows = np.array(boxes, dtype=np.float64).reshape(-1, 2 * n_axes)
    return rows[:, CORNERS[2 * n_axes]]


def in_dataset_order(boxes: Float[np.ndarray, "n c"], /) -> list[list[float]]:
    """The inverse of `in_array_order`."""
    back = np.argsort(CORNERS[boxes.shape[1]])
    listed: list[list[float]] = boxes[:, back].tolist()
    return listed


def unsuitable_phrases(data: TaskData, /) -> str | None:
    """Why the dataset has nothing to find."""
    if not data.phrases:
        return "dataset has no phrases"
    if not any(asked.boxes for asked in asked_phrases(data, "test")):
        return "no phrase with a box about a test sample"
    return None
