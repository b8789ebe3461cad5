"""First stage of a retrieval in two steps: what the neighbours of an image in train are said to be.

A generator has no text in the space of its images, so it cannot rank a large gallery at once. An
image is therefore compared with the train images by its embedding, and a caption with the words of
the captions of those that are nearest.
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import scipy.sparse
from jaxtyping import Bool, Float

from vesalius.records import Sample
from vesalius.tasks import TaskData
from vesalius.views import ModelView

_WORD = re.compile(r"\w+")


def with_captions(data: TaskData, /) -> tuple[Sample, ...]:
    """Train rows with a caption, by id."""
    train = (s for s in data.samples if s.split == "train" and s.caption and s.caption.strip())
    return tuple(sorted(train, key=lambda s: s.id))


def neighbour_captions(
    view: ModelView, data: TaskData, gallery: Sequence[Sample], /, *, neighbours: int
) -> Float[np.ndarray, "images captions"]:
    """Cosine of each caption with the mean caption of each image's nearest train images.

    Captions are TF-IDF vectors of unit length, word counts weighted by
    ``ln((1 + n) / (1 + df)) + 1`` of the train captions. In [0, 1], rounded to six decimals;
    0 for an image that cannot be embedded.

    Args:
        view: embeds the images.
        data: its train rows with a caption are the neighbours.
        gallery: images and captions to compare, each image with each caption.
        neighbours: how many train images count.
    """
    train = with_captions(data)
    words = _Words([s.caption or "" for s in train])
    near = _nearest(view.image_features(gallery), view.image_features(train), n=neighbours)
    said = _unit(scipy.sparse.csr_matrix(near.astype(np.float64)) @ words.train)
    found: np.ndarray = (said @ words.vectors([s.caption or "" for s in gallery]).T).toarray()
    return found.round(6)


def best(scores: Float[np.ndarray, "rows items"], /, *, n: int) -> Bool[np.ndarray, "rows items"]:
    """The `n` highest of each row; of equals those that come first."""
    chosen = np.zeros(scores.shape, dtype=np.bool_)
    np.put_along_axis(chosen, np.argsort(-scores, axis=1, kind="stable")[:, :n], True, axis=1)
    return chosen


def _nearest(
    images: Float[np.ndarray, "n dim"], train: Float[np.ndarray, "m dim"], *, n: int
) -> Bool[np.ndarray, "n m"]:
    """Which train images are nearest; none for an image without embedding."""
    known, usable = (np.isfinite(rows).all(axis=1) for rows in (images, train))
    cosine = np.nan_to_num(images) @ np.nan_to_num(train).T
    near = best(np.where(usable, cosine.round(6), -2.0), n=n)  # -2: below every cosine
    found: np.ndarray = near & usable & known[:, None]
    return found


class _Words:
    """TF-IDF over the vocabulary of the train captions."""

    def __init__(self, captions: Sequence[str], /) -> None:
        counts = [_counts(caption) for caption in captions]
        occurs = Counter(word for one in counts for word in one)
        self._place = {word: column for column, word in enumerate(sorted(occurs))}
        n_with = np.array([occurs[word] for word in self._place], dtype=np.float64)
        self._weight = np.log((1 + len(captions)) / (1 + n_with)) + 1
        self.train = self.vectors(captions)

    def vectors(self, captions: Sequence[str], /) -> scipy.sparse.csr_matrix:
        """Unit rows; zero for a caption without any word of the vocabulary."""
        rows, columns, values = [], [], []
        for row, caption in enumerate(captions):
            for word, n in _counts(caption).items():
                if word in self._place:
                    rows.append(row)
                    columns.append(self._place[word])
                    values.append(n * self._weight[self._place[word]])
        shape = (len(captions), len(self._place))
        return _unit(scipy.sparse.csr_matrix((values, (rows, columns)), shape=shape, dtype=float))


def _counts(caption: str) -> Counter[str]:
    return Counter(_WORD.findall(caption.casefold()))


def _unit(rows: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return scipy.sparse.diags(1 / np.where(length > 0, length, 1)) @ rows
