"""Any dual encoder that transformers knows: CLIP, SigLIP, SigLIP 2, ALIGN, AltCLIP and others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from transformers import AutoModelForZeroShotImageClassification
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES as DUAL_ENCODERS,
)

from vesalius.errors import ModelError, did_you_mean
from vesalius.models import options as declared
from vesalius.models import towers
from vesalius.models.checkpoint import Checkpoint, card_of, read_config
from vesalius.models.language import Reading, encode_words
from vesalius.models.loading import load_image_processor, load_tokenizer, load_weights
from vesalius.models.preprocessing import Fit, model_input
from vesalius.records import Image, Json, ModelCard

ADAPTER = "generic"

# Trained on texts padded to full length without a mask: shorter padding gives other embeddings.
_FULL_LENGTH = ("siglip", "siglip2")
# Its class is listed with the dual encoders but joins image and text in one Q-Former.
_JOINT = ("blip-2",)


@dataclass(frozen=True, slots=True, eq=False)
class HfDualEncoder:
    """Capabilities: DualEncoder, WordEncoder, TextScorer.

    Input and text form are the checkpoint's own: its image processor (in the Pillow form) and
    tokenizer, texts cut off at the model's context.
    """

    card: ModelCard
    model: Any
    tokenizer: Any
    processor: Any
    fit: Fit

    @property
    def n_parameters(self) -> int:
        """Number of parameters of both towers."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def logit_scale(self) -> float:
        """Factor from cosine to logit, from the checkpoint."""
        parameters = dict(self.model.named_parameters(recurse=False))
        if "temperature" in parameters:  # ALIGN stores its inverse
            return 1.0 / float(parameters["temperature"].detach())
        return float(parameters["logit_scale"].detach().exp())

    @property
    def logit_bias(self) -> float:
        """What is added to every logit; 0 unless trained with a sigmoid loss."""
        parameters = dict(self.model.named_parameters(recurse=False))
        return float(parameters["logit_bias"].detach()) if "logit_bias" in parameters else 0.0

    def encode_images(self, images: Sequence[Image], /) -> Float[np.ndarray, "n dim"]:
        """Unit rows of 2D images in the shared space."""

        def encode(batch: Sequence[Image]) -> torch.Tensor:
            inputs = model_input(batch, self.processor, fit=self.fit)
            return self._features(self.model.get_image_features, inputs)

        return towers.encode_in_batches(images, encode, blank=towers.BLANK)

    def encode_texts(self, texts: Sequence[str], /) -> Float[np.ndarray, "n dim"]:
        """Unit rows of texts in the shared space."""

        def encode(batch: Sequence[str]) -> torch.Tensor:
            tokens = self.tokenizer(
                list(batch),
                padding="max_length" if self._full_length else True,
                truncation=True,
                max_length=_context(self.model.config, self.tokenizer),
                return_tensors="pt",
            )
            return self._features(self.model.get_text_features, tokens)

        return towers.encode_in_batches(towers.check_texts(texts), encode, blank="")

    def encode_words(self, texts: Sequence[str], /) -> list[Float[np.ndarray, "words dim"]]:
        """Tokens as the text tower leaves them after its last norm, before any projection."""
        reading = Reading(
            states=self._text_states,
            tokenizer=self.tokenizer,
            max_length=_context(self.model.config, self.tokenizer),
            device=self.model.device,
        )
        return encode_words(texts, reading)

    def score_texts(
        self, images: Sequence[Image], texts: Sequence[str], /
    ) -> Float[np.ndarray, "n m"]:
        """Scaled cosine of every image with every text, plus the bias if there is one, in logits.

        For a sigmoid model the logistic function of it is the probability of a match.
        """
        rows, columns = self.encode_images(images), self.encode_texts(texts)
        return towers.match_scores(rows, columns, scale=self.logit_scale, bias=self.logit_bias)

    @property
    def _full_length(self) -> bool:
        return self.model.config.model_type in _FULL_LENGTH

    def _text_states(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The same padding and mask as in `encode_texts`."""
        length = ids.shape[1]
        if self._full_length:
            length = _context(self.model.config, self.tokenizer)
        more = (0, length - ids.shape[1])
        mask = torch.nn.functional.pad(mask, more)
        ids = torch.nn.functional.pad(ids, more)
        inputs = {"input_ids": ids.masked_fill(mask == 0, self.tokenizer.pad_token_id)}
        if "attention_mask" in self.tokenizer.model_input_names:
            inputs["attention_mask"] = mask
        states: torch.Tensor = self.model.get_text_features(**inputs).last_hidden_state
        return states

    def _features(self, encode: Any, inputs: Any) -> torch.Tensor:
        on_device = {name: tensor.to(self.model.device) for name, tensor in inputs.items()}
        return towers.unit(towers.pooled(encode(**on_device)))


def _context(config: Any, tokenizer: Any) -> int:
    """Longest text in tokens; a tokenizer without a limit gives a huge number."""
    return min(int(config.text_config.max_position_embeddings), int(tokenizer.model_max_length))


def load(
    checkpoint: Checkpoint, *, name: str, options: Mapping[str, Json], device: str = "auto"
) -> HfDualEncoder:
    """Load any dual encoder of transformers strictly; never runs code from the checkpoint.

    Args:
        checkpoint: a folder in the hub's layout.
        name: display name, for the card.
        options: ``fit``: ``crop`` (default, the checkpoint's own preprocessing) or ``pad``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        InputError: if an option or the device is unknown.
        ModelError: if the architecture has not both towers, or the files are incomplete.
    """
    settled = declared.complete(options, declared=declared.GENERIC, adapter=ADAPTER)
    _check_architecture(checkpoint)
    model = load_weights(AutoModelForZeroShotImageClassification, checkpoint, device=device)
    size = model.config.text_config.vocab_size
    return HfDualEncoder(
        card=card_of(checkpoint, name=name, adapter=ADAPTER, options=settled),
        model=model,
        tokenizer=load_tokenizer(checkpoint, vocabulary_size=size),
        processor=load_image_processor(checkpoint),
        fit=settled["fit"],
    )


def _check_architecture(checkpoint: Checkpoint) -> None:
    known = [name for name in DUAL_ENCODERS if name not in _JOINT]
    found = str(read_config(checkpoint).get("model_type", ""))
    if found not in known:
        raise ModelError(
            f"{checkpoint.folder}: model_type {found!r} has not one tower for images and one for "
            f"texts{did_you_mean(found, known)}; this adapter drives {', '.join(known)}"
        )
