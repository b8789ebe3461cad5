"""The nouns of the one path: frozen records, serialisable, without behaviour beyond properties.

``dataset → samples → model capability → predictions → statistics → estimates → result → report``

Array axes are always named by the record that carries them; nothing is inferred from a shape.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vesalius.markup import range_of, shown, table, text_of

Json = Any  # None, bool, int, float, str, or lists and string-keyed dicts of them

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
TASKS = ("classification", "segmentation", "generation", "retrieval", "grounding", "vqa")
ENGINES = ("local", "ray")
MODALITIES = (
    "xray",
    "ct",
    "mri",
    "ultrasound",
    "pathology",
    "fundus",
    "dermoscopy",
    "endoscopy",
    "other",
)
Axes = Literal["yx", "yxc", "xyz"]
Intensity = Literal["display", "hu", "arbitrary"]


def digest_json(value: object) -> str:
    """SHA-256 of the canonical JSON text of `value` (sorted keys, no spaces, no NaN)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """One picture or volume, with what is needed to interpret its numbers.

    Attributes:
        pixels: numbers in the order that `axes` names. ``yx``: rows, columns, origin top-left;
            ``yxc``: the same with three colour channels, uint8; ``xyz``: a volume in RAS+ order
            (index grows towards the patient's right, anterior, superior).
        axes: meaning of the array axes.
        intensity: ``display`` (grey or colour as shown), ``hu`` (Hounsfield units) or
            ``arbitrary`` (any other physical or unknown scale).
        display_range: the values shown as black and as white.
        spacing_mm: distance of neighbouring pixels along each spatial axis, in the order of
            `axes`; None when the file does not say.
        affine: for volumes, voxel index → RAS+ millimetres, shape (4, 4).
        digest: SHA-256 of the bytes it was read from; the identity that caches rely on.
        source: name for messages; never part of a result.
    """

    pixels: np.ndarray
    axes: Axes
    intensity: Intensity
    display_range: tuple[float, float]
    spacing_mm: tuple[float, ...] | None = None
    affine: np.ndarray | None = None
    digest: str = ""
    source: str = ""

    @property
    def is_volume(self) -> bool:
        """True for ``xyz``."""
        return self.axes == "xyz"

    @property
    def size(self) -> tuple[int, ...]:
        """Spatial extent along each axis: (rows, columns) or (x, y, z)."""
        return tuple(self.pixels.shape[:2] if self.axes == "yxc" else self.pixels.shape)


@dataclass(frozen=True, slots=True)
class Window:
    """An intensity window in Hounsfield units: `center` ± `width` / 2."""

    center: float
    width: float

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest value shown."""
        return (self.center - self.width / 2, self.center + self.width / 2)


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where a model's input square lies in the original image.

    The input covers original rows ``top`` to ``top + height`` and columns ``left`` to
    ``left + width``, in original pixels, half-open; negative or over-long where it was padded.
    """

    top: float
    left: float
    height: float
    width: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One imaging sample of a dataset: a row of ``samples.*``, paths resolved.

    Attributes:
        labels: class names; several only in a multilabel dataset, none when unlabelled or normal.
        labelled: whether the row carries a label at all (an empty multilabel row is labelled).
        extra: every column that has no field of its own, as text or None when empty; those named
            numeric under ``tabular`` as floats, NaN when empty. Tasks read only what the dataset
            card names under ``tabular`` or ``subgroups``, and the others enter no run folder.
    """

    id: str
    patient: str
    split: Split
    image: Path
    prior_image: Path | None = None
    labels: tuple[str, ...] = ()
    labelled: bool = False
    mask: Path | None = None
    caption: str | None = None
    extra: Mapping[str, str | float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """A row of ``questions.*``; `answers` are all accepted ones, `choices` the declared options."""

    id: str
    question: str
    answer: str
    type: Literal["closed", "open"]
    answers: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    question_type: str = ""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A row of ``phrases.*``.

    `box` is (x0, y0, x1, y1) in original pixels, half-open, or for volumes
    (x0, y0, x1, y1, z0, z1); None when the phrase is absent from the image.
    """

    id: str
    phrase: str
    box: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class DatasetCard:
    """What ``dataset.yaml`` says; `digest` identifies card and tables together.

    `notes` are what a reader of its numbers must know, for data sets that a recipe reads.
    """

    name: str
    modality: str = "other"
    license: str = ""
    citation: str = ""
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    positive: str | None = None
    multilabel: bool = False
    templates: tuple[str, ...] = ("{}",)
    structures: Mapping[str, int] = field(default_factory=dict)
    structure_prompts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    window_hu: Window | None = None
    tabular: Mapping[str, Literal["numeric", "categorical"]] = field(default_factory=dict)
    subgroups: tuple[str, ...] = ()
    digest: str = ""
    notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        """The card as a table, for notebooks; what is empty is left out."""
        facts = {
            "modality": self.modality,
            "classes": ", ".join(self.classes) + " (several at once)" * self.multilabel,
            "positive class": self.positive or "",
            "structures": ", ".join(self.structures),
            "columns": ", ".join(self.tabular),
            "subgroups": ", ".join(self.subgroups),
            "licence": self.license,
            "citation": self.citation,
        }
        rows = [(name, text) for name, text in facts.items() if text]
        return str(table(("", " "), rows, title=self.name, notes=self.notes))


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Identity of a loaded model: everything that can change its numbers.

    Attributes:
        name: as the user asked for it, e.g. ``mini:clip``.
        adapter: code that drives it, e.g. ``clip``.
        source: repository id or ``local``; never a path.
        weights: file name → SHA-256 of every weight, configuration and tokenizer file.
        options: adapter options such as ``fit``.
        domain: the modalities it was made for, empty for any; elsewhere its numbers say nothing.
    """

    name: str
    adapter: str
    source: str = ""
    revision: str = ""
    license: str = ""
    dtype: str = "float32"
    processor: str = ""
    weights: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Json] = field(default_factory=dict)
    miniature: bool = False
    domain: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all that can change a number; name, licence and domain cannot."""
        identity = asdict(self)
        for neutral in ("name", "license", "miniature", "domain"):
            del identity[neutral]
        return digest_json(identity)


