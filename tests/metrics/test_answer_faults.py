"""Closed questions whose answer cannot be read: by hand, and by another way of reading."""

import re

import numpy as np
import pytest

from vesalius.metrics.table import METRICS
from vesalius.metrics.text import yes_no

ANSWERS = ("yes", "a nodule", "No, yes", "normal", "It is not.")
BY_HAND = {"unparsed": 3 / 5, "ambiguous": 1 / 5}


def _share(name: str, answers: tuple[str, ...]) -> float:
    return METRICS[name].function(np.array([float(yes_no(a) == name) for a in answers]))


@pytest.mark.parametrize("name", BY_HAND)
def test_share_by_hand(name: str) -> None:
    """Substrings of words are no answer; both words are one answer too many."""
    assert _share(name, ANSWERS) == pytest.approx(BY_HAND[name])
    assert not METRICS[name].higher_is_better


def _named(answer: str) -> int:
    """How many of the two words stand in an answer, by word borders instead of tokens."""
    return sum(bool(re.search(rf"\b{word}\b", answer, re.IGNORECASE)) for word in ("yes", "no"))


AGREEMENT = {"unparsed": 0, "ambiguous": 2}


@pytest.mark.parametrize("name", AGREEMENT)
def test_shares_agree_with_word_borders(name: str) -> None:
    """Over random answers both ways of reading find the same faults."""
    rng = np.random.default_rng(0)
    words = ["yes", "No", "nodule", "normal", "eyes", "no,", "Yes."]
    answers = tuple(" ".join(rng.choice(words, size=rng.integers(0, 4))) for _ in range(200))
    expected = np.mean([_named(answer) == AGREEMENT[name] for answer in answers])
    assert 0 < expected < 1
    assert _share(name, answers) == pytest.approx(expected)
