"""Questions with answers that are known by hand, and models that answer from the truth."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from task_fakes import FakeDualEncoder, axis, sample, unit, view_of

from vesalius.capabilities import AnswerScores
from vesalius.records import DatasetCard, Image, ModelCard, Question, Sample
from vesalius.tasks import TaskData
from vesalius.views import ModelView

FINDINGS = ("nodule", "effusion")
HABIT = 3.0  # how much likelier a blank image makes a yes
YES_NO = ("yes", "no")
SIDES = ("left", "right")


def questions_about(one: Sample) -> list[Question]:
    """Two yes/no questions, one with other choices, one open; the label is the truth."""
    (finding,) = one.labels
    side = SIDES[int(one.id[-2:]) % 2]

    def closed(text: str, answer: str, choices: tuple[str, ...], kind: str) -> Question:
        return Question(one.id, text, answer, "closed", (answer,), choices, kind)

    presence = [
        closed(f"Is there a {name}?", YES_NO[name != finding], YES_NO, "presence")
        for name in FINDINGS
    ]
    accepted = (finding, f"a small {finding}")
    return [
        *presence,
        closed(f"On which side is the {finding}?", side, SIDES, "side"),
        Question(one.id, "What is seen?", finding, "open", accepted, (), "finding"),
    ]


def vqa_cohort(*, n: int = 8) -> tuple[TaskData, dict[str, np.ndarray]]:
    """Each finding in each split; an image points to its finding and away from the other."""
    samples, rows = [], {}
    for split in ("train", "val", "test"):
        for place, finding in enumerate(FINDINGS):
            for number in range(n):
                name = f"{split}-{finding}-{number:02d}"
                samples.append(sample(name, (finding,), split=split, caption=finding))
                side = 0.5 * axis(2) * (1 if number % 2 == 0 else -1)
                rows[name] = unit(axis(place) - axis(1 - place) + side)
    questions = [q for one in samples for q in questions_about(one)]
    return TaskData(DatasetCard("asked"), tuple(samples), questions=tuple(questions)), rows


def truth_of(data: TaskData) -> dict[tuple[str, str], str]:
    """(sample, question) → reference."""
    return {(q.id, q.question): q.answer for q in data.questions}


@dataclass(frozen=True)
class Talker:
    """Writes and scores answers; says yes out of habit."""

    card: ModelCard = field(default_factory=lambda: ModelCard("talker", "fake"))

    def generate(self, images: Sequence[Image], prompts: Sequence[str], /) -> list[str]:
        """What it says without seeing anything."""
        return ["Yes." for _ in prompts]

    def score_answers(
        self, image: Image, prompt: str, candidates: Sequence[str], /
    ) -> AnswerScores:
        """Every answer has as many tokens as words; yes is likelier by `HABIT`."""
        n_tokens = np.array([len(c.split()) for c in candidates])
        liked = np.array([HABIT if c == "yes" else 0.0 for c in candidates])
        return AnswerScores(liked * n_tokens, n_tokens)


def talking(said: dict[tuple[str, str], str | None], *, strength: float = 2.0) -> ModelView:
    """A view that says what is written down, and finds it likelier than anything else."""
    blank = Image(np.zeros((2, 2), np.uint8), "yx", "display", (0.0, 255.0))

    def written(asked: Sequence[tuple[Sample, str]]) -> list[str | None]:
        return [said.get((one.id, question), "no idea") for one, question in asked]

    def answer_scores(one: Sample, prompt: str, candidates: Sequence[str]) -> AnswerScores:
        habit = Talker().score_answers(blank, prompt, candidates)
        known = said.get((one.id, prompt), "")
        if known is None:
            return replace(habit, log_likelihood=np.full(len(candidates), np.nan))
        seen = np.array([strength * (c == known) for c in candidates])
        return replace(habit, log_likelihood=habit.log_likelihood + seen * habit.n_tokens)

    view = view_of({}, Talker(), name="talker")
    return replace(
        view,
        written=written,
        answer=lambda one, question: written([(one, question)])[0],
        answer_scores=answer_scores,
    )


def seeing(rows: dict[str, np.ndarray]) -> ModelView:
    """A dual encoder of the two findings."""
    return view_of(rows, FakeDualEncoder(FINDINGS))
