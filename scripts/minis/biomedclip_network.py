"""BiomedCLIP at miniature size: its configuration, and a start from the finished mini:clip."""

from math import log
from typing import Any

import torch
from torch import Tensor, nn
from transformers import CLIPModel

from minis.cohort import PATCH, PIXELS
from minis.network import DIM, MEAN, STD, WIDTH
from vesalius.models.biomedclip_network import Block, Network, network

CONTEXT = 256
TEXT_REPO = "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract"


def configuration(n_words: int) -> dict[str, dict[str, Any]]:
    """``open_clip_config.json``: the genuine keys, and those that make it small."""
    vision = {
        "timm_model_name": "vit_base_patch16_224",
        "timm_model_pretrained": False,
        "timm_pool": "",
        "timm_proj": "linear",
        "image_size": PIXELS,
        "patch_size": PATCH,
        "width": WIDTH,
        "layers": 4,
        "head_width": WIDTH // 4,
        "mlp_ratio": 3.0,
    }
    text = {
        "hf_model_name": TEXT_REPO,
        "hf_tokenizer_name": TEXT_REPO,
        "hf_proj_type": "mlp",
        "hf_pooler_type": "cls_last_hidden_state_pooler",
        "context_length": CONTEXT,
        "vocab_size": n_words,
        "width": 96,
        "layers": 2,
        "heads": 4,
        "mlp_ratio": 4.0,
    }
    return {
        "model_cfg": {"embed_dim": DIM, "vision_cfg": vision, "text_cfg": text},
        "preprocess_cfg": {"mean": list(MEAN), "std": list(STD)},
    }


def new_network(n_words: int, *, seed: int) -> Network:
    """Random weights: small normal matrices, unit norms, zero biases."""
    model = network(configuration(n_words))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                deviation = 0.1 if "proj.2" in name or "proj.0" in name else 0.04
                parameter.normal_(0, deviation, generator=generator)
            else:
                parameter.fill_(float(name.endswith("weight")))
        model.logit_scale.fill_(log(1 / 0.07))
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0  # far too small to need it
    return model


@torch.no_grad()
def start_from_clip(model: Network, clip: CLIPModel, pixels: Tensor) -> None:
    """Take over the vision tower of a CLIP of the same sizes.

    CLIP normalises its tokens before the first block, BiomedCLIP does not: the mean over channels
    and the gain go into the embeddings exactly, the deviation as its average over `pixels`. The
    first block's GELU differs a little, too. The rest is the same network.
    """
    vision, trunk = clip.vision_model, model.visual.trunk
    embeddings, norm = vision.embeddings, vision.pre_layrnorm
    tokens = embeddings(pixels)
    deviation = tokens[:, 1:].std(-1, correction=0).mean()
    gain = norm.weight / deviation
    kernel, places = embeddings.patch_embedding.weight, embeddings.position_embedding.weight
    trunk.patch_embed.proj.weight.copy_((kernel - kernel.mean(0)) * gain[:, None, None, None])
    trunk.patch_embed.proj.bias.copy_(norm.bias)
    trunk.pos_embed[0, 1:].copy_((places[1:] - places[1:].mean(1, keepdim=True)) * gain)
    trunk.pos_embed[0, 0].zero_()
    trunk.cls_token[0, 0].copy_(norm(tokens[0, 0]))
    for block, layer in zip(trunk.blocks, vision.encoder.layers, strict=True):
        assert isinstance(block, Block)
        _copy_block(block, layer)
    trunk.norm.load_state_dict(vision.post_layernorm.state_dict())
    model.visual.head.proj.load_state_dict(clip.visual_projection.state_dict())
    model.logit_scale.copy_(clip.logit_scale)


def _copy_block(block: Block, layer: Any) -> None:
    attention = layer.self_attn
    parts = (attention.q_proj, attention.k_proj, attention.v_proj)
    block.attn.qkv.weight.copy_(torch.cat([part.weight for part in parts]))
    block.attn.qkv.bias.copy_(torch.cat([part.bias for part in parts]))
    pairs = (
        (block.attn.proj, attention.out_proj),
        (block.norm1, layer.layer_norm1),
        (block.norm2, layer.layer_norm2),
        (block.mlp.fc1, layer.mlp.fc1),
        (block.mlp.fc2, layer.mlp.fc2),
    )
    for target, source in pairs:
        target.load_state_dict(source.state_dict())
