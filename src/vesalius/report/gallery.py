"""Example queries of a retrieval cell, and the small pictures they need."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from vesalius.records import Predictions
from vesalius.report.plots import group_rows, retrieval_groups
from vesalius.store.pictures import picture_path

MAX_QUERIES = 8
MAX_SHOWN = 5
MAX_PICTURES = 800
MAX_PICTURE_BYTES = 64_000


@dataclass(frozen=True, slots=True)
class Hit:
    """One place of a result list; `picture` is None where none is shown."""

    place: int
    id: str
    correct: bool
    picture: str | None


@dataclass(frozen=True, slots=True)
class Query:
    """One query with the first places of its result list."""

    id: str
    picture: str | None
    rank_first: float
    n_positive: int
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Gallery:
    """Example queries of one direction and relevance."""

    title: str
    n_queries: int
    size: int
    chance: float
    queries: tuple[Query, ...]

    @property
    def asks_with_text(self) -> bool:
        """Whether queries are texts."""
        return self.title.startswith("text→")

    @property
    def finds_text(self) -> bool:
        """Whether the gallery holds texts."""
        return "→text" in self.title


@dataclass(slots=True)
class Pictures:
    """Small pictures embedded once each, by name; refuses what is too much and counts it.

    Attributes:
        enabled: False embeds nothing.
        embedded: name → data URI.
        refused: how many were left out for number or size.
    """

    enabled: bool = True
    embedded: dict[str, str] = field(default_factory=dict)
    refused: int = 0
    _names: dict[tuple[str, str, str], str | None] = field(default_factory=dict)

    def name(self, run: Path, dataset: str, sample_id: str, /) -> str | None:
        """Name of a sample's picture, None when there is none to show."""
        key = (str(run), dataset, sample_id)
        if self.enabled and key not in self._names:
            self._names[key] = self._embed(picture_path(run, dataset, sample_id))
        return self._names.get(key)

    def _embed(self, path: Path) -> str | None:
        return self.add(path.read_bytes()) if path.is_file() else None

    def add(self, content: bytes, /) -> str | None:
        """Name of a picture that was just made; None if it is refused."""
        fits = len(self.embedded) < MAX_PICTURES and len(content) <= MAX_PICTURE_BYTES
        if not (fits and content.startswith(b"\xff\xd8\xff")):
            self.refused += 1
            return None
        name = f"p{len(self.embedded)}"
        self.embedded[name] = "data:image/jpeg;base64," + base64.b64encode(content).decode()
        return name


def galleries(
    predictions: Predictions, /, *, pictures: Pictures, run: Path, dataset: str
) -> tuple[Gallery, ...]:
    """Up to `MAX_QUERIES` queries per direction and relevance, evenly spaced from best to worst."""
    made = []
    for direction, relevance in retrieval_groups(predictions):
        rows = group_rows(predictions, direction, relevance)
        rows = rows[predictions["n_positive"][rows] > 0]
        if not len(rows):
            continue
        order = rows[np.argsort(predictions["rank_first"][rows], kind="stable")]
        picked = order[np.unique(np.linspace(0, len(order) - 1, MAX_QUERIES).round().astype(int))]
        queries = tuple(
            _query(predictions, int(row), pictures=pictures, run=run, dataset=dataset)
            for row in picked
        )
        size = int(predictions["gallery"][rows].max())
        made.append(
            Gallery(f"{direction}, {relevance}", len(rows), size, min(1.0, 5 / size), queries)
        )
    return tuple(made)


def _query(
    predictions: Predictions, row: int, *, pictures: Pictures, run: Path, dataset: str
) -> Query:
    columns: Mapping[str, np.ndarray] = predictions.columns
    shown = zip(columns["top"][row], columns["top_correct"][row], strict=True)
    sample = str(columns["id"][row])
    hits = tuple(
        Hit(place, str(found), bool(is_right), pictures.name(run, dataset, str(found)))
        for place, (found, is_right) in enumerate(islice(shown, MAX_SHOWN), start=1)
    )
    first = float(columns["rank_first"][row])
    own = pictures.name(run, dataset, sample)
    return Query(sample, own, first, int(columns["n_positive"][row]), hits)
