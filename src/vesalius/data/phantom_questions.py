"""Questions about a study with their answers, and phrases to be grounded in it."""

import numpy as np

from vesalius.data.phantom_plan import KINDS, Finding, Kind, StudyPlan
from vesalius.data.phantom_text import NAMES, pick
from vesalius.records import Phrase, Question

ARTICLES: dict[Kind, str] = {
    "nodule": "a nodule",
    "consolidation": "consolidation",
    "effusion": "a pleural effusion",
    "pneumothorax": "a pneumothorax",
    "cardiomegaly": "cardiomegaly",
}
PRESENCE = ("Is there {}?", "Does the patient have {}?", "Is {} present?", "Can {} be seen?")
SIDED = ("Is there {} on the {}?", "Does the {1} side show {0}?")
YES_NO = ("yes", "no")

Boxes = list[tuple[Finding, tuple[float, ...]]]


def place_phrase(finding: Finding) -> str:
    """The finding with its place, as a report would put it."""
    if finding.kind == "cardiomegaly":
        return "enlarged heart"
    if finding.kind in ("effusion", "pneumothorax"):
        return f"{finding.side} {NAMES[finding.kind][0]}"
    return f"{finding.side} {finding.zone} zone {NAMES[finding.kind][0]}"


PLACED: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind != "cardiomegaly")
"""Kinds that lie in different places of different chests; a heart lies where hearts lie."""


def _closed(study: StudyPlan, question: str, is_true: bool, question_type: str) -> Question:
    answer = YES_NO[0] if is_true else YES_NO[1]
    return Question(study.id, question, answer, "closed", (answer,), YES_NO, question_type)


def _presence(study: StudyPlan, rng: np.random.Generator) -> list[Question]:
    """One present and one absent kind where both exist, so that yes and no are near balance."""
    present = study.labels
    absent = tuple(kind for kind in KINDS if kind not in present)
    asked: list[tuple[Kind, bool]] = []
    for kinds, truth in ((present, True), (absent, False)):
        if kinds:
            asked.append((kinds[int(rng.integers(len(kinds)))], truth))
    return [
        _closed(study, pick(rng, PRESENCE).format(ARTICLES[kind]), truth, "presence")
        for kind, truth in asked
    ]


def _sides(study: StudyPlan, kind: Kind) -> set[str]:
    return {finding.side for finding in study.findings if finding.kind == kind}


def _side_questions(study: StudyPlan, rng: np.random.Generator) -> list[Question]:
    """Side by yes/no and side by choice, for one lateral finding."""
    lateral = [kind for kind in study.labels if kind != "cardiomegaly"]
    if not lateral:
        return []
    kind = lateral[int(rng.integers(len(lateral)))]
    sides = _sides(study, kind)
    asked = ("right", "left")[int(rng.integers(2))]
    sided = pick(rng, SIDED).format(ARTICLES[kind], asked)
    answer = "both" if len(sides) == 2 else next(iter(sides))
    which = f"On which side is the {NAMES[kind][0]}?"
    choices = ("right", "left", "both")
    return [
        _closed(study, sided, asked in sides, "side"),
        Question(study.id, which, answer, "closed", (answer,), choices, "side"),
    ]


def _change_questions(study: StudyPlan) -> list[Question]:
    """What became of the first kind that has a history."""
    choices = ("new", "unchanged", "resolved")
    return [
        Question(
            study.id,
            f"Compared with the prior study, is the {NAMES[kind][0]} new, unchanged or resolved?",
            change,
            "closed",
            (change,),
            choices,
            "change",
        )
        for kind, change in study.changes[:1]
    ]


def _open(study: StudyPlan, question: str, answers: tuple[str, ...], kind: str) -> Question:
    return Question(study.id, question, answers[0], "open", answers, (), kind)


def _open_questions(study: StudyPlan) -> list[Question]:
    """What is there, and where, wherever the answer is unique."""
    names = [NAMES[kind][0] for kind in study.labels]
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    nothing = ("none", "no abnormality", "no acute abnormality", "normal")
    question = "Which abnormalities does the study show?"
    asked = [_open(study, question, (listed,) if names else nothing, "abnormality")]
    for finding in study.findings:
        if finding.kind not in ("nodule", "consolidation"):
            continue
        place = f"{finding.side} {finding.zone} zone"
        where = (place, f"{finding.side} {finding.zone} lung zone", f"in the {place}")
        asked.append(_open(study, f"Where is the {NAMES[finding.kind][0]}?", where, "location"))
        alone = sum(
            (other.side, other.zone) == (finding.side, finding.zone) for other in study.findings
        )
        if alone == 1:
            what = f"What is seen in the {place}?"
            asked.append(_open(study, what, NAMES[finding.kind], "finding"))
    return asked


def write_questions(study: StudyPlan, rng: np.random.Generator) -> list[Question]:
    """Closed and open questions about one study, with every accepted answer."""
    enlarged = _closed(study, "Is the heart enlarged?", "cardiomegaly" in study.labels, "heart")
    closed = [*_presence(study, rng), *_side_questions(study, rng), enlarged]
    return [*closed, *_change_questions(study), *_open_questions(study)]


def write_phrases(study: StudyPlan, boxes: Boxes, rng: np.random.Generator) -> list[Phrase]:
    """Findings with the boxes they mean, and one that is not there.

    A phrase names no place, and what has only one place has no phrase: otherwise a control that
    knows where phrases usually lie would answer from the text alone. A bilateral effusion is one
    phrase with two boxes.
    """
    present = [(finding.kind, box) for finding, box in boxes if finding.kind in PLACED]
    phrases = [Phrase(study.id, NAMES[kind][0], box) for kind, box in present]
    missing = [kind for kind in PLACED if kind not in study.labels]
    if not missing:
        return phrases
    absent = missing[int(rng.integers(len(missing)))]
    return [*phrases, Phrase(study.id, NAMES[absent][0], None)]
