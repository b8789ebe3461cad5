"""What the miniatures read while they learn: reports, prompts of both polarities, phrases."""

import numpy as np

from vesalius.data.phantom_plan import KINDS, Finding, Kind, PatientPlan, StudyPlan
from vesalius.data.phantom_questions import place_phrase
from vesalius.data.phantom_study import STRUCTURES
from vesalius.data.phantom_text import (
    ABSENT,
    BONES,
    INDICATIONS,
    MEDIASTINUM,
    NAMES,
    TECHNIQUE,
    describe,
    pick,
    write_report,
)
from vesalius.data.phantom_write import CLASSES, PROMPTS, TEMPLATES

FRAMES = (*TEMPLATES["xray"], *TEMPLATES["ct"], "{}", "this is an image of {}", "a photo of {}")
STYLES = ("plain", "figure", "long")
FIGURES = (
    "Chest radiograph of a {age} year old {person} showing {found}.",
    "Figure: {found} in a {age} year old {person}.",
    "Posteroanterior chest X-ray demonstrates {found}.",
    "X-ray image with {found} (arrow).",
)


def _place(finding: Finding, rng: np.random.Generator) -> str:
    """A finding as a noun with its place, for captions in the style of journal figures."""
    name = pick(rng, NAMES[finding.kind])
    if finding.kind == "cardiomegaly":
        return name
    if finding.kind in ("effusion", "pneumothorax"):
        return f"{finding.side} {name}"
    return f"{name} in the {finding.side} {finding.zone} zone"


def figure_caption(patient: PatientPlan, study: StudyPlan, rng: np.random.Generator) -> str:
    """One sentence, as below a figure of an article."""
    found = [_place(finding, rng) for finding in study.findings]
    listed = " and ".join(found) or pick(rng, ("normal findings", "no abnormality", "clear lungs"))
    person = "woman" if patient.sex == "F" else "man"
    return pick(rng, FIGURES).format(age=patient.age, person=person, found=listed)


def long_report(patient: PatientPlan, study: StudyPlan, rng: np.random.Generator) -> str:
    """A report that mostly exceeds 77 tokens: background first, impression last."""
    absent = [pick(rng, ABSENT[kind]) for kind in KINDS if kind not in study.labels]
    padding = [pick(rng, MEDIASTINUM), pick(rng, BONES), pick(rng, TECHNIQUE)]
    history = f"History: {pick(rng, INDICATIONS)} and {pick(rng, INDICATIONS)}."
    middle = [*absent, *padding, *(describe(finding, rng) for finding in study.findings)]
    order = rng.permutation(len(middle))
    body = " ".join(middle[int(place)] for place in order)
    return f"{history} {body} {write_report(patient, study, rng)}"


def caption(patient: PatientPlan, study: StudyPlan, rng: np.random.Generator, *, style: str) -> str:
    """A caption of one study: a report, or about every second time one in the `style` asked."""
    if style == "figure" and rng.random() < 0.5:
        return figure_caption(patient, study, rng)
    if style == "long" and rng.random() < 0.4:
        return long_report(patient, study, rng)
    return write_report(patient, study, rng)


def prompt_pair(kind: Kind, rng: np.random.Generator) -> tuple[str, str]:
    """The same sentence with and without a finding: "… {}" and "… no {}"."""
    frame = pick(rng, FRAMES)
    name = pick(rng, tuple(CLASSES[kind]) + NAMES[kind][:1])
    return frame.format(name), frame.format(f"no {name}")


def phrase(finding: Finding, rng: np.random.Generator) -> str:
    """The finding and its place in one of the wordings that grounding uses."""
    if rng.random() < 0.5:
        return place_phrase(finding)
    return describe(finding, rng) if rng.random() < 0.5 else _place(finding, rng)


def structure_prompt(structure: str, rng: np.random.Generator) -> str:
    """A name of a structure, bare or framed."""
    return pick(rng, FRAMES).format(pick(rng, tuple(PROMPTS[structure])))


def corpus(plans: tuple[tuple[PatientPlan, StudyPlan], ...], rng: np.random.Generator) -> list[str]:
    """Texts of every kind, for learning the vocabulary."""
    texts = []
    for patient, study in plans:
        texts += [caption(patient, study, rng, style=style) for style in STYLES]
        texts += [phrase(finding, rng) for finding in study.findings]
    for kind in KINDS:
        texts += [text for _ in range(60) for text in prompt_pair(kind, rng)]
    return texts + [structure_prompt(name, rng) for name in STRUCTURES for _ in range(30)]
