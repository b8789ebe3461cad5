"""Features of samples and of texts, computed where the cache has none."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np

from vesalius.engine.batches import batches
from vesalius.engine.progress import Progress, no_progress
from vesalius.engine.sources import DataSource
from vesalius.errors import ModelError
from vesalius.records import Sample
from vesalius.store.features import Features, FeatureStore

DEFAULT_BATCH = 32
Encode = Callable[[Sequence[Sample]], Iterator[tuple[Sample, np.ndarray]]]


@dataclass(slots=True)
class KeptFeatures:
    """What one model makes of one dataset, in namespaces of the cache.

    Attributes:
        name: of the model.
        source: the dataset with the content of its images.
        store: the cache.
        problems: sample id → why it has no feature; grows.
        batch_size: samples or texts at once.
        shapes: namespace → shape of the feature of a sample, once it is known.
    """

    name: str
    source: DataSource
    store: FeatureStore
    problems: dict[str, str]
    batch_size: int | None = None
    progress: Progress = no_progress
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def of_samples(
        self,
        samples: Sequence[Sample],
        namespace: str,
        encode: Encode,
        prepared: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> np.ndarray:
        """Features by content of the images, float32; NaN for a sample without one.

        Args:
            samples: any of the source.
            namespace: of the cache.
            encode: samples → features of those that have one; the others are in `problems`.
            prepared: what has to be around `encode`.

        Raises:
            ModelError: if features have several shapes, or no image of the dataset has one.
        """
        keys = {s.id: self.source.digests[s.id] for s in samples if s.id in self.source.digests}
        self.problems.update(
            {s.id: self.source.unreadable[s.id] for s in samples if s.id not in keys}
        )
        rows = self.store.get(namespace, list(keys.values()))
        missing = [s for s in samples if s.id in keys and keys[s.id] not in rows]
        label = f"{self.name}: encoding images"
        advance = (self.progress if missing else no_progress)(label, len(missing))
        with prepared() if missing else nullcontext():
            for batch in batches(missing, self.batch_size or DEFAULT_BATCH):
                encoded = {keys[s.id]: row for s, row in encode(batch)}
                if encoded:
                    self.store.put(namespace, list(encoded), list(encoded.values()))
                rows.update(encoded)
                advance(len(batch))
        found = [rows.get(keys.get(s.id, "")) for s in samples]
        return self._complete(found, namespace, encode)

    def of_texts(
        self,
        texts: Sequence[str],
        namespace: str,
        encode: Callable[[list[str]], Features],
    ) -> list[np.ndarray]:
        """The feature of each text, in their order; `encode` gives one feature a text."""
        keys = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
        rows = self.store.get(namespace, keys)
        missing = {k: t for k, t in zip(keys, texts, strict=True) if k not in rows}
        for batch in batches(list(missing.items()), self.batch_size or DEFAULT_BATCH):
            encoded = encode([text for _, text in batch])
            self.store.put(namespace, [key for key, _ in batch], encoded)
            rows.update({key: row for (key, _), row in zip(batch, encoded, strict=True)})
        return [rows[key] for key in keys]

    def _complete(
        self, found: Sequence[np.ndarray | None], namespace: str, encode: Encode
    ) -> np.ndarray:
        """All features as one array; what is missing is NaN, in the shape that the others have."""
        shapes = {row.shape for row in found if row is not None}
        if not shapes and namespace not in self.shapes:
            shapes = {self._find_shape(encode)}
        shapes |= {self.shapes[namespace]} if namespace in self.shapes else set()
        if len(shapes) > 1:
            raise ModelError(
                f"{self.name}: expected features of one shape for all images, got {sorted(shapes)}"
            )
        (self.shapes[namespace],) = shapes
        blank = np.full(self.shapes[namespace], np.nan, dtype=np.float32)
        return np.stack([blank if row is None else row for row in found])

    def _find_shape(self, encode: Encode) -> tuple[int, ...]:
        """Shape of a feature, from any image of the dataset that has one."""
        for sample in self.source.samples:
            if sample.id in self.source.digests and sample.id not in self.problems:
                for _, row in encode([sample]):
                    return row.shape
        raise ModelError(
            f"{self.name} has no feature for any image of {self.source.dataset.card.name}; "
            f"reasons: {sorted(set(self.problems.values()))}; `vesalius check` names each file"
        )
