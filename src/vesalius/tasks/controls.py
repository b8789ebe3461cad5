"""Controls: what a score would be without the model, the image, or the meaning of the text.

A control is a `ModelView` like any other, so every task treats it the way it treats a model.
Three need no model at all; the others take one thing away from a given model.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
from jaxtyping import Float

from vesalius.capabilities import AnswerScores
from vesalius.errors import InputError, UsageError
from vesalius.placement import Patches
from vesalius.records import Sample
from vesalius.tasks import Task, TaskData
from vesalius.tasks.grey import Grey, instead
from vesalius.views import ModelView, not_kept

PREFIX = "control:"
Kind = Literal["majority", "random", "centre-prior"]
MODEL_FREE: tuple[Kind, ...] = ("majority", "random", "centre-prior")
RANDOM_DIM = 64


@dataclass(frozen=True, slots=True)
class ModelFree:
    """Stands where a model would; tasks answer for it from the train labels or at random."""

    kind: Kind
    seed: int


def per_model_controls(task: Task, /) -> tuple[str, ...]:
    """The controls of a task that are made from a model."""
    return tuple(name for name in task.controls if name not in MODEL_FREE)


def control_view(name: str, view: ModelView, data: TaskData, /) -> ModelView:
    """The view of a control; `view` is not used by those that need no model.

    Raises:
        UsageError: for an unknown control.
        InputError: if the dataset is too small for it.
    """
    for kind in MODEL_FREE:
        if name == kind:
            return _model_free(ModelFree(kind, data.seed), view, data)
    if name not in PER_MODEL:
        raise UsageError(f"unknown control {name!r}; there are: {', '.join(CONTROLS)}")
    controlled = PER_MODEL[name](view, data)
    store = replace(view.store, keep=not_kept)
    return replace(controlled, name=f"{PREFIX}{name}({view.name})", store=store)


def seeded(seed: int, *parts: str) -> np.random.Generator:
    """A generator that depends on the seed and the words alone, not on any order of calls."""
    text = "\x1f".join([str(seed), *parts])
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16]))


def _model_free(model: ModelFree, view: ModelView, data: TaskData) -> ModelView:
    def rows(kind: str, names: Sequence[str]) -> Float[np.ndarray, "n dim"]:
        drawn = [seeded(data.seed, kind, name).normal(size=RANDOM_DIM) for name in names]
        features = np.array(drawn, dtype=np.float32).reshape(len(names), RANDOM_DIM)
        features /= np.linalg.norm(features, axis=1, keepdims=True)
        return features

    return ModelView(
        name=PREFIX + model.kind,
        model=model,
        image_features=lambda samples: rows("image", [s.id for s in samples]),
        text_features=lambda texts: rows("text", texts),
        read=view.read,
        store=replace(view.store, keep=not_kept),
    )


def blank_image(view: ModelView, data: TaskData, /) -> ModelView:
    """Every image replaced by one mean-grey picture, which fills the place of the image.

    Raises:
        InputError: when used for what the model cannot do.
    """
    del data
    grey = Grey(view)
    return replace(
        view,
        image_features=grey.image_features,
        read=lambda _: grey.image,
        answer_scores=grey.answer_scores,
        answer=grey.answer,
        written=grey.written,
        dense=grey.dense,
        attribution=grey.attribution,
    )


def shuffled_images(view: ModelView, data: TaskData, /) -> ModelView:
    """Every sample gets another one's image from the same split.

    A seeded permutation without fixed point; the image comes from another patient whenever no
    patient owns more than half of the split. The only sample of a split takes one of another.

    Raises:
        InputError: if the dataset has fewer than two samples.
    """
    donor = donors(data)
    return replace(
        view,
        image_features=lambda samples: view.image_features([donor[s.id] for s in samples]),
        read=lambda sample: view.read(donor[sample.id]),
        answer_scores=lambda sample, *asked: view.answer_scores(donor[sample.id], *asked),
        answer=lambda sample, prompt: view.answer(donor[sample.id], prompt),
        written=lambda asked: view.written([(donor[s.id], prompt) for s, prompt in asked]),
        dense=lambda sample: swapped(view.dense(sample), view.dense(donor[sample.id])),
        attribution=lambda sample, text: swapped(
            view.attribution(sample, text), view.attribution(donor[sample.id], text)
        ),
    )


def random_weights(view: ModelView, data: TaskData, /) -> ModelView:
    """The image embedding by the same network with its weights shuffled: nothing learnt.

    Raises:
        InputError: for a model without weights here.
    """
    view.untrained_features((), data.seed)
    return replace(view, image_features=lambda samples: view.untrained_features(samples, data.seed))


def swapped(own: Patches | None, other: Patches | None, /) -> Patches | None:
    """The values of another sample where one's own would lie; None if either is missing."""
    return None if own is None or other is None else instead(own.placement, other.values)


