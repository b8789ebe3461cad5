"""Reports in varied wording, written from the plan of a study and therefore true of it."""

import numpy as np

from vesalius.data.phantom_plan import KINDS, Finding, Kind, PatientPlan, StudyPlan

NAMES: dict[Kind, tuple[str, ...]] = {
    "nodule": ("nodule", "pulmonary nodule", "lung nodule"),
    "consolidation": ("consolidation", "airspace opacity", "airspace consolidation"),
    "effusion": ("pleural effusion", "effusion", "pleural fluid"),
    "pneumothorax": ("pneumothorax", "pleural air", "air in the pleural space"),
    "cardiomegaly": ("cardiomegaly", "an enlarged heart", "an enlarged cardiac silhouette"),
}
ABSENT: dict[Kind, tuple[str, ...]] = {
    "nodule": ("No pulmonary nodule.", "No nodule is seen.", "No lung nodule."),
    "consolidation": (
        "No consolidation.",
        "No airspace opacity.",
        "There is no focal consolidation.",
        "The lungs are clear of consolidation.",
    ),
    "effusion": (
        "No pleural effusion.",
        "No effusion.",
        "The costophrenic angles are sharp.",
        "There is no pleural fluid.",
    ),
    "pneumothorax": ("No pneumothorax.", "There is no pneumothorax.", "No pleural air."),
    "cardiomegaly": (
        "The heart size is normal.",
        "No cardiomegaly.",
        "The cardiac silhouette is within normal limits.",
        "The heart is not enlarged.",
    ),
}
PRESENT: dict[Kind, tuple[str, ...]] = {
    "nodule": (
        "{A} {size}nodule in the {side} {zone} zone.",
        "There is {a} {size}pulmonary nodule in the {side} {zone} lung zone.",
        "{A} {size}round opacity projects over the {side} {zone} zone, a lung nodule.",
        "{Side} {zone} zone nodule.",
    ),
    "consolidation": (
        "Consolidation in the {side} {zone} zone.",
        "There is {a} {size}airspace opacity in the {side} {zone} lung zone.",
        "{Side} {zone} zone airspace consolidation, which may be pneumonia.",
        "{Side} {zone} zone consolidation.",
    ),
    "effusion": (
        "{A} {size}{side} pleural effusion.",
        "There is {a} {size}pleural effusion on the {side}.",
        "{Side} pleural fluid blunts the costophrenic angle.",
        "{Side} basal pleural effusion.",
    ),
    "pneumothorax": (
        "{A} {size}{side} pneumothorax.",
        "There is {a} {size}pneumothorax on the {side}.",
        "{Side} apical pneumothorax with a visible pleural line.",
        "{Side} pneumothorax.",
    ),
    "cardiomegaly": (
        "Cardiomegaly.",
        "The heart is enlarged.",
        "The cardiac silhouette is enlarged.",
        "There is {degree}cardiomegaly.",
    ),
}
CLEAR = (
    "No acute abnormality.",
    "Normal chest.",
    "The lungs are clear.",
    "No acute cardiopulmonary abnormality.",
    "Clear lungs and normal heart.",
)
BONES = (
    "The bones are intact.",
    "No acute bony abnormality.",
    "The visible skeleton is unremarkable.",
    "Mild degenerative change of the spine.",
)
MEDIASTINUM = (
    "The mediastinal contours are normal.",
    "The mediastinum is unremarkable.",
    "The hila are normal.",
    "The trachea is midline.",
)
TECHNIQUE = ("Upright chest examination.", "Frontal chest.", "Chest examination in inspiration.")
CHANGED = {
    "new": ("The {name} is new since the prior study.", "New {name} compared with the prior."),
    "unchanged": ("The {name} is unchanged.", "The {name} is stable compared with the prior."),
    "resolved": ("The previous {name} has resolved.", "Interval resolution of the {name}."),
}
INDICATIONS = ("cough", "fever", "chest pain", "shortness of breath", "follow-up", "weight loss")


def pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    """One of `options`."""
    return options[int(rng.integers(len(options)))]


def size_word(size: float) -> str:
    """Word for a finding's size, thirds of its range."""
    return ("small ", "moderate ", "large ")[min(2, int(size * 3))]


def describe(finding: Finding, rng: np.random.Generator) -> str:
    """One sentence that states the finding, its side, its zone and sometimes its size."""
    size = size_word(finding.size) if rng.random() < 0.7 else ""
    article = "an" if (size or f"{finding.side} ")[0] in "aeiou" else "a"
    template = pick(rng, PRESENT[finding.kind])
    if "{a} {size}airspace" in template:
        article = "a" if size else "an"
    return template.format(
        a=article,
        A=article.capitalize(),
        size=size,
        degree=("mild ", "moderate ", "marked ")[min(2, int(finding.size * 3))],
        side=finding.side,
        Side=finding.side.capitalize(),
        zone=finding.zone,
    )


def _negatives(study: StudyPlan, rng: np.random.Generator, *, n: int) -> list[str]:
    """Sentences that deny up to `n` of the absent kinds, in random order."""
    absent = [kind for kind in KINDS if kind not in study.labels]
    chosen = rng.permutation(len(absent))[:n]
    return [pick(rng, ABSENT[absent[int(place)]]) for place in chosen]


def _comparison(study: StudyPlan, rng: np.random.Generator) -> list[str]:
    """What became of every finding since the visit before."""
    return [
        pick(rng, CHANGED[change]).format(name=NAMES[kind][0]) for kind, change in study.changes
    ]


def write_report(patient: PatientPlan, study: StudyPlan, rng: np.random.Generator) -> str:
    """The report of one study: half of them brief, the others with all sections.

    Positive findings come first in a brief report. A full one runs through technique, findings
    organ by organ and impression, and often exceeds the 77 tokens of a CLIP text encoder.
    """
    order = rng.permutation(len(study.findings))
    positives = [describe(study.findings[int(place)], rng) for place in order]
    comparison = _comparison(study, rng)
    if rng.random() < 0.5:
        negatives = _negatives(study, rng, n=int(rng.integers(0, 3)))
        return " ".join((positives or [pick(rng, CLEAR)]) + comparison + negatives)
    negatives = _negatives(study, rng, n=len(KINDS))
    body = positives + negatives + [pick(rng, MEDIASTINUM), pick(rng, BONES)]
    first = positives[:1]
    rest = [body[len(first) :][int(place)] for place in rng.permutation(len(body) - len(first))]
    reason = pick(rng, INDICATIONS).capitalize()
    head = (
        f"Indication: {reason}, {patient.age} year old {_person(patient)}. {pick(rng, TECHNIQUE)}"
    )
    impression = " ".join([describe(f, rng) for f in study.findings] or [pick(rng, CLEAR)])
    findings = " ".join(first + rest + comparison)
    return f"{head} Findings: {findings} Impression: {impression}"


def _person(patient: PatientPlan) -> str:
    return "woman" if patient.sex == "F" else "man"
