"""``microsoft/BiomedVLP-BioViL-T`` in small: text weights, an image network in a pickle, code.

Names and shapes of all tensors are written out here, so that they are a second account of the
published layout. Nothing of Vesalius is imported.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tiny_checkpoints import CANARY, WORDS, random_state, save_weights, write_json

IMAGE_FILE = "biovil_t_image_model_proj_size_128"
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Sizes:
    """Sizes of both networks; the genuine image network is `GENUINE_IMAGE`."""

    width: int = 8
    stages: tuple[int, ...] = (1, 2, 1, 1)
    classes: int = 5
    pooler: int = 16
    blocks: int = 2
    projection: int = 16


GENUINE_IMAGE = Sizes(64, (3, 4, 6, 3), 1000, 256, 3, 128)


def norm_shapes(name: str, width: int) -> Shapes:
    """A BatchNorm2d."""
    vectors = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (width,) for part in vectors} | {f"{name}.num_batches_tracked": ()}


def resnet_shapes(sizes: Sizes) -> Shapes:
    """Names of a ResNet of bottleneck blocks, as torchvision has them."""
    shapes: Shapes = {"conv1.weight": (sizes.width, 3, 7, 7), **norm_shapes("bn1", sizes.width)}
    entering = sizes.width
    for stage, n_blocks in enumerate(sizes.stages):
        width = sizes.width * 2**stage
        for index in range(n_blocks):
            block = f"layer{stage + 1}.{index}"
            shapes[f"{block}.conv1.weight"] = (width, entering, 1, 1)
            shapes[f"{block}.conv2.weight"] = (width, width, 3, 3)
            shapes[f"{block}.conv3.weight"] = (4 * width, width, 1, 1)
            for place, channels in (("bn1", width), ("bn2", width), ("bn3", 4 * width)):
                shapes |= norm_shapes(f"{block}.{place}", channels)
            if index == 0:
                shapes[f"{block}.downsample.0.weight"] = (4 * width, entering, 1, 1)
                shapes |= norm_shapes(f"{block}.downsample.1", 4 * width)
            entering = 4 * width
    return shapes | {"fc.weight": (sizes.classes, entering), "fc.bias": (sizes.classes,)}


def pooler_shapes(d: int, n_blocks: int) -> Shapes:
    """The transformer over two images."""
    shapes: Shapes = {"type_embed": (2, 1, d), "norm_post.weight": (d,), "norm_post.bias": (d,)}
    for index in range(n_blocks):
        block = f"blocks.{index}"
        for norm in ("norm1", "norm2"):
            shapes |= {f"{block}.{norm}.weight": (d,), f"{block}.{norm}.bias": (d,)}
        for matrix in ("attn.proj_q", "attn.proj_k", "attn.proj_v"):
            shapes[f"{block}.{matrix}.weight"] = (d, d)
        for layer in ("attn.proj", "mlp.fc1", "mlp.fc2"):
            shapes |= {f"{block}.{layer}.weight": (d, d), f"{block}.{layer}.bias": (d,)}
    return shapes


def image_shapes(sizes: Sizes) -> Shapes:
    """All tensors of ``biovil_t_image_model_proj_size_128.pt``."""
    d, p = sizes.pooler, sizes.projection
    deepest = sizes.width * 8 * 4
    return {
        **{f"encoder.encoder.{name}": shape for name, shape in resnet_shapes(sizes).items()},
        "encoder.backbone_to_vit.weight": (d, deepest, 1, 1),
        "encoder.missing_previous_emb": (1, d, 1, 1),
        **{f"encoder.vit_pooler.{n}": s for n, s in pooler_shapes(d, sizes.blocks).items()},
        "projector.model.0.weight": (p, 2 * d, 1, 1),
        **norm_shapes("projector.model.1", p),
        "projector.model.3.weight": (p, p, 1, 1),
        "projector.model.3.bias": (p,),
    }


def image_state(sizes: Sizes, *, seed: int) -> dict[str, np.ndarray]:
    """Weights under which pictures, priors and places matter, from uniform numbers only."""
    rng = np.random.default_rng(seed)
    state: dict[str, np.ndarray] = {}
    for name, shape in image_shapes(sizes).items():
        noise = rng.random(shape, np.float32) - np.float32(0.5)
        last = name.rsplit(".", 1)[-1]
        if last == "num_batches_tracked":
            state[name] = np.array(7, np.int64)
        elif last == "running_var":
            state[name] = 1 + noise
        elif last == "weight" and len(shape) == 1:
            state[name] = 1 + noise / 4
        elif last in ("bias", "running_mean"):
            state[name] = noise / 50
        elif last in ("type_embed", "missing_previous_emb"):
            state[name] = 2 * noise
        else:  # unit gain through a rectifier, and what all inputs share cancels out
            noise -= noise.mean(axis=tuple(range(1, len(shape))), keepdims=True)
            state[name] = noise * np.sqrt(np.float32(24 / np.prod(shape[1:])))
    return state


def text_shapes(config: dict[str, object]) -> Shapes:
    """All tensors of ``pytorch_model.bin``, with the unused head of masked language modelling."""
    d, inner, p = (
        int(str(config[key])) for key in ("hidden_size", "intermediate_size", "projection_size")
    )
    words, places = int(str(config["vocab_size"])), int(str(config["max_position_embeddings"]))

    def linear(name: str, entering: int, leaving: int) -> Shapes:
        return {f"{name}.weight": (leaving, entering), f"{name}.bias": (leaving,)}

    def norm(name: str, width: int) -> Shapes:
        return {f"{name}.weight": (width,), f"{name}.bias": (width,)}

    shapes: Shapes = {
        "bert.embeddings.word_embeddings.weight": (words, d),
        "bert.embeddings.position_embeddings.weight": (places, d),
        "bert.embeddings.token_type_embeddings.weight": (2, d),
        **norm("bert.embeddings.LayerNorm", d),
        **linear("bert.pooler.dense", d, d),
        **linear("cls.predictions.transform.dense", d, d),
        **norm("cls.predictions.transform.LayerNorm", d),
        "cls.predictions.bias": (words,),
        **linear("cls.predictions.decoder", d, words),
        **linear("cls_projection_head.dense_to_hidden", d, p),
        **norm("cls_projection_head.LayerNorm", p),
        **linear("cls_projection_head.dense_to_output", p, p),
    }
    for index in range(int(str(config["num_hidden_layers"]))):
        layer = f"bert.encoder.layer.{index}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            shapes |= linear(f"{layer}.attention.{part}", d, d)
        shapes |= norm(f"{layer}.attention.output.LayerNorm", d)
        shapes |= linear(f"{layer}.intermediate.dense", d, inner)
        shapes |= linear(f"{layer}.output.dense", inner, d) | norm(f"{layer}.output.LayerNorm", d)
    return shapes


def text_config(vocabulary_size: int, projection: int) -> dict[str, object]:
    """The published file in small: a plain BERT by its type, code of its own by its map."""
    return {
        "architectures": ["CXRBertModel"], "attention_probs_dropout_prob": 0.25,
        "auto_map": {"AutoConfig": "configuration_cxrbert.CXRBertConfig",
                     "AutoModel": "modeling_cxrbert.CXRBertModel"},
        "classifier_dropout": None, "gradient_checkpointing": False, "hidden_act": "gelu",
        "hidden_dropout_prob": 0.25, "hidden_size": 32, "initializer_range": 0.02,
        "intermediate_size": 64, "layer_norm_eps": 1e-12, "max_position_embeddings": 48,
        "model_type": "bert", "num_attention_heads": 4, "num_hidden_layers": 2, "pad_token_id": 0,
        "position_embedding_type": "absolute", "projection_size": projection,
        "torch_dtype": "float32", "transformers_version": "4.17.0", "type_vocab_size": 2,
        "use_cache": True, "vocab_size": vocabulary_size,
    }  # fmt: skip


def write_tokenizer(folder: Path) -> int:
    """``vocab.txt`` and settings that name a class of the repository; no ``tokenizer.json``."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789-.,!?"
    words = ["[PAD]", *(f"[unused{n}]" for n in range(99)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += [*letters, *(f"##{letter}" for letter in letters)]
    words += [word for word in WORDS if len(word) > 1]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    specials = {
        "cls_token": "[CLS]", "mask_token": "[MASK]", "pad_token": "[PAD]", "sep_token": "[SEP]",
        "unk_token": "[UNK]",
    }  # fmt: skip
    write_json(folder / "special_tokens_map.json", specials)
    settings = {
        "auto_map": {"AutoTokenizer": ["configuration_cxrbert.CXRBertTokenizer", None]},
        "do_basic_tokenize": True, "do_lower_case": True, "model_max_length": 512,
        "never_split": None, "strip_accents": None, "tokenize_chinese_chars": True,
        "tokenizer_class": "CXRBertTokenizer",
    }  # fmt: skip
    write_json(folder / "tokenizer_config.json", specials | settings)
    return len(words)


def save_image_weights(folder: Path, state: dict[str, np.ndarray], *, pickle: bool) -> None:
    """The image network as a pickle, as published, or as safetensors."""
    import torch
    from safetensors.numpy import save_file

    if pickle:
        tensors = {name: torch.from_numpy(value) for name, value in state.items()}
        torch.save(tensors, folder / f"{IMAGE_FILE}.pt")
    else:
        save_file(state, folder / f"{IMAGE_FILE}.safetensors")


def build_biovilt(
    folder: Path, sizes: Sizes | None = None, *, pickle: bool = True, seed: int = 5
) -> Path:
    """The whole repository; a tiny one has a frame of its own (resize 144, crop 128)."""
    folder.mkdir(parents=True)
    if sizes is None:
        write_json(folder / "preprocessor_config.json", {"resize": 144, "crop": 128})
    sizes = sizes or Sizes()
    config = text_config(write_tokenizer(folder), sizes.projection)
    write_json(folder / "config.json", config)
    state = random_state(text_shapes(config), seed=seed)
    tied = {"decoder.weight": "bert.embeddings.word_embeddings.weight",
            "decoder.bias": "cls.predictions.bias"}  # fmt: skip
    state |= {f"cls.predictions.{name}": state[other].copy() for name, other in tied.items()}
    if pickle:
        state["bert.embeddings.position_ids"] = np.arange(48, dtype=np.int64)[None]
    save_weights(folder, state, pickle=pickle)
    save_image_weights(folder, image_state(sizes, seed=seed), pickle=pickle)
    code = f"from pathlib import Path\nPath(__file__).with_name('{CANARY}').touch()\n"
    for name in ("configuration_cxrbert.py", "modeling_cxrbert.py"):
        (folder / name).write_text(code, encoding="utf-8")
    return folder


def scene(rows: int, columns: int, phase: float, *, colour: bool = False) -> np.ndarray:
    """Smooth waves and one bright square, never quite black or white."""
    y, x = np.mgrid[:rows, :columns]
    grey = 110 + 45 * np.sin(x / 7 + phase) * np.cos(y / (9 + phase)) + 20 * np.sin(x * y / 400)
    top, left = int(rows * (0.2 + 0.1 * phase)), int(columns * 0.5)
    grey[top : top + rows // 8, left : left + columns // 8] = 215
    picture = grey.clip(30, 220).astype(np.uint8)
    return np.stack([picture, picture // 2, picture[::-1]], -1) if colour else picture
