"""CLIP and its descendants of the same architecture, such as PubMedCLIP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float

from vesalius.models import maps, towers
from vesalius.models import options as declared
from vesalius.models.checkpoint import Checkpoint, card_of
from vesalius.models.language import Reading, encode_words
from vesalius.models.preprocessing import Fit, frame_of, input_geometry
from vesalius.records import Geometry, Image, Json, ModelCard

ADAPTER = "clip"


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Capabilities: DualEncoder, DenseEncoder (text-aligned), WordEncoder, TextScorer, Attributor.

    Input: a 2D display image as RGB, its shorter side resized to the model's input (224 px for
    ViT-B/32), centre crop. Text: lower case, 77 tokens; longer texts are cut off.

    Source: Radford et al. (2021), arXiv:2103.00020; PubMedCLIP: Eslami et al. (2023),
    doi:10.18653/v1/2023.findings-eacl.88.
    """

    card: ModelCard
    towers: towers.ClipTowers

    @property
    def n_parameters(self) -> int:
        """Number of parameters of both towers."""
        return sum(parameter.numel() for parameter in self.towers.model.parameters())

    @property
    def logit_scale(self) -> float:
        """Factor from cosine to logit, from the checkpoint."""
        return towers.logit_scale(self.towers)

    @property
    def dense_text_aligned(self) -> bool:
        """Always true: patches are projected into the shared space."""
        return True

    def encode_images(self, images: Sequence[Image], /) -> Float[np.ndarray, "n dim"]:
        """Unit rows of 2D images in the shared space."""
        return towers.encode_images(self.towers, images)

    def encode_texts(self, texts: Sequence[str], /) -> Float[np.ndarray, "n dim"]:
        """Unit rows of texts in the shared space."""
        return towers.encode_texts(self.towers, texts)

    def encode_words(self, texts: Sequence[str], /) -> list[Float[np.ndarray, "words dim"]]:
        """Tokens after the text tower's last layer norm, before the projection."""
        model = self.towers.model
        reading = Reading(
            states=partial(towers.text_states, self.towers),
            tokenizer=self.towers.tokenizer,
            max_length=model.config.text_config.max_position_embeddings,
            device=model.device,
        )
        return encode_words(texts, reading)

    def encode_dense(self, images: Sequence[Image], /) -> Float[np.ndarray, "n rows cols dim"]:
        """Unit vectors of the patches in the shared space; `geometry` says where they lie."""
        return towers.encode_dense(self.towers, images)

    def score_texts(
        self, images: Sequence[Image], texts: Sequence[str], /
    ) -> Float[np.ndarray, "n m"]:
        """Scaled cosine of every image with every text, in logits."""
        rows, columns = self.encode_images(images), self.encode_texts(texts)
        return towers.match_scores(rows, columns, scale=self.logit_scale)

    def attribute(self, image: Image, text: str, /) -> Float[np.ndarray, "rows cols"]:
        """Positive gradient-weighted attention of the class token in the last block."""
        return maps.clip_map(self.towers, image, self.encode_texts([text])[0])

    def with_fit(self, fit: Fit, /) -> "Clip":
        """The same weights, padding to a square or cropping the centre."""
        return replace(self, towers=replace(self.towers, fit=fit))

    def geometry(self, image: Image, /) -> Geometry:
        """Where the model's input square lies in the original image."""
        return input_geometry(image, frame_of(self.towers.processor), fit=self.towers.fit)


def load(
    checkpoint: Checkpoint, *, name: str, options: Mapping[str, Json], device: str = "auto"
) -> Clip:
    """Load CLIP weights strictly.

    Args:
        checkpoint: a folder in the hub's layout.
        name: display name, for the card.
        options: ``fit``: ``crop`` (default, the model's own preprocessing) or ``pad``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        InputError: if an option or the device is unknown.
        ModelError: if the files do not make a complete CLIP.
    """
    settled = declared.complete(options, declared=declared.CLIP, adapter=ADAPTER)
    card = card_of(checkpoint, name=name, adapter=ADAPTER, options=settled)
    return Clip(card, towers.load_towers(checkpoint, device=device, fit=settled["fit"]))
