"""For each promise about words there is a fake that breaks only it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from vesalius.errors import ModelError
from vesalius.models.conformance import check_adapter
from vesalius.records import Image

Arrays = list[np.ndarray]
TEXTS = ("a large nodule in the lung", "normal heart", "effusion")
WIDTH = 7


@dataclass
class Speller:
    """A word is its letters, counted modulo seven, and how many words came before."""

    words: Callable[[Arrays], object] = lambda arrays: arrays
    spell: Callable[[str], list[str]] = str.split

    def encode_words(self, texts: Sequence[str], /) -> Arrays:
        """One row a word; an empty text is one row of zeros."""
        return self.words([self._rows(text) for text in texts])  # type: ignore[return-value]

    def _rows(self, text: str) -> np.ndarray:
        rows = [
            np.bincount([ord(c) % WIDTH for c in word], minlength=WIDTH) + place
            for place, word in enumerate(self.spell(text))
        ]
        return np.array(rows or [np.zeros(WIDTH)], np.float32)


def each(change: Callable[[np.ndarray], object]) -> Callable[[Arrays], object]:
    """The same change of every array."""
    return lambda arrays: [change(array) for array in arrays]


def first(change: Callable[[np.ndarray], object]) -> Callable[[Arrays], object]:
    """A change of the first array of a batch, whatever its text."""
    return lambda arrays: [change(arrays[0]), *arrays[1:]]


def by_call() -> Callable[[Arrays], object]:
    """Other numbers at every call."""
    calls: list[int] = []

    def change(arrays: Arrays) -> Arrays:
        calls.append(0)
        return [array + np.float32(len(calls)) for array in arrays]

    return change


def padded(arrays: Arrays) -> Arrays:
    """Rows of zeros up to the longest text of the batch are taken for words."""
    longest = max(map(len, arrays))
    return [np.pad(array, [(0, longest - len(array)), (0, 0)]) for array in arrays]


def with_last(arrays: Arrays) -> Arrays:
    """Every text takes something of the last one, if there are several."""
    if len(arrays) == 1:
        return arrays
    return [(array + 0.1 * arrays[-1].mean()).astype(np.float32) for array in arrays]


def of_four(arrays: Arrays) -> Arrays:
    """Only a batch of more than three is mixed."""
    return with_last(arrays) if len(arrays) > 3 else arrays


def with_nan(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array[0, 0] = np.nan
    return array


def test_a_faithful_speller_passes(pictures: list[Image]) -> None:
    """The checks do not cry wolf, also about states that are far from unit length."""
    check_adapter(Speller(), pictures, TEXTS)
    check_adapter(Speller(each(lambda a: a * np.float32(1e3))), pictures, TEXTS)


BROKEN: dict[str, tuple[dict[str, object], str]] = {
    "one array": ({"words": np.concatenate}, "expected a list of 3 arrays, one a text, got nda"),
    "lost text": ({"words": lambda a: a[:-1]}, "expected a list of 3 arrays, .* got 2 entries"),
    "list": ({"words": each(np.ndarray.tolist)}, "encode_words: expected a numpy array, got list"),
    "double": ({"words": each(np.float64)}, "encode_words: expected float32, got float64"),
    "axes": ({"words": each(np.ravel)}, r"encode_words: expected shape \(any, any\), got \(42,\)"),
    "nothing": ({"words": first(lambda a: a[:0])}, "encode_words: the array is empty"),
    "nan": ({"words": each(with_nan)}, "encode_words: 1 values are not finite"),
    "widths": ({"words": first(lambda a: a[:, :5])}, r"one number of dimensions .* got \[5, 7\]"),
    "empty text": (
        {"spell": lambda text: text.split() or ["<s>", "</s>"]},
        r"expected one row for an empty text, got shape \(2, 7\)",
    ),
    "random": ({"words": by_call()}, "encode_words: a second call gives other numbers"),
    "padding": ({"words": padded}, "the words of a text depend on the batch size"),
    "neighbour": ({"words": with_last}, "depend on its neighbours or their order"),
    "large batch": ({"words": of_four}, "depend on its neighbours or their order"),
    "deaf": ({"spell": lambda text: ["same", "words"] if text else []}, "different texts give"),
}


@pytest.mark.parametrize(("hooks", "message"), BROKEN.values(), ids=list(BROKEN))
def test_each_broken_promise_is_found(
    hooks: dict[str, object], message: str, pictures: list[Image]
) -> None:
    """One fault, planted in an otherwise faithful model, is named."""
    with pytest.raises(ModelError, match=message):
        check_adapter(Speller(**hooks), pictures, TEXTS)  # type: ignore[arg-type]
