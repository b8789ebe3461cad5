"""Generation from text by a small network, trained to draw from frozen text embeddings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vesalius.errors import InputError
from vesalius.records import DatasetCard, Json, Predictions, Sample, TaskCard
from vesalius.tasks import Scored, TaskData
from vesalius.tasks.classification import Part
from vesalius.tasks.controls import ModelFree, seeded
from vesalius.tasks.generation_pictures import Picture, to_picture
from vesalius.tasks.generation_table import Make, Studio, picture_rows, samples_of
from vesalius.tasks.picture_decoder import MIN_SIDE, complete_rows, train_and_val
from vesalius.tasks.settings import from_settings, settings_of
from vesalius.tasks.text_to_image import (
    MISSING,
    PICTURES,
    MissingRule,
    PictureRule,
    caption_features,
    score_drawn,
    unsuitable_captions,
    without_model,
)
from vesalius.views import FlowLesson, ModelView

PROTOCOL = "text-to-image-flow"
GROUP = 8  # channels that the network normalises together


@dataclass(frozen=True, slots=True)
class TextToImageFlow:
    """As `TextToImage`, but a rectified flow draws: a U-Net leads noise to a picture.

    It is trained on train rows in every cell, which takes minutes to hours on a processor. The
    noise of a sample depends on the seed and its id alone.

    Attributes:
        side: width and height of the pictures, in pixels.
        channels: channels of the network where it is finest, a multiple of 8.
        epochs: passes over the train rows, at most.
        patience: epochs without a better loss on val, after which training stops.
        batch: train rows of one step of the optimiser.
        rate: learning rate of the optimiser.
        blind: share of train rows that are shown without their embedding, for guidance.
        steps: steps of the solver from noise to picture.
        guidance: how far to go from the velocity without embedding towards that with it; above 1
            the caption counts for more, and pictures vary less.
        train_limit: most train rows that are used, drawn by the seed.
        judge: the encoder whose features the distances between sets compare.

    Source: Liu, Gong and Liu (2023), arXiv:2209.03003; guidance by Ho and Salimans (2022),
    arXiv:2207.12598.
    """

    side: int = 64
    channels: int = 32
    epochs: int = 200
    patience: int = 20
    batch: int = 8
    rate: float = 0.002
    blind: float = 0.1
    steps: int = 32
    guidance: float = 1.0
    train_limit: int = 2000
    judge: str = "mini:biomedclip"
    condition: Literal["text embedding, else mean last hidden state of the language model"] = (
        "text embedding, else mean last hidden state of the language model"
    )
    solver: Literal["Euler"] = "Euler"
    kept: Literal["least loss on val at fixed times and noise, else the last"] = (
        "least loss on val at fixed times and noise, else the last"
    )
    pictures: PictureRule = PICTURES
    missing: MissingRule = MISSING
    metrics_version: Literal[1] = 1

    @property
    def card(self) -> TaskCard:
        """Settings as data."""
        return TaskCard("generation", PROTOCOL, settings_of(self))

    @property
    def controls(self) -> tuple[str, ...]:
        """The mean and a random train picture, and captions without meaning."""
        return ("majority", "random", "gibberish-prompt")

    def unsuitable(self, view: ModelView, data: TaskData, /) -> str | None:
        """Why there is no text to condition on, or nothing to learn from."""
        return unsuitable_captions(view, data)

    def expected(self, data: TaskData, /) -> tuple[str, ...]:
        """Ids of the test rows with a caption."""
        return tuple(sample.id for sample in samples_of(data, "test", captioned=True))

    def predict(
        self, view: ModelView, data: TaskData, done: frozenset[str], /
    ) -> Iterator[Predictions]:
        """Train, then draw one picture for every test caption."""
        if done.issuperset(self.expected(data)):
            return
        studio = Studio(view, data, self.side, view.store.judge(self.judge), PROTOCOL)
        if isinstance(view.model, ModelFree):
            make = without_model(studio, view.model, limit=self.train_limit)
        else:
            make = self._drawing(studio)
        samples = samples_of(data, "test", captioned=True)
        yield from picture_rows([(Part(), make)], samples, studio, done=done)

    def score(self, predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
        """Likeness with the caption's own picture, distances of the set, agreement."""
        del card
        return score_drawn(predictions, judge=self.judge, side=self.side)

    def lesson(self, seed: int, /) -> FlowLesson:
        """How the network is trained and followed."""
        return FlowLesson(
            side=self.side,
            channels=self.channels,
            epochs=self.epochs,
            patience=self.patience,
            batch=self.batch,
            rate=self.rate,
            blind=self.blind,
            steps=self.steps,
            guidance=self.guidance,
            seed=seed,
        )

    def _drawing(self, studio: Studio) -> Make:
        features_of = caption_features(studio)
        train, val = train_and_val(studio, features_of, limit=self.train_limit, captioned=True)
        if not len(train.features):
            return lambda samples: [None] * len(samples)
        seed = studio.data.seed
        draw = studio.view.store.flow(self.lesson(seed), train, val)

        def make(samples: Sequence[Sample]) -> list[Picture | None]:
            features = features_of(samples).astype(np.float64)
            known = complete_rows(features)
            shape = (self.side, self.side)
            noise = np.stack([seeded(seed, PROTOCOL, s.id).normal(size=shape) for s in samples])
            rows = draw(np.where(known[:, None], features, 0.0), noise)
            return [
                to_picture(row, side=self.side) if ok else None
                for row, ok in zip(rows, known, strict=True)
            ]

        return make


def text_to_image_flow(settings: Mapping[str, Json], /) -> TextToImageFlow:
    """The protocol with some settings changed.

    Raises:
        InputError: for an unknown setting or a value it cannot have.
    """
    task = from_settings(TextToImageFlow, settings)
    _check_counts(task)
    if not 0 < task.rate <= 1:
        raise InputError(f"rate: expected a number above 0, at most 1, got {task.rate}")
    if not 0 <= task.blind < 1:
        raise InputError(f"blind: expected a share from 0 to below 1, got {task.blind}")
    if not 0 <= task.guidance < np.inf:
        raise InputError(f"guidance: expected a finite number from 0 on, got {task.guidance}")
    if task.guidance != 1 and not task.blind:
        raise InputError("guidance other than 1 needs `blind` above 0: rows without embedding")
    return task


def _check_counts(task: TextToImageFlow) -> None:
    if task.side < MIN_SIDE:
        raise InputError(f"side: expected at least {MIN_SIDE} pixels, got {task.side}")
    if task.channels < GROUP or task.channels % GROUP:
        raise InputError(f"channels: expected a multiple of {GROUP}, got {task.channels}")
    for name in ("epochs", "patience", "batch", "steps", "train_limit"):
        if getattr(task, name) < 1:
            raise InputError(f"{name}: expected at least one, got {getattr(task, name)}")
