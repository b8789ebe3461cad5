"""BioViL-T's text network: BERT and a projection of its first token.

Source: Boecking et al. (2022), CXR-BERT, doi:10.1007/978-3-031-20059-5_1.
"""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import BertConfig, BertModel, BertTokenizer
from transformers.initialization import no_init_weights

from vesalius.errors import ModelError
from vesalius.models.checkpoint import Checkpoint, read_config
from vesalius.models.loading import load_tokenizer
from vesalius.models.native import fill, read_state
from vesalius.records import Json

UNUSED = (
    "cls.predictions.*",  # head of masked language modelling
    "bert.pooler.*",
    "bert.embeddings.position_ids",
)
FILES = ("model.safetensors", "pytorch_model.bin")
_ENDING = "!?."


class ProjectionHead(nn.Module):
    """From the first token's state into the space shared with images."""

    def __init__(self, width: int, projection: int) -> None:
        super().__init__()
        self.dense_to_hidden = nn.Linear(width, projection)
        self.LayerNorm = nn.LayerNorm(projection, eps=1e-12)
        self.dense_to_output = nn.Linear(projection, projection)

    def forward(self, x: Float[Tensor, "n d"], /) -> Float[Tensor, "n p"]:
        """Two layers, normalised in between."""
        hidden = self.LayerNorm(nn.functional.gelu(self.dense_to_hidden(x)))
        projected: Tensor = self.dense_to_output(hidden)
        return projected


class TextNetwork(nn.Module):
    """A BERT without pooler, and the projection of its first token."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.bert: Any = BertModel(config, add_pooling_layer=False)
        self.cls_projection_head = ProjectionHead(config.hidden_size, config.projection_size)

    def forward(
        self, input_ids: Int[Tensor, "n tokens"], attention_mask: Int[Tensor, "n tokens"]
    ) -> Float[Tensor, "n p"]:
        """Embeddings, not of unit length; what the mask hides does not count."""
        projected: Tensor = self.cls_projection_head(self.states(input_ids, attention_mask)[:, 0])
        return projected

    def states(
        self, input_ids: Int[Tensor, "n tokens"], attention_mask: Int[Tensor, "n tokens"], /
    ) -> Float[Tensor, "n tokens d"]:
        """Every token as it leaves the last layer, before the projection."""
        read = self.bert(input_ids=input_ids, attention_mask=attention_mask)
        states: Tensor = read.last_hidden_state
        return states


def text_network(config: dict[str, Json], /) -> TextNetwork:
    """A network without knowledge, of the sizes in a ``config.json``.

    Inside ``torch.device("meta")`` it costs no memory.

    Raises:
        ModelError: if the configuration is not that of a BERT with a projection.
    """
    if config.get("model_type") not in ("bert", "cxr-bert") or "projection_size" not in config:
        raise ModelError(
            "config.json: expected model_type bert or cxr-bert and a projection_size, got "
            f"{config.get('model_type')!r} and {config.get('projection_size')!r}"
        )
    # the code that the repository names is not run, so its names have no use
    plain = {name: v for name, v in config.items() if name not in ("auto_map", "model_type")}
    with no_init_weights():  # every tensor is replaced, and the global generator stays as it was
        return TextNetwork(BertConfig(**plain))


def load_text_network(checkpoint: Checkpoint, /) -> TextNetwork:
    """The text network with the tensors of the checkpoint, on the CPU.

    Raises:
        ModelError: if the tensors do not fit the configuration.
    """
    name = next((name for name in FILES if name in checkpoint.files), FILES[0])
    network = text_network(read_config(checkpoint))
    state = read_state(checkpoint, name)
    return fill(network, state, source=checkpoint.folder / name, unused=UNUSED)


def load_bert_tokenizer(checkpoint: Checkpoint, network: TextNetwork, /) -> Any:
    """The tokenizer of ``vocab.txt``.

    The repository's settings name a class of its own code, which only renames this one.

    Raises:
        ModelError: if it does not suit the network, or common words are unknown to it.
    """
    return load_tokenizer(
        checkpoint,
        vocabulary_size=network.bert.config.vocab_size,
        tokenizer_class=BertTokenizer,
    )


def tokens_of(texts: Sequence[str], tokenizer: Any, /, *, length: int) -> dict[str, Tensor]:
    """Token ids and mask, padded to the longest; a text beyond `length` tokens is cut off."""
    tokens = tokenizer(
        without_ending(texts), padding=True, truncation=True, max_length=length, return_tensors="pt"
    )
    return {name: tokens[name] for name in ("input_ids", "attention_mask")}


def without_ending(texts: Sequence[str], /) -> list[str]:
    """The texts without punctuation at their end, as the published inference code has them."""
    return [text.rstrip(_ENDING) for text in texts]
