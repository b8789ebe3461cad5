"""Generation from text: pictures made from frozen text embeddings, or by a model that draws."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from vesalius.capabilities import ImageGenerator, LanguageEncoder, TextEncoder
from vesalius.errors import InputError
from vesalius.records import DatasetCard, Json, Predictions, Sample, TaskCard
from vesalius.tasks import Scored, TaskData
from vesalius.tasks.classification import Part
from vesalius.tasks.controls import ModelFree, seeded
from vesalius.tasks.generation_pictures import Picture, picture_of, shown_texts
from vesalius.tasks.generation_scores import agreement, score_pictures
from vesalius.tasks.generation_table import (
    Make,
    Studio,
    model_free_pictures,
    picture_rows,
    samples_of,
    unsuitable_samples,
)
from vesalius.tasks.linear_decoder import noise_root
from vesalius.tasks.picture_decoder import (
    MIN_SIDE,
    STRENGTHS,
    FeaturesOf,
    Lesson,
    check_lesson,
    decoding,
    learn,
)
from vesalius.tasks.settings import from_settings, settings_of
from vesalius.views import ModelView

PictureRule = Literal["as shown, grey, area-averaged to a square; middle axial slice"]
MissingRule = Literal["0 in means, left out of distances"]
PICTURES: PictureRule = "as shown, grey, area-averaged to a square; middle axial slice"
MISSING: MissingRule = "0 in means, left out of distances"


@dataclass(frozen=True, slots=True)
class TextToImage:
    """Linear-Gaussian decoder: ridge regression from caption to picture, plus sampled residuals.

    The residuals are drawn from the Gaussian with the covariance that the errors of leaving one
    train row out have along the principal components: a sample is then no blurred mean. What lies
    outside the components is not drawn. Each sample's draw depends on the seed and its id alone.

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
    condition: Literal["text embedding, else mean last hidden state of the language model"] = (
        "text embedding, else mean last hidden state of the language model"
    )
    tuned: Literal["least squared error on val, else leaving one out of train"] = (
        "least squared error on val, else leaving one out of train"
    )
    pictures: PictureRule = PICTURES
    missing: MissingRule = MISSING
    metrics_version: Literal[1] = 1

    @property
    def card(self) -> TaskCard:
        """Settings as data."""
        return TaskCard("generation", "text-to-image", settings_of(self))

    @property
    def lesson(self) -> Lesson:
        """How the decoder is learnt."""
        return Lesson(self.components, self.strengths, self.train_limit, captioned=True)

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
        """Draw one picture for every test caption."""
        if done.issuperset(self.expected(data)):
            return
        studio = Studio(view, data, self.side, view.store.judge(self.judge), "text-to-image")
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

    def _drawing(self, studio: Studio) -> Make:
        features_of = caption_features(studio)
        decoder = learn(studio, features_of, self.lesson)
        if decoder is None:
            return decoding(None, features_of, side=self.side)
        root = noise_root(decoder.ridge.residuals)

        def noise(sample: Sample) -> Float[np.ndarray, " components"]:
            drawn = seeded(studio.data.seed, "text-to-image", sample.id).normal(size=len(root))
            shift: np.ndarray = root @ drawn
            return shift

        return decoding(decoder, features_of, side=self.side, noise=noise)


