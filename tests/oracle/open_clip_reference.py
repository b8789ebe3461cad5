"""What open_clip computes for a checkpoint in BiomedCLIP's layout; nothing of Vesalius is imported.

Needs open_clip, timm and torchvision: see ``make oracle``.
"""

import json
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Picture


@dataclass(frozen=True, eq=False)
class Reference:
    """Arrays of open_clip: input, unit embeddings, unit patch embeddings, maps, logits."""

    pixels: np.ndarray
    images: np.ndarray
    texts: np.ndarray
    dense: np.ndarray
    maps: np.ndarray
    logits: np.ndarray


def declare_operators() -> torch.library.Library:
    """Names of torchvision's compiled operators, which a CPU build of torch cannot load.

    Without them torchvision cannot be imported, and neither can what transformers builds on it.
    """
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


OPERATORS = declare_operators()  # before transformers is imported, and as long as the process lives


def compute(
    folder: Path,
    pictures: Sequence[Picture.Image],
    texts: Sequence[str],
    *,
    text_config: Mapping[str, object],
) -> Reference:
    """Run open_clip on a folder; `text_config` is what it would fetch from a second repository."""
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import open_clip

        name = f"local-dir:{_with_text_config(folder, Path(scratch), text_config)}"
        model, preprocess = open_clip.create_model_from_pretrained(name)
        tokens = open_clip.get_tokenizer(name)(list(texts))
    model.eval()  # it comes in training mode
    pixels = torch.stack([preprocess(picture) for picture in pictures])
    with torch.no_grad():
        images, words, scale = model(pixels, tokens)
    dense = _dense(model, pixels)
    maps = np.stack([_map(model, row[None], words[-1]) for row in pixels])
    arrays = [pixels, images, words, dense]
    logits = scale * images @ words.T
    return Reference(*(array.numpy() for array in arrays), maps, logits.numpy())


def _with_text_config(folder: Path, scratch: Path, text_config: Mapping[str, object]) -> Path:
    """A copy of the folder whose text tower is described by a folder beside it."""
    copy, words = scratch / "model", scratch / "text"
    shutil.copytree(folder, copy)
    words.mkdir()
    (words / "config.json").write_text(json.dumps(dict(text_config)), encoding="utf-8")
    config = json.loads((copy / "open_clip_config.json").read_text(encoding="utf-8"))
    config["model_cfg"]["text_cfg"] |= {"hf_model_name": str(words), "hf_model_pretrained": False}
    (copy / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    return copy


def _dense(model: torch.nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """MaskCLIP's value path, from the input of timm's last block on."""
    trunk, entering = model.visual.trunk, []
    last = trunk.blocks[-1]
    hook = last.register_forward_pre_hook(lambda _, inputs: entering.append(inputs[0]))
    with torch.no_grad():
        model.encode_image(pixels)
        hook.remove()
        normed = last.norm1(entering[0])
        value = normed @ last.attn.qkv.weight.chunk(3)[2].T + last.attn.qkv.bias.chunk(3)[2]
        rows = model.visual.head(trunk.norm(last.attn.proj(value)))[:, 1:]
    side = int(rows.shape[1] ** 0.5)
    return torch.nn.functional.normalize(rows, dim=-1).reshape(len(pixels), side, side, -1)


def _map(model: torch.nn.Module, pixels: torch.Tensor, words: torch.Tensor) -> np.ndarray:
    """Attention of the last block times its gradient, through all of timm's slow path."""
    attention = model.visual.trunk.blocks[-1].attn
    seen: list[torch.Tensor] = []

    def remember(_: object, __: object, weights: torch.Tensor) -> None:
        weights.retain_grad()
        seen.append(weights)

    attention.fused_attn = False
    hook = attention.attn_drop.register_forward_hook(remember)
    (model.encode_image(pixels, normalize=True)[0] @ words).backward()
    hook.remove()
    attention.fused_attn = True
    weights = (seen[0] * seen[0].grad).clamp(min=0)[0].mean(0)[0, 1:].detach()
    side = int(len(weights) ** 0.5)
    return weights.reshape(side, side).numpy()
