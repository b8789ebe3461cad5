"""BioViL-T's image network: a ResNet for each image, a transformer for the pair of them.

Names of parameters are those of the published state dictionary, so that it loads as it is. All
sizes follow from the tensors; the head count and the strides, which no tensor shows, are constants.

Source: Bannur et al. (2023), arXiv:2301.04558.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vesalius.errors import ModelError
from vesalius.models.resnet import EXPANSION, ResNet, convolution

STRIDE = 32  # pixels of the input to one patch: five halvings, as in every ResNet
N_HEADS = 8
TEMPERATURE = 10_000.0


@dataclass(frozen=True, slots=True)
class ImageSizes:
    """What the tensors of an image network say about its architecture; defaults are genuine.

    Attributes:
        width: channels of the first convolution.
        stages: bottleneck blocks of each of the four stages.
        n_classes: rows of the ImageNet classifier, which the file holds and nothing uses.
        pooler_width: channels of a patch before and after the transformer.
        n_blocks: blocks of the transformer.
        projection: dimensions of the space shared with texts.
    """

    width: int = 64
    stages: tuple[int, int, int, int] = (3, 4, 6, 3)
    n_classes: int = 1000
    pooler_width: int = 256
    n_blocks: int = 3
    projection: int = 128


def sizes_of(state: Mapping[str, Tensor], /, *, source: Path) -> ImageSizes:
    """Read the sizes off a state dictionary.

    Raises:
        ModelError: if a tensor that shows a size is missing, or the heads do not divide a patch.
    """

    def rows(name: str) -> int:
        if name not in state:
            raise ModelError(f"{source}: without {name}; not an image model of BioViL-T")
        return int(state[name].shape[0])

    def count(pattern: str) -> int:
        return len({match[1] for name in state if (match := re.match(pattern, name))})

    one, two, three, four = (count(rf"encoder\.encoder\.layer{n}\.(\d+)\.") for n in range(1, 5))
    sizes = ImageSizes(
        width=rows("encoder.encoder.conv1.weight"),
        stages=(one, two, three, four),
        n_classes=rows("encoder.encoder.fc.weight"),
        pooler_width=rows("encoder.backbone_to_vit.weight"),
        n_blocks=count(r"encoder\.vit_pooler\.blocks\.(\d+)\."),
        projection=rows("projector.model.0.weight"),
    )
    if sizes.pooler_width % N_HEADS:
        raise ModelError(
            f"{source}: patches of {sizes.pooler_width} channels, expected a multiple of {N_HEADS}"
        )
    return sizes


def sine_positions(rows: int, columns: int, width: int, /) -> Float[Tensor, "{rows*columns} width"]:
    """Positions of a grid, row by row: sines and cosines of y, then of x; one period over the grid.

    Source: Carion et al. (2020), DETR, arXiv:2005.12872.
    """
    half = width // 2
    channel = torch.arange(half)
    wavelength = TEMPERATURE ** (2 * (channel // 2) / half)

    def waves(n: int) -> Float[Tensor, "n half"]:
        place = torch.arange(1, n + 1, dtype=torch.float32)
        angle = (place / (n + 1e-6) * 2 * math.pi)[:, None] / wavelength
        return torch.where(channel % 2 == 0, angle.sin(), angle.cos())

    y = waves(rows)[:, None].expand(rows, columns, half)
    x = waves(columns)[None].expand(rows, columns, half)
    return torch.cat([y, x], dim=-1).reshape(rows * columns, 2 * half)


class Attention(nn.Module):
    """Self-attention of eight heads; queries, keys and values have no bias."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj_q = nn.Linear(width, width, bias=False)
        self.proj_k = nn.Linear(width, width, bias=False)
        self.proj_v = nn.Linear(width, width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "n tokens d"], /) -> Float[Tensor, "n tokens d"]:
        """Every token looks at all tokens."""
        query, key, value = (
            part(x).unflatten(-1, (N_HEADS, -1)).transpose(1, 2)
            for part in (self.proj_q, self.proj_k, self.proj_v)
        )
        weights = (query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])).softmax(-1)
        joined: Tensor = self.proj((weights @ value).transpose(1, 2).flatten(2))
        return joined