def donors(data: TaskData, /) -> Mapping[str, Sample]:
    """Sample id → the sample whose image it gets.

    Raises:
        InputError: if the dataset has fewer than two samples.
    """
    if len(data.samples) < 2:
        raise InputError(f"shuffling needs two samples, got {len(data.samples)}")
    donor: dict[str, Sample] = {}
    for split in sorted({s.split for s in data.samples}):
        members = [s for s in data.samples if s.split == split]
        if len(members) == 1:
            (lonely,) = members
            donor[lonely.id] = min((s for s in data.samples if s is not lonely), key=_by_id)
            continue
        ring, step = _ring(members, seed=data.seed)
        donor |= {s.id: ring[(i + step) % len(ring)] for i, s in enumerate(ring)}
    return donor


def _by_id(sample: Sample) -> str:
    return sample.id


def _ring(members: Sequence[Sample], *, seed: int) -> tuple[list[Sample], int]:
    """Members in a circle, patient by patient, and how far away the donor sits.

    As many steps as the largest patient has samples lead out of every patient.
    """
    patients: dict[str, list[Sample]] = {}
    for sample in sorted(members, key=_by_id):
        patients.setdefault(sample.patient, []).append(sample)
    rng = seeded(seed, "shuffled-images", members[0].split)
    names = rng.permutation(sorted(patients)).tolist()
    ring = [patients[name][i] for name in names for i in rng.permutation(len(patients[name]))]
    largest = max(len(own) for own in patients.values())
    return ring, largest if largest < len(ring) else 1


def gibberish_prompt(view: ModelView, data: TaskData, /) -> ModelView:
    """Every text replaced by pronounceable nonsense of as many words, always the same.

    Of a question with candidates only the question is replaced.
    """

    def text_features(texts: Sequence[str]) -> Float[np.ndarray, "n dim"]:
        return view.text_features([gibberish(text, seed=data.seed) for text in texts])

    def answer_scores(sample: Sample, prompt: str, candidates: Sequence[str]) -> AnswerScores:
        return view.answer_scores(sample, gibberish(prompt, seed=data.seed), candidates)

    return replace(
        view,
        text_features=text_features,
        answer_scores=answer_scores,
        answer=lambda sample, prompt: view.answer(sample, gibberish(prompt, seed=data.seed)),
        written=lambda asked: view.written(
            [(sample, gibberish(prompt, seed=data.seed)) for sample, prompt in asked]
        ),
        attribution=lambda sample, text: view.attribution(sample, gibberish(text, seed=data.seed)),
    )


def gibberish(text: str, /, *, seed: int) -> str:
    """Nonsense with as many words as `text`; no word of it, negation included, is kept."""
    rng = seeded(seed, "gibberish", text)
    return " ".join(_nonsense_word(rng) for _ in text.split())


def _nonsense_word(rng: np.random.Generator) -> str:
    n_syllables = int(rng.integers(2, 4))
    consonants = rng.choice(list("bdfgklmprtvz"), size=n_syllables)
    vowels = rng.choice(list("aeiou"), size=n_syllables)
    return "".join(c + v for c, v in zip(consonants, vowels, strict=True))


PER_MODEL = MappingProxyType(
    {
        "blank-image": blank_image,
        "shuffled-images": shuffled_images,
        "gibberish-prompt": gibberish_prompt,
        "random-weights": random_weights,
    }
)
CONTROLS = (*MODEL_FREE, *PER_MODEL)
