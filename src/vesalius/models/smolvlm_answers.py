"""Answers of SmolVLM after a prompt: how likely given ones are, and the one it writes itself."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from jaxtyping import Float, Int

from vesalius.capabilities import AnswerScores
from vesalius.models import dialogue
from vesalius.models.answers import (
    IGNORED,
    by_length,
    check_candidates,
    token_log_likelihood,
)

END = "<end_of_utterance>"


def answer_ids(
    model: Any, processor: Any, answers: Sequence[str], /
) -> list[Int[torch.Tensor, " _"]]:
    """Ids of ``" " + answer`` and the end of the turn.

    Raises:
        InputError: if there is no answer, one is empty or contains a special token.
    """
    dialogue.check_plain(check_candidates(answers), processor)
    tokenizer = processor.tokenizer
    end = tokenizer.convert_tokens_to_ids(END)
    texts = [f" {answer.strip()}" for answer in answers]
    rows = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return [torch.tensor([*row, end], device=model.device) for row in rows]


def score_after(
    model: Any,
    prompt: Float[torch.Tensor, "1 tokens dim"],
    answers: Sequence[Int[torch.Tensor, " _"]],
    /,
) -> AnswerScores:
    """Log-likelihood of every answer after an embedded prompt, which is read once."""
    read = model.model.text_model(inputs_embeds=prompt, use_cache=True)
    return by_length(
        [len(answer) for answer in answers],
        lambda chosen: _continue(model, read, [answers[i] for i in chosen]),
    )


def decode(model: Any, processor: Any, inputs: Mapping[str, torch.Tensor], /) -> list[str]:
    """Greedy answers to prepared prompts."""
    tokenizer = processor.tokenizer
    ends = dialogue.end_tokens(model, tokenizer.convert_tokens_to_ids(END))
    return dialogue.decode_greedily(model, inputs, tokenizer=tokenizer, ends=ends)


def _continue(model: Any, read: Any, answers: list[torch.Tensor]) -> AnswerScores:
    """Score answers after a prompt whose keys and values are known."""
    labels = torch.nn.utils.rnn.pad_sequence(answers, batch_first=True, padding_value=IGNORED)
    memory = deepcopy(read.past_key_values)  # the forward pass extends it in place
    memory.batch_repeat_interleave(len(answers))
    n_prompt = read.last_hidden_state.shape[1]
    mask = torch.nn.functional.pad((labels[:, :-1] != IGNORED).long(), (n_prompt, 0), value=1)
    after = model.model.text_model(
        inputs_embeds=model.get_input_embeddings()(labels[:, :-1].clamp(min=0)),
        attention_mask=mask,
        past_key_values=memory,
    ).last_hidden_state
    first = read.last_hidden_state[:, -1:].expand(len(answers), -1, -1)
    return token_log_likelihood(model.lm_head(torch.cat([first, after], dim=1)), labels)
