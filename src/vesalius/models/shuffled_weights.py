"""A network that has learnt nothing: its own weights, each tensor's numbers in random order.

Sizes, scales and signs of the weights stay, what they mean is gone; so it works for every
architecture, knows no initialisation, and activations stay near their usual range.

Source: the model parameter randomisation test of Adebayo et al. (2018), arXiv:1810.03292.
"""

import dataclasses
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

DEPTH = 3  # records within an adapter


def networks_of(model: object, /, *, depth: int = DEPTH) -> list[nn.Module]:
    """The torch modules that a model holds; none for a server or what is written without torch."""
    if isinstance(model, nn.Module):
        return [model]
    if depth == 0 or isinstance(model, type):
        return []
    return [net for part in _parts(model) for net in networks_of(part, depth=depth - 1)]


def _parts(model: object) -> list[object]:
    if dataclasses.is_dataclass(model):
        return [getattr(model, field.name) for field in dataclasses.fields(model)]
    return list(getattr(model, "__dict__", {}).values())  # built-in types have none


@contextmanager
def shuffled_weights(model: object, /, *, seed: int) -> Iterator[None]:
    """While it lasts, every tensor of the model's networks has its numbers in random order.

    The order depends on the seed and the tensor's name. Afterwards every number is back in its
    place, exactly. It happens in place, one tensor at a time: a copy might not fit into memory.
    """
    tensors = [
        (f"{number} {name}", tensor.data)
        for number, network in enumerate(networks_of(model))
        for name, tensor in [*network.named_parameters(), *network.named_buffers()]
        if tensor.is_floating_point() and tensor.numel() > 1
    ]
    moved: list[tuple[str, torch.Tensor]] = []
    try:
        for name, tensor in tensors:
            _shuffle(tensor, _order(name, tensor, seed))
            moved.append((name, tensor))
        yield
    finally:
        for name, tensor in reversed(moved):  # one that stands under two names was moved twice
            _shuffle(tensor, torch.argsort(_order(name, tensor, seed)))


@torch.inference_mode()
def _shuffle(tensor: torch.Tensor, order: torch.Tensor) -> None:
    tensor.copy_(tensor.reshape(-1)[order].view(tensor.shape))


def _order(name: str, tensor: torch.Tensor, seed: int) -> torch.Tensor:
    """A random order of a tensor's numbers, the same on every device."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8]) >> 1)
    return torch.randperm(tensor.numel(), generator=generator).to(tensor.device)