class Mlp(nn.Module):
    """Two layers of one width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, width)
        self.fc2 = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "n tokens d"], /) -> Float[Tensor, "n tokens d"]:
        """Each token by itself."""
        changed: Tensor = self.fc2(nn.functional.gelu(self.fc1(x)))
        return changed


class Block(nn.Module):
    """A pre-norm transformer block; the place is added to queries, keys and values."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width)

    def forward(
        self, x: Float[Tensor, "n tokens d"], place: Float[Tensor, "tokens d"], /
    ) -> Float[Tensor, "n tokens d"]:
        """One block."""
        x = x + self.attn(self.norm1(x) + place)
        changed: Tensor = x + self.mlp(self.norm2(x))
        return changed


class TemporalPooler(nn.Module):
    """What changed between two images, for every patch of the current one."""

    def __init__(self, width: int, n_blocks: int) -> None:
        super().__init__()
        self.type_embed = nn.Parameter(torch.zeros(2, 1, width))  # current, prior
        self.blocks = nn.ModuleList(Block(width) for _ in range(n_blocks))
        self.norm_post = nn.LayerNorm(width, eps=1e-6)

    def forward(
        self,
        current: Float[Tensor, "n d rows columns"],
        prior: Float[Tensor, "n d rows columns"],
        /,
    ) -> Float[Tensor, "n d rows columns"]:
        """The current image's patches after both images' have looked at each other."""
        _, width, rows, columns = current.shape
        positions = sine_positions(rows, columns, width).to(current)
        place = (positions + self.type_embed).flatten(0, 1)  # those of the current image first
        x = torch.cat([current.flatten(2), prior.flatten(2)], dim=-1).transpose(1, 2)
        for block in self.blocks:
            x = block(x, place)
        changed: Tensor = self.norm_post(x)[:, : rows * columns]
        return changed.transpose(1, 2).reshape(current.shape)


class HybridEncoder(nn.Module):
    """Patches of an image, each beside its change since the prior image."""

    def __init__(self, sizes: ImageSizes) -> None:
        super().__init__()
        self.encoder = ResNet(sizes.width, stages=sizes.stages, n_classes=sizes.n_classes)
        deepest = (EXPANSION * sizes.width) << 3
        self.backbone_to_vit = convolution(deepest, sizes.pooler_width, 1)
        self.missing_previous_emb = nn.Parameter(torch.zeros(1, sizes.pooler_width, 1, 1))
        self.vit_pooler = TemporalPooler(sizes.pooler_width, sizes.n_blocks)

    def forward(
        self, images: Float[Tensor, "n 3 h w"], priors: Float[Tensor, "n 3 h w"] | None = None, /
    ) -> Float[Tensor, "n two_d rows columns"]:
        """Own features and features of change; without priors, the learned constant for none."""
        if priors is None:
            patches = self.backbone_to_vit(self.encoder(images))
            change = self.missing_previous_emb.expand_as(patches)
        else:
            both = self.backbone_to_vit(self.encoder(torch.cat([images, priors])))
            patches, before = both.chunk(2)
            change = self.vit_pooler(patches, before)
        return torch.cat([patches, change], dim=1)


class Projector(nn.Module):
    """Each patch into the space of the texts."""

    def __init__(self, entering: int, projection: int) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(entering, projection, 1, bias=False),
            nn.BatchNorm2d(projection),
            nn.ReLU(),
            nn.Conv2d(projection, projection, 1),
        )

    def forward(self, x: Float[Tensor, "n c rows columns"], /) -> Float[Tensor, "n d rows columns"]:
        """Patch by patch."""
        projected: Tensor = self.model(x)
        return projected


class ImageNetwork(nn.Module):
    """Images, and their priors if there are any, to projected patches.

    The embedding of the whole image is the mean of its projected patches.
    """

    def __init__(self, sizes: ImageSizes) -> None:
        super().__init__()
        self.encoder = HybridEncoder(sizes)
        self.projector = Projector(2 * sizes.pooler_width, sizes.projection)

    def forward(
        self, images: Float[Tensor, "n 3 h w"], priors: Float[Tensor, "n 3 h w"] | None = None, /
    ) -> Float[Tensor, "n d rows columns"]:
        """Projected patches, not of unit length."""
        projected: Tensor = self.projector(self.encoder(images, priors))
        return projected


def image_network(sizes: ImageSizes | None = None, /) -> ImageNetwork:
    """A network without knowledge, of the genuine sizes unless told otherwise.

    Inside ``torch.device("meta")`` it costs no memory; there are no buffers outside its state.
    """
    return ImageNetwork(sizes or ImageSizes())
