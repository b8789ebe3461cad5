"""Log-likelihood of texts under a language model, in one form for every generator."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int

from vesalius.capabilities import AnswerScores
from vesalius.errors import InputError

BATCH = 16  # candidates scored together; larger batches only pad more
IGNORED = -100  # label of a position that is not part of an answer, as in transformers


def check_candidates(candidates: Sequence[str], /) -> list[str]:
    """The candidates as a list.

    Raises:
        InputError: if there is none, one is empty, or one string came in place of a list.
    """
    if isinstance(candidates, str):
        raise InputError(f"expected a list of candidates, got one string {candidates!r}")
    if not candidates or any(not candidate.strip() for candidate in candidates):
        raise InputError(f"expected non-empty candidate answers, got {list(candidates)!r}")
    return list(candidates)


def by_length(
    lengths: Sequence[int], score: Callable[[list[int]], AnswerScores], /
) -> AnswerScores:
    """Score candidates in batches of similar length, so that little of a batch is padding.

    Args:
        lengths: of all candidates, in tokens; at least one.
        score: scores of the candidates with these indices.

    Returns:
        The scores in the order of the candidates.
    """
    order = np.argsort(np.asarray(lengths), kind="stable")
    starts = range(0, len(order), BATCH)
    parts = [score(order[start : start + BATCH].tolist()) for start in starts]
    place = np.argsort(order)
    return AnswerScores(
        log_likelihood=np.concatenate([part.log_likelihood for part in parts])[place],
        n_tokens=np.concatenate([part.n_tokens for part in parts])[place],
    )


def token_log_likelihood(
    logits: Float[torch.Tensor, "n tokens vocabulary"], labels: Int[torch.Tensor, "n tokens"], /
) -> AnswerScores:
    """Sum of log-probabilities of the labels, and how many there are.

    Position *t* of `logits` predicts ``labels[:, t]``: shift before calling. Positions labelled
    -100 (prompt, padding) count nothing. The softmax is taken in float32 whatever came in.
    """
    counted = labels != IGNORED
    log_probability = logits.float().log_softmax(-1)
    chosen = log_probability.gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    total = (chosen * counted).sum(-1)
    return AnswerScores(
        log_likelihood=np.asarray(total.double().cpu().numpy(), np.float64),
        n_tokens=np.asarray(counted.sum(-1).cpu().numpy(), np.int64),
    )
