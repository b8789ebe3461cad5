"""Tiny random checkpoints in the exact layout of their hub repositories.

Every builder writes one folder in well under a second. Weights come from a seeded generator with
a scale that lets images and words matter, so a wrong path shows in the numbers.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

WORDS = [
    "a",
    "an",
    "the",
    "of",
    "with",
    "no",
    "and",
    "on",
    "in",
    "left",
    "right",
    "upper",
    "lower",
    "zone",
    "lung",
    "lungs",
    "heart",
    "chest",
    "x",
    "ray",
    "showing",
    "findings",
    "consistent",
    "normal",
    "pneumonia",
    "nodule",
    "effusion",
    "consolidation",
    "pneumothorax",
    "cardiomegaly",
    "enlarged",
    "large",
    "small",
    "radiograph",
    "study",
    "patient",
]
IMAGE_SIZE = 64
PATCH = 16
WIDTH = 48
PROJECTION = 32
MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]
CANARY = "remote_code_was_run"


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")


def byte_characters() -> list[str]:
    """The 256 printable stand-ins of a byte-level vocabulary, in CLIP's order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(others))]


def clip_vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Characters, characters at a word's end, one merge chain a word, specials as highest ids."""
    tokens = byte_characters()
    tokens += [character + "</w>" for character in tokens]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        pieces = [*word[:-1], word[-1] + "</w>"]
        left = pieces[0]
        for right in pieces[1:]:
            if (left, right) not in merges:
                merges.append((left, right))
                tokens.append(left + right)
            left += right
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return {token: index for index, token in enumerate(dict.fromkeys(tokens))}, merges


def write_clip_tokenizer(folder: Path) -> int:
    """Write the five tokenizer files of the CLIP repositories and return the vocabulary size."""
    from transformers import CLIPTokenizer

    vocabulary, merges = clip_vocabulary()
    write_json(folder / "vocab.json", vocabulary)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges), ""]
    (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")
    CLIPTokenizer(vocab=vocabulary, merges=merges).backend_tokenizer.save(
        str(folder / "tokenizer.json")
    )
    added = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    start = {"content": "<|startoftext|>", **added}
    end = {"content": "<|endoftext|>", **added}
    specials = {
        "bos_token": start, "eos_token": end, "unk_token": end, "pad_token": "<|endoftext|>",
    }  # fmt: skip
    write_json(folder / "special_tokens_map.json", specials)
    settings = {
        "add_prefix_space": False, "errors": "replace", "do_lower_case": True,
        "name_or_path": "openai/clip-vit-base-patch32", "model_max_length": 77,
        "tokenizer_class": "CLIPTokenizer",
    }  # fmt: skip
    write_json(folder / "tokenizer_config.json", specials | settings)
    return len(vocabulary)


def random_state(shapes: Mapping[str, tuple[int, ...]], *, seed: int) -> dict[str, np.ndarray]:
    """Weights of unit gain: matrices by fan-in, norms near one, biases small."""
    rng = np.random.default_rng(seed)
    state = {}
    for name, shape in shapes.items():
        noise = rng.standard_normal(shape).astype(np.float32)
        if name == "logit_scale":
            state[name] = np.full(shape, 4.6052, np.float32)
        elif name == "logit_bias":
            state[name] = np.full(shape, -10.0, np.float32)
        elif name.endswith("weight") and len(shape) == 1:
            state[name] = 1 + 0.1 * noise
        elif name.endswith("bias"):
            state[name] = 0.1 * noise
        elif "embedding" in name:
            state[name] = noise * (0.3 if "position" in name else 1.0)
        else:
            state[name] = noise / np.sqrt(np.prod(shape[1:]))
        state[name] = np.asarray(state[name], np.float32)
    return state


def save_weights(folder: Path, state: Mapping[str, np.ndarray], *, pickle: bool) -> None:
    """Write ``pytorch_model.bin`` as the old repositories have it, or ``model.safetensors``."""
    import torch
    from safetensors.numpy import save_file

    if pickle:
        torch.save(
            {name: torch.from_numpy(value.copy()) for name, value in state.items()},
            folder / "pytorch_model.bin",
        )
    else:
        save_file(dict(state), folder / "model.safetensors", metadata={"format": "pt"})


def clip_config(vocabulary_size: int) -> dict[str, object]:
    """The form of the 2021 file, with its famous ``eos_token_id`` of 2."""
    text = {
        "model_type": "clip_text_model", "vocab_size": vocabulary_size, "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH, "num_hidden_layers": 3, "num_attention_heads": 4,
        "max_position_embeddings": 77, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
        "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1, "projection_dim": PROJECTION,
    }  # fmt: skip
    vision = {
        "model_type": "clip_vision_model", "hidden_size": WIDTH, "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": 3, "num_attention_heads": 4, "image_size": IMAGE_SIZE,
        "patch_size": PATCH, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
        "projection_dim": PROJECTION,
    }  # fmt: skip
    return {
        "architectures": ["CLIPModel"], "model_type": "clip", "initializer_factor": 1.0,
        "logit_scale_init_value": 2.6592, "projection_dim": PROJECTION,
        "text_config": text, "text_config_dict": None,
        "vision_config": vision, "vision_config_dict": None, "torch_dtype": "float32",
    }  # fmt: skip


def clip_preprocessor() -> dict[str, object]:
    """The old form: plain integers and a feature extractor."""
    return {
        "crop_size": IMAGE_SIZE, "do_center_crop": True, "do_normalize": True, "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": MEAN, "image_std": STD,
        "resample": 3, "size": IMAGE_SIZE,
    }  # fmt: skip


def shapes_of(model: object) -> dict[str, tuple[int, ...]]:
    """Tensor names and shapes of a torch module."""
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}  # type: ignore[attr-defined]


