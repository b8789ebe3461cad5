"""Encode once: a model's features of a dataset, taken from the cache where they are known."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np

from vesalius.capabilities import (
    AnswerScorer,
    AnswerScores,
    Attributor,
    DenseEncoder,
    Generator,
    ImageEncoder,
    TextEncoder,
    WordEncoder,
)
from vesalius.engine.answers import AnswerMemory
from vesalius.engine.batches import unit_rows
from vesalius.engine.judges import Judges
from vesalius.engine.kept_features import KeptFeatures
from vesalius.engine.patches import PatchMemory, whole_image
from vesalius.engine.progress import Progress, no_progress
from vesalius.engine.sources import (
    DataSource,
    LazyModel,
    Pictures,
    RecentImages,
    SlicePolicy,
    pictures_of,
)
from vesalius.engine.token_features import (
    PATCHES_A_SIDE,
    means_of,
    patch_tokens,
    word_rows,
)
from vesalius.errors import DataError, InputError, ModelError
from vesalius.placement import Patches
from vesalius.records import Image, ModelCard, Sample, digest_json
from vesalius.store.features import FeatureStore
from vesalius.views import ModelView, Store

# Raise it when reading, slicing or encoding changes: features of older code are then not used.
CODE_VERSION = 1
T = TypeVar("T")


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
    answers: AnswerMemory = field(default_factory=AnswerMemory)
    patches: PatchMemory = field(default_factory=PatchMemory)
    judges: Judges = field(default_factory=Judges)
    read: RecentImages = field(init=False)
    kept: KeptFeatures = field(init=False)

    def __post_init__(self) -> None:
        self.read = RecentImages(self.source.dataset)
        self.kept = KeptFeatures(
            self.card.name, self.source, self.store, self.problems, self.batch_size, self.progress
        )

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
            untrained_features=self.untrained_features,
            read=self.read,
            answer_scores=self.answer_scores,
            answer=lambda sample, prompt: self.written([(sample, prompt)])[0],
            written=self.written,
            dense=self.dense,
            attribution=self.attribution,
            store=Store(mask=self.mask, judge=self.judges.get),
        )

    def mask(self, sample: Sample, /) -> np.ndarray | None:
        """Label map in the grid of the sample's image; None without one that can be read."""
        try:
            return self.source.dataset.read_mask(sample, like=self.read(sample))
        except DataError as error:
            self.problems[sample.id] = error.reason
            return None

    def image_features(self, samples: Sequence[Sample], /) -> np.ndarray:
        """Unit rows, float32 (n, dim); a sample without a feature is a row of NaN."""
        return self.kept.of_samples(samples, self._namespace("image"), self._encode)

    def patch_features(self, samples: Sequence[Sample], /) -> np.ndarray:
        """Tokens of the whole of each image, see `patch_tokens`; float32 (n, tokens, dim).

        Of a volume, each token is the mean over the slices. A sample without a feature is NaN.

        Raises:
            ModelError: if the model has no local embeddings, or grids of several shapes.
        """
        if not samples:
            return np.zeros((0, 0, 0), np.float32)
        return self.kept.of_samples(samples, self._namespace("patches"), self._encode_patches)

    def untrained_features(self, samples: Sequence[Sample], seed: int, /) -> np.ndarray:
        """As `image_features`, by the same network with its weights shuffled.

        Raises:
            InputError: if the model has no weights here.
        """
        from vesalius.models.shuffled_weights import networks_of, shuffled_weights  # needs torch

        if not networks_of(self.model):
            raise InputError(f"{self.card.name} has no weights here that could be shuffled")
        if not samples:
            return np.zeros((0, 0), np.float32)
        namespace = self._namespace("image", untrained=seed)
        shuffled = partial(shuffled_weights, self.model, seed=seed)
        return self.kept.of_samples(samples, namespace, self._encode, shuffled)

    def text_features(self, texts: Sequence[str], /) -> np.ndarray:
        """Unit rows, float32 (n, dim).

        Raises:
            ModelError: if the model has no text encoder.
        """
        if not isinstance(self.model, TextEncoder):
            raise ModelError(f"{self.card.name} has no text encoder")
        encode = partial(unit_rows, self.model.encode_texts)
        return np.stack(self.kept.of_texts(texts, self._namespace("text"), encode))

    def word_features(self, texts: Sequence[str], /) -> list[np.ndarray]:
        """Last hidden states of the words of each text, float32 (words, dim).

        Raises:
            ModelError: if the model gives none.
        """
        if not isinstance(self.model, WordEncoder):
            raise ModelError(f"{self.card.name} gives no vectors of words")
        encode = partial(word_rows, self.model)
        return self.kept.of_texts(texts, self._namespace("words"), encode)

    def answer_scores(
        self, sample: Sample, prompt: str, candidates: Sequence[str], /
    ) -> AnswerScores:
        """Log-likelihoods of candidates, the mean over the slices of a volume; NaN if unreadable.

        Raises:
            ModelError: if the model gives none.
        """
        if not isinstance(self.model, AnswerScorer):
            raise ModelError(f"{self.card.name} gives no likelihood of answers")
        model = self.model
        shown, asked = partial(self._pictures, sample), (prompt, candidates)
        found = self._of_readable(
            sample, lambda digest: self.answers.scores(model, digest, asked, shown)
        )
        n = len(candidates)
        return found or AnswerScores(np.full(n, np.nan), np.zeros(n, np.int64))

    def written(self, asked: Sequence[tuple[Sample, str]], /) -> list[str | None]:
        """Free text to questions about samples, see `AnswerMemory.write`; None if unreadable.

        Raises:
            ModelError: if the model writes none.
        """
        model = self.model
        if not isinstance(model, Generator):
            raise ModelError(f"{self.card.name} writes no text")
        digests = {s.id: d for s, _ in asked if (d := self.source.digests.get(s.id))}
        samples = {digests[s.id]: s for s, _ in asked if s.id in digests}
        keys = [(digests.get(s.id, ""), question) for s, question in asked]
        self.answers.write(model, keys, lambda digest: self._shown_of(samples.get(digest)))
        for sample, _ in asked:
            if sample.id not in digests:
                self.problems[sample.id] = self.source.unreadable[sample.id]
        return [self.answers.texts.get(key) for key in keys]

    def _shown_of(self, sample: Sample | None) -> list[Image]:
        """Its pictures; none if it cannot be read."""
        if sample is None:
            return []
        return self._of_readable(sample, lambda _: self._pictures(sample)) or []

    def dense(self, sample: Sample, /) -> Patches | None:
        """Local embeddings of the whole sample; None if unreadable.

        Raises:
            ModelError: if the model has none.
        """
        model = self.model
        if not isinstance(model, DenseEncoder):
            raise ModelError(f"{self.card.name} has no local embeddings")
        shown = partial(self._shown, sample)
        return self._of_readable(sample, lambda digest: self.patches.dense(model, digest, shown))

    def attribution(self, sample: Sample, text: str, /) -> Patches | None:
        """Relevance of a text over the whole sample; None if unreadable.

        Raises:
            ModelError: if the model gives none.
        """
        model = self.model
        if not isinstance(model, Attributor):
            raise ModelError(f"{self.card.name} gives no map of where it looks")
        shown = partial(self._shown, sample)
        return self._of_readable(
            sample, lambda digest: self.patches.attribution(model, (digest, text), shown)
        )

    def _of_readable(self, sample: Sample, compute: Callable[[str], T]) -> T | None:
        """What `compute` gives for the content of a sample; None and a note if it has none."""
        digest = self.source.digests.get(sample.id)
        if digest is None:
            self.problems[sample.id] = self.source.unreadable[sample.id]
            return None
        try:
            return compute(digest)
        except DataError as error:
            self.problems[sample.id] = error.reason
            return None

    def _namespace(self, capability: str, *, untrained: int | None = None) -> str:
        identity: dict[str, object] = {
            "model": self.card.fingerprint,
            "capability": capability,
            "code": CODE_VERSION,
        }
        if untrained is not None:
            identity["weights shuffled by"] = untrained
        if capability == "patches":
            identity["patches a side"] = PATCHES_A_SIDE
        if capability in ("image", "patches"):
            card = self.source.dataset.card
            window = None if card.window_hu is None else list(card.window_hu.range)
            identity |= {"slices": asdict(self.policy), "window": window, "modality": card.modality}
        return digest_json(identity)

    def _encode(self, samples: Sequence[Sample]) -> Iterator[tuple[Sample, np.ndarray]]:
        """Features of one batch; what cannot be read or encoded is noted and left out."""
        if not isinstance(self.model, ImageEncoder):
            raise ModelError(f"{self.card.name} has no image encoder")
        encode, shown = self.model.encode_images, self._readable(samples)
        for sample, mean in means_of(encode, shown, self.problems, ndim=2):
            length = float(np.linalg.norm(mean))
            if np.isfinite(length) and length > 0:
                yield sample, (mean / length).astype(np.float32)
            else:
                self.problems[sample.id] = "no_finite_feature"

    def _encode_patches(self, samples: Sequence[Sample]) -> Iterator[tuple[Sample, np.ndarray]]:
        """The same for tokens, of the whole of each picture."""
        model = whole_image(self.model)
        if not isinstance(model, DenseEncoder):
            raise ModelError(f"{self.card.name} has no local embeddings")
        encode, shown = partial(patch_tokens, model), self._readable(samples)
        return means_of(encode, shown, self.problems, ndim=3)

    def _readable(self, samples: Sequence[Sample]) -> list[tuple[Sample, list[Image]]]:
        """Samples with their pictures; what cannot be read is noted and left out."""
        readable: list[tuple[Sample, list[Image]]] = []
        for sample in samples:
            try:
                readable.append((sample, self._pictures(sample)))
            except DataError as error:
                self.problems[sample.id] = error.reason
        return readable

    def _pictures(self, sample: Sample) -> list[Image]:
        return list(self._shown(sample).images)

    def _shown(self, sample: Sample) -> Pictures:
        window = self.source.dataset.card.window_hu
        return pictures_of(self.read(sample), self.policy, window=window)
