"""What a language model makes of a text alone: the mean of its last hidden states."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from vesalius.models.towers import check_texts, encode_in_batches, unit

States = Callable[[Int[torch.Tensor, "n tokens"], Int[torch.Tensor, "n tokens"]], torch.Tensor]


def encode_language(
    texts: Sequence[str], states: States, /, *, tokenizer: Any, max_length: int, device: Any
) -> Float[np.ndarray, "n dim"]:
    """Unit rows: mean last hidden state over the tokens of a text that are no special ones.

    A text without such tokens is the mean over its special ones, or over the end token where the
    tokenizer adds none. What is longer than `max_length` tokens is cut off.

    Args:
        texts: any; they do not influence each other.
        states: token ids, padded on the right, and their mask → hidden states (n, tokens, dim).
        tokenizer: of the language model.
        max_length: of a text with its special tokens.
        device: of the language model.
    """
    special = torch.tensor(sorted(set(tokenizer.all_special_ids)))

    def encode(batch: Sequence[str]) -> torch.Tensor:
        rows = tokenizer(list(batch), truncation=True, max_length=max_length)["input_ids"]
        rows = [torch.tensor(row or [tokenizer.eos_token_id]) for row in rows]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        lengths = torch.tensor([len(row) for row in rows])
        mask = torch.arange(ids.shape[1])[None] < lengths[:, None]
        words = mask & ~torch.isin(ids, special)
        counted = torch.where(words.any(dim=1, keepdim=True), words, mask)[..., None].to(device)
        found = states(ids.to(device), mask.long().to(device)).float()
        return unit((found * counted).sum(dim=1) / counted.sum(dim=1))

    return encode_in_batches(check_texts(texts), encode, blank="")
