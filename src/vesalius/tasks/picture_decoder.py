"""Learning to turn frozen embeddings into pictures, from train rows and tuned on val."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from vesalius.errors import InputError
from vesalius.records import Sample, Split
from vesalius.tasks.generation_pictures import Picture, to_picture
from vesalius.tasks.generation_table import Make, Studio, samples_of
from vesalius.tasks.linear_decoder import Basis, Pairs, Ridge, fit_ridge, principal_components
from vesalius.views import Material

FeaturesOf = Callable[[Sequence[Sample]], np.ndarray]
Noise = Callable[[Sample], np.ndarray]
MIN_SIDE = 11  # the window of SSIM
STRENGTHS = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0)


@dataclass(frozen=True, slots=True)
class Lesson:
    """How a decoder is learnt.

    Attributes:
        components: how many principal components of train pictures are decoded, at most.
        strengths: of the penalty, the best of which is taken.
        train_limit: most rows of train, and of val, that are used.
        captioned: whether only rows with a caption count.
    """

    components: int
    strengths: tuple[float, ...]
    train_limit: int
    captioned: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Decoder:
    """From embeddings to pictures."""

    basis: Basis
    ridge: Ridge
    train: Material


def check_lesson(lesson: Lesson, /, *, side: int) -> None:
    """Refuse settings that no decoder can be learnt with.

    Raises:
        InputError: naming the setting.
    """
    if side < MIN_SIDE:
        raise InputError(f"side: expected at least {MIN_SIDE} pixels, got {side}")
    if lesson.components < 1:
        raise InputError(f"components: expected at least one, got {lesson.components}")
    if not lesson.strengths or min(lesson.strengths) <= 0:
        raise InputError(f"strengths: expected positive numbers, got {list(lesson.strengths)}")
    if lesson.train_limit < 1:
        raise InputError(f"train_limit: expected at least one, got {lesson.train_limit}")


def learn(studio: Studio, features_of: FeaturesOf, lesson: Lesson, /) -> Decoder | None:
    """Fit the decoder; None if no train row has both a picture and an embedding."""
    train, validation = train_and_val(
        studio, features_of, limit=lesson.train_limit, captioned=lesson.captioned
    )
    if not len(train.features):
        return None
    basis = principal_components(train.pictures, lesson.components)
    pairs = [Pairs(m.features, basis.coordinates(m.pictures)) for m in (train, validation)]
    return Decoder(basis, fit_ridge(*pairs, strengths=lesson.strengths), train)


def train_and_val(
    studio: Studio, features_of: FeaturesOf, /, *, limit: int, captioned: bool
) -> tuple[Material, Material]:
    """What a decoder may learn from, and what it is tuned on; at most `limit` rows of each."""

    def rows(split: Split) -> Material:
        samples = samples_of(studio.data, split, captioned=captioned, limit=limit)
        return _material(studio, features_of, samples)

    return rows("train"), rows("val")


def decoding(
    decoder: Decoder | None, features_of: FeaturesOf, /, *, side: int, noise: Noise | None = None
) -> Make:
    """Pictures of samples; none without a decoder or an embedding.

    Args:
        decoder: what was learnt.
        features_of: embeddings of samples, NaN rows where there are none.
        side: of the pictures.
        noise: added to the coordinates of a sample's picture.
    """

    def make(samples: Sequence[Sample]) -> list[Picture | None]:
        if decoder is None:
            return [None] * len(samples)
        features = features_of(samples).astype(np.float64)
        known = complete_rows(features)
        coordinates = decoder.ridge(np.where(known[:, None], features, 0.0))
        if noise is not None:
            coordinates = coordinates + np.stack([noise(sample) for sample in samples])
        rows = decoder.basis.pictures(coordinates)
        return [
            to_picture(row, side=side) if ok else None for row, ok in zip(rows, known, strict=True)
        ]

    return make


def nearest(decoder: Decoder | None, features_of: FeaturesOf, /, *, side: int) -> Make:
    """The train picture whose embedding has the largest cosine; of equals the first by id."""

    def make(samples: Sequence[Sample]) -> list[Picture | None]:
        if decoder is None:
            return [None] * len(samples)
        features = features_of(samples).astype(np.float64)
        known = complete_rows(features)
        # rounded, for the last bits depend on how many rows are multiplied at once
        cosines = (np.where(known[:, None], features, 0.0) @ decoder.train.features.T).round(6)
        found = decoder.train.pictures[cosines.argmax(axis=1)]
        return [
            to_picture(row, side=side) if ok else None for row, ok in zip(found, known, strict=True)
        ]

    return make


def complete_rows(features: Float[np.ndarray, "n dim"], /) -> Bool[np.ndarray, " n"]:
    """Which rows have no NaN."""
    found: np.ndarray = np.isfinite(features)
    return np.asarray(found.all(axis=1))


def _material(studio: Studio, features_of: FeaturesOf, samples: Sequence[Sample]) -> Material:
    pictures = studio.pictures(samples)
    readable = [sample for sample in samples if sample.id in pictures]
    if not readable:
        return Material(np.zeros((0, 1)), np.zeros((0, studio.side**2)))
    features = features_of(readable).astype(np.float64)
    known = complete_rows(features)
    flat = np.stack([pictures[sample.id].reshape(-1) for sample in readable])
    return Material(features[known], flat[known].astype(np.float64))
