"""One synthetic patient in memory: volume, radiograph and every truth that follows from them."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int16, UInt8

from vesalius.data.phantom_anatomy import Chest, build_chest
from vesalius.data.phantom_findings import draw_findings, enlarged_ratio
from vesalius.data.phantom_plan import (
    STREAM_ANATOMY,
    STREAM_EXPOSURE,
    STREAM_FINDINGS,
    STREAM_TEXT,
    Finding,
    PatientPlan,
    StudyPlan,
    plan_patient,
    stream,
)
from vesalius.data.phantom_project import (
    project_labels,
    project_mask,
    radiograph,
    sample_exposure,
)
from vesalius.data.phantom_questions import write_phrases, write_questions
from vesalius.data.phantom_shapes import SPACING_MM, sample_anatomy
from vesalius.data.phantom_text import write_report
from vesalius.records import Phrase, Question

STRUCTURES = {
    "lung": 1,
    "heart": 2,
    "effusion": 3,
    "consolidation": 4,
    "pneumothorax": 5,
    "nodule": 6,
}

Box = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """One finding where it is: its voxels, and tight half-open boxes around them.

    Attributes:
        mask: voxels in the volume's (x, y, z) grid; for cardiomegaly, the heart.
        box: (x0, y0, x1, y1) of the projection of `mask`, in pixels of the radiograph.
        box_3d: (x0, y0, x1, y1, z0, z1) of `mask` in voxel indices of the volume.
    """

    finding: Finding
    mask: Bool[np.ndarray, "x y z"]
    box: Box
    box_3d: Box


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """One visit of one patient.

    Attributes:
        hu: the volume, RAS+.
        labels: label map of the volume, values of `STRUCTURES`.
        radiograph: as displayed, [0, 1], row 0 at the head, column 0 at the patient's right;
            the Beer–Lambert projection of `hu`.
        labels_2d: label map of the radiograph, the highest label along each ray.
        cardiothoracic_ratio: width of the heart over inner width of the chest, both measured on
            `labels`; above 0.5 exactly when cardiomegaly is a label.
        phrases: with boxes in the radiograph. `phrases_3d`: the same in the volume.
    """

    patient: PatientPlan
    plan: StudyPlan
    hu: Int16[np.ndarray, "x y z"]
    labels: UInt8[np.ndarray, "x y z"]
    radiograph: Float[np.ndarray, "rows cols"]
    labels_2d: UInt8[np.ndarray, "rows cols"]
    truths: tuple[Truth, ...]
    cardiothoracic_ratio: float
    report: str
    questions: tuple[Question, ...]
    phrases: tuple[Phrase, ...]
    phrases_3d: tuple[Phrase, ...]


def tight_box(mask: Bool[np.ndarray, "..."]) -> Box:
    """Half-open limits of the true cells: (low, …, high, …) with one value per array axis.

    >>> mask = np.zeros((4, 5), bool); mask[1:3, 2] = True; tight_box(mask)
    (1, 2, 3, 3)
    """
    spans = [
        np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        for axis in range(mask.ndim)
    ]
    return (*(int(span[0]) for span in spans), *(int(span[-1]) + 1 for span in spans))


def _truth(finding: Finding, mask: Bool[np.ndarray, "x y z"]) -> Truth:
    row0, col0, row1, col1 = tight_box(project_mask(mask))
    x0, y0, z0, x1, y1, z1 = tight_box(mask)
    return Truth(finding, mask, (col0, row0, col1, row1), (x0, y0, x1, y1, z0, z1))


def _chest(patient: PatientPlan, plan: StudyPlan) -> Chest:
    """The patient's own anatomy, the heart enlarged if this study says so."""
    anatomy = sample_anatomy(stream(patient.seed, patient.index, STREAM_ANATOMY), sex=patient.sex)
    for finding in plan.findings:
        if finding.kind == "cardiomegaly":
            ratio = enlarged_ratio(finding.size)
            anatomy = replace(anatomy, cardiothoracic_ratio=ratio)
    return build_chest(anatomy)


def _label_map(
    chest: Chest, drawn: list[tuple[Finding, Bool[np.ndarray, "x y z"]]]
) -> UInt8[np.ndarray, "x y z"]:
    labels = np.zeros(chest.hu.shape, np.uint8)
    for lung in chest.lung.values():
        labels[lung < 0] = STRUCTURES["lung"]
    labels[chest.heart < 0] = STRUCTURES["heart"]
    for finding, mask in drawn:
        labels[mask] = STRUCTURES[finding.kind]
    return labels


def heart_to_chest(labels: UInt8[np.ndarray, "x y z"]) -> float:
    """Cardiothoracic ratio of a label map: widest heart over widest chest, both along x."""
    heart = np.flatnonzero((labels == STRUCTURES["heart"]).any(axis=(1, 2)))
    chest = np.flatnonzero((labels > 0).any(axis=(1, 2)))
    return float((heart[-1] - heart[0] + 1) / (chest[-1] - chest[0] + 1))


def make_study(patient: PatientPlan, plan: StudyPlan) -> Study:
    """Draw, image and describe one visit."""
    seed, index, visit = patient.seed, patient.index, plan.visit
    chest = _chest(patient, plan)
    drawn = draw_findings(chest, plan.findings, stream(seed, index, STREAM_FINDINGS))
    labels = _label_map(chest, drawn)
    hearts = [
        (finding, labels == STRUCTURES["heart"])
        for finding in plan.findings
        if finding.kind == "cardiomegaly"
    ]
    truths = tuple(_truth(finding, mask) for finding, mask in drawn + hearts)
    hu = np.rint(chest.hu).clip(-1024, 3071).astype(np.int16)
    light = stream(seed, index, STREAM_EXPOSURE, visit)
    exposure = sample_exposure(light, site=patient.site)
    words = [stream(seed, index, STREAM_TEXT, 4 * visit + use) for use in range(4)]
    flat: list[tuple[Finding, tuple[float, ...]]] = [(t.finding, t.box) for t in truths]
    deep: list[tuple[Finding, tuple[float, ...]]] = [(t.finding, t.box_3d) for t in truths]
    return Study(
        patient=patient,
        plan=plan,
        hu=hu,
        labels=labels,
        radiograph=radiograph(hu, exposure, light, spacing_mm=SPACING_MM),
        labels_2d=project_labels(labels),
        truths=truths,
        cardiothoracic_ratio=heart_to_chest(labels),
        report=write_report(patient, plan, words[0]),
        questions=tuple(write_questions(plan, words[1])),
        phrases=tuple(write_phrases(plan, flat, words[2])),
        phrases_3d=tuple(
            write_phrases(plan, deep, stream(seed, index, STREAM_TEXT, 4 * visit + 2))
        ),
    )


def make_patient(seed: int, index: int) -> tuple[Study, ...]:
    """All studies of patient `index` of cohort `seed`, oldest first; nothing is written."""
    patient = plan_patient(seed, index)
    return tuple(make_study(patient, plan) for plan in patient.studies)
