"""What a finished generator answers about patients it never saw, through Vesalius's own adapter."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vesalius.capabilities import AnswerScorer
from vesalius.data.phantom import Study
from vesalius.records import Image, Question

BLANK = Image(np.zeros((256, 256), np.uint8), "yx", "display", (0.0, 255.0), source="blank")


@dataclass(frozen=True, slots=True)
class AnswerQuality:
    """Accuracy on closed questions, the candidate of highest log-likelihood being the answer.

    Attributes:
        accuracy: with the image.
        blind: with a blank image.
        majority: of the most frequent answer to each type of question, on these very questions.
        by_type: type of question → accuracy with the image.
        n_questions: how many were asked.
    """

    accuracy: float
    blind: float
    majority: float
    by_type: dict[str, float]
    n_questions: int


def measure_answers(
    model: AnswerScorer, studies: Sequence[Study], *, n_studies: int = 100
) -> AnswerQuality:
    """Ask every closed question about the first `n_studies`, but what became of a finding.

    Change since the prior study cannot be seen in one image, so these questions are left out.
    """
    right: dict[str, list[bool]] = defaultdict(list)
    blind: list[bool] = []
    truths: dict[str, list[str]] = defaultdict(list)
    for study in studies[:n_studies]:
        image = display(study)
        for question in study.questions:
            if question.type == "closed" and question.question_type != "change":
                right[question.question_type].append(_is_right(model, image, question))
                blind.append(_is_right(model, BLANK, question))
                truths[question.question_type].append(question.answer)
    flat = [mark for marks in right.values() for mark in marks]
    frequent = sum(Counter(answers).most_common(1)[0][1] for answers in truths.values())
    return AnswerQuality(
        accuracy=float(np.mean(flat)),
        blind=float(np.mean(blind)),
        majority=frequent / len(flat),
        by_type={name: float(np.mean(marks)) for name, marks in right.items()},
        n_questions=len(flat),
    )


def display(study: Study) -> Image:
    """The 8-bit radiograph as an `Image`."""
    shown = np.floor(study.radiograph * 255 + 0.5).astype(np.uint8)
    return Image(shown, "yx", "display", (0.0, 255.0), source=study.plan.id)


def _is_right(model: AnswerScorer, image: Image, question: Question) -> bool:
    scores = model.score_answers(image, question.question, question.choices)
    return question.choices[int(np.argmax(scores.log_likelihood))] == question.answer
