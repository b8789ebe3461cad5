"""BiomedCLIP's two networks: a vision transformer and a BERT, each projected into one space.

Parameter names are those of the published file.

Source: Dosovitskiy et al. (2021), arXiv:2010.11929; Zhang et al. (2025), BiomedCLIP,
doi:10.1056/AIoa2400640.
"""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, cat, empty, nn, zeros
from torch.nn import functional
from transformers import BertConfig, BertModel
from transformers.initialization import no_init_weights

from vesalius.models.biomedclip_sizes import Sizes, TextSizes, VisionSizes, sizes_of
from vesalius.records import Json

POSITIONS = 512  # of BERT-base; a context is shorter
LAYER_NORM_EPS = 1e-6


class Attention(nn.Module):
    """Multi-head self-attention with queries, keys and values in one matrix."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "n t d"], /) -> Float[Tensor, "n t d"]:
        """What every token gathers from all."""
        return self.join(functional.scaled_dot_product_attention(*self.split(x)))

    def split(self, x: Float[Tensor, "n t d"], /) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each of shape (n, heads, t, d / heads)."""
        n, t, d = x.shape
        parts = self.qkv(x).reshape(n, t, 3, self.heads, d // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        return query, key, value

    def join(self, gathered: Float[Tensor, "n h t c"], /) -> Float[Tensor, "n t d"]:
        """The heads side by side, projected."""
        projected: Tensor = self.proj(gathered.transpose(1, 2).flatten(2))
        return projected


class Mlp(nn.Module):
    """Two layers with an exact GELU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Float[Tensor, "n t d"], /) -> Float[Tensor, "n t d"]:
        """The same for every token."""
        out: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return out


class Block(nn.Module):
    """Attention and MLP, each on normalised tokens and added to them."""

    def __init__(self, sizes: VisionSizes) -> None:
        super().__init__()
        width = sizes.width
        self.norm1 = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.attn = Attention(width, sizes.heads)
        self.norm2 = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.mlp = Mlp(width, int(width * sizes.mlp_ratio))

    def forward(self, x: Float[Tensor, "n t d"], /) -> Float[Tensor, "n t d"]:
        """One step of the transformer."""
        return self.finish(x, self.attn(self.norm1(x)))

    def finish(
        self, x: Float[Tensor, "n t d"], attended: Float[Tensor, "n t d"], /
    ) -> Float[Tensor, "n t d"]:
        """What follows the attention."""
        x = x + attended
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class PatchEmbedding(nn.Module):
    """Patches as tokens, row by row from the top left."""

    def __init__(self, sizes: VisionSizes) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, sizes.width, sizes.patch_size, stride=sizes.patch_size)

    def forward(self, pixels: Float[Tensor, "n 3 h w"], /) -> Float[Tensor, "n patches d"]:
        """One linear map of each patch."""
        embedded: Tensor = self.proj(pixels)
        return embedded.flatten(2).transpose(1, 2)


class Trunk(nn.Module):
    """A vision transformer with a class token in front."""

    def __init__(self, sizes: VisionSizes) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(sizes)
        self.cls_token = nn.Parameter(empty(1, 1, sizes.width))
        self.pos_embed = nn.Parameter(empty(1, 1 + sizes.grid**2, sizes.width))
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(sizes.layers))
        self.norm = nn.LayerNorm(sizes.width, eps=LAYER_NORM_EPS)

    def entering_last(self, pixels: Float[Tensor, "n 3 h w"], /) -> Float[Tensor, "n t d"]:
        """Tokens as they come to the last block, class token first."""
        patches = self.patch_embed(pixels)
        x = cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1) + self.pos_embed
        for block in self.blocks[:-1]:
            x = block(x)
        return x

    @property
    def last(self) -> Block:
        """The last block."""
        block = self.blocks[-1]
        assert isinstance(block, Block)
        return block


class VisionHead(nn.Module):
    """From the vision width into the shared space."""

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, dim, bias=False)

    def forward(self, x: Float[Tensor, "*n d"], /) -> Float[Tensor, "*n dim"]:
        """One linear map."""
        projected: Tensor = self.proj(x)
        return projected


class VisionNetwork(nn.Module):
    """Transformer and projection."""

    def __init__(self, sizes: VisionSizes, dim: int) -> None:
        super().__init__()
        self.sizes = sizes
        self.trunk = Trunk(sizes)
        self.head = VisionHead(sizes.width, dim)

    def forward(self, pixels: Float[Tensor, "n 3 h w"], /) -> Float[Tensor, "n dim"]:
        """The projected class token, not of unit length."""
        return self.whole(self.trunk.last(self.trunk.entering_last(pixels)))

    def whole(self, leaving_last: Float[Tensor, "n t d"], /) -> Float[Tensor, "n dim"]:
        """The projected class token of what leaves the last block."""
        embedded: Tensor = self.head(self.trunk.norm(leaving_last)[:, 0])
        return embedded

    def dense(self, pixels: Float[Tensor, "n 3 h w"], /) -> Float[Tensor, "n rows cols dim"]:
        """Projected values of the patches in the last block, without its attention or MLP.

        Source: Zhou et al. (2022), MaskCLIP, doi:10.1007/978-3-031-19815-1_40.
        """
        last = self.trunk.last
        _, _, value = last.attn.split(last.norm1(self.trunk.entering_last(pixels)))
        embedded: Tensor = self.head(self.trunk.norm(last.attn.join(value)))
        grid = self.sizes.grid
        return embedded[:, 1:].reshape(len(pixels), grid, grid, -1)


class TextNetwork(nn.Module):
    """A BERT without pooler, and the projection of its first token."""

    def __init__(self, sizes: TextSizes, dim: int) -> None:
        super().__init__()
        hidden = (sizes.width + dim) // 2
        self.transformer: Any = BertModel(_bert(sizes), add_pooling_layer=False)
        self.proj = nn.Sequential(
            nn.Linear(sizes.width, hidden, bias=False),
            nn.GELU(),
            nn.Linear(hidden, dim, bias=False),
        )

    def forward(self, ids: Int[Tensor, "n tokens"], /) -> Float[Tensor, "n dim"]:
        """Embeddings, not of unit length; id 0 is padding and does not count."""
        projected: Tensor = self.proj(self.states(ids)[:, 0])
        return projected

    def states(self, ids: Int[Tensor, "n tokens"], /) -> Float[Tensor, "n tokens d"]:
        """Every token as it leaves the last layer, before the projection."""
        read = self.transformer(input_ids=ids, attention_mask=(ids != 0).long())
        states: Tensor = read.last_hidden_state
        return states


def _bert(sizes: TextSizes) -> BertConfig:
    return BertConfig(
        vocab_size=sizes.vocab_size,
        hidden_size=sizes.width,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        intermediate_size=int(sizes.width * sizes.mlp_ratio),
        max_position_embeddings=POSITIONS,
    )


class Network(nn.Module):
    """Both networks and the logarithm of the factor from cosine to logit."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.logit_scale = nn.Parameter(zeros(()))
        self.visual = VisionNetwork(sizes.vision, sizes.dim)
        self.text = TextNetwork(sizes.text, sizes.dim)


def network(config: Mapping[str, Json], /) -> Network:
    """A network without knowledge, of the sizes in an ``open_clip_config.json``.

    Inside ``torch.device("meta")`` it costs no memory.

    Raises:
        ModelError: if the configuration is not of this kind of network.
    """
    sizes = sizes_of(config)
    with no_init_weights():  # every tensor is replaced, and the global generator stays as it was
        return Network(sizes)
