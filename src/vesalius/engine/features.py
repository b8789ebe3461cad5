"""Encode once: a model's features of a dataset, taken from the cache where they are known."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, TypeVar

import numpy as np

from vesalius.capabilities import AnswerScorer, AnswerScores, ImageEncoder, TextEncoder
from vesalius.data.manifest import Dataset
from vesalius.data.slices import slices
from vesalius.engine.answers import AnswerMemory
from vesalius.engine.progress import Progress, no_progress
from vesalius.errors import DataError, ModelError
from vesalius.records import Image, ModelCard, Sample, digest_json
from vesalius.store.features import FeatureStore
from vesalius.views import ModelView

DEFAULT_BATCH = 32
# Raise it when reading, slicing or encoding changes: features of older code are then not used.
CODE_VERSION = 1
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SlicePolicy:
    """How a 2D encoder sees a volume: `n` evenly spaced slices along `axis`, mean-pooled."""

    n: int = 16
    axis: Literal["axial", "coronal", "sagittal"] = "axial"
    pool: Literal["mean"] = "mean"


@dataclass(frozen=True, slots=True)
class DataSource:
    """A dataset whose image bytes have been hashed.

    Attributes:
        samples: the rows that take part.
        digests: sample id → content hash of its image; absent when the file cannot be read.
        unreadable: sample id → reason.
        fingerprint: identity of tables, card and image bytes together.
    """

    dataset: Dataset
    samples: tuple[Sample, ...]
    digests: Mapping[str, str]
    unreadable: Mapping[str, str]
    fingerprint: str


def hash_dataset(
    dataset: Dataset, samples: Sequence[Sample], /, *, progress: Progress
) -> DataSource:
    """Hash the images of `samples`; files that cannot be read are named, not raised."""
    advance = progress(f"hashing {dataset.card.name}", len(samples))
    digests: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    for sample in samples:
        try:
            digests[sample.id] = dataset.digest(sample)
        except DataError as error:
            unreadable[sample.id] = error.reason
        advance(1)
    identity = {"card": dataset.card.digest, "images": digests, "unreadable": unreadable}
    return DataSource(dataset, tuple(samples), digests, unreadable, digest_json(identity))


class LazyModel:
    """A model that is loaded when it is first needed; a failure to load is remembered."""

    def __init__(self, load: Callable[[], object], /) -> None:
        self._load = load
        self._loaded: list[object] = []
        self._error = ""

    def get(self) -> object:
        """The model.

        Raises:
            ModelError: if it could not be loaded before; the first failure is raised as it is.
        """
        if self._error:
            raise ModelError(self._error)
        if not self._loaded:
            self._error = "the model could not be loaded; its first cell has the error"
            self._loaded.append(self._load())
            self._error = ""
        return self._loaded[0]

    @property
    def loaded(self) -> object | None:
        """The model if it has been loaded."""
        return self._loaded[0] if self._loaded else None


@dataclass(slots=True)
class FeatureReader:
    """One model on one dataset. Unreadable samples give NaN rows and a line in `problems`."""

    lazy: LazyModel
    card: ModelCard
    source: DataSource
    store: FeatureStore
    batch_size: int | None = None
    policy: SlicePolicy = field(default_factory=SlicePolicy)
    progress: Progress = no_progress
    problems: dict[str, str] = field(default_factory=dict)
    dim: int | None = None
    answers: AnswerMemory = field(default_factory=AnswerMemory)

    @property
    def model(self) -> object:
        """The model, loaded on first use."""
        return self.lazy.get()

    def view(self) -> ModelView:
        """The model as tasks see it."""
        return ModelView(
            name=self.card.name,
            model=self.model,
            image_features=self.image_features,
            text_features=self.text_features,
            read=self.source.dataset.read,
            answer_scores=self.answer_scores,
        )

    def image_features(self, samples: Sequence[Sample], /) -> np.ndarray:
        """Unit rows, float32 (n, dim); a sample without a feature is a row of NaN."""
        namespace = self._namespace("image")
        keys = {s.id: self.source.digests[s.id] for s in samples if s.id in self.source.digests}
        self.problems.update(
            {s.id: self.source.unreadable[s.id] for s in samples if s.id not in keys}
        )
        rows = self.store.get(namespace, list(keys.values()))
        missing = [s for s in samples if s.id in keys and keys[s.id] not in rows]
        label = f"{self.card.name}: encoding images"
        advance = (self.progress if missing else no_progress)(label, len(missing))
        for batch in _batches(missing, self.batch_size or DEFAULT_BATCH):
            encoded = {keys[s.id]: row for s, row in self._encode(batch)}
            if encoded:
                self.store.put(namespace, list(encoded), np.stack(list(encoded.values())))
            rows.update(encoded)
            advance(len(batch))
        return self._complete([rows.get(keys.get(s.id, "")) for s in samples])

    def text_features(self, texts: Sequence[str], /) -> np.ndarray:
        """Unit rows, float32 (n, dim).

        Raises:
            ModelError: if the model has no text encoder.
        """
        if not isinstance(self.model, TextEncoder):
            raise ModelError(f"{self.card.name} has no text encoder")
        namespace = self._namespace("text")
        keys = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
        rows = self.store.get(namespace, keys)
        missing = {k: t for k, t in zip(keys, texts, strict=True) if k not in rows}
        for batch in _batches(list(missing.items()), self.batch_size or DEFAULT_BATCH):
            encoded = _text_rows(self.model, [text for _, text in batch])
            self.store.put(namespace, [key for key, _ in batch], encoded)
            rows.update({key: row for (key, _), row in zip(batch, encoded, strict=True)})
        return np.stack([rows[key] for key in keys])

    def answer_scores(
        self, sample: Sample, prompt: str, candidates: Sequence[str], /
    ) -> AnswerScores:
        """Log-likelihoods of candidates, the mean over the slices of a volume; NaN if unreadable.

        Raises:
            ModelError: if the model gives none.
        """
        if not isinstance(self.model, AnswerScorer):
            raise ModelError(f"{self.card.name} gives no likelihood of answers")
        n = len(candidates)
        nothing = AnswerScores(np.full(n, np.nan), np.zeros(n, np.int64))
        digest = self.source.digests.get(sample.id)
        if digest is None:
            self.problems[sample.id] = self.source.unreadable[sample.id]
            return nothing
        try:
            return self.answers.scores(
                self.model, digest, (prompt, candidates), lambda: self._pictures(sample)
            )
        except DataError as error:
            self.problems[sample.id] = error.reason
            return nothing

    def _namespace(self, capability: str) -> str:
        identity: dict[str, object] = {
            "model": self.card.fingerprint,
            "capability": capability,
            "code": CODE_VERSION,
        }
        if capability == "image":
            card = self.source.dataset.card
            window = None if card.window_hu is None else list(card.window_hu.range)
            identity |= {"slices": asdict(self.policy), "window": window, "modality": card.modality}
        return digest_json(identity)

    def _encode(self, samples: Sequence[Sample]) -> Iterator[tuple[Sample, np.ndarray]]:
        """Features of one batch; what cannot be read or encoded is noted and left out."""
        if not isinstance(self.model, ImageEncoder):
            raise ModelError(f"{self.card.name} has no image encoder")
        readable: list[tuple[Sample, list[Image]]] = []
        for sample in samples:
            try:
                readable.append((sample, self._pictures(sample)))
            except DataError as error:
                self.problems[sample.id] = error.reason
        pictures = [picture for _, shown in readable for picture in shown]
        rows = halving(self.model.encode_images, pictures)
        start = 0
        for sample, shown in readable:
            mine = [row for row in rows[start : start + len(shown)] if row is not None]
            start += len(shown)
            if len(mine) < len(shown):
                self.problems[sample.id] = "oom"
                continue
            pooled = np.mean(mine, axis=0)
            length = float(np.linalg.norm(pooled))
            if np.isfinite(length) and length > 0:
                yield sample, (pooled / length).astype(np.float32)
            else:
                self.problems[sample.id] = "no_finite_feature"

    def _pictures(self, sample: Sample) -> list[Image]:
        image = self.source.dataset.read(sample)
        if not image.is_volume:
            return [image]
        window = self.source.dataset.card.window_hu
        return slices(image, n=self.policy.n, window=window, axis=self.policy.axis)

    def _complete(self, found: list[np.ndarray | None]) -> np.ndarray:
        self.dim = next((len(row) for row in found if row is not None), self.dim)
        blank = np.full(self.dim or self._find_dim(), np.nan, dtype=np.float32)
        return np.stack([blank if row is None else row for row in found])

    def _find_dim(self) -> int:
        """Length of a feature, from any image of the dataset that has one."""
        for sample in self.source.samples:
            if sample.id in self.source.digests and sample.id not in self.problems:
                for _, row in self._encode([sample]):
                    self.dim = len(row)
                    return self.dim
        raise ModelError(
            f"{self.card.name} has no feature for any image of {self.source.dataset.card.name}; "
            f"reasons: {sorted(set(self.problems.values()))}; `vesalius check` names each file"
        )


def _text_rows(model: TextEncoder, texts: Sequence[str]) -> np.ndarray:
    rows = [row for row in halving(model.encode_texts, texts) if row is not None]
    if len(rows) < len(texts):
        raise MemoryError(f"{len(texts) - len(rows)} texts do not fit into memory alone")
    found = np.stack(rows)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return (found / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def halving(
    encode: Callable[[list[T]], np.ndarray], items: Sequence[T], /
) -> list[np.ndarray | None]:
    """One row per item, in halves where memory runs out; None for what does not fit alone.

    Raises:
        ModelError: if the encoder does not give one row per item.
    """
    if not items:
        return []
    try:
        rows = np.asarray(encode(list(items)))
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        if len(items) == 1:
            return [None]
        middle = len(items) // 2
        return halving(encode, items[:middle]) + halving(encode, items[middle:])
    if rows.ndim != 2 or len(rows) != len(items):
        raise ModelError(
            f"expected an array of {len(items)} rows from the encoder, got shape {rows.shape}"
        )
    return list(rows)


def _out_of_memory(error: MemoryError | RuntimeError) -> bool:
    # torch.OutOfMemoryError is a RuntimeError; some drivers raise a plain one with these words
    return isinstance(error, MemoryError) or "out of memory" in str(error).lower()
