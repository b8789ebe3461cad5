"""Embeddings of images beside the earlier study of the same patient, from the cache."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from vesalius.capabilities import PriorEncoder
from vesalius.engine.features import CODE_VERSION, FeatureReader
from vesalius.engine.kept_features import KeptFeatures
from vesalius.engine.sources import DataSource
from vesalius.errors import DataError, UsageError
from vesalius.records import Image, Sample, digest_json


def prior_features(
    reader: FeatureReader, samples: Sequence[Sample], /
) -> Float[np.ndarray, "n dim"]:
    """Unit rows, float32; a sample without an earlier study is embedded alone.

    Rows of NaN, and a line in the reader's problems, where an image or prior cannot be read.

    Raises:
        UsageError: if the model does not look at earlier studies, or images are volumes.
        ModelError: if the model cannot be loaded, or no image has a feature.
    """
    model, card = reader.model, reader.source.dataset.card
    if not isinstance(model, PriorEncoder):
        raise UsageError(f"{reader.card.name}:with-prior: the model does not look at prior studies")
    identity = {
        "model": reader.card.fingerprint,
        "capability": "with-prior",
        "code": CODE_VERSION,
        "window": None if card.window_hu is None else list(card.window_hu.range),
        "modality": card.modality,
    }
    kept = KeptFeatures(
        reader.card.name,
        _of_pairs(reader.source),
        reader.store,
        reader.problems,
        reader.batch_size,
        reader.progress,
    )
    return kept.of_samples(samples, digest_json(identity), _Encoding(reader, model))


def _of_pairs(source: DataSource) -> DataSource:
    """The same samples, known by the content of image and prior together."""
    digests, unreadable = {}, dict(source.unreadable)
    for sample in source.samples:
        if sample.id not in source.digests:
            continue
        prior = sample.prior_image
        try:
            earlier = "" if prior is None else source.dataset.digest(replace(sample, image=prior))
        except DataError as error:
            unreadable[sample.id] = error.reason
            continue
        both = f"{source.digests[sample.id]}/{earlier}"
        digests[sample.id] = hashlib.sha256(both.encode()).hexdigest()
    return replace(source, digests=digests, unreadable=unreadable)


@dataclass(frozen=True, slots=True, eq=False)
class _Encoding:
    """Features of a batch; what cannot be read is noted and left out."""

    reader: FeatureReader
    model: PriorEncoder

    def __call__(self, samples: Sequence[Sample], /) -> Iterator[tuple[Sample, np.ndarray]]:
        """Samples with their rows."""
        read = [(sample, self._pair(sample)) for sample in samples]
        pairs = [(sample, pair) for sample, pair in read if pair is not None]
        if pairs:
            images, priors = ([pair[i] for _, pair in pairs] for i in (0, 1))
            shown = [image for image in images if image is not None]
            rows = self.model.encode_with_prior(shown, priors)
            yield from zip((sample for sample, _ in pairs), rows, strict=True)

    def _pair(self, sample: Sample) -> tuple[Image, Image | None] | None:
        dataset = self.reader.source.dataset
        try:
            image, prior = self.reader.read(sample), dataset.read_prior(sample)
        except DataError as error:
            self.reader.problems[sample.id] = error.reason
            return None
        if image.is_volume or (prior is not None and prior.is_volume):
            raise UsageError(
                f"{self.reader.card.name}:with-prior: expected images, {sample.id!r} is a volume"
            )
        return image, prior
