"""The table of outlined structures: a protocol says where they may be, the rest is done here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool

from vesalius.metrics.segmentation import case_values, dice, false_positive, iou, missed
from vesalius.records import Predictions, Sample
from vesalius.tasks import TaskData
from vesalius.tasks.classification import sample_columns
from vesalius.tasks.segmentation_cases import Case, key_of, masked, read_case
from vesalius.tasks.segmentation_curve import ranked
from vesalius.tasks.segmentation_maps import Look, heat_of
from vesalius.tasks.segmentation_thresholds import Threshold
from vesalius.views import ModelView

BATCH = 16  # samples
TEMPLATE_DICE = "template {}:dice"
COUNTS = ("tp", "fp", "fn", "tn")
MEASURED = ("dice", "iou", "hd95_mm", "nsd", "auprc", "missed", "false_positive")
WORST = MappingProxyType({"dice": 0.0, "iou": 0.0, "nsd": 0.0, "auprc": 0.0, "missed": 1.0})
NAN = float("nan")

Mask = Bool[np.ndarray, "*grid"]
Row = dict[str, str | bool | float]


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Where each structure may be, and from which value on it is."""

    look: Look
    thresholds: tuple[Threshold, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """How the rows of a protocol are made.

    Attributes:
        cut: what is kept and scored.
        tolerance_mm: of the surface Dice, one of `metrics.segmentation.TOLERANCES_MM`.
        folder: name of the masks that are kept.
        alone: the same with a single prompt template each, of which only Dice is computed.
    """

    cut: Cut
    tolerance_mm: int
    folder: str
    alone: tuple[Cut, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """One structure of one sample; `number` is its place in the dataset card."""

    sample: Sample
    structure: str
    number: int
    label: int

    @property
    def key(self) -> str:
        """Identity of the row."""
        return key_of(self.structure, self.sample)


def predict_cases(
    outline: Outline, view: ModelView, data: TaskData, /, *, done: frozenset[str]
) -> Iterator[Predictions]:
    """One row per structure of every test sample with a mask, in batches with fixed borders."""
    test = masked(data, "test")
    structures = data.card.structures.items()
    for start in range(0, len(test), BATCH):
        wanted = [
            asked
            for sample in test[start : start + BATCH]
            for number, (name, label) in enumerate(structures)
            if (asked := Asked(sample, name, number, label)).key not in done
        ]
        if wanted:
            samples, keys = [asked.sample for asked in wanted], [asked.key for asked in wanted]
            rows = list(_rows(outline, view, wanted))
            columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
            yield Predictions(sample_columns(samples, keys, data.card) | columns)


def _rows(outline: Outline, view: ModelView, wanted: list[Asked]) -> Iterator[Row]:
    """Each sample is read once."""
    case: Case | None = None
    for asked in wanted:
        if case is None or case.sample is not asked.sample:
            case = read_case(view, asked.sample)
        yield _row(outline, view, asked, case=case)


def _row(outline: Outline, view: ModelView, asked: Asked, *, case: Case) -> Row:
    patches = outline.cut.look(asked.sample, asked.number)
    threshold = outline.cut.thresholds[asked.number]
    heat = None if patches is None else heat_of(patches)
    kept = ""
    if heat is not None:  # what was not seen is NaN, and never called
        name = f"{outline.folder}/{asked.structure}"
        kept = view.store.keep(name, heat >= threshold.value, asked.sample)
    reference = case.reference(asked.label)
    row: Row = {
        "structure": asked.structure,
        "threshold": threshold.value,
        "threshold_source": threshold.source,
        **dict.fromkeys((*COUNTS, *MEASURED), NAN),
        **_dice_alone(outline, asked, reference),
        "reference_read": reference is not None,
        "empty_reference": reference is not None and not reference.any(),
        "answered": heat is not None,
        "map": kept,
    }
    if reference is None:
        return row if heat is not None else {**row, **WORST}
    if heat is None:
        nothing = np.zeros(reference.shape, dtype=np.bool_)
        compared = _compared(reference, nothing, case, outline)
        return {**row, **compared, **_unanswered(reference)}
    row |= _compared(reference, heat >= threshold.value, case, outline)
    if reference.any():
        row["auprc"] = ranked(reference, heat).average_precision()
    return row


def _dice_alone(outline: Outline, asked: Asked, reference: Mask | None) -> dict[str, float]:
    """Dice of every single template; 0 without an answer, NaN where the reference is empty."""
    values = {}
    for place, one in enumerate(outline.alone, start=1):
        value = NAN
        if reference is None or reference.any():
            patches = one.look(asked.sample, asked.number)
            limit = one.thresholds[asked.number].value
            if patches is None:
                value = WORST["dice"]
            elif reference is not None:
                value = dice(reference, heat_of(patches) >= limit)
        values[TEMPLATE_DICE.format(place)] = value
    return values


def _unanswered(reference: Mask) -> Mapping[str, float]:
    """A miss where the structure is; a false positive where it is not."""
    return WORST if reference.any() else {"false_positive": 1.0}


def _compared(reference: Mask, called: Mask, case: Case, outline: Outline) -> dict[str, float]:
    """Counts of cells, and all values of one structure of one case."""
    tp, n_reference, n_called = (
        float(np.count_nonzero(mask)) for mask in (reference & called, reference, called)
    )
    fp, fn = n_called - tp, n_reference - tp
    counts = dict(zip(COUNTS, (tp, fp, fn, reference.size - tp - fp - fn), strict=True))
    if case.spacing_mm is None:
        return counts | {
            "dice": dice(reference, called),
            "iou": iou(reference, called),
            "missed": missed(reference, called),
            "false_positive": false_positive(reference, called),
        }
    values = case_values(reference, called, spacing_mm=case.spacing_mm)
    return counts | {
        "dice": values["dice"],
        "iou": values["iou"],
        "hd95_mm": values["hd95[voxel]"],
        "nsd": values[f"nsd[surfel,{outline.tolerance_mm}mm]"],
        "missed": values["missed"],
        "false_positive": values["false_positive_rate[empty]"],
    }
