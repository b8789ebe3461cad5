"""The table of grounded phrases: a protocol finds boxes, everything else is done here."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vesalius.metrics.boxes import check_boxes, region_iou
from vesalius.metrics.heatmaps import cells_inside, map_values
from vesalius.records import DatasetCard, Predictions, Sample
from vesalius.tasks import TaskData
from vesalius.tasks.classification import CHUNK, sample_columns
from vesalius.tasks.grounding_phrases import (
    AskedPhrase,
    asked_phrases,
    in_array_order,
    in_dataset_order,
)

HIT_IOU = 0.5
SHOWN_CELLS = 64  # of a kept map along its longer side
MAP_COLUMNS: Mapping[str, str] = {
    "pointing": "pointing_game",
    "cnr": "cnr[absolute]",
    "cnr_signed": "cnr[signed]",
    "miou": "miou[0.1-0.5]",
    "energy_in_box": "energy_in_box",
}
LISTS = ("reference", "box", "box_score")
NAN = float("nan")

Value = str | bool | float
Keep = Callable[[str, np.ndarray, Sample], str]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What was found of one phrase; boxes in the order of the array's axes.

    Attributes:
        boxes: shape (k, corners), none if the phrase is taken to be absent.
        scores: one finite number per box, comparable between images.
        heat: map over the sample's own grid, finite; None for protocols without maps.
        peak: highest value of the map before any scaling.
        extra: further columns of the row.
    """

    boxes: np.ndarray
    scores: np.ndarray
    heat: np.ndarray | None = None
    peak: float = NAN
    extra: Mapping[str, Value] = field(default_factory=dict)


Ground = Callable[[AskedPhrase], Found | None]


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """How the rows of a protocol are made.

    Attributes:
        ground: finds a phrase; None where the model has no answer.
        keep: leaves an array in the run folder.
        folder: name of the maps that are kept.
        columns: further columns with the value they have unless an answer says otherwise.
    """

    ground: Ground
    keep: Keep
    folder: str
    columns: Mapping[str, Value] = field(default_factory=dict)


def predict_phrases(
    recipe: Recipe, data: TaskData, /, *, done: frozenset[str]
) -> Iterator[Predictions]:
    """One row per phrase of a test sample, in batches with fixed borders."""
    reference = asked_phrases(data, "test")
    findings = {asked.phrase: finding_of(asked.phrase, data.card) for asked in reference}
    for start in range(0, len(reference), CHUNK):
        wanted = [asked for asked in reference[start : start + CHUNK] if asked.key not in done]
        if wanted:
            rows = [_row(asked, recipe) for asked in wanted]
            samples, keys = [asked.sample for asked in wanted], [asked.key for asked in wanted]
            columns = sample_columns(samples, keys, data.card)
            columns["finding"] = np.array([findings[asked.phrase] for asked in wanted])
            yield Predictions(columns | {name: _column(name, rows) for name in rows[0]})


def finding_of(phrase: str, card: DatasetCard, /) -> str:
    """The class that a phrase speaks of: that with the longest name among its words.

    A plural in s counts. Empty for a phrase that names no class.

    >>> finding_of("Bilateral effusions", DatasetCard("d", classes={"fluid": ("effusion",)}))
    'fluid'
    """
    words = f" {' '.join(phrase.lower().split())} "
    named = [
        (len(name), label)
        for label, names in card.classes.items()
        for name in (label, *names)
        if f" {name.lower()} " in words or f" {name.lower()}s " in words
    ]
    return max(named, key=lambda pair: pair[0])[1] if named else ""


def _column(name: str, rows: Sequence[Mapping[str, object]]) -> np.ndarray:
    values = [row[name] for row in rows]
    if name not in LISTS:
        return np.array(values)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _row(asked: AskedPhrase, recipe: Recipe) -> dict[str, object]:
    found = recipe.ground(asked)
    row: dict[str, object] = {
        "phrase": asked.phrase,
        "absent": not asked.boxes,
        "reference": [list(map(float, box)) for box in asked.boxes],
        "answered": found is not None,
    }
    if found is None:
        return row | _unanswered(asked) | dict(recipe.columns)
    check_boxes(found.boxes, name=f"boxes found of {asked.key}")
    reference = in_array_order(asked.boxes, n_axes=found.boxes.shape[1] // 2)
    overlap = region_iou(reference, found.boxes)
    row |= {
        "box": in_dataset_order(found.boxes),
        "box_score": found.scores.tolist(),
        "detected": len(found.boxes) > 0,
        "iou": overlap,
        "hit": overlap >= HIT_IOU,
        "peak": found.peak,
        "map": _kept(asked, found.heat, recipe),
    }
    return row | _map_values(reference, found.heat) | dict(recipe.columns) | dict(found.extra)


def _unanswered(asked: AskedPhrase) -> dict[str, object]:
    """A miss where the phrase is there; what is absent has no overlap with anything."""
    nothing = 0.0 if asked.boxes else NAN
    values: dict[str, object] = {"box": [], "box_score": [], "detected": False}
    values |= {"iou": nothing, "hit": False, "peak": NAN, "map": ""}
    return values | dict.fromkeys(MAP_COLUMNS, nothing)


def _map_values(reference: np.ndarray, heat: np.ndarray | None) -> dict[str, float]:
    if heat is None or not len(reference):
        return dict.fromkeys(MAP_COLUMNS, NAN)
    values = map_values(cells_inside(reference, shape=heat.shape), heat)
    return {column: values[metric] for column, metric in MAP_COLUMNS.items()}


def _kept(asked: AskedPhrase, heat: np.ndarray | None, recipe: Recipe) -> str:
    """Path of a small grey picture of the map over all of the image; volumes have none."""
    if heat is None or heat.ndim != 2:
        return ""
    step = -(-max(heat.shape) // SHOWN_CELLS)
    shown = heat[::step, ::step]
    height = float(np.ptp(shown)) or 1.0
    grey = ((shown - shown.min()) * (255 / height)).round().astype(np.uint8)
    return recipe.keep(f"{recipe.folder}/{asked.number}", grey, asked.sample)
