"""What the generators learn to say: captions on an empty prompt, answers to questions."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from minis.cohort import Cohort
from minis.texts import caption
from minis.training import COVERED
from vesalius.data.phantom_plan import KINDS, Kind
from vesalius.data.phantom_questions import write_questions
from vesalius.data.phantom_study import STRUCTURES
from vesalius.data.phantom_text import NAMES

P_CAPTION, P_FIGURE = 0.3, 0.6
P_OPEN = 0.3
HEART = STRUCTURES["heart"] - 1


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing said about one image.

    Attributes:
        row: of the cohort.
        prompt: the bare question; empty for a caption.
        answer: what the model should say.
        kind: the finding that the question is about, if it is about a single one.
    """

    row: int
    prompt: str
    answer: str
    kind: Kind | None = None


def draw_turns(cohort: Cohort, rows: np.ndarray, rng: np.random.Generator) -> list[Turn]:
    """One turn for each row, its wording drawn anew: about a third captions, the rest questions."""
    return [_turn(cohort, int(row), rng) for row in rows]


def _turn(cohort: Cohort, row: int, rng: np.random.Generator) -> Turn:
    patient, study = cohort.plans[row]
    if rng.random() < P_CAPTION:
        style = "figure" if rng.random() < P_FIGURE else "plain"
        return Turn(row, "", caption(patient, study, rng, style=style))
    wanted = "open" if rng.random() < P_OPEN else "closed"
    questions = [q for q in write_questions(study, rng) if q.type == wanted]
    chosen = questions[int(rng.integers(len(questions)))]
    return Turn(row, chosen.question, chosen.answer, kind_asked(chosen.question))


def kind_asked(question: str) -> Kind | None:
    """The finding that a question names; none if it names no finding or leaves it open."""
    if "heart" in question:
        return "cardiomegaly"
    named = [kind for kind in KINDS if any(name in question for name in NAMES[kind])]
    return named[0] if len(named) == 1 else None


def focus(cohort: Cohort, turn: Turn) -> Bool[np.ndarray, "cells"]:
    """Cells of the image that the finding asked about covers; none where it is absent."""
    nothing = np.zeros(cohort.coverage.shape[1], bool)
    if turn.kind is None or turn.kind not in cohort.plans[turn.row][1].labels:
        return nothing
    layer = HEART if turn.kind == "cardiomegaly" else STRUCTURES[turn.kind] - 1
    return np.asarray(cohort.coverage[turn.row][:, layer] > COVERED[layer])


def spoken(cohort: Cohort, rng: np.random.Generator, *, n_rounds: int = 12) -> list[str]:
    """Prompts and answers of every kind, for learning a vocabulary."""
    rows = np.arange(len(cohort.plans))
    turns = [turn for _ in range(n_rounds) for turn in draw_turns(cohort, rows[:400], rng)]
    return [text for turn in turns for text in (turn.prompt, turn.answer) if text]
