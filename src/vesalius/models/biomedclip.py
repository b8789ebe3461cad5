"""BiomedCLIP, computed here: no open_clip, timm or torchvision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from vesalius.errors import ModelError
from vesalius.models import biomedclip_input as inputs
from vesalius.models import maps, towers
from vesalius.models import options as declared
from vesalius.models.biomedclip_network import Network, network
from vesalius.models.biomedclip_sizes import TextSizes, sizes_of
from vesalius.models.checkpoint import Checkpoint, card_of
from vesalius.models.language import Reading, encode_words
from vesalius.models.loading import choose_device, load_tokenizer
from vesalius.models.native import fill, read_state
from vesalius.models.preprocessing import Fit
from vesalius.records import Geometry, Image, Json, ModelCard

ADAPTER = "biomedclip"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
UNUSED = ("text.transformer.embeddings.position_ids",)  # counts up; saved by old versions


@dataclass(frozen=True, slots=True, eq=False)
class BiomedClip:
    """Capabilities: DualEncoder, DenseEncoder (text-aligned), WordEncoder, TextScorer, Attributor.

    Input: a 2D display image as RGB, its shorter side resized to 224 px, centre crop. Text: lower
    case, 256 tokens; longer texts are cut off. The model card's prompts begin "this is a photo of".

    Source: Zhang et al. (2025), doi:10.1056/AIoa2400640.
    """

    card: ModelCard
    network: Network
    tokenizer: Any
    framing: inputs.Framing
    context: int

    @property
    def n_parameters(self) -> int:
        """Number of parameters of both towers."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    @property
    def logit_scale(self) -> float:
        """Factor from cosine to logit, from the checkpoint."""
        return float(self.network.logit_scale.detach().exp())

    @property
    def dense_text_aligned(self) -> bool:
        """Always true: patches are projected into the shared space."""
        return True

    def encode_images(self, images: Sequence[Image], /) -> Float[np.ndarray, "n dim"]:
        """Unit rows of 2D images in the shared space."""

        def encode(batch: Sequence[Image]) -> torch.Tensor:
            return towers.unit(self.network.visual(self._pixels(batch)))

        return towers.encode_in_batches(images, encode, blank=towers.BLANK)

    def encode_texts(self, texts: Sequence[str], /) -> Float[np.ndarray, "n dim"]:
        """Unit rows of texts in the shared space."""

        def encode(batch: Sequence[str]) -> torch.Tensor:
            ids = inputs.token_ids(batch, self.tokenizer, length=self.context)
            return towers.unit(self.network.text(ids.to(self._device)))

        return towers.encode_in_batches(towers.check_texts(texts), encode, blank="")

    def encode_words(self, texts: Sequence[str], /) -> list[Float[np.ndarray, "words dim"]]:
        """Tokens as they leave BERT's last layer, before the projection."""
        reading = Reading(
            states=lambda ids, _: self.network.text.states(ids),  # the network masks id 0 itself
            tokenizer=self.tokenizer,
            max_length=self.context,
            device=self._device,
        )
        return encode_words(texts, reading)

    def encode_dense(self, images: Sequence[Image], /) -> Float[np.ndarray, "n rows cols dim"]:
        """Unit vectors of the patches in the shared space; `geometry` says where they lie."""

        def encode(batch: Sequence[Image]) -> torch.Tensor:
            return towers.unit(self.network.visual.dense(self._pixels(batch)))

        return towers.encode_in_batches(images, encode, blank=towers.BLANK)

    def score_texts(
        self, images: Sequence[Image], texts: Sequence[str], /
    ) -> Float[np.ndarray, "n m"]:
        """Scaled cosine of every image with every text, in logits."""
        rows, columns = self.encode_images(images), self.encode_texts(texts)
        return towers.match_scores(rows, columns, scale=self.logit_scale)

    def attribute(self, image: Image, text: str, /) -> Float[np.ndarray, "rows cols"]:
        """Positive gradient-weighted attention of the class token in the last block."""
        visual = self.network.visual
        last = visual.trunk.last
        with torch.no_grad():
            entering = visual.trunk.entering_last(self._pixels([image]))
            query, key, value = last.attn.split(last.norm1(entering))
            attention = maps.class_token_attention(query[0], key[0])

        def embed(weights: torch.Tensor) -> torch.Tensor:
            gathered = last.attn.join((weights @ value[0])[None])
            return visual.whole(last.finish(entering[:, :1], gathered))[0]

        grid = (visual.sizes.grid, visual.sizes.grid)
        return maps.class_token_map(attention, embed, self.encode_texts([text])[0], grid=grid)

    def with_fit(self, fit: Fit, /) -> "BiomedClip":
        """The same weights, padding to a square or framing as the checkpoint does."""
        return replace(self, framing=replace(self.framing, fit=fit))

    def geometry(self, image: Image, /) -> Geometry:
        """Where the model's input square lies in the original image."""
        return inputs.geometry(image, self.framing)

    @property
    def _device(self) -> torch.device:
        return self.network.logit_scale.device

    def _pixels(self, images: Sequence[Image]) -> torch.Tensor:
        return inputs.model_input(images, self.framing).to(self._device)


def load(
    checkpoint: Checkpoint, *, name: str, options: Mapping[str, Json], device: str = "auto"
) -> BiomedClip:
    """Load BiomedCLIP weights strictly.

    Args:
        checkpoint: a folder in the hub's layout: ``open_clip_config.json``, tokenizer files, and
            ``open_clip_model.safetensors`` or ``open_clip_pytorch_model.bin``.
        name: display name, for the card.
        options: ``fit``: ``crop`` (default, the model's own preprocessing) or ``pad``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        InputError: if an option or the device is unknown.
        ModelError: if the files do not make a complete BiomedCLIP.
    """
    settled = declared.complete(options, declared=declared.BIOMEDCLIP, adapter=ADAPTER)
    chosen = choose_device(device)
    config = inputs.read_settings(checkpoint)
    sizes = sizes_of(config)
    framing = inputs.framing_of(config, side=sizes.vision.image_size, fit=settled["fit"])
    file = next((file for file in WEIGHTS if file in checkpoint.files), WEIGHTS[0])
    state = read_state(checkpoint, file)
    filled = fill(network(config), state, source=checkpoint.folder / file, unused=UNUSED)
    return BiomedClip(
        card=card_of(checkpoint, name=name, adapter=ADAPTER, options=settled),
        network=filled.to(chosen),
        tokenizer=_tokenizer(checkpoint, sizes.text),
        framing=framing,
        context=sizes.text.context_length,
    )


def _tokenizer(checkpoint: Checkpoint, sizes: TextSizes) -> Any:
    """The tokenizer beside the weights; the network takes id 0 for padding."""
    tokenizer = load_tokenizer(checkpoint, vocabulary_size=sizes.vocab_size)
    if tokenizer.pad_token_id != 0:
        raise ModelError(
            f"{checkpoint.folder}: the model pads texts with token 0, the tokenizer with "
            f"{tokenizer.pad_token_id}"
        )
    return tokenizer
