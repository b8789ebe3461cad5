"""Examples of what a model answered: outlines, boxes, pictures and sentences."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from vesalius.records import Predictions
from vesalius.report.gallery import Pictures
from vesalius.report.overlays import enlarged, fitted, jpeg, overlay, side_by_side
from vesalius.report.tables import text_of
from vesalius.store.pictures import Frame, labels_path, picture_path, read_frame, read_labels

MAX_EXAMPLES = 6
MAX_ANSWERS = 8

_LINES = "The cyan line is the reference, the orange broken line the answer."
_SPACED = "Evenly spaced from the best to the worst."
_ORDER = "Half of them wrong and half right as far as there are both, in the order of the data."


@dataclass(frozen=True, slots=True)
class Example:
    """One row of the predictions; `picture` is the name of an embedded one.

    Attributes:
        verdict: right or wrong where an answer is one of both.
        facts: what was asked, what is true, what was answered.
    """

    id: str
    picture: str | None
    facts: tuple[tuple[str, str], ...]
    verdict: bool | None = None


@dataclass(frozen=True, slots=True)
class Examples:
    """Some rows of a cell, and how they were chosen."""

    title: str
    caption: str
    shown: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cell's pictures lie: run folder, dataset as named there, entry of ``run.json``."""

    run: Path
    dataset: str
    card: Mapping[str, object]


def examples_of(
    task: str, predictions: Predictions, place: Place, /, *, pictures: Pictures
) -> Examples | None:
    """Examples of segmentation, generation, grounding and VQA.

    None for other tasks, and where pictures are off: what was asked about a patient is then left
    out as well.
    """
    draw = _TASKS.get(task)
    if draw is None or not pictures.enabled:
        return None
    found = draw(predictions, place, pictures)
    return found if found.shown else None


def _named(content: bytes | None, pictures: Pictures) -> str | None:
    return None if content is None else pictures.add(content)


def _segmentation(predictions: Predictions, place: Place, pictures: Pictures) -> Examples:
    structures = place.card.get("structures")
    labels = structures if isinstance(structures, Mapping) else {}
    shown = []
    for row in _spaced(predictions, predictions["dice"]):
        structure = str(predictions["structure"][row])
        content = _outlined(predictions, row, place, label=labels.get(structure))
        facts = (("structure", structure), ("dice", text_of(float(predictions["dice"][row]))))
        shown.append(Example(str(predictions["id"][row]), _named(content, pictures), facts))
    return Examples("Masks", f"{_LINES} {_SPACED}", tuple(shown))


def _outlined(predictions: Predictions, row: int, place: Place, *, label: object) -> bytes | None:
    sample = str(predictions["id"][row])
    base = _base(place, sample)
    mask = kept_array(place.run, str(predictions["map"][row]))
    if base is None or mask is None:
        return None
    picture, frame = base
    shape = (picture.shape[0], picture.shape[1])
    truth = read_labels(labels_path(place.run, place.dataset, sample))
    reference = None if truth is None else fitted(truth == label, shape) > 0
    answer = fitted(frame.plane(mask) > 0, shape) > 0
    return jpeg(overlay(picture, reference=reference, answer=answer))


def _grounding(predictions: Predictions, place: Place, pictures: Pictures) -> Examples:
    score = np.where(predictions["absent"].astype(bool), np.nan, predictions["iou"].astype(float))
    shown = []
    for row in _spaced(predictions, score):
        content = _boxed(predictions, row, place)
        facts = (
            ("phrase", str(predictions["phrase"][row])),
            ("iou", text_of(float(predictions["iou"][row]))),
        )
        shown.append(Example(str(predictions["id"][row]), _named(content, pictures), facts))
    caption = f"{_LINES} The glow is the map the answer was drawn from. {_SPACED}"
    return Examples("Boxes", caption, tuple(shown))


def _boxed(predictions: Predictions, row: int, place: Place) -> bytes | None:
    base = _base(place, str(predictions["id"][row]))
    if base is None:
        return None
    picture, frame = base
    shape = (picture.shape[0], picture.shape[1])
    grid = kept_array(place.run, str(predictions["map"][row] or ""))
    heat = None if grid is None else fitted(frame.plane(grid) / 255, shape, smooth=True)
    reference, answer = (
        np.any([frame.region(box, shape=shape) for box in boxes], axis=0) if boxes else None
        for boxes in (_boxes(predictions[name][row]) for name in ("reference", "box"))
    )
    return jpeg(overlay(picture, reference=reference, answer=answer, heat=heat))