@dataclass(frozen=True, slots=True)
class TaskCard:
    """One frozen protocol: prompts, thresholds, aggregation. Data, hashed into every row."""

    task: str
    protocol: str
    settings: Mapping[str, Json] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """First 16 hex digits of the SHA-256 of the card."""
        return digest_json(asdict(self))[:16]


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """A table of per-row model output; every column has the same length.

    Always has ``id``, ``patient`` and ``split``; the rest is named in the contract, per task.
    List-valued columns are object arrays of lists.
    """

    columns: Mapping[str, np.ndarray]

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.columns["id"])

    def __getitem__(self, name: str) -> np.ndarray:
        """The column called `name`."""
        return self.columns[name]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic with its interval over resampled patients.

    `value` is NaN when undefined and `reason` then says why; `low` and `high` are NaN when no
    interval can be given. `n_undefined` counts the resamples in which the statistic was NaN.
    """

    metric: str
    value: float
    low: float = float("nan")
    high: float = float("nan")
    level: float = 0.95
    n: int = 0
    n_patients: int = 0
    n_resamples: int = 0
    n_undefined: int = 0
    higher_is_better: bool = True
    seed: int = 0
    reason: str = ""

    def _repr_html_(self) -> str:
        """Value with interval and patients, or why there is none; for notebooks."""
        if math.isnan(self.value):
            return str(shown(f"{self.metric}: n/a, {self.reason or 'no reason was recorded'}"))
        interval = range_of(self.low, self.high)
        counted = f"{self.n_patients} patients" if self.n_patients else f"n = {self.n}"
        text = f"{self.metric}: {text_of(self.value)} {interval}".rstrip()
        return str(shown(f"{text}, {counted}"))


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are drawn: seed, number of resamples of patients, level."""

    seed: int = 0
    n_resamples: int = 2000
    level: float = 0.95


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One place of the matrix: which model, on which dataset, at which task, by which protocol."""

    model: str
    dataset: str
    task: str
    protocol: str


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One row of ``metrics.parquet``: where the estimate belongs, and the estimate."""

    cell: Cell
    estimate: Estimate
    task_card: str
    split: str = "test"
    subgroup: str = ""
    class_name: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """The cell has predictions; `n_expected` reference rows of which `n_missing` had no answer."""

    cell: Cell
    fingerprint: str
    task_card: str
    n_expected: int
    n_missing: int = 0
    duration_s: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """The cell cannot have a number; `reason` is true and complete."""

    cell: Cell
    fingerprint: str
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The cell was tried and ended in an error."""

    cell: Cell
    fingerprint: str
    error: str
    traceback: str = ""


Outcome = Done | NotApplicable | Failed


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What was asked for: the grid and its settings, written next to the results."""

    models: tuple[str, ...]
    datasets: tuple[str, ...]
    tasks: tuple[str, ...] = TASKS
    protocols: tuple[str, ...] = ()
    device: str = "auto"
    engine: str = "local"
    workers: int = 1
    batch_size: int | None = None
    limit: int | None = None
    n_resamples: int = 2000
    level: float = 0.95
    seed: int = 0
    controls: bool = True
    out_of_domain: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
