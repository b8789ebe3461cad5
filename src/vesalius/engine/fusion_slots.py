"""Named inputs of a fusion study from a dataset and frozen models."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vesalius.capabilities import DualEncoder, LanguageEncoder, TextEncoder
from vesalius.data.intensities import WINDOWS
from vesalius.data.manifest import Dataset
from vesalius.data.rows import named_file
from vesalius.engine.features import FeatureReader
from vesalius.engine.fusion_names import TABULAR, SlotName
from vesalius.engine.fusion_tables import tabular_values
from vesalius.engine.prior_features import prior_features
from vesalius.engine.progress import Progress, no_progress
from vesalius.engine.sources import LazyModel, ModelSource, hash_dataset
from vesalius.errors import DataError, UsageError, did_you_mean
from vesalius.fusion.slots import Slot
from vesalius.records import DatasetCard, ModelCard, Sample
from vesalius.store.features import FeatureStore
from vesalius.tasks.vqa_questions import Asked

MOST_WORDS = 77


@dataclass(frozen=True, slots=True)
class Encoders:
    """What features are made with.

    Attributes:
        find: name of a model → its source.
        cache: folder of the feature cache; None keeps features in memory.
    """

    find: Callable[[str], ModelSource]
    cache: Path | None = None
    progress: Progress = field(default=no_progress)


@dataclass(frozen=True, slots=True)
class Unit:
    """What one row of a study is about: a sample, or a question about it."""

    sample: Sample
    asked: Asked | None = None

    @property
    def key(self) -> str:
        """Identity of the row."""
        return self.sample.id if self.asked is None else self.asked.key


@dataclass(frozen=True, slots=True, eq=False)
class SlotReader:
    """A dataset and the models that features are made with; each model is loaded once.

    Attributes:
        problems: slot → sample id → why it has no feature; filled as slots are made.
        cards: slot → the model that it comes from; filled likewise.
    """

    dataset: Dataset
    encoders: Encoders
    problems: dict[str, dict[str, str]] = field(default_factory=dict)
    models: dict[str, LazyModel] = field(default_factory=dict)
    cards: dict[str, ModelCard] = field(default_factory=dict)

    def slot(self, name: SlotName, units: Sequence[Unit], /) -> Slot:
        """The features of units; what a unit does not have is missing.

        Raises:
            UsageError: for features that the dataset or model has not.
            ModelError: if a model cannot be loaded.
        """
        if name.kind == TABULAR:
            values = tabular_values(
                self.dataset.card, [unit.sample for unit in units], columns=_columns(name)
            )
            return Slot(name.text, values, own_units=True)
        if name.kind in ("text", "words", "question"):
            return self._of_texts(name, units)
        return self._of_images(name, units)

    def reader(self, name: SlotName, samples: Sequence[Sample], /) -> FeatureReader:
        """The model of a slot, about to look at the images of samples."""
        source = self.encoders.find(name.model)
        self.cards[name.text] = source.card
        lazy = self.models.setdefault(name.model, LazyModel(source.load))
        dataset, window = self.dataset, name.options.get("window")
        if window is not None:
            dataset = replace(dataset, card=_through(dataset.card, str(window)))
        return FeatureReader(
            lazy=lazy,
            card=source.card,
            source=hash_dataset(
                dataset, samples, progress=self.encoders.progress if samples else no_progress
            ),
            store=FeatureStore(None if source.is_ephemeral else self.encoders.cache),
            progress=self.encoders.progress,
        )

    def _of_texts(self, name: SlotName, units: Sequence[Unit]) -> Slot:
        texts = [_text(name, unit) for unit in units]
        distinct = list(dict.fromkeys(text for text in texts if text))
        if not distinct:
            what = {"question": "a question; ask for --task vqa"}.get(name.kind, "a text there")
            raise UsageError(f"{name.text}: no row of {self.dataset.card.name} has {what}")
        reader = self.reader(name, [])
        if name.kind == "words":
            rows = _padded(reader.word_features(distinct))
        else:
            rows = _embedded(reader, distinct)
        place = {text: i for i, text in enumerate(distinct)}
        found = [place.get(text) if text else None for text in texts]
        return Slot(name.text, _at_units(rows, found), _space(reader, name))

    def _of_images(self, name: SlotName, units: Sequence[Unit]) -> Slot:
        problems = self.problems.setdefault(name.text, {})
        distinct = {unit.sample.id: unit.sample for unit in units}
        shown = {}
        for key, sample in distinct.items():
            try:
                found = self._shown(name, sample)
            except DataError as error:
                problems[key] = error.reason
                continue
            if found is not None:
                shown[key] = found
        if not shown:
            what = "an earlier study" if name.kind in ("prior", "with-prior") else "such an image"
            reasons = f": {sorted(set(problems.values()))}" if problems else ""
            raise UsageError(f"{name.text}: no row of {self.dataset.card.name} has {what}{reasons}")
        samples = list(shown.values())
        reader = self.reader(name, samples)
        rows = _seen(reader, name.kind, samples)
        problems.update(reader.problems)
        place = {key: i for i, key in enumerate(shown)}
        values = _at_units(rows, [place.get(unit.sample.id) for unit in units])
        return Slot(name.text, values, _space(reader, name))

    def _shown(self, name: SlotName, sample: Sample) -> Sample | None:
        """The sample with the image that a slot is about; None if it has none."""
        column = str(name.options.get("column", "image"))
        if name.kind == "prior":
            path = sample.prior_image
            return None if path is None else replace(sample, image=path)
        if name.kind == "volume" and column == "image" and "volume" in sample.extra:
            column = "volume"
        if column != "image":
            if column not in sample.extra:
                hint = did_you_mean(column, sample.extra)
                raise UsageError(f"{name.text}: samples have no column {column!r}{hint}")
            path = named_file(self.dataset.root, sample, column)
            return None if path is None else replace(sample, image=path)
        return sample


def _through(card: DatasetCard, window: str) -> DatasetCard:
    """The card of CT volumes, shown through a named window."""
    if window not in WINDOWS:
        hint = did_you_mean(window, WINDOWS)
        raise UsageError(f"window {window!r}{hint}; there are: {', '.join(WINDOWS)}")
    return replace(card, window_hu=WINDOWS[window], modality="ct")


def _text(name: SlotName, unit: Unit) -> str | None:
    if name.kind == "question":
        return None if unit.asked is None else unit.asked.question.question
    column = name.options.get("column")
    if column is None:
        return unit.sample.caption
    if column not in unit.sample.extra:
        hint = did_you_mean(str(column), unit.sample.extra)
        raise UsageError(f"{name.text}: samples have no column {column!r}{hint}")
    text = unit.sample.extra[str(column)]
    if isinstance(text, float):
        raise UsageError(f"{name.text}: column {column!r} holds numbers; use it under tabular")
    return text


def _at_units(
    rows: Float[np.ndarray, "n *feature"], places: Sequence[int | None]
) -> Float[np.ndarray, "units *feature"]:
    """The feature of each unit by its place among the rows; NaN where it has none."""
    there = [i for i, place in enumerate(places) if place is not None]
    values = np.full((len(places), *rows.shape[1:]), np.nan, dtype=rows.dtype)
    values[there] = rows[[place for place in places if place is not None]]
    return values


def _seen(
    reader: FeatureReader, kind: str, samples: Sequence[Sample]
) -> Float[np.ndarray, "n *feature"]:
    if kind == "patches":
        return reader.patch_features(samples)
    if kind == "with-prior":
        return prior_features(reader, samples)
    return reader.image_features(samples)


def _embedded(reader: FeatureReader, texts: Sequence[str]) -> Float[np.ndarray, "n dim"]:
    if isinstance(reader.model, TextEncoder):
        return reader.text_features(texts)
    if isinstance(reader.model, LanguageEncoder):
        return reader.model.encode_language(texts)
    raise UsageError(f"{reader.card.name}:text: the model does not embed texts")


def _padded(rows: Sequence[Float[np.ndarray, "words dim"]]) -> Float[np.ndarray, "n words dim"]:
    """Rows of one length; what comes after the first words is cut, what is missing is NaN."""
    most = min(MOST_WORDS, max(len(row) for row in rows))
    found = np.full((len(rows), most, rows[0].shape[1]), np.nan, dtype=np.float32)
    for padded, row in zip(found, rows, strict=True):
        padded[: len(row)] = row[:most]
    return found


def _space(reader: FeatureReader, name: SlotName) -> str:
    """The space that slots of a dual encoder share."""
    shared = name.kind not in ("patches", "words") and isinstance(reader.model, DualEncoder)
    return name.model if shared else ""


def _columns(name: SlotName) -> tuple[str, ...]:
    columns = name.options.get("columns")
    return tuple(str(columns).split("+")) if columns is not None else ()