def build_clip(folder: Path, *, pickle: bool = True, seed: int = 0) -> Path:
    """``openai/clip-vit-base-patch32`` in small: a pickle with ``position_ids`` buffers."""
    from transformers import CLIPConfig, CLIPModel

    folder.mkdir(parents=True)
    config = clip_config(write_clip_tokenizer(folder))
    write_json(folder / "config.json", config)
    write_json(folder / "preprocessor_config.json", clip_preprocessor())
    state = random_state(shapes_of(CLIPModel(CLIPConfig(**config))), seed=seed)
    if pickle:
        positions = {"text_model": 77, "vision_model": (IMAGE_SIZE // PATCH) ** 2 + 1}
        for tower, n in positions.items():
            state[f"{tower}.embeddings.position_ids"] = np.arange(n, dtype=np.int64)[None]
    save_weights(folder, state, pickle=pickle)
    return folder


def build_pubmedclip(folder: Path, *, pickle: bool = True) -> Path:
    """``flaviagiammarino/pubmed-clip-vit-base-patch32``: CLIP's layout, other weights."""
    build_clip(folder, pickle=pickle, seed=1)
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    write_json(folder / "tokenizer_config.json", settings | {"processor_class": "CLIPProcessor"})
    return folder


def build_clipmd(folder: Path, *, pickle: bool = True) -> Path:
    """``Idan0405/ClipMD``: CLIP weights beside Python code, which must never run."""
    build_clip(folder, pickle=pickle, seed=2)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["architectures"] = ["ClipMDModel"]
    config["auto_map"] = {"AutoModel": "ClipMDModel.ClipMDModel"}
    write_json(folder / "config.json", config)
    preprocessor = clip_preprocessor() | {
        "image_processor_type": "CLIPImageProcessor", "processor_class": "CLIPProcessor",
        "crop_size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        "size": {"shortest_edge": IMAGE_SIZE}, "do_convert_rgb": True, "do_rescale": True,
        "rescale_factor": 1 / 255,
    }  # fmt: skip
    write_json(folder / "preprocessor_config.json", preprocessor)
    code = f"from pathlib import Path\nPath(__file__).with_name('{CANARY}').touch()\n"
    (folder / "ClipMDModel.py").write_text(code, encoding="utf-8")
    return folder


def write_siglip_tokenizer(folder: Path) -> int:
    """A Unigram tokenizer with SigLIP's specials: ``</s>`` 1 pads and ends, ``<unk>`` 2."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    letters = "abcdefghijklmnopqrstuvwxyz0123456789-.,"
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -5.0)]
    pieces += [(f"▁{word}", -3.0) for word in dict.fromkeys(WORDS) if len(word) > 1]
    pieces += [(letter, -8.0) for letter in letters]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    specials = {"eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    write_json(folder / "special_tokens_map.json", specials)
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 16,
        "model_input_names": ["input_ids"],
    }  # fmt: skip
    write_json(folder / "tokenizer_config.json", specials | settings)
    return len(pieces)


def build_siglip(folder: Path, *, seed: int = 3) -> Path:
    """``google/siglip-base-patch16-224`` in small: squashed input, sigmoid scale and bias."""
    from transformers import SiglipConfig, SiglipModel

    folder.mkdir(parents=True)
    tower = {
        "hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }  # fmt: skip
    size = write_siglip_tokenizer(folder)
    text = tower | {
        "model_type": "siglip_text_model", "vocab_size": size, "bos_token_id": 0,
        "eos_token_id": 1, "pad_token_id": 1, "max_position_embeddings": 16,
    }  # fmt: skip
    vision = tower | {"model_type": "siglip_vision_model", "image_size": IMAGE_SIZE,
                      "patch_size": PATCH}  # fmt: skip
    config = {"architectures": ["SiglipModel"], "model_type": "siglip", "initializer_factor": 1.0,
              "text_config": text, "vision_config": vision}  # fmt: skip
    write_json(folder / "config.json", config)
    preprocessor = {
        "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3, "image_processor_type": "SiglipImageProcessor",
        "processor_class": "SiglipProcessor", "resample": 3, "rescale_factor": 1 / 255,
        "size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE},
    }  # fmt: skip
    write_json(folder / "preprocessor_config.json", preprocessor)
    shapes = shapes_of(SiglipModel(SiglipConfig(**config)))
    save_weights(folder, random_state(shapes, seed=seed), pickle=False)
    return folder


def build_language_model(folder: Path) -> Path:
    """A checkpoint with no image tower at all."""
    build_clip(folder, pickle=False)
    write_json(folder / "config.json", {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"})
    return folder


def offline_hub(cache: Path, repo: str, folder: Path, *, revision: str) -> Path:
    """Lay `folder` into a hub cache under its real id, as the client does: blobs and links."""
    root = cache / ("models--" + repo.replace("/", "--"))
    snapshot = root / "snapshots" / revision
    snapshot.mkdir(parents=True)
    (root / "refs").mkdir(exist_ok=True)
    (root / "refs" / "main").write_text(revision, encoding="ascii")
    (root / "blobs").mkdir(exist_ok=True)
    for index, path in enumerate(sorted(folder.iterdir())):
        blob = root / "blobs" / f"{revision[:8]}{index:032d}"
        shutil.copy(path, blob)
        (snapshot / path.name).symlink_to(Path("../../blobs") / blob.name)
    return snapshot
