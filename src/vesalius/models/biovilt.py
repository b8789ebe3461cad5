"""BioViL-T: chest radiographs and reports in one space, with an eye on the previous study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.ndimage import gaussian_filter

from vesalius.errors import InputError
from vesalius.models import biovilt_input as entrance
from vesalius.models import options as declared
from vesalius.models.biovilt_image import ImageNetwork, image_network, sizes_of
from vesalius.models.biovilt_text import (
    TextNetwork,
    load_bert_tokenizer,
    load_text_network,
    tokens_of,
    without_ending,
)
from vesalius.models.checkpoint import Checkpoint, card_of
from vesalius.models.language import Reading, encode_words
from vesalius.models.loading import choose_device
from vesalius.models.native import fill, read_state
from vesalius.models.preprocessing import Fit
from vesalius.models.towers import BLANK, check_texts, encode_in_batches, match_scores, unit
from vesalius.records import Geometry, Image, Json, ModelCard

ADAPTER = "biovil-t"
IMAGE_FILES = tuple(f"biovil_t_image_model_proj_size_128.{end}" for end in ("safetensors", "pt"))
SMOOTHING = 1.5  # standard deviation of the similarity map's Gaussian, in patches
LOGIT_SCALE = 1 / 0.07


@dataclass(frozen=True, slots=True, eq=False)
class BiovilT:
    """Capabilities: DualEncoder, DenseEncoder (text-aligned), PriorEncoder, WordEncoder.

    It is a TextScorer and an Attributor as well.

    Input: a 2D display image, frontal chest radiographs only, as grey stretched to 0–255; its
    shorter side resized to 512 px, centre crop of 448, patches of 32. Text: lower case, 512
    tokens; longer texts are cut off.

    Source: Bannur et al. (2023), arXiv:2301.04558.
    """

    card: ModelCard
    image_network: ImageNetwork
    text_network: TextNetwork
    tokenizer: Any
    framing: entrance.Framing
    fit: Fit

    @property
    def n_parameters(self) -> int:
        """Number of parameters of both towers, with the classifier that is stored but not used."""
        towers = (self.image_network, self.text_network)
        return sum(parameter.numel() for tower in towers for parameter in tower.parameters())

    @property
    def logit_scale(self) -> float:
        """Factor from cosine to logit, 1 / 0.07: chosen here, because the checkpoint has none.

        It is where CLIP's training starts, the temperature of Wu et al. (2018),
        arXiv:1805.01978. Ranks do not depend on it; probabilities do.
        """
        return LOGIT_SCALE

    @property
    def dense_text_aligned(self) -> bool:
        """Always true: patches are projected into the shared space."""
        return True

    def encode_images(self, images: Sequence[Image], /) -> Float[np.ndarray, "n dim"]:
        """Unit rows of 2D images in the shared space: the mean of their projected patches."""

        def encode(batch: Sequence[Image]) -> torch.Tensor:
            return unit(self._patches(batch).mean(dim=(1, 2)))

        return encode_in_batches(images, encode, blank=BLANK)

    def encode_with_prior(
        self, images: Sequence[Image], priors: Sequence[Image | None], /
    ) -> Float[np.ndarray, "n dim"]:
        """Unit rows of images that were compared with an earlier study where there is one.

        Raises:
            InputError: if there are not as many priors as images; write None for no prior.
        """
        if len(images) != len(priors):
            raise InputError(
                f"expected one prior an image, None where there is none, got {len(images)} images "
                f"and {len(priors)} priors"
            )
        both = list(zip(images, priors, strict=True))
        pairs = [(image, prior) for image, prior in both if prior is not None]
        single = self.encode_images([image for image, prior in both if prior is None])

        def encode(batch: Sequence[tuple[Image, Image]]) -> torch.Tensor:
            now, before = ([pair[place] for pair in batch] for place in (0, 1))
            return unit(self._patches(now, before).mean(dim=(1, 2)))

        followed = np.array([prior is not None for prior in priors], bool)
        rows = np.empty((len(images), single.shape[1]), np.float32)
        rows[~followed] = single
        rows[followed] = encode_in_batches(pairs, encode, blank=(BLANK, BLANK))
        return rows

    def encode_texts(self, texts: Sequence[str], /) -> Float[np.ndarray, "n dim"]:
        """Unit rows of texts in the shared space; punctuation at their end does not count."""
        length = self.text_network.bert.config.max_position_embeddings

        def encode(batch: Sequence[str]) -> torch.Tensor:
            tokens = tokens_of(batch, self.tokenizer, length=length)
            return unit(
                self.text_network(**{name: t.to(self._device) for name, t in tokens.items()})
            )

        return encode_in_batches(check_texts(texts), encode, blank="")

    def encode_words(self, texts: Sequence[str], /) -> list[Float[np.ndarray, "words dim"]]:
        """Tokens as they leave BERT's last layer, before the projection; without the ending."""
        reading = Reading(
            states=self.text_network.states,
            tokenizer=self.tokenizer,
            max_length=self.text_network.bert.config.max_position_embeddings,
            device=self._device,
        )
        return encode_words(without_ending(check_texts(texts)), reading)

    def encode_dense(self, images: Sequence[Image], /) -> Float[np.ndarray, "n rows cols dim"]:
        """Unit vectors of the patches in the shared space; `geometry` says where they lie."""

        def encode(batch: Sequence[Image]) -> torch.Tensor:
            return unit(self._patches(batch))

        return encode_in_batches(images, encode, blank=BLANK)

    def score_texts(
        self, images: Sequence[Image], texts: Sequence[str], /
    ) -> Float[np.ndarray, "n m"]:
        """Scaled cosine of every image with every text, in logits."""
        rows, columns = self.encode_images(images), self.encode_texts(texts)
        return match_scores(rows, columns, scale=self.logit_scale)

    def attribute(self, image: Image, text: str, /) -> Float[np.ndarray, "rows cols"]:
        """The model's own map: cosine of every patch with the text, smoothed; in [-1, 1].

        The Gaussian has a standard deviation of 1.5 patches and is reflected at the border.

        Source: Boecking et al. (2022), doi:10.1007/978-3-031-20059-5_1; the smoothing is that of
        the published inference code.
        """
        (patches,) = self.encode_dense([image])
        (row,) = self.encode_texts([text])
        return np.asarray(gaussian_filter(patches @ row, SMOOTHING, mode="reflect"), np.float32)

    def with_fit(self, fit: Fit, /) -> "BiovilT":
        """The same weights, padding to a square or framing as the checkpoint does."""
        return replace(self, fit=fit)

    def geometry(self, image: Image, /) -> Geometry:
        """Where the model's input square lies in the original image.

        What lies outside still sets the stretch of grey values, if it is darker or brighter than
        all inside.
        """
        return entrance.geometry(image, self.framing, fit=self.fit)

    @property
    def _device(self) -> torch.device:
        return self.image_network.encoder.missing_previous_emb.device

    def _patches(
        self, images: Sequence[Image], priors: Sequence[Image] | None = None
    ) -> Float[torch.Tensor, "n rows cols dim"]:
        """Projected patches, not of unit length."""
        inputs = [
            entrance.model_input(group, self.framing, fit=self.fit).to(self._device)
            for group in (images, priors)
            if group is not None
        ]
        patches: torch.Tensor = self.image_network(*inputs)
        return patches.permute(0, 2, 3, 1)


