"""One mean-grey picture instead of every image: what a model says without seeing anything."""

import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from vesalius.capabilities import (
    AnswerScorer,
    AnswerScores,
    Attributor,
    DenseEncoder,
    Fitted,
    Generator,
    ImageEncoder,
)
from vesalius.errors import InputError
from vesalius.placement import Patches, Placement
from vesalius.records import Image, Sample
from vesalius.views import ModelView

GREY = 127  # no usual normalisation maps it to exactly zero, which some layers treat as padding
GREY_SIZE = 224


def grey_image() -> Image:
    """One mean-grey picture, the same for every sample."""
    pixels = np.full((GREY_SIZE, GREY_SIZE, 3), GREY, dtype=np.uint8)
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    return Image(pixels, "yxc", "display", (0.0, 255.0), digest=digest, source="mean grey")


def instead(placement: Placement, values: Float[np.ndarray, "grids ..."], /) -> Patches:
    """Values of another sample in this place; slices of a volume by relative height."""
    n = len(placement.frames)
    picked = ((np.arange(n) + 0.5) * len(values) / n).astype(np.int64)
    return Patches(values[picked], placement)


class Grey:
    """A view's model, shown the grey picture only; each thing is asked once."""

    def __init__(self, view: ModelView, /) -> None:
        self.image = grey_image()
        self._view = view
        self._model = view.model
        self._whole = view.model.with_fit("pad") if isinstance(view.model, Fitted) else view.model
        self._answers: dict[tuple[str, tuple[str, ...]], AnswerScores] = {}
        self._texts: dict[str, str] = {}
        self._maps: dict[str, np.ndarray] = {}
        self._rows: list[np.ndarray] = []
        self._patches: list[np.ndarray] = []

    def image_features(self, samples: Sequence[Sample], /) -> Float[np.ndarray, "n dim"]:
        """The same row for every sample."""
        if not isinstance(self._model, ImageEncoder):
            raise InputError(f"{self._view.name} has no image embedding to blank")
        if not self._rows:
            self._rows.append(self._model.encode_images([self.image]))
        return np.repeat(self._rows[0], len(samples), axis=0)

    def answer_scores(
        self, sample: Sample, prompt: str, candidates: Sequence[str], /
    ) -> AnswerScores:
        """Log-likelihoods that no image has changed."""
        del sample
        if not isinstance(self._model, AnswerScorer):
            raise InputError(f"{self._view.name} gives no likelihood of answers")
        asked = (prompt, tuple(candidates))
        if asked not in self._answers:
            self._answers[asked] = self._model.score_answers(self.image, prompt, candidates)
        return self._answers[asked]

    def answer(self, sample: Sample, prompt: str, /) -> str | None:
        """Free text about nothing."""
        return self.written([(sample, prompt)])[0]

    def written(self, asked: Sequence[tuple[Sample, str]], /) -> list[str | None]:
        """Free texts about nothing; each question is asked once."""
        if not isinstance(self._model, Generator):
            raise InputError(f"{self._view.name} writes no text")
        missing = [q for q in dict.fromkeys(q for _, q in asked) if q not in self._texts]
        if missing:
            found = self._model.generate([self.image] * len(missing), missing)
            self._texts |= dict(zip(missing, found, strict=True))
        return [self._texts[question] for _, question in asked]

    def dense(self, sample: Sample, /) -> Patches | None:
        """Local embeddings of grey, placed where the sample's would be."""
        own = self._view.dense(sample)
        if own is None:
            return None
        if not self._patches:
            assert isinstance(self._whole, DenseEncoder)
            self._patches.append(self._whole.encode_dense([self.image]))
        return instead(own.placement, self._patches[0])

    def attribution(self, sample: Sample, text: str, /) -> Patches | None:
        """Relevance of a text over grey, placed where the sample's would be."""
        own = self._view.attribution(sample, text)
        if own is None:
            return None
        if text not in self._maps:
            assert isinstance(self._whole, Attributor)
            self._maps[text] = self._whole.attribute(self.image, text)[None]
        return instead(own.placement, self._maps[text])
