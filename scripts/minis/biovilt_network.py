"""BioViL-T at miniature size, and how it sees and reads while it learns."""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertTokenizerFast

from minis.network import Seen
from vesalius.models.biovilt import LOGIT_SCALE
from vesalius.models.biovilt_image import ImageNetwork, ImageSizes, image_network
from vesalius.models.biovilt_text import TextNetwork, text_network, tokens_of
from vesalius.records import Json

PIXELS, GRID, DIM, CONTEXT, WIDTH = 256, 8, 128, 160, 96
SIZES = ImageSizes(
    width=16, stages=(1, 1, 1, 1), n_classes=1, pooler_width=WIDTH, n_blocks=3, projection=DIM
)


def configuration(n_words: int) -> dict[str, Json]:
    """``config.json``: the sizes of the text network, no dropout."""
    return {
        "architectures": ["CXRBertModel"],
        "attention_probs_dropout_prob": 0.0,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": CONTEXT,
        "model_type": "bert",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "pad_token_id": 0,
        "projection_size": DIM,
        "type_vocab_size": 2,
        "vocab_size": n_words,
    }


def new_text_network(n_words: int) -> TextNetwork:
    """A text network with random weights; the adapter makes its own without any."""
    network = text_network(configuration(n_words))
    for name, parameter in network.named_parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.04)
        else:
            nn.init.constant_(parameter, float(name.endswith("LayerNorm.weight")))
    return network


@dataclass(frozen=True, slots=True, eq=False)
class BiovilTPupil:
    """A BioViL-T that learns; its scale is the adapter's constant."""

    image: ImageNetwork
    text: TextNetwork
    tokenizer: BertTokenizerFast
    logit_scale: nn.Parameter = field(
        default_factory=lambda: nn.Parameter(
            torch.tensor(float(np.log(LOGIT_SCALE))), requires_grad=False
        )
    )

    @property
    def dim(self) -> int:
        """Dimensions of the shared space."""
        return DIM

    def image_parameters(self) -> list[nn.Parameter]:
        """Of the image network, but for the transformer over two images."""
        named = self.image.named_parameters()
        return [p for name, p in named if "vit_pooler" not in name and ".fc." not in name]

    def parameters(self) -> list[nn.Parameter]:
        """Of both networks."""
        return [*self.image.parameters(), *self.text.parameters()]

    def see(self, grey: Float[Tensor, "n h w"], /) -> Seen:
        """Unit embeddings of single images and of their patches."""
        return seen(self.image(grey[:, None].expand(-1, 3, -1, -1)))

    def read(self, texts: list[str], /) -> Float[Tensor, "n dim"]:
        """Unit embeddings of texts."""
        tokens = tokens_of(texts, self.tokenizer, length=CONTEXT)
        return functional.normalize(self.text(**tokens), dim=-1)


def seen(patches: Float[Tensor, "n d rows columns"]) -> Seen:
    """Whole image and patches from the network's projected patches, of unit length."""
    whole = functional.normalize(patches.mean(dim=(2, 3)), dim=-1)
    return Seen(whole, functional.normalize(patches.flatten(2).transpose(1, 2), dim=-1))


def new_pupil(tokenizer: BertTokenizerFast, *, seed: int) -> BiovilTPupil:
    """Random weights; the last norm of each block starts small, as if there were no block."""
    torch.manual_seed(seed)
    network = image_network(SIZES).to(memory_format=torch.channels_last)
    for name, parameter in network.named_parameters():
        if name.endswith("bn3.weight"):
            nn.init.constant_(parameter, 0.2)
    return BiovilTPupil(network, new_text_network(len(tokenizer)), tokenizer)
