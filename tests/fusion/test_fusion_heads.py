"""Heads: definitions, missing slots, and closed forms against independent implementations."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from planted import cohort
from scipy.stats import pearsonr
from sklearn.cross_decomposition import CCA
from sklearn.linear_model import Ridge

from vesalius.errors import InputError
from vesalius.fusion.answers import answers_of, class_weights, log_loss
from vesalius.fusion.closed_heads import LateAverage, ProductOfExperts, fit_singles
from vesalius.fusion.cohort import Parts, parts_of
from vesalius.fusion.heads import HEADS
from vesalius.fusion.linear import fit_linear
from vesalius.fusion.scaling import fit_scaling
from vesalius.fusion.shapley import shapley_weights, subsets
from vesalius.fusion.slots import Channel, Head, Inputs, Labelled, Slot
from vesalius.fusion.stacked_heads import _canonical
from vesalius.fusion.trained_heads import PRODUCT
from vesalius.metrics import auroc

JOINING = [head for name, head in HEADS.items() if name != "gap-shift"]  # no slots share a space


def classes(labels: np.ndarray, n_classes: int):
    """Labels in the form that heads are fitted to; their inputs do not matter here."""
    nothing = Inputs((Channel("x", np.zeros((len(labels), 1)), np.ones(len(labels), bool)),))
    return answers_of(Labelled(nothing, labels, n_classes))


@pytest.fixture(scope="module")
def parts() -> Parts:
    """Two slots that add up, and noise."""
    return parts_of(cohort("sum"), width=64)


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    data = cohort("sum")
    return data.goal.labels[data.split == "test"] == 1


@pytest.mark.parametrize("head", JOINING, ids=lambda head: head.name)
def test_every_head_joins_what_adds_up(head: Head, parts: Parts, truth: np.ndarray) -> None:
    """Probabilities that sum to 1, better than one slot, and defined without any slot."""
    predict = head.fit(parts.train, parts.val, 0)
    found = predict(parts.test)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    assert (found >= 0).all()
    area = auroc(truth, found[:, 1])
    assert area > (0.75 if head.name == "cca" else 0.9)
    assert auroc(truth, predict(parts.test.without("b"))[:, 1]) < area - 0.03
    nothing = parts.test.without("a").without("b").without("noise")
    alone = predict(nothing)
    assert np.isfinite(alone).all()
    assert np.ptp(alone, axis=0).max() < 1e-6


@pytest.mark.parametrize("head", JOINING, ids=lambda head: head.name)
def test_what_a_missing_slot_holds_does_not_matter(head: Head, parts: Parts) -> None:
    """Only that it is missing: heads see zeros there, whatever else the row says."""
    predict = head.fit(parts.train, parts.val, 0)
    rows = parts.test.rows(np.arange(4))
    np.testing.assert_allclose(
        predict(rows.without("b")), predict(parts.test.without("b"))[:4], atol=1e-6
    )


def test_ridge_is_that_of_scikit_learn() -> None:
    """Weighted, with an offset that is not penalised."""
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(60, 5)) + 3, rng.integers(0, 3, 60)
    answers = classes(labels, 3)
    one = fit_linear(x, answers, x_val=x, answers_val=answers, strengths=(0.7,))
    weights = class_weights(labels, 3)
    centred = (x - np.average(x, axis=0, weights=weights)) * np.sqrt(weights)[:, None]
    unit = (np.linalg.svd(centred, compute_uv=False) ** 2).mean()
    ridge = Ridge(alpha=0.7 * unit).fit(x, np.eye(3)[labels], sample_weight=weights)
    np.testing.assert_allclose(one.scores(x), ridge.predict(x), atol=1e-9)


def test_sharpness_is_the_most_likely_one() -> None:
    """Neither sharper nor softer probabilities have less loss on val."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(300, 4))
    labels = (x[:, 0] + rng.normal(size=300) > 0).astype(np.int64)
    train, val = classes(labels[:200], 2), classes(labels[200:], 2)
    one = fit_linear(x[:200], train, x_val=x[200:], answers_val=val)
    best = log_loss(one(x[200:]), labels[200:])
    for factor in (0.7, 1.4):
        logits = one.scores(x[200:]) * one.sharpness * factor
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        assert log_loss(p, labels[200:]) > best


def test_rare_classes_count_as_much_as_others() -> None:
    """Weights by hand: 3 of one class, 1 of the other."""
    np.testing.assert_allclose(class_weights(np.array([0, 0, 0, 1]), 3), [2 / 3] * 3 + [2])


