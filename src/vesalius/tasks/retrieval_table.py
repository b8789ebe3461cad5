"""Searches of a retrieval protocol, and the rows that a ranking of their galleries becomes.

Relevance is either the *pair* (the caption of this image) or a shared *label*. Captions that
differ only in case or spacing are one caption: each counts as right for the images of all.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from vesalius.metrics.retrieval import Ranks, average_precision, rank_first
from vesalius.records import DatasetCard, Predictions, Sample
from vesalius.tasks import TaskData
from vesalius.tasks.classification import CHUNK, sample_columns

Direction = Literal["image→text", "text→image", "image→image"]
Relevance = Literal["pair", "label"]
N_SHOWN = 10
CROSS_MODAL: tuple[Direction, ...] = ("image→text", "text→image")


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


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """The whole gallery ranked for every query of a search.

    Attributes:
        ranks: per query the ascending 1-based ranks of its positives.
        similarity: query rows → their similarity to each item of the gallery, higher is better.
        answered: whether the model had an answer to each query; else its positives rank last.
    """

    ranks: list[Ranks]
    similarity: Callable[[np.ndarray], Float[np.ndarray, "queries gallery"]]
    answered: Bool[np.ndarray, " queries"]


def captioned(data: TaskData, /) -> tuple[Sample, ...]:
    """Test rows with a caption, by id: the gallery of searches between image and text."""
    return tuple(s for s in _test(data) if s.caption and s.caption.strip())


def cross_modal_searches(data: TaskData, /) -> list[Search]:
    """Both directions between image and text, by pair and, where there are classes, by label."""
    found: list[Search] = []
    samples = captioned(data)
    if len(samples) < 2:
        return found
    both = tuple(s for s in samples if s.labelled) if data.card.classes else ()
    for direction in CROSS_MODAL:
        found.append(Search(direction, "pair", samples, _same_caption(samples)))
        if len(both) > 1:
            found.append(Search(direction, "label", both, _same_label(both)))
    return found


def image_searches(data: TaskData, /) -> list[Search]:
    """Images of other patients by shared label; none if no two patients share one."""
    samples = tuple(s for s in _test(data) if s.labelled) if data.card.classes else ()
    positives = _without_own_patient(_same_label(samples), samples)
    if not any(len(rows) for rows in positives):
        return []
    return [Search("image→image", "label", samples, positives, _same_patient(samples))]


def _test(data: TaskData) -> list[Sample]:
    return sorted((s for s in data.samples if s.split == "test"), key=lambda s: s.id)


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


def rows_of(
    search: Search, ranking: Ranking, card: DatasetCard, /, *, done: frozenset[str]
) -> Iterator[Predictions]:
    """The rows of a ranked search that are not done, in batches."""
    sizes, answered = search.gallery_sizes, ranking.answered
    ranks = list(ranking.ranks)
    for row in np.flatnonzero(~answered):
        ranks[row] = np.full(len(ranks[row]), sizes[row])
    ids, keys = np.array([s.id for s in search.samples], dtype=np.str_), search.keys
    for start in range(0, len(ids), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(ids)))
        wanted = rows[[keys[row] not in done for row in rows]]
        if not len(wanted):
            continue
        # borders of a batch do not depend on what is done: the same products, the same bits
        shown = _first(ranking.similarity(rows), rows, search)[np.isin(rows, wanted)]
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
