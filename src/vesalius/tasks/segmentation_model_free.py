"""Segmentation without a model: where structures usually are, the centre, and chance.

Thresholds are chosen for them as for any model.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from vesalius.errors import DataError
from vesalius.placement import Patches, Placement, cut
from vesalius.records import Sample
from vesalius.tasks import TaskData
from vesalius.tasks.controls import ModelFree, seeded
from vesalius.tasks.grey import instead
from vesalius.tasks.segmentation_cases import drawn
from vesalius.tasks.segmentation_maps import SLICES, Look, whole
from vesalius.views import ModelView

CELLS = 32  # of a prior along each side of a picture
RANDOM_CELLS = 8
CENTRE_WIDTH = 0.25  # standard deviation of the hill, as a share of the image
TRAIN_MASKS = 256  # that a prior is the mean of, at most

Prior = Float[np.ndarray, "structures grids rows cols"]


def model_free_look(view: ModelView, model: ModelFree, data: TaskData, /) -> Look:
    """The control's maps.

    ``majority``: how often each place, relative to the image, lies in the structure in train.
    ``centre-prior``: a Gaussian hill in the middle. ``random``: independent normal values on a
    coarse grid, interpolated.
    """
    if model.kind == "random":
        return _random(view, model.seed, tuple(data.card.structures))
    n = len(data.card.structures)
    prior = train_prior(view, data) if model.kind == "majority" else np.stack([_hill()] * n)

    def look(sample: Sample, structure: int) -> Patches | None:
        placement = _placement(view, sample)
        if placement is None:
            return None
        values = prior[structure]
        if not placement.positions:  # the prior of an image is its middle grid
            values = values[[len(values) // 2]]
        return instead(placement, values)

    return look


def train_prior(view: ModelView, data: TaskData, /) -> Prior:
    """Mean of the train masks on a grid of shares of the image; what cannot be read is left out.

    A picture's prior stands in every grid, that of volumes in grids from the lowest slice up.
    """
    labels = list(data.card.structures.values())
    total, n_read = np.zeros((len(labels), SLICES, CELLS, CELLS)), 0
    for sample in drawn(data, "train", most=TRAIN_MASKS):
        mask = view.store.mask(sample)
        if mask is None:
            continue
        sampled = _sampled(mask)
        total += np.stack([sampled == label for label in labels])
        n_read += 1
    return total / n_read if n_read else np.full_like(total, np.nan)


def _sampled(mask: np.ndarray) -> np.ndarray:
    """Labels at the middles of the cells of a grid over the whole sample."""
    pictures = [cut(mask, position) for position in whole(mask.shape).positions] or [mask]
    grids = [p[np.ix_(*(_middles(n, CELLS) for n in p.shape))] for p in pictures]
    sampled: np.ndarray = np.stack(grids)[_middles(len(grids), SLICES)]
    return sampled


def _middles(n: int, n_cells: int) -> Int[np.ndarray, " cells"]:
    """Which of `n` things in a row lies in the middle of each of so many equal cells."""
    middles: np.ndarray = ((np.arange(n_cells) + 0.5) * n / n_cells).astype(np.int64)
    return middles


def _hill() -> Float[np.ndarray, "grids rows cols"]:
    profiles = [
        np.exp(-((((np.arange(n) + 0.5) / n - 0.5) / CENTRE_WIDTH) ** 2) / 2)
        for n in (SLICES, CELLS, CELLS)
    ]
    hill: np.ndarray = np.einsum("g,r,c->grc", *profiles)
    return hill


def _random(view: ModelView, seed: int, structures: Sequence[str]) -> Look:
    def look(sample: Sample, structure: int) -> Patches | None:
        placement = _placement(view, sample)
        if placement is None:
            return None
        rng = seeded(seed, "random", sample.id, structures[structure])
        n = len(placement.frames)
        # neighbouring slices of a volume share a grid, as smooth across slices as within
        values = rng.normal(size=(min(n, RANDOM_CELLS), RANDOM_CELLS, RANDOM_CELLS))
        return instead(placement, values)

    return look


def _placement(view: ModelView, sample: Sample) -> Placement | None:
    try:
        return whole(view.read(sample).size)
    except DataError:  # the engine names the file when it is put to a model
        return None
