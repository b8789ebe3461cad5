"""A flow that learns to draw: Euler's method by hand, a toy in which the embedding decides."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from vesalius.errors import ModelError
from vesalius.models.flow_network import FlowNetwork
from vesalius.models.rectified_flow import Flow, Scale, device_beside, learn_flow
from vesalius.views import Draw, FlowLesson, Material

CPU = torch.device("cpu")
SIDE = 16
LESSON = FlowLesson(
    side=SIDE, channels=8, epochs=30, patience=30, batch=4, rate=0.004, blind=0.1, steps=8,
    guidance=1.0, seed=0,
)  # fmt: skip
SHORT = replace(LESSON, channels=8, epochs=2)


def halves(n: int, *, seed: int) -> tuple[np.ndarray, Material]:
    """Pictures bright on the left (0) or on the right (1), and an embedding that says which."""
    rng = np.random.default_rng(seed)
    side = np.arange(n) % 2
    pictures = rng.normal(60, 15, (n, SIDE, SIDE))
    pictures[side == 0, :, : SIDE // 2] += 120
    pictures[side == 1, :, SIDE // 2 :] += 120
    features = np.zeros((n, 6))
    features[:, 0] = 1
    features[np.arange(n), 1 + side] = 0.2
    return side, Material(features, np.clip(pictures, 0, 255).reshape(n, -1))


TRAIN, VAL, TEST = (halves(n, seed=seed)[1] for n, seed in ((40, 0), (8, 1), (20, 2)))
NOISE = np.random.default_rng(3).normal(size=(20, SIDE, SIDE))


def learnt(lesson: FlowLesson = SHORT, *, train: Material = TRAIN, val: Material = VAL) -> Draw:
    """A flow, in silence."""
    return learn_flow(lesson, train, val, device=CPU, advance=lambda n: None)


class Velocity(nn.Module):
    """What an embedding says and twice the time, the same at every place."""

    def forward(self, x: torch.Tensor, times: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Like the pictures."""
        return (rows[:, 0] + 2 * times)[:, None, None, None].expand(x.shape)


def test_steps_of_euler_and_guidance_by_hand() -> None:
    """Four steps meet times 0, ¼, ½, ¾; guidance counts the embedding's share three times."""
    scale = Scale(np.array([1.0]), 2.0)
    flow = Flow(Velocity(), scale, replace(LESSON, steps=4), CPU)
    features = np.array([[1.0], [1.5]])  # 0 and 0.25 when scaled
    noise = np.stack([np.full((SIDE, SIDE), -1.0), np.zeros((SIDE, SIDE))])
    ends = np.array([-1.0 + 0.75, 0.75 + 0.25])
    np.testing.assert_allclose(flow(features, noise)[:, 0], (ends + 1) * 127.5, rtol=1e-6)
    guided = Flow(Velocity(), scale, replace(LESSON, steps=4, guidance=3.0), CPU)
    ends = np.array([-1.0 + 0.75, 0.75 + 3 * 0.25])
    np.testing.assert_allclose(guided(features, noise)[:, 0], (ends + 1) * 127.5, rtol=1e-6)


def test_the_embedding_decides_what_is_drawn() -> None:
    """Each picture is nearer to the mean of its own kind, on the whole by far, and none is it."""
    side, test = halves(20, seed=2)
    drawn = learnt(LESSON)(test.features, NOISE)
    kinds = [TRAIN.pictures[np.arange(40) % 2 == k].mean(axis=0) for k in (0, 1)]
    away = np.stack([np.sqrt(((drawn - kind) ** 2).mean(axis=1)) for kind in kinds], axis=1)
    own, other = away[np.arange(20), side], away[np.arange(20), 1 - side]
    assert (own < other).mean() >= 0.9
    assert own.mean() < 0.5 * other.mean()
    assert drawn[side == 0].std(axis=0).mean() > 5  # samples vary


def test_the_seed_alone_decides_and_nothing_else_is_touched() -> None:
    """Learning twice gives the same bytes, and leaves torch's own state as it was."""
    torch.manual_seed(11)
    state, n_threads = torch.get_rng_state(), torch.get_num_threads()
    first = learnt()(TEST.features, NOISE)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == n_threads
    torch.manual_seed(12)
    np.testing.assert_array_equal(learnt()(TEST.features, NOISE), first)
    assert (learnt(replace(SHORT, seed=1))(TEST.features, NOISE) != first).any()


def test_a_picture_does_not_depend_on_others() -> None:
    """One by one, in another order or all together: the same bits."""
    draw = learnt()
    whole = draw(TEST.features, NOISE)
    order = np.random.default_rng(0).permutation(20)[:18]
    np.testing.assert_array_equal(draw(TEST.features[order], NOISE[order]), whole[order])
    alone = [draw(TEST.features[i : i + 1], NOISE[i : i + 1]) for i in range(20)]
    np.testing.assert_array_equal(np.concatenate(alone), whole)


def test_val_ends_learning_and_keeps_its_best_state() -> None:
    """Where val says the opposite, what is kept is an early state; the rest counts as done."""
    told: list[int] = []
    lesson = replace(SHORT, epochs=60, patience=2)
    opposite = Material(VAL.features[:, [0, 2, 1, 3, 4, 5]], VAL.pictures)
    stopped = learn_flow(lesson, TRAIN, opposite, device=CPU, advance=told.append)
    assert sum(told) == 60
    n_epochs = told.count(1)
    assert n_epochs < 50
    kept = learnt(replace(lesson, epochs=n_epochs - 3), val=opposite)  # patience + the last one
    np.testing.assert_array_equal(stopped(TEST.features, NOISE), kept(TEST.features, NOISE))


def test_without_val_the_last_state_draws() -> None:
    """More epochs then always make a difference; same embeddings everywhere do no harm."""
    nothing = Material(np.zeros((0, 1)), np.zeros((0, SIDE**2)))
    same = Material(np.ones_like(TRAIN.features), TRAIN.pictures)
    one, two = (
        learnt(replace(SHORT, epochs=n), train=same, val=nothing)(TEST.features, NOISE)
        for n in (1, 2)
    )
    assert np.isfinite(two).all()
    assert (one != two).any()


def test_learning_that_diverges_says_so() -> None:
    """Instead of drawing from NaN weights."""
    with pytest.raises(ModelError, match=r"diverged at a rate of 1e\+30; take a smaller `rate`"):
        learnt(replace(SHORT, rate=1e30))


@pytest.mark.parametrize("side", [11, 16, 33, 64])
def test_every_side_has_a_network(side: int) -> None:
    """Odd ones too; a new network leads nowhere, a moved one looks at time and embedding."""
    torch.manual_seed(0)
    network = FlowNetwork(5, 8, side=side)
    x, times, rows = torch.randn(2, 1, side, side), torch.tensor([0.2, 0.7]), torch.randn(2, 5)
    with torch.inference_mode():
        assert network(x, times, rows).shape == x.shape
        assert not network(x, times, rows).any()
        for weights in network.parameters():
            weights.add_(0.1 * torch.randn(weights.shape))
        found = network(x, times, rows)
        assert (network(x, times.flip(0), rows) != found).any()
        assert (network(x, times, rows.flip(0)) != found).any()


def test_the_network_lies_beside_the_model() -> None:
    """A model without weights here leaves it to the processor."""
    assert device_beside(object()) == CPU
    assert device_beside(nn.Linear(2, 2, device="meta")) == torch.device("meta")
