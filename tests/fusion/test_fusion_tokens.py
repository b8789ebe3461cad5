"""Slots of several vectors a row: what heads see of them, and heads that attend over them."""

from dataclasses import replace

import numpy as np
import pytest

from vesalius.errors import InputError
from vesalius.fusion.closed_heads import Concat
from vesalius.fusion.cohort import Cohort, Parts, check_cohort, parts_of
from vesalius.fusion.goals import Classes
from vesalius.fusion.scaling import fit_scaling
from vesalius.fusion.slots import Head, Inputs, Slot, Tokens
from vesalius.fusion.trained_heads import BOTTLENECK, CROSS
from vesalius.metrics import auroc

N, TOKENS = 700, 5
SPLIT = np.repeat(["train", "val", "test"], [450, 100, 150])


def needle() -> Cohort:
    """One of five tokens, which the other slot names, holds the answer; the others hold noise."""
    rng = np.random.default_rng(0)
    order = np.argsort(rng.random((N, TOKENS)), axis=1)  # keys stand anywhere
    sign = rng.choice([-1.0, 1.0], size=(N, TOKENS))
    tokens = np.concatenate([3 * np.eye(TOKENS)[order], sign[:, :, None]], axis=2)
    wanted = rng.integers(0, TOKENS, N)
    place = (order == wanted[:, None]).argmax(axis=1)
    labels = (sign[np.arange(N), place] > 0).astype(np.int64)
    return Cohort(
        slots=(Slot("patches", tokens), Slot("question", np.eye(TOKENS)[wanted])),
        goal=Classes(labels, ("no", "yes")),
        patients=np.array([f"p{i}" for i in range(N)]),
        split=SPLIT,
    )


@pytest.fixture(scope="module")
def parts() -> Parts:
    return parts_of(needle(), width=8)


def area(head: Head, parts: Parts) -> float:
    data = needle()
    truth = data.goal.labels[data.split == "test"] == 1
    return auroc(truth, head.fit(parts.train, parts.val, 0)(parts.test)[:, 1])


def test_attention_finds_the_token_that_another_slot_names(parts: Parts) -> None:
    """The mean over tokens, which all other heads see, does not hold it."""
    assert area(Concat(), parts) < 0.75
    assert area(CROSS, parts) > 0.9


@pytest.mark.parametrize("head", [CROSS, BOTTLENECK], ids=lambda head: head.name)
def test_order_and_padding_of_tokens_do_not_matter(head: Head, parts: Parts) -> None:
    """Tokens are a set; what is not there is not seen, whatever stands in its place."""
    predict = replace(head, epochs=3).fit(parts.train, parts.val, 0)
    rows = parts.test.rows(np.arange(20))
    expected = predict(rows)
    channel = rows.channels[0]
    order = np.random.default_rng(0).permutation(TOKENS)
    turned = Tokens(channel.tokens.values[:, order], channel.tokens.there[:, order])
    found = predict(Inputs((replace(channel, tokens=turned), rows.channels[1])))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    junk = np.full((20, 3, channel.tokens.values.shape[2]), 7, np.float32)
    padded = Tokens(
        np.concatenate([channel.tokens.values, junk], axis=1),
        np.concatenate([channel.tokens.there, np.zeros((20, 3), bool)], axis=1),
    )
    found = predict(Inputs((replace(channel, tokens=padded), rows.channels[1])))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("head", [CROSS, BOTTLENECK], ids=lambda head: head.name)
def test_a_vector_is_a_sequence_of_one(head: Head, parts: Parts) -> None:
    """The same answers whether it is given as a vector or as its only token."""
    predict = replace(head, epochs=3).fit(parts.train, parts.val, 0)
    rows = parts.test.rows(np.arange(20))
    other = rows.channels[1]
    single = Tokens(other.values[:, None].astype(np.float32), other.present[:, None])
    found = predict(Inputs((rows.channels[0], replace(other, tokens=single))))
    np.testing.assert_allclose(found, predict(rows), atol=1e-6)


def test_tokens_are_scaled_together_and_averaged() -> None:
    """One mean and one set of axes for all tokens of train; missing ones count nowhere."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 3, 2)) * [5, 1] + [10, -3]
    values[:10, 2] = np.nan
    values[0] = np.nan
    slot = Slot("words", values)
    np.testing.assert_array_equal(slot.present, np.arange(40) > 0)
    channel = fit_scaling(slot, most=2).channel(slot)
    flat = channel.tokens.values[channel.tokens.there]
    np.testing.assert_allclose(flat.mean(axis=0), 0, atol=1e-6)
    assert (flat**2).mean() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(
        channel.values[5], channel.tokens.values[5, :2].mean(axis=0), atol=1e-6
    )
    np.testing.assert_array_equal(channel.values[0], 0)
    assert not channel.tokens.there[:10, 2].any()


def test_what_happens_to_a_slot_happens_to_its_tokens(parts: Parts) -> None:
    """Missing, shuffled and selected rows."""
    test = parts.test
    gone = test.without("patches").channels[0]
    assert not gone.tokens.there.any()
    assert not gone.tokens.values.any()
    mixed = test.shuffled("patches", seed=0).channels[0]
    mean = np.where(mixed.tokens.there[:, :, None], mixed.tokens.values, 0).mean(axis=1)
    np.testing.assert_allclose(mean, mixed.values, atol=1e-5)
    some = test.rows(np.array([4, 2])).channels[0]
    np.testing.assert_array_equal(some.tokens.values[1], test.channels[0].tokens.values[2])


def test_rows_that_lose_a_slot_grow_in_number(parts: Parts) -> None:
    """Half of the rows are among three quarters of them, and other seeds take others."""
    quarter, half = (parts.test.without("question", share=s, seed=1) for s in (0.25, 0.5))
    lost = [~inputs.channels[1].present for inputs in (quarter, half)]
    assert lost[0].sum() == 38
    assert lost[1].sum() == 75
    assert not (lost[0] & ~lost[1]).any()
    other = parts.test.without("question", share=0.5, seed=2)
    assert (other.channels[1].present != half.channels[1].present).any()


def test_four_axes_are_refused() -> None:
    """By the slot."""
    cohort = replace(needle(), slots=(Slot("maps", np.zeros((N, 2, 2, 2))), needle().slots[1]))
    with pytest.raises(InputError, match=r"slot 'maps': expected .* \(n, tokens, dim\)"):
        check_cohort(cohort)
