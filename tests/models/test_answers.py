"""Candidates in batches of similar length."""

import numpy as np

from vesalius.capabilities import AnswerScores
from vesalius.models.answers import BATCH, by_length


def test_scores_come_back_in_the_order_of_the_candidates() -> None:
    """Batches hold similar lengths, and each candidate keeps its own numbers."""
    lengths = np.random.default_rng(0).integers(1, 90, size=2 * BATCH + 3).tolist()
    batches: list[list[int]] = []

    def score(chosen: list[int]) -> AnswerScores:
        batches.append([lengths[i] for i in chosen])
        return AnswerScores(
            log_likelihood=np.array([-float(i) for i in chosen]),
            n_tokens=np.array([lengths[i] for i in chosen]),
        )

    found = by_length(lengths, score)
    np.testing.assert_array_equal(found.log_likelihood, -np.arange(len(lengths)))
    np.testing.assert_array_equal(found.n_tokens, lengths)
    assert [len(batch) for batch in batches] == [BATCH, BATCH, 3]
    assert [n for batch in batches for n in batch] == sorted(lengths)
