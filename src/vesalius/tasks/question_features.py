"""Embeddings of questions, and their products with embeddings of images.

A linear classifier on an image and a question side by side reads the same from every image
whatever is asked: what the question changes about the reading has to be a feature of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vesalius.capabilities import TextEncoder
from vesalius.metrics.text import words
from vesalius.tasks.controls import seeded
from vesalius.tasks.probes import Scaler, standardiser
from vesalius.views import ModelView


@dataclass(frozen=True, slots=True, eq=False)
class TfIdf:
    """Bags of words, rare words counting more; unit rows, zero without a known word.

    Source: Salton and Buckley (1988), doi:10.1016/0306-4573(88)90021-0.
    """

    vocabulary: tuple[str, ...]
    weights: np.ndarray

    def __call__(self, texts: Sequence[str], /) -> Float[np.ndarray, "n words"]:
        """One row per text; words that were not there to learn are left out."""
        rows = _counts(texts, self.vocabulary) * self.weights
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        found: np.ndarray = rows / np.where(norms > 0, norms, 1.0)
        return found


def fit_tf_idf(texts: Sequence[str], /) -> TfIdf:
    """Vocabulary and weights ``1 + ln(n / n_with_word)`` of some texts."""
    vocabulary = tuple(sorted({word for text in texts for word in words(text)}))
    n_with = (_counts(texts, vocabulary) > 0).sum(axis=0)
    return TfIdf(vocabulary, 1.0 + np.log(len(texts) / np.maximum(n_with, 1)))


def _counts(texts: Sequence[str], vocabulary: Sequence[str]) -> Float[np.ndarray, "n words"]:
    place = {word: column for column, word in enumerate(vocabulary)}
    rows = np.zeros((len(texts), len(vocabulary)))
    for row, text in enumerate(texts):
        for word in words(text):
            if word in place:
                rows[row, place[word]] += 1.0
    return rows


@dataclass(frozen=True, slots=True, eq=False)
class QuestionEncoder:
    """Questions by a model's text encoder, or by their words if it has none.

    Attributes:
        name: ``text encoder`` or ``tf-idf``; stands in the predictions.
        texts: every question that will be asked for.
        rows: their embeddings.
    """

    name: str
    texts: tuple[str, ...]
    rows: np.ndarray

    def __call__(self, texts: Sequence[str], /) -> Float[np.ndarray, "n dim"]:
        """One row per question."""
        place = {text: row for row, text in enumerate(self.texts)}
        found: np.ndarray = self.rows[[place[text] for text in texts]]
        return found


def question_encoder(
    view: ModelView, train: Sequence[str], asked: Sequence[str], /
) -> QuestionEncoder:
    """Embeds each distinct question once; words and their weights come from train alone."""
    texts = tuple(sorted({*train, *asked}))
    if isinstance(view.model, TextEncoder):
        rows = view.text_features(texts).astype(np.float64)
        return QuestionEncoder("text encoder", texts, rows)
    return QuestionEncoder("tf-idf", texts, fit_tf_idf(train)(texts))


@dataclass(frozen=True, slots=True, eq=False)
class Products:
    """Image and question, each projected at random to one size, multiplied entry by entry.

    The inner product of two such rows estimates that of the two outer products of image and
    question, so a linear classifier on them can read another thing from the image for each
    question.

    Source: Kim et al. (2017), arXiv:1610.04325; Fukui et al. (2016), arXiv:1606.01847, for
        random projections instead of learnt ones.
    """

    image: Scaler
    question: Scaler
    of_image: np.ndarray
    of_question: np.ndarray

    def __call__(
        self, images: Float[np.ndarray, "n dim"], questions: Float[np.ndarray, "n words"], /
    ) -> Float[np.ndarray, "n features"]:
        """Image, question and product side by side."""
        seen, asked = self.image(images), self.question(questions)
        product = (seen @ self.of_image) * (asked @ self.of_question)
        return np.concatenate([seen, asked, product], axis=1)


def fit_products(
    images: Float[np.ndarray, "n dim"],
    questions: Float[np.ndarray, "n words"],
    /,
    *,
    size: int,
    seed: int,
) -> Products:
    """Standardises on these rows; signs are drawn by the seed and the dimensions alone."""

    def signs(rows: int, name: str) -> Float[np.ndarray, "rows size"]:
        rng = seeded(seed, "answer-probe", name, str(rows), str(size))
        drawn: np.ndarray = rng.choice([-1.0, 1.0], size=(rows, size)) / np.sqrt(rows)
        return drawn

    return Products(
        standardiser(images),
        standardiser(questions),
        signs(images.shape[1], "image"),
        signs(questions.shape[1], "question"),
    )
