"""The CLIP architecture at miniature size, its start, and its forward passes."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional
from transformers import CLIPConfig, CLIPModel, CLIPTokenizerFast

from minis.cohort import PATCH, PIXELS

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
WIDTH, DIM, WINDOW, STRIDE = 128, 128, 77, 70


def new_model(n_vocab: int) -> CLIPModel:
    """A CLIP with random weights; ``eos_token_id`` stays 2, as in the 2021 configuration."""
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": 3 * WIDTH,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": PIXELS,
        "patch_size": PATCH,
        "hidden_act": "quick_gelu",
        "projection_dim": DIM,
    }
    text = {
        "vocab_size": n_vocab,
        "hidden_size": 96,
        "intermediate_size": 384,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": WINDOW,
        "hidden_act": "quick_gelu",
        "projection_dim": DIM,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "pad_token_id": 1,
    }
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=DIM))


def start_from_patches(model: CLIPModel, images: UInt8[np.ndarray, "n 128 128"]) -> None:
    """Set the patch embedding to the principal components of image patches, whitened.

    From a random start a transformer of this size hardly learns at all in minutes.
    """
    cells = images.reshape(len(images), PIXELS // PATCH, PATCH, PIXELS // PATCH, PATCH)
    patches = cells.transpose(0, 1, 3, 2, 4).reshape(-1, PATCH * PATCH)[::7] / 255.0
    grey_std = float(np.mean(STD))
    values = (patches - patches.mean(0)) / grey_std
    spread, axes = np.linalg.eigh(values.T @ values / len(values))
    chosen = np.argsort(spread)[::-1][:WIDTH]
    rows = axes[:, chosen].T / np.sqrt(spread[chosen] + 0.02)[:, None] * 0.5
    kernel = np.repeat(rows.reshape(WIDTH, 1, PATCH, PATCH) / 3, 3, axis=1)
    target = model.vision_model.embeddings.patch_embedding.weight
    with torch.no_grad():
        target.copy_(torch.from_numpy(kernel.astype(np.float32)))


def to_input(grey: Float[Tensor, "n h w"]) -> Float[Tensor, "n 3 h w"]:
    """Display values in [0, 1] as CLIP's normalised channels."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    return (grey[:, None] - mean) / std


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Image side: unit embedding of the whole, unit embeddings of the patches."""

    whole: Float[Tensor, "n dim"]
    patches: Float[Tensor, "n patches dim"]


def see(model: CLIPModel, pixels: Float[Tensor, "n 3 h w"]) -> Seen:
    """Embed images; patches take the value path of the last block (MaskCLIP)."""
    vision = model.vision_model
    out = vision(pixel_values=pixels, output_hidden_states=True)
    block = vision.encoder.layers[-1]
    value = block.self_attn.v_proj(block.layer_norm1(out.hidden_states[-2]))
    dense = model.visual_projection(vision.post_layernorm(block.self_attn.out_proj(value)))
    whole = model.visual_projection(out.pooler_output)
    return Seen(functional.normalize(whole, dim=-1), functional.normalize(dense[:, 1:], dim=-1))


def windows(ids: list[int], *, long: bool) -> list[list[int]]:
    """Token windows of one text: cut at 77, or ClipMD's windows of 77 every 70."""
    if len(ids) <= WINDOW:
        return [ids]
    if not long:
        return [[*ids[: WINDOW - 1], ids[-1]]]
    n_full = (len(ids) - WINDOW) // STRIDE + 1
    full = [ids[i * STRIDE : i * STRIDE + WINDOW] for i in range(n_full)]
    return [*full, ids[n_full * STRIDE :]]


def read(
    model: CLIPModel, tokenizer: CLIPTokenizerFast, texts: list[str], *, long: bool
) -> Float[Tensor, "n dim"]:
    """Unit embeddings of texts; a long one is the mean of its windows before normalising."""
    parts = [
        windows(ids, long=long)
        for ids in tokenizer(texts, truncation=False, verbose=False).input_ids
    ]
    flat = [(window, place) for place, part in enumerate(parts) for window in part]
    flat.sort(key=lambda item: len(item[0]))
    middle = len(flat) // 2  # short and long ones apart: less padding to compute
    total = torch.zeros(len(texts), model.config.projection_dim)
    for group in (flat[:middle], flat[middle:]):
        if group:
            owner = torch.tensor([place for _, place in group])
            pooled = _pooled(model, [window for window, _ in group], end=tokenizer.eos_token_id)
            total = total.index_add(0, owner, pooled)
    counts = torch.tensor([[float(len(part))] for part in parts])
    return functional.normalize(total / counts, dim=-1)


def _pooled(model: CLIPModel, ids: list[list[int]], *, end: int) -> Float[Tensor, "n dim"]:
    """Projected embeddings of token windows, padded with the end token."""
    width = max(map(len, ids))
    padded = torch.tensor([window + [end] * (width - len(window)) for window in ids])
    mask = torch.tensor([[1] * len(window) + [0] * (width - len(window)) for window in ids])
    pooled = model.text_model(input_ids=padded, attention_mask=mask).pooler_output
    return model.text_projection(pooled)
