"""Promises about the words of texts: form, independence, and a row where there is no word."""

from collections.abc import Iterator, Sequence

import numpy as np

from vesalius.capabilities import WordEncoder
from vesalius.models.conformance_rows import array_faults

NAME = "encode_words"


def word_form_faults(model: WordEncoder, texts: Sequence[str]) -> Iterator[str]:
    """One finite float32 array a text, all of one width; a text without words has one row."""
    words: object = model.encode_words(texts)
    if not isinstance(words, list) or len(words) != len(texts):
        n = f"{len(words)} entries" if isinstance(words, list) else type(words).__name__
        yield f"{NAME}: expected a list of {len(texts)} arrays, one a text, got {n}"
        return
    faults = [fault for array in words for fault in array_faults(NAME, array, (None, None))]
    yield from dict.fromkeys(faults)
    if faults:
        return
    widths = sorted({array.shape[1] for array in words})
    if len(widths) > 1:
        yield f"{NAME}: expected one number of dimensions for all texts, got {widths}"
    (nothing,) = model.encode_words([""])
    if nothing.shape != (1, widths[0]):
        yield f"{NAME}: expected one row for an empty text, got shape {nothing.shape}"


def word_faults(model: WordEncoder, texts: Sequence[str], tolerance: float) -> Iterator[str]:
    """Repeatable, different for different texts, untouched by what else is in the batch."""
    words = model.encode_words(texts)
    again = model.encode_words(texts)
    if not all(np.array_equal(one, other) for one, other in zip(words, again, strict=True)):
        yield f"{NAME}: a second call gives other numbers"
        return
    alone = [model.encode_words([text])[0] for text in texts]
    if _differ(alone, words, tolerance):
        yield f"{NAME}: the words of a text depend on the batch size"
    backwards = model.encode_words(list(texts)[::-1])[::-1]
    one_more = model.encode_words([*texts, texts[0]])[:-1]
    if _differ(backwards, words, tolerance) or _differ(one_more, words, tolerance):
        yield f"{NAME}: the words of a text depend on its neighbours or their order"
    if not any(_differ([words[0]], [other], tolerance) for other in words[1:]):
        yield f"{NAME}: different texts give the same words"


def _differ(found: Sequence[np.ndarray], words: Sequence[np.ndarray], tolerance: float) -> bool:
    """Whether shapes differ, or numbers by more than rounding; states have no unit length."""
    scale = max(1.0, *(float(np.abs(array).max()) for array in words))
    return any(
        one.shape != other.shape or bool(np.abs(one - other).max() > tolerance * scale)
        for one, other in zip(found, words, strict=True)
    )
