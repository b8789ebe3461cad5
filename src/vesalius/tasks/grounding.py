"""Grounding by maps: how alike each patch is to a phrase, or what a phrase rests on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vesalius.capabilities import Attributor, DenseEncoder, DualEncoder
from vesalius.errors import InputError
from vesalius.placement import Patches
from vesalius.records import DatasetCard, Json, Predictions, TaskCard
from vesalius.tasks import Scored, TaskData
from vesalius.tasks.controls import ModelFree
from vesalius.tasks.grounding_maps import FittedRule, Look, MapRule, by_map, fit_rule
from vesalius.tasks.grounding_model_free import model_free_ground, unsuitable_prior
from vesalius.tasks.grounding_phrases import AskedPhrase, asked_phrases, unsuitable_phrases
from vesalius.tasks.grounding_scores import score_grounding
from vesalius.tasks.grounding_table import Recipe, Value, predict_phrases
from vesalius.tasks.settings import from_settings, settings_of
from vesalius.views import ModelView

DIGITS = 6  # float32 networks repeat their cosines to about 1e-7
CONTROLS = (
    "majority",
    "random",
    "centre-prior",
    "blank-image",
    "shuffled-images",
    "gibberish-prompt",
)

Presence = Literal["max-f1 of the map's peak on val, else train, else every phrase"]
Extent = Literal["max mean IoU on val, else train, else half of the peak's height"]


@dataclass(frozen=True, slots=True)
class SimilarityMap:
    """Cosines of a phrase, as it stands, with every patch; boxes around the highest part.

    A phrase gets a box if its peak reaches a threshold (else it is taken to be absent), and the
    box reaches down to a share of the peak's height above the lowest value. Columns: ``phrase``,
    ``finding`` (the class it names), ``absent``, ``reference`` and ``box`` (lists of boxes in the
    dataset's order of numbers), ``box_score``, ``peak``, ``detected``, ``iou``, ``hit`` (IoU at
    least 0.5), ``pointing``, ``cnr`` (absolute), ``cnr_signed``, ``miou``, ``energy_in_box``,
    ``map`` (path of a picture), ``answered``, the two fitted numbers and where they come from.

    Attributes:
        smoothing: standard deviation of a Gaussian over the map, in patches.
        n_boxes: how many connected components become boxes, the largest first.
        tuning_phrases: how many phrases, drawn with the seed, the two numbers are fitted on.

    Source: Boecking et al. (2022), doi:10.1007/978-3-031-20059-5_1.
    """

    smoothing: float = 0.5
    n_boxes: int = 1
    tuning_phrases: int = 64
    presence: Presence = "max-f1 of the map's peak on val, else train, else every phrase"
    extent: Extent = "max mean IoU on val, else train, else half of the peak's height"
    map_values: Literal["values"] = "values"
    metrics_version: Literal[1] = 1

    @property
    def card(self) -> TaskCard:
        """Settings as data."""
        return TaskCard("grounding", "similarity-map", settings_of(self))

    @property
    def controls(self) -> tuple[str, ...]:
        """All of them."""
        return CONTROLS

    def unsuitable(self, view: ModelView, data: TaskData, /) -> str | None:
        """Why this model has no such map, or this dataset has nothing to find."""
        reason = _unsuitable(view, data)
        if reason is not None or isinstance(view.model, ModelFree):
            return reason
        if not isinstance(view.model, DualEncoder):
            return "model has no text embedding in the image space"
        if not (isinstance(view.model, DenseEncoder) and view.model.dense_text_aligned):
            return "model has no local embeddings in the space of its texts"
        return None

    def expected(self, data: TaskData, /) -> tuple[str, ...]:
        """Number and sample of every phrase about a test sample."""
        return tuple(asked.key for asked in asked_phrases(data, "test"))

    def predict(
        self, view: ModelView, data: TaskData, done: frozenset[str], /
    ) -> Iterator[Predictions]:
        """Find every phrase."""
        rule = MapRule(self.smoothing, self.n_boxes, self.tuning_phrases, self.map_values)
        yield from _predict(similarity(view, data), rule, (view, data, done), self.card.protocol)

    def score(self, predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
        """Metrics of boxes and maps, overall and per class that phrases name."""
        del card
        return score_grounding(predictions, maps=True)


@dataclass(frozen=True, slots=True)
class Attribution:
    """The model's own attribution of a phrase; boxes and columns as in `SimilarityMap`.

    An attribution has no scale of its own: metrics that need one see shares of its peak.

    Attributes:
        smoothing: standard deviation of a Gaussian over the map, in patches.
        n_boxes: how many connected components become boxes, the largest first.
        tuning_phrases: how many phrases, drawn with the seed, the two numbers are fitted on.

    Source: Selvaraju et al. (2017), doi:10.1109/ICCV.2017.74, for gradients as relevance.
    """

    smoothing: float = 0.5
    n_boxes: int = 1
    tuning_phrases: int = 64
    presence: Presence = "max-f1 of the map's peak on val, else train, else every phrase"
    extent: Extent = "max mean IoU on val, else train, else half of the peak's height"
    map_values: Literal["shares of the peak"] = "shares of the peak"
    metrics_version: Literal[1] = 1

    @property
    def card(self) -> TaskCard:
        """Settings as data."""
        return TaskCard("grounding", "attribution", settings_of(self))

    @property
    def controls(self) -> tuple[str, ...]:
        """All of them."""
        return CONTROLS

    def unsuitable(self, view: ModelView, data: TaskData, /) -> str | None:
        """Why this model has no such map, or this dataset has nothing to find."""
        reason = _unsuitable(view, data)
        if reason is not None or isinstance(view.model, (ModelFree, Attributor)):
            return reason
        return "model gives no map of where it looks"

    def expected(self, data: TaskData, /) -> tuple[str, ...]:
        """Number and sample of every phrase about a test sample."""
        return tuple(asked.key for asked in asked_phrases(data, "test"))

    def predict(
        self, view: ModelView, data: TaskData, done: frozenset[str], /
    ) -> Iterator[Predictions]:
        """Find every phrase."""

        def look(asked: AskedPhrase) -> Patches | None:
            return view.attribution(asked.sample, asked.phrase)

        rule = MapRule(self.smoothing, self.n_boxes, self.tuning_phrases, self.map_values)
        yield from _predict(look, rule, (view, data, done), self.card.protocol)

    def score(self, predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
        """Metrics of boxes and maps, overall and per class that phrases name."""
        del card
        return score_grounding(predictions, maps=True)


def similarity_map(settings: Mapping[str, Json], /) -> SimilarityMap:
    """The protocol with some settings changed.

    Raises:
        InputError: for an unknown setting, or a number out of range.
    """
    task = from_settings(SimilarityMap, settings)
    _check(task)
    return task


def attribution(settings: Mapping[str, Json], /) -> Attribution:
    """The protocol with some settings changed.

    Raises:
        InputError: for an unknown setting, or a number out of range.
    """
    task = from_settings(Attribution, settings)
    _check(task)
    return task


def similarity(view: ModelView, data: TaskData, /) -> Look:
    """Cosines of patches with phrases; every phrase is embedded once, on first use."""
    known: dict[str, np.ndarray] = {}

    def look(asked: AskedPhrase) -> Patches | None:
        patches = view.dense(asked.sample)
        if patches is None:
            return None
        if not known:
            texts = sorted({phrase.phrase for phrase in data.phrases})
            known.update(zip(texts, view.text_features(texts), strict=True))
        cosines = patches.values.astype(np.float64) @ known[asked.phrase].astype(np.float64)
        return Patches(cosines.round(DIGITS), patches.placement)

    return look


def _predict(
    look: Look, rule: MapRule, asked: tuple[ModelView, TaskData, frozenset[str]], folder: str
) -> Iterator[Predictions]:
    view, data, done = asked
    if all(phrase.key in done for phrase in asked_phrases(data, "test")):
        return
    if isinstance(view.model, ModelFree):
        ground, fitted = model_free_ground(view, view.model, data), FittedRule(extent=np.nan)
    else:
        fitted = fit_rule(look, data, rule)
        ground = by_map(look, rule, fitted)
    columns: dict[str, Value] = {
        "threshold": fitted.threshold,
        "threshold_source": fitted.threshold_source,
        "extent": fitted.extent,
        "extent_source": fitted.extent_source,
    }
    yield from predict_phrases(Recipe(ground, view.store.keep, folder, columns), data, done=done)


def _unsuitable(view: ModelView, data: TaskData) -> str | None:
    reason = unsuitable_phrases(data)
    if reason is None and isinstance(view.model, ModelFree):
        return unsuitable_prior(view.model, data)
    return reason


def _check(task: SimilarityMap | Attribution) -> None:
    for name, value, least in (
        ("smoothing", task.smoothing, 0),
        ("n_boxes", task.n_boxes, 1),
        ("tuning_phrases", task.tuning_phrases, 1),
    ):
        if not (np.isfinite(value) and value >= least):
            raise InputError(f"setting {name!r}: expected at least {least}, got {value}")
