"""Where a dual encoder looks when it compares an image with a text.

The gradient of their cosine with respect to the attention of the vision tower's last block says
which patches the class token would need to attend to more. Only that block is computed a second
time, with its attention in the open; all before it and every other method keep the fast kernel.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from vesalius.models.preprocessing import model_input
from vesalius.models.saliency import relevance
from vesalius.models.towers import ClipTowers, unit
from vesalius.records import Image


def class_token_attention(
    query: Float[torch.Tensor, "heads tokens width"],
    key: Float[torch.Tensor, "heads tokens width"],
    /,
) -> Float[torch.Tensor, "heads 1 tokens"]:
    """Attention weights of the class token, which is the first; each row sums to one."""
    scale = query.shape[-1] ** -0.5
    weights: torch.Tensor = (query[:, :1] * scale @ key.transpose(-1, -2)).softmax(-1)
    return weights


def class_token_map(
    attention: Float[torch.Tensor, "heads 1 tokens"],
    embed: Callable[[torch.Tensor], torch.Tensor],
    text: Float[np.ndarray, " dim"],
    *,
    grid: tuple[int, int],
) -> Float[np.ndarray, "rows cols"]:
    """Positive part of attention times the gradient of the cosine, averaged over the heads.

    Args:
        attention: what the class token takes from every token, itself first, then the patches.
        embed: image embedding of shape (dim,) that this attention leads to.
        text: unit embedding of the text.
        grid: rows and columns of the patches.
    """
    with torch.enable_grad():
        leaf = attention.detach().requires_grad_()
        cosine = unit(embed(leaf)) @ torch.from_numpy(text).to(leaf.device)
        (gradient,) = torch.autograd.grad(cosine, leaf)
    patches = relevance(leaf.detach(), gradient)[0, 1:]
    return np.asarray(patches.reshape(grid).float().cpu().numpy())


def clip_map(
    towers: ClipTowers, image: Image, text: Float[np.ndarray, " dim"], /
) -> Float[np.ndarray, "rows cols"]:
    """`class_token_map` of a `CLIPModel`; `text` is the unit embedding of the text."""
    model = towers.model
    pixels = model_input([image], towers.processor, fit=towers.fit)["pixel_values"]
    with torch.no_grad():
        states = model.vision_model(
            pixel_values=pixels.to(model.device), output_hidden_states=True
        ).hidden_states
        entering = states[-2]
        attention, value = _clip_attention(model, entering)
    patch = model.config.vision_config.patch_size

    def embed(weights: torch.Tensor) -> torch.Tensor:
        return _clip_embedding(model, entering[:, :1], weights @ value)

    grid = (pixels.shape[-2] // patch, pixels.shape[-1] // patch)
    return class_token_map(attention, embed, text, grid=grid)


def _clip_attention(model: Any, entering: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention of the class token and the values it is applied to, head by head."""
    block = model.vision_model.encoder.layers[-1]
    normed = block.layer_norm1(entering)[0]
    query, key, value = (
        projection(normed).unflatten(-1, (block.self_attn.num_heads, -1)).transpose(0, 1)
        for projection in (block.self_attn.q_proj, block.self_attn.k_proj, block.self_attn.v_proj)
    )
    return class_token_attention(query, key), value


def _clip_embedding(
    model: Any, entering: torch.Tensor, gathered: Float[torch.Tensor, "heads 1 width"]
) -> torch.Tensor:
    """Projected class token, given what its heads have gathered in the last block."""
    vision = model.vision_model
    block = vision.encoder.layers[-1]
    state = entering + block.self_attn.out_proj(gathered.transpose(0, 1).flatten(1))
    state = state + block.mlp(block.layer_norm2(state))
    embedding: torch.Tensor = model.visual_projection(vision.post_layernorm(state))[0, 0]
    return embedding
