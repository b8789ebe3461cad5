"""BLIP-2 at miniature size: configuration, start from mini:clip, files in the hub's layout."""

import json
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPModel, PreTrainedTokenizerBase

from minis.cohort import PATCH, PIXELS
from minis.network import MEAN, STD, WIDTH, to_input
from minis.t5_tokenizer import IMAGE
from vesalius.models.blip2 import architecture

N_QUERIES, QUERY_WIDTH, TEXT_WIDTH = 16, 64, 64
SPARE_ROWS = 12  # rows of the embedding that belong to no token, as in T5
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


def configuration(tokenizer: PreTrainedTokenizerBase) -> dict[str, object]:
    """``config.json`` in the form of the genuine one."""
    vision = {
        "model_type": "blip_2_vision_model",
        "hidden_size": WIDTH,
        "intermediate_size": 3 * WIDTH,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": PIXELS,
        "patch_size": PATCH,
        "hidden_act": "quick_gelu",
    }
    qformer = {
        "model_type": "blip_2_qformer",
        "hidden_size": QUERY_WIDTH,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 2 * QUERY_WIDTH,
        "encoder_hidden_size": WIDTH,
    }
    text = {
        "model_type": "t5",
        "architectures": ["T5ForConditionalGeneration"],
        "vocab_size": len(tokenizer) + SPARE_ROWS,
        "d_model": TEXT_WIDTH,
        "d_kv": 16,
        "d_ff": 2 * TEXT_WIDTH,
        "num_layers": 2,
        "num_decoder_layers": 2,
        "num_heads": 4,
        "feed_forward_proj": "gated-gelu",
        "dense_act_fn": "gelu",
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": 1,
        "pad_token_id": 0,
        "decoder_start_token_id": 0,
        "is_encoder_decoder": True,
    }
    return {
        "architectures": ["Blip2ForConditionalGeneration"],
        "model_type": "blip-2",
        "image_token_index": tokenizer.convert_tokens_to_ids(IMAGE),
        "image_text_hidden_size": QUERY_WIDTH,
        "num_query_tokens": N_QUERIES,
        "is_encoder_decoder": True,
        "use_decoder_only_language_model": False,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "text_config": text,
        "vision_config": vision,
        "qformer_config": qformer,
    }


def new_model(config: dict[str, object]) -> nn.Module:
    """Random weights of a scale that a network of this width learns from in minutes."""
    model = architecture(config)
    model.qformer.set_attn_implementation("eager")  # its attention is supervised
    with torch.no_grad():
        model.query_tokens.normal_()
        for parameter in model.qformer.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=parameter.shape[1] ** -0.5)
        model.language_model.shared.weight.mul_(0.3)
        model.language_model.lm_head.weight.normal_(std=0.05)
        model.language_projection.weight.normal_(std=0.3 * QUERY_WIDTH**-0.5)
    return model


def start_from_clip(
    model: nn.Module, clip: CLIPModel, images: UInt8[np.ndarray, "n 128 128"]
) -> None:
    """Take over the blocks of CLIP's vision tower.

    CLIP has a layer norm before its first block, BLIP-2 has none: its scale, averaged over
    patches of `images`, is folded into patch and position embeddings.
    """
    source, target = clip.vision_model, model.vision_model
    with torch.no_grad():
        _fold_embeddings(source, target, torch.from_numpy(images.astype(np.float32) / 255))
        for old, new in zip(source.encoder.layers, target.encoder.layers, strict=True):
            attention = [old.self_attn.q_proj, old.self_attn.k_proj, old.self_attn.v_proj]
            new.self_attn.qkv.weight.copy_(torch.cat([part.weight for part in attention]))
            new.self_attn.qkv.bias.copy_(torch.cat([part.bias for part in attention]))
            new.self_attn.projection.load_state_dict(old.self_attn.out_proj.state_dict())
            for part in ("layer_norm1", "layer_norm2", "mlp"):
                new.get_submodule(part).load_state_dict(old.get_submodule(part).state_dict())
        target.post_layernorm.load_state_dict(source.post_layernorm.state_dict())


def _fold_embeddings(source: nn.Module, target: nn.Module, grey: Float[Tensor, "n h w"]) -> None:
    embeddings, norm = source.embeddings, source.pre_layrnorm
    spread = embeddings(to_input(grey)).std(-1, correction=0).mean(0)  # of every position
    kernel, position = embeddings.patch_embedding.weight, embeddings.position_embedding.weight
    scale = norm.weight / spread[1:].mean()
    kernel = (kernel - kernel.mean(0)) * scale[:, None, None, None]
    position = position.clone()
    first = embeddings.class_embedding + position[0]
    position -= position.mean(1, keepdim=True)
    target.embeddings.patch_embedding.weight.copy_(kernel)
    target.embeddings.patch_embedding.bias.zero_()
    target.embeddings.position_embedding.copy_((position * scale + norm.bias)[None])
    target.embeddings.class_embedding.copy_(
        norm(first) - target.embeddings.position_embedding[0, :1]
    )


def write_files(folder: Path, model: nn.Module, config: dict[str, object]) -> None:
    """Configurations and two shards of fp16 weights with their index, beside the tokenizer."""
    state = {
        name: tensor.detach().to(torch.float16).contiguous()
        for name, tensor in model.state_dict().items()
        if not name.endswith(".embed_tokens.weight")  # the shared embedding, once
    }
    names = sorted(state)
    parts = dict(zip(SHARDS, (names[: len(names) // 2], names[len(names) // 2 :]), strict=True))
    for shard, part in parts.items():
        save_file({name: state[name] for name in part}, folder / shard, metadata={"format": "pt"})
        (folder / shard).chmod(0o644)  # safetensors makes it private
    weight_map = {name: shard for shard, part in parts.items() for name in part}
    size = sum(tensor.nbytes for tensor in state.values())
    ends = {"bos_token_id": 1, "decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0}
    side = {"height": PIXELS, "width": PIXELS}
    pixels = {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": list(MEAN),
        "image_processor_type": "BlipImageProcessor",
        "image_std": list(STD),
        "processor_class": "Blip2Processor",
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": side,
    }
    files: dict[str, dict[str, object]] = {
        "config.json": config,
        "generation_config.json": ends,
        "model.safetensors.index.json": {
            "metadata": {"total_size": size},
            "weight_map": weight_map,
        },
        "preprocessor_config.json": pixels,
        "processor_config.json": {
            "num_query_tokens": N_QUERIES,
            "processor_class": "Blip2Processor",
        },
    }
    for name, value in files.items():
        (folder / name).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
