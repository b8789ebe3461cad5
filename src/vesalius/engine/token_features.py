"""Features of more than one row: the words of a text, the patches of a picture.

They are kept like any feature, so they are bounded here: a fine grid of patches is averaged in
blocks, a volume over its slices. The maps that tasks draw are made of the full grids, see
`vesalius.engine.patches`.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import Float

from vesalius.capabilities import DenseEncoder, WordEncoder
from vesalius.engine.batches import batches, halving, in_halves
from vesalius.engine.patches import BATCH
from vesalius.errors import ModelError
from vesalius.records import Image, Sample

# At most so many patches a side are kept, so that those of 2,000 patients fit into memory.
PATCHES_A_SIDE = 8


def word_rows(model: WordEncoder, texts: Sequence[str], /) -> list[Float[np.ndarray, "words dim"]]:
    """Float32 words of each text; in halves where memory runs out.

    Raises:
        MemoryError: if one text does not fit alone.
        ModelError: if the encoder does not give rows for each text.
    """

    def encode(part: list[str]) -> list[np.ndarray]:
        found = [np.asarray(words, np.float32) for words in model.encode_words(part)]
        if len(found) != len(part) or any(one.ndim != 2 or not len(one) for one in found):
            raise ModelError(
                f"expected rows for each of {len(part)} texts from the encoder, got shapes "
                f"{[one.shape for one in found]}"
            )
        return found

    words = [one for one in in_halves(encode, texts) if one is not None]
    if len(words) < len(texts):
        raise MemoryError(f"{len(texts) - len(words)} texts do not fit into memory alone")
    return words


def patch_tokens(
    model: DenseEncoder, images: Sequence[Image], /
) -> Float[np.ndarray, "n tokens dim"]:
    """Local embeddings of each picture, row by row from the top left, float32.

    A grid with more than `PATCHES_A_SIDE` rows or columns is averaged in blocks first.
    """
    parts = [block_means(model.encode_dense(part)) for part in batches(images, BATCH)]
    grids = np.concatenate(parts)
    tokens: np.ndarray = grids.reshape(len(grids), -1, grids.shape[-1])
    return tokens


def block_means(
    grids: Float[np.ndarray, "n rows cols dim"], /, *, most: int = PATCHES_A_SIDE
) -> Float[np.ndarray, "n fewer_rows fewer_cols dim"]:
    """Means of blocks of neighbouring patches, at most `most` blocks a side, float32.

    A side is cut into blocks of one length, the least that will do; where it is no multiple, the
    last blocks are one patch shorter.

    >>> block_means(np.arange(4.0).reshape(1, 1, 4, 1), most=2).ravel().tolist()
    [0.5, 2.5]
    """
    means = grids.astype(np.float64)
    for axis in (1, 2):
        length = -(-means.shape[axis] // most)
        blocks = np.array_split(means, -(-means.shape[axis] // length), axis=axis)
        means = np.concatenate([one.mean(axis=axis, keepdims=True) for one in blocks], axis=axis)
    return means.astype(np.float32)


def means_of(
    encode: Callable[[list[Image]], np.ndarray],
    shown: Sequence[tuple[Sample, list[Image]]],
    problems: dict[str, str],
    /,
    *,
    ndim: int,
) -> Iterator[tuple[Sample, np.ndarray]]:
    """Mean over the pictures of each sample; one without a finite mean is noted in `problems`.

    Args:
        encode: pictures → one feature each, of which `ndim` counts the axes with that of pictures.
        shown: samples and their pictures.
        problems: sample id → reason, which grows.
        ndim: 2 for rows, 3 for tokens.
    """
    pictures = [picture for _, images in shown for picture in images]
    features = halving(encode, pictures, ndim=ndim)
    start = 0
    for sample, images in shown:
        mine = [one for one in features[start : start + len(images)] if one is not None]
        start += len(images)
        if len(mine) < len(images):
            problems[sample.id] = "oom"
            continue
        mean = np.mean(mine, axis=0)
        if np.isfinite(mean).all():
            yield sample, mean
        else:
            problems[sample.id] = "no_finite_feature"