def load_image_network(checkpoint: Checkpoint, /) -> ImageNetwork:
    """The image network with the tensors of the checkpoint, on the CPU; sizes follow from them.

    Raises:
        ModelError: if a tensor is missing, left over or of another shape.
    """
    name = next((name for name in IMAGE_FILES if name in checkpoint.files), IMAGE_FILES[1])
    path = checkpoint.folder / name
    state = read_state(checkpoint, name)
    sizes = sizes_of(state, source=path)
    with torch.device("meta"):
        empty = image_network(sizes)
    return fill(empty, state, source=path)


def load(
    checkpoint: Checkpoint, *, name: str, options: Mapping[str, Json], device: str = "auto"
) -> BiovilT:
    """Load BioViL-T weights strictly; code in the repository is never run.

    Args:
        checkpoint: a folder in the hub's layout, image and text weights in files of their own.
        name: display name, for the card.
        options: ``fit``: ``crop`` (default, the model's own preprocessing) or ``pad``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        InputError: if an option or the device is unknown.
        ModelError: if the files do not make a complete BioViL-T.
    """
    settled = declared.complete(options, declared=declared.BIOVILT, adapter=ADAPTER)
    card = card_of(checkpoint, name=name, adapter=ADAPTER, options=settled)
    chosen = choose_device(device)
    framing = entrance.read_framing(checkpoint)
    text = load_text_network(checkpoint)
    tokenizer = load_bert_tokenizer(checkpoint, text)
    image = load_image_network(checkpoint)
    return BiovilT(card, image.to(chosen), text.to(chosen), tokenizer, framing, settled["fit"])
