"""Generation by inversion: how much of a picture its frozen embedding keeps."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vesalius.capabilities import ImageEncoder
from vesalius.records import DatasetCard, Json, Predictions, Sample, Split, TaskCard
from vesalius.tasks import Scored, TaskData
from vesalius.tasks.classification import Part
from vesalius.tasks.controls import ModelFree
from vesalius.tasks.generation_scores import score_pictures
from vesalius.tasks.generation_table import (
    Studio,
    model_free_pictures,
    picture_rows,
    samples_of,
    unsuitable_samples,
)
from vesalius.tasks.picture_decoder import (
    STRENGTHS,
    Lesson,
    check_lesson,
    decoding,
    learn,
    nearest,
)
from vesalius.tasks.settings import from_settings, settings_of
from vesalius.views import ModelView

DECODED, NEAREST = Part("", {"nearest": 0}), Part("nearest/", {"nearest": 1})


@dataclass(frozen=True, slots=True)
class Inversion:
    """Ridge regression from the image embedding to principal components of pictures.

    A second set of rows, ``[nearest]``, shows the train picture whose embedding is nearest by
    cosine: what remembering does without any decoding.

    Attributes:
        side: width and height of the pictures, in pixels.
        components: how many principal components of train pictures are decoded, at most.
        strengths: penalties that are tried on val; see `fit_ridge`.
        train_limit: most train rows that are used, drawn by the seed.
        judge: the encoder whose features the distances between sets compare.
    """

    side: int = 64
    components: int = 64
    strengths: tuple[float, ...] = STRENGTHS
    train_limit: int = 2000
    judge: str = "mini:biomedclip"
    tuned: Literal["least squared error on val, else leaving one out of train"] = (
        "least squared error on val, else leaving one out of train"
    )
    pictures: Literal["as shown, grey, area-averaged to a square; middle axial slice"] = (
        "as shown, grey, area-averaged to a square; middle axial slice"
    )
    missing: Literal["0 in means, left out of distances"] = "0 in means, left out of distances"
    metrics_version: Literal[1] = 1

    @property
    def card(self) -> TaskCard:
        """Settings as data."""
        return TaskCard("generation", "inversion", settings_of(self))

    @property
    def controls(self) -> tuple[str, ...]:
        """The mean and a random train picture, other images, and an encoder that learnt nothing.

        A blank image has one embedding, which decodes to the mean picture: ``majority``.
        """
        return ("majority", "random", "shuffled-images", "random-weights")

    def unsuitable(self, view: ModelView, data: TaskData, /) -> str | None:
        """Why there is nothing to decode, or to learn decoding from."""
        if not isinstance(view.model, (ModelFree, ImageEncoder)):
            return "model has no image embedding"
        return unsuitable_samples(data, captioned=False)

    def expected(self, data: TaskData, /) -> tuple[str, ...]:
        """Ids of the test rows, decoded and nearest."""
        ids = [sample.id for sample in samples_of(data, "test")]
        return tuple(part.prefix + name for part in (DECODED, NEAREST) for name in ids)

    def predict(
        self, view: ModelView, data: TaskData, done: frozenset[str], /
    ) -> Iterator[Predictions]:
        """Decode every test row, then look up its nearest neighbour in train."""
        if done.issuperset(self.expected(data)):
            return
        studio = Studio(view, data, self.side, view.store.judge(self.judge), "inversion")
        if isinstance(view.model, ModelFree):
            train = studio.pictures(samples_of(data, "train", limit=self.train_limit))
            free = model_free_pictures(view.model, train, side=self.side)
            makers = [(DECODED, free), (NEAREST, free)]
        else:
            view.image_features(self._shown(data))  # at once: weights are shuffled only once
            decoder = learn(studio, view.image_features, self.lesson)
            makers = [
                (DECODED, decoding(decoder, view.image_features, side=self.side)),
                (NEAREST, nearest(decoder, view.image_features, side=self.side)),
            ]
        yield from picture_rows(makers, samples_of(data, "test"), studio, done=done)

    def _shown(self, data: TaskData) -> list[Sample]:
        """Every sample whose embedding is asked for."""
        limits: dict[Split, int] = {"train": self.train_limit, "val": self.train_limit, "test": 0}
        return [s for split, limit in limits.items() for s in samples_of(data, split, limit=limit)]

    def score(self, predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
        """SSIM, MS-SSIM, PSNR and distances, of decoded pictures and of nearest neighbours."""
        del card
        scored = []
        for part, suffix in ((DECODED, ""), (NEAREST, "[nearest]")):
            rows = np.flatnonzero(predictions["nearest"] == part.columns["nearest"])
            scored += score_pictures(
                predictions, rows, judge=self.judge, side=self.side, suffix=suffix
            )
        return scored

    @property
    def lesson(self) -> Lesson:
        """How the decoder is learnt."""
        return Lesson(self.components, self.strengths, self.train_limit)


def inversion(settings: Mapping[str, Json], /) -> Inversion:
    """The protocol with some settings changed.

    Raises:
        InputError: for an unknown setting or a value it cannot have.
    """
    task = from_settings(Inversion, settings)
    check_lesson(task.lesson, side=task.side)
    return task
