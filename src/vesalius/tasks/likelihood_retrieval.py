"""Retrieval by generators: how much likelier an image makes a caption than no image does."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from vesalius.capabilities import AnswerScorer, ImageEncoder
from vesalius.errors import InputError
from vesalius.metrics.retrieval import rank_positives_in
from vesalius.records import DatasetCard, Json, Predictions, Sample, TaskCard
from vesalius.tasks import Scored, TaskData
from vesalius.tasks.controls import ModelFree, blank_image, seeded
from vesalius.tasks.first_stage import best, neighbour_captions, with_captions
from vesalius.tasks.retrieval_scores import score_retrieval
from vesalius.tasks.retrieval_table import (
    Ranking,
    Search,
    captioned,
    cross_modal_searches,
    rows_of,
)
from vesalius.tasks.settings import from_settings, settings_of
from vesalius.views import ModelView

DIGITS = 4  # log-likelihoods of whole captions, about -100, repeat to a relative 1e-6


@dataclass(frozen=True, slots=True)
class LikelihoodRetrieval:
    """Every test caption scored for every test image, minus its score for a blank image.

    One matrix serves both directions: rows rank captions for an image, columns images for a
    caption. Without the blank image every query would find the captions that are likely anyway.
    A gallery larger than `full_gallery` is ranked by a first stage (see
    `first_stage.neighbour_captions`); its best `reranked` items, per query, are put in the order of
    the likelihood, the others follow in the order of the first stage.

    Attributes:
        normalised: whether a caption's log-likelihood is divided by its number of tokens; this
            changes the order of captions for an image, never that of images for a caption.
        full_gallery: the largest gallery in which every pair is scored.
        reranked: items of a larger gallery that are put in the order of the likelihood, per query.
        neighbours: train images that the first stage looks at.

    Source: Lin et al. (2024), arXiv:2306.01879, for the image's gain over a blank prior.
    """

    score_of_pair: Literal["log p(caption | image) - log p(caption | blank image)"] = (
        "log p(caption | image) - log p(caption | blank image)"
    )
    normalised: Literal["sum over tokens", "per token"] = "sum over tokens"
    full_gallery: int = 200
    first_stage: Literal["tf-idf cosine with the captions of the nearest train images"] = (
        "tf-idf cosine with the captions of the nearest train images"
    )
    reranked: int = 64
    neighbours: int = 8
    unanswered: Literal["scores 0, ranks last"] = "scores 0, ranks last"
    ties: Literal["pessimistic, within 1e-4"] = "pessimistic, within 1e-4"
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
        return TaskCard("retrieval", "likelihood", settings_of(self))

    @property
    def controls(self) -> tuple[str, ...]:
        """Random scores, and images that say nothing or belong to another row."""
        return ("random", "blank-image", "shuffled-images")

    def unsuitable(self, view: ModelView, data: TaskData, /) -> str | None:
        """Why this model cannot be asked, or this dataset has no gallery."""
        n = len(captioned(data))
        if n < 2:
            return "fewer than two test rows with a caption"
        if isinstance(view.model, ModelFree):
            return None
        if not isinstance(view.model, AnswerScorer):
            return "model gives no likelihood of answers"
        return self._no_first_stage(view, data) if n > self.full_gallery else None

    def _no_first_stage(self, view: ModelView, data: TaskData) -> str | None:
        needs = f"a gallery of more than {self.full_gallery} captions needs a first stage"
        if not with_captions(data):
            return f"{needs}, but no train row has a caption"
        if not isinstance(view.model, ImageEncoder):
            return f"{needs}, but the model has no image embedding"
        return None

    def expected(self, data: TaskData, /) -> tuple[str, ...]:
        """Keys ``direction/relevance/id``, search by search, each by id."""
        return tuple(key for search in cross_modal_searches(data) for key in search.keys)

    def predict(
        self, view: ModelView, data: TaskData, done: frozenset[str], /
    ) -> Iterator[Predictions]:
        """Score all pairs, then yield the rows that are not done."""
        searches = [s for s in cross_modal_searches(data) if not done.issuperset(s.keys)]
        if not searches:
            return
        gallery = captioned(data)
        scores = self._scores(view, data, gallery)
        place = {sample.id: row for row, sample in enumerate(gallery)}
        for search in searches:
            rows = np.array([place[s.id] for s in search.samples])
            ranking = _ranking(search, scores[search.direction][np.ix_(rows, rows)])
            yield from rows_of(search, ranking, data.card, done=done)

    def score(self, predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
        """Metrics and chance levels, overall first, then per direction and relevance."""
        del card
        return score_retrieval(predictions)

    def _scores(
        self, view: ModelView, data: TaskData, gallery: Sequence[Sample]
    ) -> dict[str, Float[np.ndarray, "queries gallery"]]:
        """Per direction a row of scores for each query; NaN where an image cannot be read."""
        n = len(gallery)
        if isinstance(view.model, ModelFree):
            drawn = [seeded(view.model.seed, "likelihood", s.id).normal(size=n) for s in gallery]
            return _both_ways(np.stack(drawn))
        if n <= self.full_gallery:
            everything = np.ones((n, n), dtype=np.bool_)
            return _both_ways(self._gain(view, data, gallery, everything))
        first = _both_ways(neighbour_captions(view, data, gallery, neighbours=self.neighbours))
        top = {way: best(scores, n=self.reranked) for way, scores in first.items()}
        asked = top["image→text"] | top["text→image"].T
        gain = _both_ways(self._gain(view, data, gallery, asked))
        return {way: _reranked(gain[way], first[way], top[way]) for way in first}

    def _gain(
        self,
        view: ModelView,
        data: TaskData,
        gallery: Sequence[Sample],
        asked: Bool[np.ndarray, "images captions"],
    ) -> Float[np.ndarray, "images captions"]:
        """What each image adds to the log-likelihood of the captions asked for; others are NaN."""
        texts = list(dict.fromkeys(s.caption or "" for s in gallery))
        column = {text: number for number, text in enumerate(texts)}
        text_of = np.array([column[s.caption or ""] for s in gallery])
        prior = self._likelihood(blank_image(view, data), gallery[0], texts)
        gain = np.full(asked.shape, np.nan)
        for row, sample in enumerate(gallery):
            wanted = np.unique(text_of[asked[row]])
            found = np.full(len(texts), np.nan)
            found[wanted] = self._likelihood(view, sample, [texts[i] for i in wanted])
            gain[row, asked[row]] = (found - prior)[text_of[asked[row]]]
        return gain.round(DIGITS)

    def _likelihood(
        self, view: ModelView, sample: Sample, texts: Sequence[str]
    ) -> Float[np.ndarray, " texts"]:
        scores = view.answer_scores(sample, "", texts)
        if self.normalised == "per token":
            per_token: np.ndarray = scores.log_likelihood / np.maximum(scores.n_tokens, 1)
            return per_token
        return scores.log_likelihood


def likelihood(settings: Mapping[str, Json], /) -> LikelihoodRetrieval:
    """The protocol with some settings changed.

    Raises:
        InputError: for an unknown setting, or a number that is not positive.
    """
    task = from_settings(LikelihoodRetrieval, settings)
    for name in ("full_gallery", "reranked", "neighbours"):
        value = getattr(task, name)
        if value < 1:
            raise InputError(f"{name}: expected a positive number, got {value}")
    return task


def _both_ways(pairs: Float[np.ndarray, "images captions"]) -> dict[str, np.ndarray]:
    return {"image→text": pairs, "text→image": pairs.T}


def _reranked(
    gain: Float[np.ndarray, "queries gallery"],
    first: Float[np.ndarray, "queries gallery"],
    top: Bool[np.ndarray, "queries gallery"],
) -> Float[np.ndarray, "queries gallery"]:
    """The top by gain, everything else below it in the order of the first stage, in [0, 1]."""
    known = gain[top]
    lowest = np.min(known, initial=0.0, where=np.isfinite(known))
    return np.where(top, gain, lowest - 2.0 + first)


def _ranking(search: Search, scores: Float[np.ndarray, "queries gallery"]) -> Ranking:
    """Items without a score come last, queries without any have no answer."""
    present = np.isfinite(scores)
    below = np.min(scores, initial=0.0, where=present) - 1.0
    complete = np.where(present, scores, below)
    ranks = rank_positives_in(complete, search.positives, excluded=search.excluded)
    return Ranking(ranks, lambda rows: complete[rows], present.any(axis=1))
