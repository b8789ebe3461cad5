"""Shuffling takes away what a network has learnt, and gives it back to the last bit."""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from vesalius.catalog import load_model, miniatures
from vesalius.models.shuffled_weights import networks_of, shuffled_weights
from vesalius.records import Image


def picture(seed: int = 0) -> Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 64), dtype=np.uint8)
    return Image(pixels, "yx", "display", (0.0, 255.0))


@dataclass(frozen=True, slots=True)
class Inner:
    """A record in an adapter."""

    network: nn.Module


@dataclass(frozen=True, slots=True)
class Outer:
    """An adapter with slots."""

    name: str
    inner: Inner


class Plain:
    """An adapter as people write them."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network


@pytest.mark.parametrize("name", miniatures())
def test_every_model_comes_back_as_it_was(name: str) -> None:
    """All eight embed images otherwise while it lasts, in finite numbers, and the same after."""
    model = load_model(name, device="cpu")
    before = model.encode_images([picture()])
    state = [t.clone() for net in networks_of(model) for t in net.state_dict().values()]
    with shuffled_weights(model, seed=0):
        during = model.encode_images([picture()])
    assert np.isfinite(during).all()
    assert float(during[0] @ before[0]) < 0.99
    np.testing.assert_array_equal(model.encode_images([picture()]), before)
    after = [t for net in networks_of(model) for t in net.state_dict().values()]
    assert all(torch.equal(x, y) for x, y in zip(state, after, strict=True))


def test_numbers_stay_and_places_change() -> None:
    """The same numbers in each tensor; the order is the seed's."""
    network = nn.Linear(30, 20)
    weight = network.weight.detach().clone()
    orders = []
    for seed in (0, 0, 1):
        with shuffled_weights(Outer("x", Inner(network)), seed=seed):
            orders.append(network.weight.detach().clone())
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])
    assert not torch.equal(orders[0], weight)
    assert torch.equal(orders[0].flatten().sort().values, weight.flatten().sort().values)


def test_tensors_with_two_names_and_odd_strides_are_restored() -> None:
    """Tied weights are moved twice and back twice; an error inside changes nothing of that."""
    first, second = nn.Linear(8, 8), nn.Linear(8, 8)
    second.weight = first.weight
    first.bias.data = torch.arange(16.0)[::2]
    weight, bias = first.weight.detach().clone(), first.bias.detach().clone()
    model = Plain(nn.Sequential(first))
    model.other = second  # type: ignore[attr-defined]
    with suppress(ZeroDivisionError), shuffled_weights(model, seed=0):
        during = first.bias.detach().clone()
        raise ZeroDivisionError
    assert not torch.equal(during, bias)
    assert torch.equal(first.weight, weight)
    assert torch.equal(first.bias, bias)


def test_models_without_torch_have_no_networks() -> None:
    """A number, a class, an object without attributes."""
    assert networks_of(Plain) == networks_of(3) == networks_of(object()) == []
