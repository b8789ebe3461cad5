"""From which value on a map says that a structure is there: chosen on rows that are not scored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vesalius.records import Sample, Split
from vesalius.tasks import TaskData
from vesalius.tasks.segmentation_cases import drawn
from vesalius.tasks.segmentation_curve import Ranked, ranked
from vesalius.tasks.segmentation_maps import Look, heat_of

TUNED_ON: tuple[Split, ...] = ("val", "train")
CANDIDATES = 256
CELLS = 1 << 16  # of a case that is looked at; larger grids are thinned out evenly
DIGITS = 9

Mask = Callable[[Sample], np.ndarray | None]


@dataclass(frozen=True, slots=True)
class Threshold:
    """A structure is where its map is at least `value`; `source` is a split or ``default``."""

    value: float
    source: str


def fit_thresholds(
    look: Look, data: TaskData, mask: Mask, /, *, most: int, default: float
) -> tuple[Threshold, ...]:
    """For each structure the threshold with the highest mean Dice over cases that have it.

    The first split with such a case decides.

    Args:
        look: what is thresholded.
        data: samples and structures.
        mask: label map of a sample.
        most: samples of a split that are looked at, drawn with the seed.
        default: the threshold of a structure that no split has.
    """
    labels = tuple(data.card.structures.values())
    found: dict[int, Threshold] = {}
    for split in TUNED_ON:
        left = {k: label for k, label in enumerate(labels) if k not in found}
        if left:
            ranked = _ranked(look, left, drawn(data, split, most=most), mask)
            found |= {k: Threshold(best_threshold(v), split) for k, v in ranked.items()}
    fallback = Threshold(default, "default")
    return tuple(found.get(k, fallback) for k in range(len(labels)))


def best_threshold(cases: Sequence[Ranked], /) -> float:
    """The threshold with the highest mean Dice, halfway to the next lower value of any map.

    Candidates are quantiles of the maps, as many inside the references as everywhere: a small
    structure lies in the tail of its map. Of several best ones the highest is taken. Without any
    value that the model gave, nothing is above the threshold.
    """
    parts = [_quantiles(v) for case in cases for v in (case.everywhere, case.inside)]
    candidates = np.unique(_quantiles(np.sort(np.concatenate(parts))))[::-1]
    if not len(candidates):
        return float("inf")
    mean = np.mean([case.dice(candidates) for case in cases], axis=0).round(DIGITS)
    best = candidates[mean.argmax()]
    lower = (case.everywhere[: np.searchsorted(case.everywhere, best)] for case in cases)
    below = max((v[-1] for v in lower if len(v)), default=best)
    return float(best / 2 + below / 2)


def _quantiles(ascending: Float[np.ndarray, " n"]) -> Float[np.ndarray, " q"]:
    """Values at equal steps of rank, the extremes among them."""
    n = len(ascending)
    ranks = np.linspace(0, n - 1, min(n, CANDIDATES)).round().astype(np.int64)
    picked: np.ndarray = ascending[ranks]
    return picked


def _ranked(
    look: Look, labels: Mapping[int, int], samples: Sequence[Sample], mask: Mask
) -> dict[int, list[Ranked]]:
    """Structure → its cases with a reference that is not empty and a map."""
    found: dict[int, list[Ranked]] = {}
    for sample in samples:
        reference = mask(sample)
        if reference is None:
            continue
        thin = thinned(reference.shape)
        present = set(np.unique(reference[thin]).tolist())
        for structure, label in labels.items():
            patches = look(sample, structure) if label in present else None
            if patches is not None:
                one = ranked(reference[thin] == label, heat_of(patches)[thin])
                found.setdefault(structure, []).append(one)
    return found


def thinned(shape: tuple[int, ...], /) -> tuple[slice, ...]:
    """Every so many cells along each axis, such that about `CELLS` are left of a larger grid."""
    step = max(1, round((float(np.prod(shape)) / CELLS) ** (1 / len(shape))))
    return tuple(slice(step // 2 if n > step else 0, None, step) for n in shape)
