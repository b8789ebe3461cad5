"""Grounding by models that write coordinates."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from vesalius.capabilities import Generator
from vesalius.errors import DataError
from vesalius.records import DatasetCard, Json, Predictions, TaskCard
from vesalius.tasks import Scored, TaskData
from vesalius.tasks.controls import ModelFree
from vesalius.tasks.grounding_model_free import model_free_ground, unsuitable_prior
from vesalius.tasks.grounding_phrases import (
    AskedPhrase,
    asked_phrases,
    in_array_order,
    unsuitable_phrases,
)
from vesalius.tasks.grounding_scores import score_grounding
from vesalius.tasks.grounding_table import Found, Ground, Recipe, Value, predict_phrases
from vesalius.tasks.prompts import fill
from vesalius.tasks.settings import from_settings, settings_of
from vesalius.views import ModelView

Coordinates = Literal["fraction", "thousandths", "pixels"]
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?!\w)|(?<=<loc)\d+(?=>)")
UNITS: Mapping[Coordinates, float] = {"fraction": 1.0, "thousandths": 1000.0}


@dataclass(frozen=True, slots=True)
class TextBox:
    """The model is asked where a phrase is and answers with four numbers.

    They are read as x0, y0, x1, y1 of the original image. Brackets, commas and tokens such as
    ``<loc0123>`` between them do not matter; an answer with more or fewer numbers, or corners in
    the wrong order, is no box: a miss, with `parsed` false. Boxes have the score 1: an answer comes
    without certainty. Columns as in `SimilarityMap` but for the map, and ``text``, ``parsed``.

    Attributes:
        question: what is asked; ``{}`` is the phrase.
        coordinates: what the numbers mean: shares of width and height, thousandths of them, or
            pixels. Never guessed from the numbers.

    Source: Chen et al. (2022), arXiv:2109.10852, for boxes as text.
    """

    question: str = "Where is the {}? Answer with x0, y0, x1, y1 between 0 and 1."
    coordinates: Coordinates = "fraction"
    metrics_version: Literal[1] = 1

    @property
    def card(self) -> TaskCard:
        """Settings as data."""
        return TaskCard("grounding", "text-box", settings_of(self))

    @property
    def controls(self) -> tuple[str, ...]:
        """All of them."""
        return (
            "majority",
            "random",
            "centre-prior",
            "blank-image",
            "shuffled-images",
            "gibberish-prompt",
        )

    def unsuitable(self, view: ModelView, data: TaskData, /) -> str | None:
        """Why this model cannot be asked, or this dataset has nothing to find."""
        reason = unsuitable_phrases(data)
        if reason is not None:
            return reason
        if any(len(box) > 4 for asked in asked_phrases(data, "test") for box in asked.boxes):
            return "four numbers are no box in a volume"
        if isinstance(view.model, ModelFree):
            return unsuitable_prior(view.model, data)
        return None if isinstance(view.model, Generator) else "model writes no text"

    def expected(self, data: TaskData, /) -> tuple[str, ...]:
        """Number and sample of every phrase about a test sample."""
        return tuple(asked.key for asked in asked_phrases(data, "test"))

    def predict(
        self, view: ModelView, data: TaskData, done: frozenset[str], /
    ) -> Iterator[Predictions]:
        """Ask for every phrase."""
        reference = asked_phrases(data, "test")
        if all(asked.key in done for asked in reference):
            return
        if isinstance(view.model, ModelFree):
            ground = model_free_ground(view, view.model, data)
        else:
            open_ones = [asked for asked in reference if asked.key not in done]
            ground = self._ground(view, open_ones)
        columns: dict[str, Value] = {"text": "", "parsed": False}
        recipe = Recipe(ground, view.store.keep, self.card.protocol, columns)
        yield from predict_phrases(recipe, data, done=done)

    def score(self, predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
        """Metrics of boxes, overall and per class that phrases name."""
        del card
        return score_grounding(predictions, maps=False)

    def _ground(self, view: ModelView, phrases: list[AskedPhrase]) -> Ground:
        questions = [(asked.sample, fill(self.question, asked.phrase)) for asked in phrases]
        texts = dict(zip((p.key for p in phrases), view.written(questions), strict=True))

        def ground(asked: AskedPhrase) -> Found | None:
            text = texts[asked.key]
            size = _size(view, asked)
            if text is None or size is None:
                return None
            box = parse_box(text, coordinates=self.coordinates, size=size)
            boxes = np.zeros((0, 4)) if box is None else box[None]
            extra: dict[str, Value] = {"text": text, "parsed": box is not None}
            return Found(boxes, np.ones(len(boxes)), extra=extra)

        return ground


def text_box(settings: Mapping[str, Json], /) -> TextBox:
    """The protocol with some settings changed.

    Raises:
        InputError: for an unknown setting, or a question without a place for the phrase.
    """
    task = from_settings(TextBox, settings)
    fill(task.question, "")
    return task


def parse_box(
    text: str, /, *, coordinates: Coordinates, size: tuple[int, int]
) -> Float[np.ndarray, " 4"] | None:
    """The box that a text names, in array order (row, column, row, column), cut to the image.

    None unless there are exactly four numbers, which make a box that reaches into the image.

    >>> parse_box("(0.1, 0.2), (0.5, 0.6)", coordinates="fraction", size=(10, 20)).tolist()
    [2.0, 2.0, 6.0, 10.0]
    """
    numbers = [float(word) for word in NUMBER.findall(text)]
    if len(numbers) != 4:
        return None
    height, width = size
    (row,) = in_array_order([numbers], n_axes=2)
    if coordinates != "pixels":
        row = row / UNITS[coordinates] * np.array([height, width, height, width])
    box: np.ndarray = row.clip(0.0, [height, width, height, width])
    return box if box[0] < box[2] and box[1] < box[3] else None


def _size(view: ModelView, asked: AskedPhrase) -> tuple[int, int] | None:
    try:
        rows, columns = view.read(asked.sample).size
    except DataError:  # the engine has named the file already
        return None
    return rows, columns