@dataclass(frozen=True, slots=True)
class External:
    """A model that draws is given the test captions, and its pictures are compared.

    Attributes:
        side: width and height to which pictures and references are brought, in pixels.
        judge: the encoder whose features the distances between sets compare.
    """

    side: int = 64
    judge: str = "mini:biomedclip"
    pictures: PictureRule = PICTURES
    missing: MissingRule = MISSING
    metrics_version: Literal[1] = 1

    @property
    def card(self) -> TaskCard:
        """Settings as data."""
        return TaskCard("generation", "external", settings_of(self))

    @property
    def controls(self) -> tuple[str, ...]:
        """The mean and a random train picture, and captions without meaning."""
        return ("majority", "random", "gibberish-prompt")

    def unsuitable(self, view: ModelView, data: TaskData, /) -> str | None:
        """Why nothing can be drawn."""
        if not isinstance(view.model, (ModelFree, ImageGenerator)):
            return "model does not generate images"
        learns = isinstance(view.model, ModelFree)
        return unsuitable_samples(data, captioned=True, learns=learns)

    def expected(self, data: TaskData, /) -> tuple[str, ...]:
        """Ids of the test rows with a caption."""
        return tuple(sample.id for sample in samples_of(data, "test", captioned=True))

    def predict(
        self, view: ModelView, data: TaskData, done: frozenset[str], /
    ) -> Iterator[Predictions]:
        """Ask for a picture for every test caption."""
        if done.issuperset(self.expected(data)):
            return
        studio = Studio(view, data, self.side, view.store.judge(self.judge), "external")
        if isinstance(view.model, ModelFree):
            make = without_model(studio, view.model)
        else:
            make = _asked(studio)
        samples = samples_of(data, "test", captioned=True)
        yield from picture_rows([(Part(), make)], samples, studio, done=done)

    def score(self, predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
        """Likeness with the caption's own picture, distances of the set, agreement."""
        del card
        return score_drawn(predictions, judge=self.judge, side=self.side)


def text_to_image(settings: Mapping[str, Json], /) -> TextToImage:
    """The protocol with some settings changed.

    Raises:
        InputError: for an unknown setting or a value it cannot have.
    """
    task = from_settings(TextToImage, settings)
    check_lesson(task.lesson, side=task.side)
    return task


def external(settings: Mapping[str, Json], /) -> External:
    """The protocol with some settings changed.

    Raises:
        InputError: for an unknown setting or a value it cannot have.
    """
    task = from_settings(External, settings)
    if task.side < MIN_SIDE:
        raise InputError(f"side: expected at least {MIN_SIDE} pixels, got {task.side}")
    return task


def unsuitable_captions(view: ModelView, data: TaskData, /) -> str | None:
    """Why there is no text to condition a decoder on, or nothing to learn from."""
    if not isinstance(view.model, (ModelFree, TextEncoder, LanguageEncoder)):
        return "model does not embed texts"
    return unsuitable_samples(data, captioned=True)


def score_drawn(predictions: Predictions, /, *, judge: str, side: int) -> list[Scored]:
    """Metrics of a table with one picture for each caption."""
    rows = np.arange(predictions.n_rows)
    likeness = score_pictures(predictions, rows, judge=judge, side=side)
    return [*likeness, agreement(predictions, rows, judge=judge)]


def caption_features(studio: Studio, /) -> FeaturesOf:
    """Embeddings of the samples' captions: the text encoder's, else the language model's."""
    view, model = studio.view, studio.view.model

    def features_of(samples: Sequence[Sample]) -> Float[np.ndarray, "n dim"]:
        captions = [sample.caption or "" for sample in samples]
        if isinstance(model, TextEncoder):
            return view.text_features(captions)
        assert isinstance(model, LanguageEncoder)
        return model.encode_language(shown_texts(view, captions, seed=studio.data.seed))

    return features_of


def _asked(studio: Studio) -> Make:
    model = studio.view.model
    assert isinstance(model, ImageGenerator)

    def make(samples: Sequence[Sample]) -> list[Picture | None]:
        captions = [sample.caption or "" for sample in samples]
        drawn = model.generate_images(shown_texts(studio.view, captions, seed=studio.data.seed))
        if len(drawn) != len(samples):
            raise InputError(f"expected {len(samples)} pictures, the model drew {len(drawn)}")
        return [picture_of(image, side=studio.side) for image in drawn]

    return make


def without_model(studio: Studio, model: ModelFree, /, *, limit: int = 2000) -> Make:
    """Pictures by a control, from train rows with a caption."""
    train = samples_of(studio.data, "train", captioned=True, limit=limit)
    return model_free_pictures(model, studio.pictures(train), side=studio.side)
