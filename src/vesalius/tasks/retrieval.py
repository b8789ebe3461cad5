"""Retrieval by embeddings: every query against the full test gallery, never inside batches.

Relevance is either the *pair* (the caption of this image) or a shared *label*. Captions that
differ only in case or spacing are one caption: each counts as right for the images of all.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from vesalius.capabilities import DualEncoder, ImageEncoder
from vesalius.metrics.retrieval import average_precision, rank_first, rank_positives
from vesalius.records import DatasetCard, Json, Predictions, Sample, TaskCard
from vesalius.tasks import Scored, TaskData
from vesalius.tasks.classification import CHUNK, sample_columns
from vesalius.tasks.controls import ModelFree
from vesalius.tasks.retrieval_scores import score_retrieval
from vesalius.tasks.settings import from_settings, settings_of
from vesalius.views import ModelView

Direction = Literal["image→text", "text→image", "image→image"]
Relevance = Literal["pair", "label"]
N_SHOWN = 10
CROSS_MODAL: tuple[Direction, ...] = ("image→text", "text→image")
NOT_COSINE = -2.0  # below every cosine


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """One kind of query over one gallery.

    Attributes:
        positives: per query the rows of the gallery that are right, ascending; may be empty.
        excluded: per query the rows that are not in its gallery; None if all are.
    """

    direction: Direction
    relevance: Relevance
    samples: tuple[Sample, ...]
    positives: tuple[np.ndarray, ...]
    excluded: tuple[np.ndarray, ...] | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of its rows."""
        return tuple(f"{self.direction}/{self.relevance}/{s.id}" for s in self.samples)

    @property
    def gallery_sizes(self) -> Int[np.ndarray, " queries"]:
        """Items each query is compared with."""
        n = len(self.samples)
        left_out = [len(rows) for rows in self.excluded] if self.excluded is not None else [0] * n
        return n - np.array(left_out, dtype=np.int64)


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
                yield from _search(search, view, data.card, done=done)

    def score(self, predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
        """Metrics and chance levels, overall first, then per direction and relevance."""
        del card
        return score_retrieval(predictions)

    def _searches(self, data: TaskData) -> tuple[Search, ...]:
        test = sorted((s for s in data.samples if s.split == "test"), key=lambda s: s.id)
        labelled = tuple(s for s in test if s.labelled) if data.card.classes else ()
        found: list[Search] = []
        captioned = tuple(s for s in test if s.caption and s.caption.strip())
        if self.protocol == "embedding" and len(captioned) > 1:
            both = tuple(s for s in captioned if s.labelled) if data.card.classes else ()
            for direction in CROSS_MODAL:
                found.append(Search(direction, "pair", captioned, _same_caption(captioned)))
                if len(both) > 1:
                    found.append(Search(direction, "label", both, _same_label(both)))
        if len(labelled) > 1:
            own = _same_patient(labelled)
            positives = _without_own_patient(_same_label(labelled), labelled)
            if any(len(rows) for rows in positives):
                found.append(Search("image→image", "label", labelled, positives, own))
        return tuple(found)

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


def _same_caption(samples: Sequence[Sample]) -> tuple[np.ndarray, ...]:
    rows: dict[str, list[int]] = {}
    normal = [" ".join((s.caption or "").casefold().split()) for s in samples]
    for row, caption in enumerate(normal):
        rows.setdefault(caption, []).append(row)
    shared = {caption: np.array(found) for caption, found in rows.items()}
    return tuple(shared[caption] for caption in normal)


def _same_label(samples: Sequence[Sample]) -> tuple[np.ndarray, ...]:
    """Rows with a label in common, or both without any; a row is right for itself."""
    rows: dict[str, list[int]] = {}
    for row, sample in enumerate(samples):
        for name in sample.labels or ("",):
            rows.setdefault(name, []).append(row)
    by_labels: dict[frozenset[str], np.ndarray] = {}
    positives = []
    for sample in samples:
        labels = frozenset(sample.labels or ("",))
        if labels not in by_labels:
            by_labels[labels] = np.array(sorted({r for name in labels for r in rows[name]}))
        positives.append(by_labels[labels])
    return tuple(positives)


def _same_patient(samples: Sequence[Sample]) -> tuple[np.ndarray, ...]:
    """Rows of the same patient, itself included; rows of one patient share one array."""
    rows: dict[str, list[int]] = {}
    for row, sample in enumerate(samples):
        rows.setdefault(sample.patient, []).append(row)
    shared = {patient: np.array(found) for patient, found in rows.items()}
    return tuple(shared[s.patient] for s in samples)


def _without_own_patient(
    positives: Sequence[np.ndarray], samples: Sequence[Sample]
) -> tuple[np.ndarray, ...]:
    _, patient = np.unique([s.patient for s in samples], return_inverse=True)
    return tuple(rows[patient[rows] != own] for rows, own in zip(positives, patient, strict=True))


def _search(
    search: Search, view: ModelView, card: DatasetCard, *, done: frozenset[str]
) -> Iterator[Predictions]:
    queries, gallery, answered = _features(search, view)
    ranks = rank_positives(queries, gallery, search.positives, excluded=search.excluded)
    sizes = search.gallery_sizes
    for row in np.flatnonzero(~answered):
        ranks[row] = np.full(len(ranks[row]), sizes[row])
    ids, keys = np.array([s.id for s in search.samples], dtype=np.str_), search.keys
    for start in range(0, len(ids), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(ids)))
        wanted = rows[[keys[row] not in done for row in rows]]
        if not len(wanted):
            continue
        # borders of a batch do not depend on what is done: the same products, the same bits
        shown = _first(queries[rows] @ gallery.T, rows, search)[np.isin(rows, wanted)]
        samples = [search.samples[row] for row in wanted]
        columns = sample_columns(samples, [keys[row] for row in wanted], card)
        found = [ranks[row] for row in wanted]
        columns |= {
            "direction": np.array([search.direction] * len(wanted)),
            "relevance": np.array([search.relevance] * len(wanted)),
            "gallery": sizes[wanted],
            "n_positive": np.array([len(r) for r in found], dtype=np.int64),
            "rank_first": np.array([rank_first(r) for r in found]),
            "average_precision": np.array(
                [average_precision(r) * answered[row] for row, r in zip(wanted, found, strict=True)]
            ),
            "ranks": _lists([r.tolist() for r in found]),
            "top": _lists([ids[places[places >= 0]].tolist() for places in shown]),
            "top_correct": _lists(
                [
                    np.isin(places[places >= 0], search.positives[row]).tolist()
                    for row, places in zip(wanted, shown, strict=True)
                ]
            ),
            "answered": answered[wanted],
        }
        yield Predictions(columns)


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


def _first(
    similarity: Float[np.ndarray, "queries gallery"],
    rows: Int[np.ndarray, " queries"],
    search: Search,
) -> Int[np.ndarray, "queries shown"]:
    """Gallery rows of the best items, -1 where there are no more; wrong before right if tied."""
    rank_key = np.round(similarity.astype(np.float64), 6)
    for place, row in enumerate(rows):
        rank_key[place, search.positives[row]] -= 1e-9
        if search.excluded is not None:
            rank_key[place, search.excluded[row]] = -np.inf
    n_shown = min(N_SHOWN, similarity.shape[1])
    best = np.argpartition(-rank_key, n_shown - 1, axis=1)[:, :n_shown]
    values = np.take_along_axis(rank_key, best, axis=1)
    best = np.take_along_axis(best, np.lexsort((best, -values), axis=1), axis=1)
    shown = np.take_along_axis(rank_key, best, axis=1) > -np.inf
    return np.where(shown, best, -1)


def _lists(values: Sequence[list[object]]) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
