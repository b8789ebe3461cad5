"""A small U-Net: the velocity of a picture on its way from noise, given time and an embedding."""

import math

import torch
from torch import nn
from torch.nn import functional

COARSEST = 8  # pixels; coarser levels would say nothing of where something is
GROUPS = 8  # of channels that are normalised together
FREQUENCIES = 32


class FlowNetwork(nn.Module):
    """Residual blocks at halved sizes down to 8 pixels, joined across by their channels.

    Blocks of 2 × 2 pixels become channels first, so that the finest level has half the side. Two
    more channels say where a place is. Time and embedding scale and shift the channels of every
    block. An embedding of zeros stands for none: it adds nothing.

    Source: Ronneberger et al. (2015), arXiv:1505.04597 (the U); Perez et al. (2018),
    arXiv:1709.07871 (scale and shift); Liu et al. (2018), arXiv:1807.03247 (where a place is).
    """

    def __init__(self, dim: int, channels: int, *, side: int) -> None:
        super().__init__()
        known = 4 * channels
        self.of_time = nn.Linear(2 * FREQUENCIES, known)
        self.of_embedding = nn.Linear(dim, known, bias=False)
        self.joined = nn.Linear(known, known)
        widths = _widths(channels, side)
        self.into = nn.Conv2d(6, channels, 3, padding=1)
        befores = [channels, *widths[:-1]]
        self.down = nn.ModuleList(
            Block(n, width, known) for n, width in zip(befores, widths, strict=True)
        )
        self.middle = Block(widths[-1], widths[-1], known)
        self.up = nn.ModuleList(
            Block(2 * width, n, known) for n, width in zip(befores[::-1], widths[::-1], strict=True)
        )
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.out = _silent(nn.Conv2d(channels, 4, 3, padding=1))

    def forward(
        self, pictures: torch.Tensor, times: torch.Tensor, embeddings: torch.Tensor
    ) -> torch.Tensor:
        """Velocities like the pictures, (n, 1, side, side); times in [0, 1], (n,)."""
        side = pictures.shape[-1]
        odd = side % 2
        folded = functional.pixel_unshuffle(functional.pad(pictures, (0, odd, 0, odd)), 2)
        known = self.of_time(_waves(times)) + self.of_embedding(embeddings)
        known = functional.silu(self.joined(functional.silu(known)))
        x = self.into(torch.cat([folded, _places(folded)], dim=1))
        across = []
        for level, block in enumerate(self.down):
            x = functional.avg_pool2d(x, 2, ceil_mode=True) if level else x
            x = block(x, known)
            across.append(x)
        x = self.middle(x, known)
        for block in self.up:
            beside = across.pop()
            x = functional.interpolate(x, beside.shape[-2:], mode="nearest")
            x = block(torch.cat([x, beside], dim=1), known)
        x = self.out(functional.silu(self.norm(x)))
        return functional.pixel_shuffle(x, 2)[..., :side, :side]


class Block(nn.Module):
    """Two convolutions beside the way straight through; at first nothing but the latter."""

    def __init__(self, n_in: int, n_out: int, known: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.GroupNorm(GROUPS, n_in), nn.SiLU(), nn.Conv2d(n_in, n_out, 3, padding=1)
        )
        self.norm = nn.GroupNorm(GROUPS, n_out, affine=False)
        self.change = nn.Linear(known, 2 * n_out)
        self.second = _silent(nn.Conv2d(n_out, n_out, 3, padding=1))
        self.straight = nn.Conv2d(n_in, n_out, 1) if n_in != n_out else nn.Identity()

    def forward(self, x: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Channels of the new width at the same places."""
        scale, shift = self.change(known)[:, :, None, None].chunk(2, dim=1)
        h = self.norm(self.first(x)) * (1 + scale) + shift
        found: torch.Tensor = self.straight(x) + self.second(functional.silu(h))
        return found


def _widths(channels: int, side: int) -> list[int]:
    """Channels of each level, finest first."""
    widths, size = [channels], (side + 1) // 2
    while size > COARSEST:
        size = (size + 1) // 2
        widths.append(2 * channels)
    return widths


def _silent(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer with all of its weights at zero."""
    for weights in layer.parameters():
        nn.init.zeros_(weights)
    return layer


def _waves(times: torch.Tensor) -> torch.Tensor:
    """Sines and cosines of times in [0, 1], from half a period to 50 of them."""
    steps = torch.arange(FREQUENCIES, device=times.device) / (FREQUENCIES - 1)
    angles = math.pi * times[:, None] * torch.exp(steps * math.log(100.0))
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _places(pictures: torch.Tensor) -> torch.Tensor:
    """Row and column of every place, from -1 to 1, (n, 2, rows, columns)."""
    n, _, rows, columns = pictures.shape
    y = torch.linspace(-1, 1, rows, device=pictures.device)
    x = torch.linspace(-1, 1, columns, device=pictures.device)
    return torch.stack(torch.meshgrid(y, x, indexing="ij")).expand(n, 2, rows, columns)
