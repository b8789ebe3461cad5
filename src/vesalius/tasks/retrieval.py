"""Retrieval by embeddings: every query against the full test gallery, never inside batches."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from vesalius.capabilities import DualEncoder, ImageEncoder
from vesalius.metrics.retrieval import rank_positives
from vesalius.records import DatasetCard, Json, Predictions, TaskCard
from vesalius.tasks import Scored, TaskData
from vesalius.tasks.controls import ModelFree
from vesalius.tasks.retrieval_scores import score_retrieval
from vesalius.tasks.retrieval_table import (
    CROSS_MODAL,
    Ranking,
    Search,
    cross_modal_searches,
    image_searches,
    rows_of,
)
from vesalius.tasks.settings import from_settings, settings_of
from vesalius.views import ModelView

NOT_COSINE = -2.0  # below every cosine


@dataclass(frozen=True, slots=True)
class EmbeddingRetrieval:
    """Cosine between embeddings; see `embedding` and `image_embedding`."""

    protocol: Literal["embedding", "image-embedding"] = "embedding"
    gallery: Literal["test rows with captions, or with labels for label relevance"] = (
        "test rows with captions, or with labels for label relevance"
    )
    own_patient: Literal["left out of the gallery of image→image"] = (
        "left out of the gallery of image→image"
    )
    unanswered: Literal["scores 0, ranks last"] = "scores 0, ranks last"
    ties: Literal["pessimistic, within 1e-6"] = "pessimistic, within 1e-6"
    duplicates: Literal["same caption up to case and spacing is relevant"] = (
        "same caption up to case and spacing is relevant"
    )
    shared_label: Literal["any label in common, or both without finding"] = (
        "any label in common, or both without finding"
    )
    metrics_version: Literal[1] = 1

    @property
    def card(self) -> TaskCard:
        """Settings as data."""
        return TaskCard("retrieval", self.protocol, settings_of(self))

    @property
    def controls(self) -> tuple[str, ...]:
        """Random features, and images that say nothing or belong to another row."""
        return ("random", "blank-image", "shuffled-images")

    def unsuitable(self, view: ModelView, data: TaskData, /) -> str | None:
        """Why this model on this dataset has no gallery to search."""
        searches = self._searches(data)
        if not searches:
            return self._nothing_to_search(data)
        if isinstance(view.model, ModelFree):
            return None
        if not isinstance(view.model, ImageEncoder):
            return "model has no image embedding"
        needs_text = any(search.direction in CROSS_MODAL for search in searches)
        if needs_text and not isinstance(view.model, DualEncoder):
            return "model has no text embedding in the image space"
        return None

    def expected(self, data: TaskData, /) -> tuple[str, ...]:
        """Keys ``direction/relevance/id``, search by search, each by id."""
        return tuple(key for search in self._searches(data) for key in search.keys)

    def predict(
        self, view: ModelView, data: TaskData, done: frozenset[str], /
    ) -> Iterator[Predictions]:
        """Rank over the whole gallery, then yield the rows that are not done."""
        for search in self._searches(data):
            if not done.issuperset(search.keys):
                yield from rows_of(search, _ranked(search, view), data.card, done=done)

    def score(self, predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
        """Metrics and chance levels, overall first, then per direction and relevance."""
        del card
        return score_retrieval(predictions)

    def _searches(self, data: TaskData) -> tuple[Search, ...]:
        between = cross_modal_searches(data) if self.protocol == "embedding" else []
        return (*between, *image_searches(data))

    def _nothing_to_search(self, data: TaskData) -> str:
        if not any(s.split == "test" for s in data.samples):
            return "no test rows"
        if self.protocol == "embedding":
            return "fewer than two test rows with a caption, and no two patients that share a label"
        return "no two test rows of different patients share a label"


def embedding(settings: Mapping[str, Json], /) -> EmbeddingRetrieval:
    """All directions that the dataset allows, for models with text and image in one space."""
    return from_settings(EmbeddingRetrieval, {"protocol": "embedding", **settings})


def image_embedding(settings: Mapping[str, Json], /) -> EmbeddingRetrieval:
    """Only image→image by shared label, for any image encoder."""
    return from_settings(EmbeddingRetrieval, {"protocol": "image-embedding", **settings})


def _ranked(search: Search, view: ModelView) -> Ranking:
    queries, gallery, answered = _features(search, view)
    ranks = rank_positives(queries, gallery, search.positives, excluded=search.excluded)
    return Ranking(ranks, lambda rows: queries[rows] @ gallery.T, answered)


def _features(
    search: Search, view: ModelView
) -> tuple[
    Float[np.ndarray, "queries dim"], Float[np.ndarray, "gallery dim"], Bool[np.ndarray, " queries"]
]:
    """Finite embeddings, one dimension added where rows are missing.

    A missing item gets a similarity below every cosine, so it comes last; a missing query ties
    with everything, which pessimistic ranking turns into the worst possible ranks.
    """

    def side(kind: str) -> np.ndarray:
        if kind == "image":
            return view.image_features(search.samples)
        return view.text_features([s.caption or "" for s in search.samples])

    from_kind, _, to_kind = search.direction.partition("→")
    queries, gallery = side(from_kind), side(to_kind)
    answered, present = (np.isfinite(rows).all(axis=1) for rows in (queries, gallery))
    if not (answered.all() and present.all()):
        queries = np.hstack([queries, np.ones((len(queries), 1))])
        gallery = np.hstack([gallery, np.zeros((len(gallery), 1))])
        queries[~answered] = 0.0
        gallery[~present] = 0.0
        gallery[~present, -1] = NOT_COSINE
    return queries.astype(np.float32), gallery.astype(np.float32), answered