def test_products_and_means_by_hand(parts: Parts) -> None:
    """Of what the slots say alone; a missing one says nothing."""
    singles = fit_singles(parts.train, parts.val)
    said = singles.said(parts.test)
    average, product = (
        h.fit(parts.train, parts.val, 0) for h in (LateAverage(), ProductOfExperts())
    )
    np.testing.assert_allclose(average(parts.test), said.mean(axis=0))
    expected = said.prod(axis=0)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(product(parts.test), expected, atol=1e-9)
    np.testing.assert_allclose(average(parts.test.without("b")), said[[0, 2]].mean(axis=0))


def test_a_slot_without_anything_to_learn_from_is_silent(parts: Parts) -> None:
    """No val row has it, or all its train rows are of one class: it says nothing."""
    plain = LateAverage().fit(parts.train, parts.val, 0)
    unseen = replace(parts.val, inputs=parts.val.inputs.without("noise"))
    found = fit_singles(parts.train, unseen).said(parts.test)[2]
    np.testing.assert_allclose(found, 0.5)
    channels = list(parts.train.inputs.channels)
    channels[2] = channels[2].where(parts.train.labels == 1)
    one_class = replace(parts.train, inputs=Inputs(tuple(channels)))
    found = fit_singles(one_class, parts.val).said(parts.test)[2]
    np.testing.assert_allclose(found, 0.5)
    assert (plain(parts.test) != 0.5).any()


def test_canonical_correlation_is_that_of_scikit_learn() -> None:
    """Two slots that share one direction: the first variates correlate as much as they can."""
    rng = np.random.default_rng(2)
    shared = rng.normal(size=800)
    x, y = rng.normal(size=(2, 800, 4))
    x[:, 0] += 2 * shared
    y[:, 1] += 2 * shared
    x, y, there = x - x.mean(axis=0), y - y.mean(axis=0), np.ones(800, bool)
    first, second = _canonical(Inputs((Channel("x", x, there), Channel("y", y, there))))
    mine = abs(pearsonr((x @ first)[:, 0], (y @ second)[:, 0]).statistic)
    u, v = CCA(n_components=1).fit_transform(x, y)
    assert mine == pytest.approx(abs(pearsonr(u[:, 0], v[:, 0]).statistic), abs=2e-3)


def test_shapley_weights_are_means_over_orders() -> None:
    """What a slot adds when it comes, over all orders of three slots."""
    names = ("a", "b", "c")
    rng = np.random.default_rng(3)
    scores = {chosen: rng.random() for chosen in subsets(names)}
    for name in names:
        gains = [
            scores[frozenset(order[: order.index(name) + 1])]
            - scores[frozenset(order[: order.index(name)])]
            for order in permutations(names)
        ]
        weights = shapley_weights(names, name)
        assert sum(weights[s] * scores[s] for s in scores) == pytest.approx(np.mean(gains))


def test_scaling_is_fitted_on_what_is_present() -> None:
    """Numbers of a table are divided by their spread; missing rows and numbers become the mean."""
    rng = np.random.default_rng(4)
    values = rng.normal(size=(200, 2)) * [1, 1000] + [5, -300]
    values[:10] = np.nan
    values[20, 1] = np.nan
    slot = Slot("tabular", values, own_units=True)
    scaled = fit_scaling(slot, most=2).channel(slot).values
    np.testing.assert_allclose(scaled[:10], 0)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-9)
    assert (scaled[10:] ** 2).mean() == pytest.approx(1)
    assert 0.5 < scaled[10:, 0].std() / scaled[10:, 1].std() < 2
    assert fit_scaling(slot, most=1).channel(slot).values.shape == (200, 1)
    with pytest.raises(InputError, match="slot 'x': no train row has it"):
        fit_scaling(Slot("x", np.full((3, 2), np.nan)), most=2)


def test_pairs_are_broken_row_by_row(parts: Parts) -> None:
    """The same rows in another order, of one slot only."""
    test = parts.test
    shuffled = test.shuffled("b", seed=0)
    assert (shuffled.values[0] == test.values[0]).all()
    assert (shuffled.values[1] != test.values[1]).any()
    np.testing.assert_array_equal(
        np.sort(shuffled.values[1], axis=0), np.sort(test.values[1], axis=0)
    )
    with pytest.raises(InputError, match="expected one of"):
        test.without("c")
    with pytest.raises(InputError, match="expected slots among"):
        test.only(("a", "c"))


def test_dropout_teaches_a_head_to_do_without(parts: Parts, truth: np.ndarray) -> None:
    """With slots lost in training, less is lost with them at test."""
    plain, hardened = (
        replace(PRODUCT, dropout=p).fit(parts.train, parts.val, 0) for p in (0.0, 0.5)
    )
    without = parts.test.without("b")
    losses = [log_loss(one(without), truth.astype(np.int64)) for one in (plain, hardened)]
    assert losses[1] < losses[0]