def _boxes(found: Iterable[Iterable[float]]) -> list[tuple[float, ...]]:
    return [tuple(float(end) for end in box) for box in found]


def _generation(predictions: Predictions, place: Place, pictures: Pictures) -> Examples:
    score = predictions["ssim"].astype(float)
    if "nearest" in predictions.columns:  # the control of copied training images has own rows
        score = np.where(predictions["nearest"].astype(bool), np.nan, score)
    shown = []
    for row in _spaced(predictions, score):
        pair = tuple(str(predictions[name][row]) for name in ("reference", "image"))
        content = _pair(place.run, pair)
        facts = (("ssim", text_of(float(predictions["ssim"][row]))),)
        shown.append(Example(str(predictions["id"][row]), _named(content, pictures), facts))
    caption = f"Left the true image, right the generated one. {_SPACED}"
    return Examples("Images", caption, tuple(shown))


def _pair(run: Path, names: tuple[str, ...]) -> bytes | None:
    found = [kept_array(run, name) for name in names]
    flat = [Pillow.fromarray(one) for one in found if one is not None and one.ndim in (2, 3)]
    return jpeg(side_by_side(flat)) if len(flat) == len(names) else None


def _vqa(predictions: Predictions, place: Place, pictures: Pictures) -> Examples:
    plain = np.ones(predictions.n_rows, dtype=bool)
    if "calibrated" in predictions.columns:
        plain = ~predictions["calibrated"].astype(bool)
    right = predictions["correct"].astype(bool)
    half = MAX_ANSWERS // 2
    wrong_rows, right_rows = np.flatnonzero(plain & ~right), np.flatnonzero(plain & right)
    n_wrong = min(len(wrong_rows), max(half, MAX_ANSWERS - len(right_rows)))
    picked = [*wrong_rows[:n_wrong], *right_rows[: MAX_ANSWERS - n_wrong]]
    shown = tuple(
        Example(
            sample := str(predictions["id"][row]),
            pictures.name(place.run, place.dataset, sample),
            tuple((name, _said(predictions, row, column)) for name, column in _ASKED),
            bool(right[row]),
        )
        for row in sorted(map(int, picked))
    )
    return Examples("Answers", _ORDER, shown)


_ASKED = (("question", "question"), ("reference", "reference"), ("answer", "prediction"))


def _said(predictions: Predictions, row: int, column: str) -> str:
    return str(predictions[column][row]).strip() or "(nothing)"


def _spaced(predictions: Predictions, score: np.ndarray) -> list[int]:
    """Rows with a score, from the best to the worst; of equal ones the first."""
    score = np.where(predictions["answered"].astype(bool), score.astype(float), math.nan)
    rows = np.flatnonzero(np.isfinite(score))
    ordered = rows[np.argsort(-score[rows], kind="stable")]
    if not len(ordered):
        return []
    places = np.unique(np.linspace(0, len(ordered) - 1, MAX_EXAMPLES).round().astype(int))
    return [int(row) for row in ordered[places]]


def _base(place: Place, sample: str) -> tuple[np.ndarray, Frame] | None:
    path = picture_path(place.run, place.dataset, sample)
    frame = read_frame(path)
    if frame is None:
        return None
    with Pillow.open(path) as stored:
        return enlarged(stored), frame


def kept_array(run: Path, name: str) -> np.ndarray | None:
    """An array that predictions refer to; None for one that is missing, broken or outside."""
    path = run / name
    inside = name and path.resolve().is_relative_to((run / "maps").resolve())
    if not inside or not path.is_file():
        return None
    try:
        if path.suffix == ".png":
            with Pillow.open(path) as stored:
                return np.array(stored)
        return np.asarray(nib.load(path).dataobj)
    except (OSError, UnidentifiedImageError, ImageFileError):
        return None


_TASKS: Mapping[str, Callable[[Predictions, Place, Pictures], Examples]] = {
    "segmentation": _segmentation,
    "generation": _generation,
    "grounding": _grounding,
    "vqa": _vqa,
}
