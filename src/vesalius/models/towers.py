"""The two towers of a CLIP: features as unit rows in numpy.

Rows do not depend on their neighbours beyond the rounding of float32 (about 1e-6): a batch of
another size runs through other matrix kernels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from transformers import CLIPModel

from vesalius.errors import InputError, ModelError
from vesalius.models.checkpoint import Checkpoint
from vesalius.models.loading import load_image_processor, load_tokenizer, load_weights
from vesalius.models.preprocessing import Fit, frame_of, model_input
from vesalius.records import Image

BATCH = 32  # bounds memory; callers with larger lists lose nothing
BLANK = Image(np.zeros((8, 8), np.uint8), "yx", "display", (0.0, 255.0), source="blank")

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, eq=False)
class ClipTowers:
    """A loaded `CLIPModel` with its tokenizer and image processor."""

    model: Any
    tokenizer: Any
    processor: Any
    fit: Fit


def load_towers(checkpoint: Checkpoint, /, *, device: str, fit: Fit) -> ClipTowers:
    """Load a checkpoint of the `CLIPModel` architecture.

    Raises:
        ModelError: if weights, tokenizer or processor are not what the configuration says.
    """
    model = load_weights(CLIPModel, checkpoint, device=device)
    text = model.config.text_config
    tokenizer = load_tokenizer(checkpoint, vocabulary_size=text.vocab_size)
    _check_end_token(tokenizer, text.eos_token_id, checkpoint)
    processor = load_image_processor(checkpoint)
    frame_of(processor)  # refuses a processor without a fixed input square
    return ClipTowers(model, tokenizer, processor, fit)


def _check_end_token(tokenizer: Any, configured: int, checkpoint: Checkpoint) -> None:
    """The text embedding is read at the end token, so the model must find it.

    With the historical value 2 the model takes the highest id instead; any other value must be
    the tokenizer's, or every text would be read at its first token.
    """
    end = tokenizer.eos_token_id
    highest = len(tokenizer) - 1
    if end != (highest if configured == 2 else configured):
        raise ModelError(
            f"{checkpoint.folder}: the model reads a text at token {configured} "
            f"(2 means the highest, {highest}), but the tokenizer ends it with {end}"
        )


def encode_in_batches(
    items: Sequence[Item], encode: Callable[[Sequence[Item]], torch.Tensor], /, *, blank: Item
) -> np.ndarray:
    """Float32 rows of `encode`, batch by batch; for no items, no rows of the right width."""
    with torch.inference_mode():
        parts = [
            encode(items[start : start + BATCH]).float().cpu()
            for start in range(0, len(items), BATCH)
        ]
        rows = torch.cat(parts) if parts else encode([blank]).float().cpu()[:0]
    return rows.numpy()


def unit(features: torch.Tensor, /) -> torch.Tensor:
    """Vectors of length one along the last axis."""
    return torch.nn.functional.normalize(features.float(), dim=-1)


def pooled(output: Any, /) -> torch.Tensor:
    """The embedding of ``get_image_features``: a tensor before transformers 5, a record since."""
    features = output if torch.is_tensor(output) else output.pooler_output
    assert isinstance(features, torch.Tensor)
    return features


def check_texts(texts: Sequence[object], /) -> list[str]:
    """The texts as a list.

    Raises:
        InputError: if it is a single string, or an entry is not a string.
    """
    if isinstance(texts, str):
        raise InputError(f"expected a list of texts, got one string {texts!r}; write [{texts!r}]")
    checked = []
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"texts[{index}]: expected a string, got {text!r}")
        checked.append(text)
    return checked


def encode_images(towers: ClipTowers, images: Sequence[Image], /) -> Float[np.ndarray, "n dim"]:
    """Unit rows of the projected class token."""

    def encode(batch: Sequence[Image]) -> torch.Tensor:
        inputs = _to_device(model_input(batch, towers.processor, fit=towers.fit), towers.model)
        return unit(pooled(towers.model.get_image_features(**inputs)))

    return encode_in_batches(images, encode, blank=BLANK)


def encode_texts(towers: ClipTowers, texts: Sequence[str], /) -> Float[np.ndarray, "n dim"]:
    """Unit rows of the projected end token; a text longer than the model's context is cut off.

    Padding to the longest of a batch changes nothing: the mask hides it and attention is causal.
    """

    def encode(batch: Sequence[str]) -> torch.Tensor:
        length = towers.model.config.text_config.max_position_embeddings
        tokens = towers.tokenizer(
            list(batch), padding=True, truncation=True, max_length=length, return_tensors="pt"
        )
        return unit(pooled(towers.model.get_text_features(**_to_device(tokens, towers.model))))

    return encode_in_batches(check_texts(texts), encode, blank="")


def text_states(
    towers: ClipTowers, ids: torch.Tensor, mask: torch.Tensor, /
) -> Float[torch.Tensor, "n tokens dim"]:
    """Every token after the text tower's last layer norm, not projected."""
    read = towers.model.text_model(input_ids=ids, attention_mask=mask)
    states: torch.Tensor = read.last_hidden_state
    return states


def encode_dense(
    towers: ClipTowers, images: Sequence[Image], /
) -> Float[np.ndarray, "n rows cols dim"]:
    """Unit vectors of the patches in the text space, by the value path of the last block.

    The last block's attention is left out: each patch keeps its own value vector, projected as
    the class token's would be.

    Source: Zhou et al. (2022), MaskCLIP, doi:10.1007/978-3-031-19815-1_40.
    """

    def encode(batch: Sequence[Image]) -> torch.Tensor:
        inputs = _to_device(model_input(batch, towers.processor, fit=towers.fit), towers.model)
        return unit(_patch_values(towers.model, inputs["pixel_values"]))

    return encode_in_batches(images, encode, blank=BLANK)


def _patch_values(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    vision = model.vision_model
    last = vision.encoder.layers[-1]
    entering = vision(pixel_values=pixels, output_hidden_states=True).hidden_states[-2]
    values = last.self_attn.out_proj(last.self_attn.v_proj(last.layer_norm1(entering)))
    projected = model.visual_projection(vision.post_layernorm(values))[:, 1:]
    patch = model.config.vision_config.patch_size
    rows, columns = pixels.shape[-2] // patch, pixels.shape[-1] // patch
    grid: torch.Tensor = projected.reshape(len(pixels), rows, columns, -1)
    return grid


def match_scores(
    image_rows: Float[np.ndarray, "n dim"],
    text_rows: Float[np.ndarray, "m dim"],
    *,
    scale: float,
    bias: float = 0.0,
) -> Float[np.ndarray, "n m"]:
    """Logit of every image with every text: scaled cosine plus bias, float32."""
    return np.asarray(scale * (image_rows @ text_rows.T) + bias, np.float32)


def logit_scale(towers: ClipTowers, /) -> float:
    """Factor from cosine to logit: the exponential of the stored parameter."""
    return float(towers.model.logit_scale.detach().exp())


def _to_device(tensors: Any, model: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.to(model.device) for name, tensor in tensors.items()}
