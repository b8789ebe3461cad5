"""What a fusion study is to tell of a dataset: a class, an answer, a partner, a picture."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Int

from vesalius.engine.fusion_names import KINDS, SlotName, split_slot
from vesalius.engine.fusion_slots import SlotReader, Unit
from vesalius.errors import DataError, UsageError, did_you_mean
from vesalius.fusion.goals import AnswerClasses, Classes, Goal, Pictures, partners, pictures
from vesalius.records import SPLITS, DatasetCard, Sample
from vesalius.tasks import TaskData
from vesalius.tasks.generation_pictures import picture_of
from vesalius.tasks.vqa_questions import CLOSED, OPEN, Asked, asked_in, frequencies, meaning

MOST_ANSWERS = 256
MOST_CLASSES = 50
SIDE = 64

Make = Callable[[SlotReader, str | None, int], tuple[list[Unit], Goal]]


def class_goal(slots: SlotReader, target: str | None, width: int, /) -> tuple[list[Unit], Classes]:
    """Samples with a class: of the dataset's classes, or the words of another column.

    Args:
        slots: the dataset.
        target: of a multilabel dataset, the class to be told from all others, default the card's
            ``positive``; or the name of a column, whose words are the classes.
        width: changes nothing here.

    Raises:
        UsageError: for an unknown class or column, or none where one is needed.
    """
    del width
    dataset = slots.dataset
    rows = sorted(dataset.samples, key=lambda s: s.id)
    if target is not None and target not in dataset.card.classes:
        known = {column for s in rows for column in s.extra}
        if target in known:
            return _of_column(rows, target)
    labelled = [s for s in rows if s.labelled]
    if not labelled:
        raise UsageError(
            f"{dataset.card.name}: no row has a label; name a column of samples with --target"
        )
    labels, classes = labels_of(dataset.card, labelled, target=target)
    return [Unit(s) for s in labelled], Classes(labels, classes)


def _of_column(rows: Sequence[Sample], column: str) -> tuple[list[Unit], Classes]:
    """Rows in which the column is not empty; its words in alphabetical order are the classes."""
    known = [(s, value) for s in rows if (value := s.extra.get(column)) is not None]
    names = tuple(sorted({str(value) for _, value in known}))
    if any(isinstance(value, float) for _, value in known) or len(names) > MOST_CLASSES:
        raise UsageError(
            f"target {column!r}: expected a column of at most {MOST_CLASSES} different words, got "
            f"{len(names)} different values; a study tells classes, not amounts"
        )
    labels = np.array([names.index(str(value)) for _, value in known], dtype=np.int64)
    return [Unit(s) for s, _ in known], Classes(labels, names)


def labels_of(
    card: DatasetCard, samples: Sequence[Sample], /, *, target: str | None
) -> tuple[Int[np.ndarray, " n"], tuple[str, ...]]:
    """Class of each sample; of a multilabel dataset one class against the rest.

    Raises:
        UsageError: for a class that the card does not name, or none where one is needed.
    """
    classes = tuple(card.classes)
    target = target or (card.positive if card.multilabel else None)
    if target is None and not card.multilabel:
        return np.array([classes.index(s.labels[0]) for s in samples]), classes
    if target is None:
        raise UsageError(
            f"{card.name} is multilabel: name the class to tell from all others with --target; "
            f"there are: {', '.join(classes)}"
        )
    if target not in classes:
        hint = did_you_mean(target, classes)
        raise UsageError(
            f"target {target!r}{hint}: name a column of samples or one of the classes: "
            f"{', '.join(classes)}"
        )
    return np.array([int(target in s.labels) for s in samples]), (f"no {target}", target)


def answer_goal(
    slots: SlotReader, target: str | None, width: int, /
) -> tuple[list[Unit], AnswerClasses]:
    """Questions with the frequent answers of train as classes.

    Args:
        slots: the dataset.
        target: ``closed`` (the default) or ``open``; the two are never mixed.
        width: changes nothing here.

    Raises:
        UsageError: for another target, or a dataset without such questions.
    """
    del width
    kind, dataset = target or CLOSED, slots.dataset
    if kind not in (CLOSED, OPEN):
        raise UsageError(f"target {kind!r}: expected {CLOSED} or {OPEN} questions")
    data = TaskData(dataset.card, dataset.samples, questions=dataset.questions)
    asked = [one for s in SPLITS for one in asked_in(data, s) if one.question.type == kind]
    in_train = [one.question.answer for one in asked if one.sample.split == "train"]
    names = tuple(frequencies(in_train))[:MOST_ANSWERS]
    if len(names) < 2:
        raise UsageError(
            f"{dataset.card.name}: expected {kind} questions of two different answers in train, "
            f"got {len(names)}"
        )
    place = {meaning(name): i for i, name in enumerate(names)}
    labels = [
        next((place[meaning(a)] for a in one.accepted if meaning(a) in place), -1) for one in asked
    ]
    allowed = np.stack([_allowed(one, place) for one in asked])
    return [Unit(one.sample, one) for one in asked], AnswerClasses(np.array(labels), names, allowed)


def _allowed(one: Asked, place: Mapping[str, int]) -> Bool[np.ndarray, " answers"]:
    """The choices of a question; every answer where it has none that train knows."""
    found = np.zeros(len(place), dtype=np.bool_)
    found[[place[meaning(c)] for c in one.choices if meaning(c) in place]] = True
    return found if found.any() else ~found


def partner_goal(slots: SlotReader, target: str | None, width: int, /) -> tuple[list[Unit], Goal]:
    """Samples whose partner, another slot, is to be found among all partners of the split.

    Args:
        slots: the dataset.
        target: a slot of one vector a row, such as ``mini:biomedclip:text``.
        width: most principal components of the partners that are kept.

    Raises:
        UsageError: without a target, or for one that is no such slot.
    """
    name = _partner(target)
    units = [Unit(s) for s in sorted(slots.dataset.samples, key=lambda s: s.id)]
    slot = slots.slot(name, units)
    known = np.flatnonzero(slot.present).tolist()
    units = [units[i] for i in known]
    train = np.flatnonzero([unit.sample.split == "train" for unit in units])
    if not len(train):
        raise UsageError(f"target {name.text}: no train row has it")
    _, same = np.unique(slot.values[known].round(6), axis=0, return_inverse=True)
    return units, partners(slot.values[known], same.reshape(-1), train, width=width)


def _partner(target: str | None) -> SlotName:
    kinds = [kind for kind in KINDS if kind not in ("patches", "words", "question")]
    if target is None:
        raise UsageError(
            "retrieval needs --target: what is to be found, such as mini:biomedclip:text"
        )
    name = split_slot(target)
    if name.kind not in kinds:
        raise UsageError(f"target {target!r}: expected MODEL:{', MODEL:'.join(kinds)}")
    return name


def picture_goal(
    slots: SlotReader, target: str | None, width: int, /
) -> tuple[list[Unit], Pictures]:
    """Samples whose image is to be drawn, grey and small.

    Args:
        slots: the dataset.
        target: none.
        width: most principal components of pictures that are kept.

    Raises:
        UsageError: for a target, or if no train image can be read.
    """
    if target is not None:
        raise UsageError(f"generation draws the image of a sample and has no target {target!r}")
    units, shown = [], []
    for sample in sorted(slots.dataset.samples, key=lambda s: s.id):
        try:
            shown.append(picture_of(slots.dataset.read(sample), side=SIDE))
        except DataError as error:
            slots.problems.setdefault("pictures", {})[sample.id] = error.reason
            continue
        units.append(Unit(sample))
    train = np.flatnonzero([unit.sample.split == "train" for unit in units])
    if not len(train):
        raise UsageError(f"{slots.dataset.card.name}: no train image can be read")
    return units, pictures(np.stack(shown), train, width=width)


GOALS: Mapping[str, Make] = {
    "classification": class_goal,
    "vqa": answer_goal,
    "retrieval": partner_goal,
    "generation": picture_goal,
}
