"""Grounding without a model: where things usually are, the centre, and chance.

Each gives a box for every phrase, absent or not, and a Gaussian around it as the map, with the
half width of the box as two standard deviations.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
from jaxtyping import Float

from vesalius.errors import DataError
from vesalius.records import Sample
from vesalius.tasks import TaskData
from vesalius.tasks.controls import ModelFree, seeded
from vesalius.tasks.grounding_phrases import AskedPhrase, for_tuning, in_array_order
from vesalius.tasks.grounding_table import Found, Ground
from vesalius.views import ModelView

PRIOR_PHRASES = 256  # of train, which bounds how many images are read for their size

Relative = Float[np.ndarray, " corners"]


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """Mean box of the train phrases, as shares of the image along each axis.

    Attributes:
        overall: of all boxes.
        by_phrase: of the boxes of each phrase.
        present: how often each phrase is there, among the train phrases with this text.
    """

    overall: np.ndarray
    by_phrase: Mapping[str, np.ndarray]
    present: Mapping[str, float]


def unsuitable_prior(model: ModelFree, data: TaskData, /) -> str | None:
    """Why a control without model cannot answer."""
    if model.kind == "random" or any(
        p.boxes for p in for_tuning(data, "train", most=PRIOR_PHRASES)
    ):
        return None
    return "no phrase with a box about a train sample"


def model_free_ground(view: ModelView, model: ModelFree, data: TaskData, /) -> Ground:
    """The control's answers.

    ``majority``: the mean train box of the phrase, or of all phrases if train does not have this
    one. ``centre-prior``: a box of the mean train size in the middle. ``random``: a box between
    random corners.
    """
    prior = None if model.kind == "random" else fit_prior(view, data)

    def place(asked: AskedPhrase, n_axes: int) -> tuple[Relative, float]:
        if prior is None:
            rng = seeded(model.seed, "random", asked.sample.id, asked.phrase)
            return np.sort(rng.random((2, n_axes)), axis=0).ravel(), float(rng.random())
        if model.kind == "majority":
            box = prior.by_phrase.get(asked.phrase, prior.overall)
            return box, prior.present.get(asked.phrase, 0.5)
        half = (prior.overall[n_axes:] - prior.overall[:n_axes]) / 2
        return np.concatenate([0.5 - half, 0.5 + half]), 1.0

    def ground(asked: AskedPhrase) -> Found | None:
        size = _size(view, asked.sample)
        if size is None:
            return None
        relative, score = place(asked, len(size))
        box = relative * np.tile(np.array(size, dtype=np.float64), 2)
        return Found(box[None], np.array([score]), heat=gaussian(box, size), peak=1.0)

    return ground


def fit_prior(view: ModelView, data: TaskData, /) -> Prior:
    """Mean boxes of train; images that cannot be read are left out."""
    phrases = for_tuning(data, "train", most=PRIOR_PHRASES)
    boxes: dict[str, list[Relative]] = {}
    for text, box in _relative(view, phrases):
        boxes.setdefault(text, []).append(box)
    there: dict[str, list[bool]] = {}
    for asked in phrases:
        there.setdefault(asked.phrase, []).append(bool(asked.boxes))
    return Prior(
        overall=np.mean([box for some in boxes.values() for box in some], axis=0),
        by_phrase={text: np.mean(some, axis=0) for text, some in boxes.items()},
        present={text: float(np.mean(seen)) for text, seen in there.items()},
    )


def _relative(view: ModelView, phrases: tuple[AskedPhrase, ...]) -> Iterator[tuple[str, Relative]]:
    sizes: dict[str, tuple[int, ...] | None] = {}
    for asked in phrases:
        if not asked.boxes:
            continue
        if asked.sample.id not in sizes:
            sizes[asked.sample.id] = _size(view, asked.sample)
        size = sizes[asked.sample.id]
        if size is not None:
            for box in in_array_order(asked.boxes, n_axes=len(size)):
                yield asked.phrase, box / np.tile(np.array(size, dtype=np.float64), 2)


def _size(view: ModelView, sample: Sample) -> tuple[int, ...] | None:
    try:
        return view.read(sample).size
    except DataError:  # the engine has named the file already
        return None


def gaussian(box: Float[np.ndarray, " corners"], size: tuple[int, ...], /) -> np.ndarray:
    """A hill over the grid with its top in the middle of the box, 1 high."""
    lower, upper = np.split(box, 2)
    centre, width = (lower + upper) / 2, np.maximum((upper - lower) / 4, 0.5)
    profiles = [
        np.exp(-(((np.arange(n) + 0.5 - c) / w) ** 2) / 2)
        for n, c, w in zip(size, centre, width, strict=True)
    ]
    hill: np.ndarray = reduce(np.multiply.outer, profiles)
    return hill
