"""What a language model makes of a text: the last hidden states of its words, and their mean.

A word here is a token that is no special one: neither start, end, padding nor *unknown*.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from vesalius.models.towers import BATCH, check_texts, encode_in_batches, unit

States = Callable[[Int[torch.Tensor, "n tokens"], Int[torch.Tensor, "n tokens"]], torch.Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """How a model reads texts.

    Attributes:
        states: token ids, padded on the right, and their mask → hidden states (n, tokens, dim).
        tokenizer: of the model.
        max_length: of a text with its special tokens; what is longer is cut off.
        device: of the model.
    """

    states: States
    tokenizer: Any
    max_length: int
    device: Any


def encode_language(texts: Sequence[str], reading: Reading, /) -> Float[np.ndarray, "n dim"]:
    """Unit rows: mean last hidden state over the tokens of a text that are no special ones.

    A text without such tokens is the mean over its special ones, or over the end token where the
    tokenizer adds none. Texts do not influence each other.
    """
    special = torch.tensor(sorted(set(reading.tokenizer.all_special_ids)))

    def encode(batch: Sequence[str]) -> torch.Tensor:
        ids, mask = _padded(_token_rows(batch, reading))
        words = mask & ~torch.isin(ids, special)
        counted = torch.where(words.any(dim=1, keepdim=True), words, mask)[..., None]
        counted = counted.to(reading.device)
        found = reading.states(ids.to(reading.device), mask.long().to(reading.device)).float()
        return unit((found * counted).sum(dim=1) / counted.sum(dim=1))

    return encode_in_batches(check_texts(texts), encode, blank="")


def encode_words(texts: Sequence[str], reading: Reading, /) -> list[Float[np.ndarray, "words dim"]]:
    """Last hidden states of the words of each text, float32; texts do not influence each other.

    A text without words has one row, that of its last token: the end token, or the only special
    one where the tokenizer adds no end.
    """
    special = frozenset(reading.tokenizer.all_special_ids)
    checked = check_texts(texts)
    found: list[np.ndarray] = []
    with torch.inference_mode():
        for start in range(0, len(checked), BATCH):
            rows = _token_rows(checked[start : start + BATCH], reading)
            ids, mask = _padded(rows)
            read = reading.states(ids.to(reading.device), mask.long().to(reading.device))
            states = read.float().cpu().numpy()
            found += [states[i, word_places(row, special)] for i, row in enumerate(rows)]
    return found


def word_places(ids: Sequence[int], special: Collection[int], /) -> list[int]:
    """Positions of the words; of a text without any, the last position.

    >>> word_places([101, 7, 8, 102], {101, 102}), word_places([101, 102], {101, 102})
    ([1, 2], [1])
    """
    words = [place for place, token in enumerate(ids) if token not in special]
    return words or [len(ids) - 1]


def _token_rows(texts: Sequence[str], reading: Reading) -> list[list[int]]:
    """Token ids of each text with its special tokens; an end token where there would be none."""
    tokenizer = reading.tokenizer
    rows = tokenizer(list(texts), truncation=True, max_length=reading.max_length)["input_ids"]
    return [row or [tokenizer.eos_token_id] for row in rows]


def _padded(
    rows: Sequence[Sequence[int]],
) -> tuple[Int[torch.Tensor, "n tokens"], torch.Tensor]:
    """Ids padded with 0 on the right, and where they are none."""
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    return ids, torch.arange(ids.shape[1])[None] < lengths[:, None]
