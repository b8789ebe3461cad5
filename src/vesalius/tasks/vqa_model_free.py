"""Answers without a model: what train answers suggest, and chance.

Both know the question's type and choices, and neither its image: how well one can do by the
question alone.
"""

from collections.abc import Sequence

from vesalius.tasks import TaskData
from vesalius.tasks.controls import ModelFree, seeded
from vesalius.tasks.vqa_questions import Asked, TrainAnswers, asked_in, meaning, train_answers
from vesalius.tasks.vqa_table import NO_REPLY, Reply, ReplyTo, picked


def candidates_of(one: Asked, train: TrainAnswers, /, *, cap: int = 0) -> tuple[str, ...]:
    """What a question may be answered: its choices, else train answers to questions like it.

    Train answers come most frequent first; `cap` limits them, 0 does not. Choices are all kept.
    """
    if one.choices:
        return one.choices
    found = tuple(train.like(one))
    return found[:cap] if cap else found


def unsuitable_questions_for(model: ModelFree, data: TaskData, /) -> str | None:
    """Why a control without model cannot answer."""
    if model.kind == "majority" and not asked_in(data, "train"):
        return "no train questions to take the majority of"
    return None


def model_free_replies(model: ModelFree, data: TaskData, /) -> ReplyTo:
    """The control's answers.

    ``majority`` is the candidate that train questions of the same type were answered most often,
    the first of equals; ``random`` draws one of the candidates, each as likely.
    """
    train = train_answers(data)

    def answer(one: Asked) -> Reply:
        candidates = candidates_of(one, train)
        if not candidates:
            return NO_REPLY
        if model.kind == "random":
            drawn = seeded(model.seed, "vqa", one.key).integers(len(candidates))
            return picked(candidates[int(drawn)])
        given = {meaning(answer): n for answer, n in train.like(one).items()}
        counts = [given.get(meaning(candidate), 0) for candidate in candidates]
        return picked(candidates[counts.index(max(counts))])

    def answers(asked: Sequence[Asked]) -> list[Reply]:
        return [answer(one) for one in asked]

    return answers
