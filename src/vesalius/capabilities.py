"""What a model can do: one-method protocols, numpy at every boundary.

A model implements the protocols it really has; nothing is inherited. `isinstance` sees method
names only, so `check_adapter` tests what the words below promise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from vesalius.records import Geometry, Image, ModelCard


@runtime_checkable
class Model(Protocol):
    """Anything that can name itself."""

    @property
    def card(self) -> ModelCard:
        """Identity: everything that can change the numbers."""
        ...


@runtime_checkable
class ImageEncoder(Protocol):
    """Global image embedding."""

    def encode_images(self, images: Sequence[Image], /) -> Float[np.ndarray, "n dim"]:
        """Embed 2D images: float32, finite, unit rows, each row independent of the others."""
        ...


@runtime_checkable
class TextEncoder(Protocol):
    """Global text embedding; in the image space only if the model is a `DualEncoder`."""

    def encode_texts(self, texts: Sequence[str], /) -> Float[np.ndarray, "n dim"]:
        """Embed texts: float32, finite, unit rows, each row independent of the others."""
        ...


@runtime_checkable
class LanguageEncoder(Protocol):
    """What a generator's language model makes of a text, in no space of images."""

    def encode_language(self, texts: Sequence[str], /) -> Float[np.ndarray, "n dim"]:
        """Unit rows, float32: mean last hidden state over the tokens that are no special ones."""
        ...


@runtime_checkable
class WordEncoder(Protocol):
    """What a text tower, or the language model of a generator, makes of each token of a text."""

    def encode_words(self, texts: Sequence[str], /) -> list[Float[np.ndarray, "words dim"]]:
        """Last hidden states of the tokens that are no special ones, in their order.

        One array a text, float32, finite, independent of the other texts; not of unit length.
        States are those after the tower's last norm, before any projection into another space.
        A text without such tokens has one row, that of its end token (or of its only special one).
        """
        ...


@runtime_checkable
class DualEncoder(ImageEncoder, TextEncoder, Protocol):
    """Image and text in one space, comparable by cosine."""

    @property
    def logit_scale(self) -> float:
        """Factor from cosine to logit (natural-log odds); the checkpoint's own where it has one."""
        ...


@runtime_checkable
class DenseEncoder(Protocol):
    """A grid of local embeddings."""

    @property
    def dense_text_aligned(self) -> bool:
        """Whether grid vectors may be compared with `encode_texts`."""
        ...

    def encode_dense(self, images: Sequence[Image], /) -> Float[np.ndarray, "n rows cols dim"]:
        """Embed patches, row-major, origin top-left; unit vectors when text-aligned."""
        ...


@runtime_checkable
class PriorEncoder(Protocol):
    """Global image embedding that also sees an earlier study of the same patient."""

    def encode_with_prior(
        self, images: Sequence[Image], priors: Sequence[Image | None], /
    ) -> Float[np.ndarray, "n dim"]:
        """Embed each image beside its prior; where that is None, as `encode_images` would."""
        ...


@runtime_checkable
class TextScorer(Protocol):
    """Match scores between images and texts."""

    def score_texts(
        self, images: Sequence[Image], texts: Sequence[str], /
    ) -> Float[np.ndarray, "n m"]:
        """Score every image with every text; higher is a better match, in natural-log units.

        Dual encoders give logits (scaled cosines); generators the log-likelihood of the text as a
        caption, summed over its tokens and the end token.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class AnswerScores:
    """Log-likelihoods of candidate answers.

    Attributes:
        log_likelihood: shape (n,), natural log, summed over answer tokens and the end token.
        n_tokens: shape (n,), how many tokens that sum has.
    """

    log_likelihood: np.ndarray
    n_tokens: np.ndarray


@runtime_checkable
class AnswerScorer(Protocol):
    """Log-likelihood of answers to a question about an image."""

    def score_answers(
        self, image: Image, prompt: str, candidates: Sequence[str], /
    ) -> AnswerScores:
        """Score candidates; `prompt` is the bare question, the adapter adds the model's form.

        An empty prompt asks for a caption.
        """
        ...


@runtime_checkable
class Generator(Protocol):
    """Free text about an image."""

    def generate(self, images: Sequence[Image], prompts: Sequence[str], /) -> list[str]:
        """Answer each prompt for its image, greedily; the prompt is not echoed.

        A prompt is a bare question; an empty one asks for a caption.
        """
        ...


@runtime_checkable
class Attributor(Protocol):
    """A map of where the model looks."""

    def attribute(self, image: Image, text: str, /) -> Float[np.ndarray, "rows cols"]:
        """Attribution of `text` over the model's input; finite float32, higher is more relevant.

        Row-major with the origin at the top left, at the resolution of the model's patches; the
        adapter's `geometry` says which rectangle of the original image it covers.
        """
        ...


@runtime_checkable
class Framed(Protocol):
    """A model that can say which part of an image it sees."""

    def geometry(self, image: Image, /) -> Geometry:
        """Where the model's input square lies in the original image."""
        ...


@runtime_checkable
class Fitted(Protocol):
    """A model that can be told to see all of an image instead of its central crop."""

    def with_fit(self, fit: Literal["crop", "pad"], /) -> "Fitted":
        """The same weights with another way to make an image square."""
        ...


@runtime_checkable
class SeveralImages(Protocol):
    """A generator that takes several images, such as the slices of a volume, in one question."""

    def score_answers_about(
        self, images: Sequence[Image], prompt: str, candidates: Sequence[str], /
    ) -> AnswerScores:
        """As `AnswerScorer.score_answers`, with the images before the question, in their order."""
        ...

    def answer_about(self, images: Sequence[Image], prompt: str, /) -> str:
        """As `Generator.generate`, with the images before the question, in their order."""
        ...


@runtime_checkable
class ImageGenerator(Protocol):
    """Text to image."""

    def generate_images(self, texts: Sequence[str], /) -> list[Image]:
        """One image per text."""
        ...


CAPABILITIES: dict[str, type] = {
    "encode_images": ImageEncoder,
    "encode_texts": TextEncoder,
    "encode_words": WordEncoder,
    "dual_encoder": DualEncoder,
    "encode_dense": DenseEncoder,
    "encode_with_prior": PriorEncoder,
    "score_texts": TextScorer,
    "score_answers": AnswerScorer,
    "generate": Generator,
    "attribute": Attributor,
    "generate_images": ImageGenerator,
    "several_images": SeveralImages,
}
