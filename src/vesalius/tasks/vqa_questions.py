"""Questions as the protocols of visual question answering meet them: who is asked what, and keys.

Closed questions are answered by one of their choices, open ones by any text. A closed question that
declares no choices and whose answer is yes or no has these two; this says how it was asked, and
not which of the two is right.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vesalius.metrics import normalise_answer
from vesalius.records import Question, Sample, Split
from vesalius.tasks import TaskData

YES_NO = ("yes", "no")
CLOSED, OPEN = "closed", "open"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about one sample under the key that its prediction has."""

    key: str
    sample: Sample
    question: Question

    @property
    def choices(self) -> tuple[str, ...]:
        """What may be answered; empty where anything may."""
        if self.question.type != CLOSED or self.question.choices:
            return self.question.choices if self.question.type == CLOSED else ()
        return YES_NO if normalise_answer(self.question.answer) in YES_NO else ()

    @property
    def accepted(self) -> tuple[str, ...]:
        """Every answer that is right, the reference first."""
        return tuple(dict.fromkeys((self.question.answer, *self.question.answers)))


def asked_in(data: TaskData, split: Split, /) -> tuple[Asked, ...]:
    """The questions about a split's samples, ordered by sample and by what they say.

    A key is made of what is asked about which sample, so that no result depends on the order of a
    file; a question that is asked of a sample several times is counted.
    """
    samples = {s.id: s for s in data.samples if s.split == split}
    chosen = sorted((q for q in data.questions if q.id in samples), key=_content)
    n_before: Counter[str] = Counter()
    asked = []
    for question in chosen:
        name = _digest(question)
        n_before[name] += 1
        number = f"-{n_before[name]}" if n_before[name] > 1 else ""
        asked.append(Asked(f"{name}{number}/{question.id}", samples[question.id], question))
    return tuple(asked)


def _content(question: Question) -> tuple[object, ...]:
    return (
        question.id,
        question.question,
        question.answer,
        question.type,
        question.answers,
        question.choices,
        question.question_type,
    )


def _digest(question: Question) -> str:
    text = "\x1f".join((question.id, question.question))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def keys_of(asked: Iterable[Asked], /) -> tuple[str, ...]:
    """The keys, in order."""
    return tuple(one.key for one in asked)


def samples_of(asked: Iterable[Asked], /) -> list[Sample]:
    """Each sample that is asked about once, in the order of its first question."""
    return list({one.sample.id: one.sample for one in asked}.values())


def unsuitable_questions(data: TaskData, /) -> str | None:
    """Why the dataset has nothing to ask."""
    if not data.questions:
        return "dataset has no questions"
    return None if asked_in(data, "test") else "no questions about test samples"


@dataclass(frozen=True, slots=True, eq=False)
class TrainAnswers:
    """How often train questions were answered what; spellings that normalise alike are one.

    Attributes:
        by_question_type: by (type, question type).
        by_type: by type alone, closed or open.
    """

    by_question_type: Mapping[tuple[str, str], Counter[str]]
    by_type: Mapping[str, Counter[str]]

    def like(self, one: Asked, /) -> Counter[str]:
        """Answers to questions of its question type, else to all that are as closed as it."""
        kind, name = one.question.type, one.question.question_type
        found = self.by_question_type.get((kind, name)) if name else None
        return found or self.by_type.get(kind, Counter())


def train_answers(data: TaskData, /) -> TrainAnswers:
    """What the questions about train samples were answered."""
    fine: dict[tuple[str, str], list[str]] = {}
    coarse: dict[str, list[str]] = {}
    for question in (one.question for one in asked_in(data, "train")):
        fine.setdefault((question.type, question.question_type), []).append(question.answer)
        coarse.setdefault(question.type, []).append(question.answer)
    return TrainAnswers(
        {name: frequencies(answers) for name, answers in fine.items()},
        {name: frequencies(answers) for name, answers in coarse.items()},
    )


def frequencies(answers: Iterable[str], /) -> Counter[str]:
    """Answers with how often they were given, the most frequent first and then by alphabet.

    Spellings that normalise alike are one answer, written the way most wrote it.

    >>> frequencies(["No", "no", "left", "no"])
    Counter({'no': 3, 'left': 1})
    """
    spelt = Counter(answer.strip() for answer in answers)
    groups: dict[str, list[str]] = {}
    for answer in sorted(spelt, key=lambda a: (-spelt[a], a)):
        groups.setdefault(meaning(answer), []).append(answer)
    total = {group[0]: sum(spelt[a] for a in group) for group in groups.values()}
    return Counter({a: total[a] for a in sorted(total, key=lambda a: (-total[a], a))})


def meaning(answer: str, /) -> str:
    """What makes two answers the same: the normal form, or the text itself if that is empty.

    >>> meaning("The left."), meaning("-")
    ('left', '-')
    """
    return normalise_answer(answer) or answer.strip()


def is_among(answer: str, accepted: Iterable[str], /) -> bool:
    """Whether an answer means the same as one of these."""
    return meaning(answer) in {meaning(one) for one in accepted}
