"""Weights of Inception-v3 drawn by name, for a file in the layout of the published one."""

import zlib
from collections.abc import Mapping

import numpy as np
import torch


def drawn(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """Tensors that depend on their name and shape alone and keep activations in range."""
    return {name: torch.from_numpy(_draw(name, shape)) for name, shape in shapes.items()}


def _draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("running_var"):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    if name.endswith("bn.weight"):
        return rng.uniform(0.8, 1.2, shape).astype(np.float32)
    if name.endswith(("bn.bias", "running_mean", "fc.bias")):
        return rng.normal(0, 0.1, shape).astype(np.float32)
    fan_in = int(np.prod(shape[1:]))
    return (rng.normal(size=shape) * np.sqrt(2 / fan_in)).astype(np.float32)


def scenes() -> list[np.ndarray]:
    """Two pictures of unequal size, one grey and one in colour."""
    rng = np.random.default_rng(7)
    smooth = np.outer(np.sin(np.arange(80) / 9), np.cos(np.arange(64) / 7))
    grey = (127 + 90 * smooth + rng.normal(0, 12, smooth.shape)).clip(0, 255)
    colour = rng.uniform(0, 255, (40, 50, 3))
    return [grey.astype(np.uint8), colour.astype(np.uint8)]
