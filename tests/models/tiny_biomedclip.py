"""A tiny random BiomedCLIP in the exact layout of its hub repository.

The vision tower has the sizes of timm's ``test_vit`` (160 px), so that open_clip loads this folder
too. Names and shapes are written out here, not taken from the code under test.
"""

import string
from pathlib import Path

import numpy as np
import tiny_checkpoints as tiny

REPO = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
TEXT_REPO = "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract"
DIM = 32
SIDE, PATCH, WIDTH, LAYERS, HEADS, HIDDEN = 160, 16, 64, 6, 2, 192
GRID = SIDE // PATCH
TEXT_WIDTH, TEXT_LAYERS, TEXT_HEADS, TEXT_HIDDEN = 48, 2, 4, 96
LOGIT_SCALE = 4.4454


def words() -> list[str]:
    """The entries of the vocabulary in the order of their ids; specials lie where BERT's do."""
    letters = string.ascii_lowercase + string.digits + string.punctuation
    reserved = ["[PAD]", *(f"[unused{n}]" for n in range(99)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*letters, *(f"##{letter}" for letter in letters), *tiny.WORDS]
    return [*reserved, *dict.fromkeys(pieces)]


def write_tokenizer(folder: Path) -> None:
    """The four tokenizer files, with settings as short as the genuine ones."""
    from transformers import BertTokenizer

    vocabulary = {word: place for place, word in enumerate(words())}
    BertTokenizer(vocab=vocabulary).backend_tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    specials = {
        "cls_token": "[CLS]", "mask_token": "[MASK]", "pad_token": "[PAD]", "sep_token": "[SEP]",
        "unk_token": "[UNK]",
    }  # fmt: skip
    tiny.write_json(folder / "special_tokens_map.json", specials)
    settings = {
        "do_lower_case": True, "model_max_length": 1000000000000000019884624838656,
        "never_split": None, "strip_accents": None, "tokenize_chinese_chars": True,
        "tokenizer_class": "BertTokenizer",
    }  # fmt: skip
    tiny.write_json(folder / "tokenizer_config.json", specials | settings)


def config() -> dict[str, dict[str, object]]:
    """``open_clip_config.json``: the genuine keys, and those that make it small."""
    vision = {
        "timm_model_name": "test_vit", "timm_model_pretrained": False, "timm_pool": "",
        "timm_proj": "linear", "image_size": SIDE,
        "width": WIDTH, "layers": LAYERS, "head_width": WIDTH // HEADS, "mlp_ratio": 3.0,
    }  # fmt: skip
    text = {
        "hf_model_name": TEXT_REPO, "hf_tokenizer_name": TEXT_REPO, "hf_proj_type": "mlp",
        "hf_pooler_type": "cls_last_hidden_state_pooler", "context_length": 256,
        "width": TEXT_WIDTH, "layers": TEXT_LAYERS, "heads": TEXT_HEADS, "mlp_ratio": 2.0,
        "vocab_size": len(words()),
    }  # fmt: skip
    return {
        "model_cfg": {"embed_dim": DIM, "vision_cfg": vision, "text_cfg": text},
        "preprocess_cfg": {"mean": tiny.MEAN, "std": tiny.STD},
    }


def _linear(name: str, rows: int, columns: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _vision_shapes() -> dict[str, tuple[int, ...]]:
    trunk = "visual.trunk"
    shapes: dict[str, tuple[int, ...]] = {
        f"{trunk}.cls_token": (1, 1, WIDTH),
        f"{trunk}.pos_embed": (1, 1 + GRID**2, WIDTH),
        f"{trunk}.patch_embed.proj.weight": (WIDTH, 3, PATCH, PATCH),
        f"{trunk}.patch_embed.proj.bias": (WIDTH,),
    }
    for layer in range(LAYERS):
        block = f"{trunk}.blocks.{layer}"
        shapes |= _norm(f"{block}.norm1", WIDTH) | _norm(f"{block}.norm2", WIDTH)
        shapes |= _linear(f"{block}.attn.qkv", 3 * WIDTH, WIDTH)
        shapes |= _linear(f"{block}.attn.proj", WIDTH, WIDTH)
        shapes |= _linear(f"{block}.mlp.fc1", HIDDEN, WIDTH)
        shapes |= _linear(f"{block}.mlp.fc2", WIDTH, HIDDEN)
    return shapes | _norm(f"{trunk}.norm", WIDTH) | {"visual.head.proj.weight": (DIM, WIDTH)}


def _text_shapes() -> dict[str, tuple[int, ...]]:
    bert, width = "text.transformer", TEXT_WIDTH
    shapes: dict[str, tuple[int, ...]] = {
        f"{bert}.embeddings.word_embeddings.weight": (len(words()), width),
        f"{bert}.embeddings.position_embeddings.weight": (512, width),
        f"{bert}.embeddings.token_type_embeddings.weight": (2, width),
    }
    shapes |= _norm(f"{bert}.embeddings.LayerNorm", width)
    for layer in range(TEXT_LAYERS):
        block = f"{bert}.encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            shapes |= _linear(f"{block}.attention.self.{part}", width, width)
        shapes |= _linear(f"{block}.attention.output.dense", width, width)
        shapes |= _norm(f"{block}.attention.output.LayerNorm", width)
        shapes |= _linear(f"{block}.intermediate.dense", TEXT_HIDDEN, width)
        shapes |= _linear(f"{block}.output.dense", width, TEXT_HIDDEN)
        shapes |= _norm(f"{block}.output.LayerNorm", width)
    hidden = (width + DIM) // 2
    return shapes | {"text.proj.0.weight": (hidden, width), "text.proj.2.weight": (DIM, hidden)}


def state(*, seed: int = 5) -> dict[str, np.ndarray]:
    """All tensors, with a scale that lets places and words matter."""
    shapes = {"logit_scale": (), **_vision_shapes(), **_text_shapes()}
    values = tiny.random_state(shapes, seed=seed)
    values["logit_scale"] = np.full((), LOGIT_SCALE, np.float32)
    for name in ("cls_token", "pos_embed"):
        value = values[f"visual.trunk.{name}"]
        value *= np.float32(0.3 * np.sqrt(np.prod(value.shape[1:])))
    return values


def save(folder: Path, tensors: dict[str, np.ndarray], *, pickle: bool) -> None:
    """Write the weights under the name that open_clip gives them."""
    tiny.save_weights(folder, tensors, pickle=pickle)
    if pickle:
        (folder / "pytorch_model.bin").replace(folder / "open_clip_pytorch_model.bin")
    else:
        (folder / "model.safetensors").replace(folder / "open_clip_model.safetensors")


def build(folder: Path, *, pickle: bool = True) -> Path:
    """The repository in small; the pickle holds the ``position_ids`` of its time."""
    folder.mkdir(parents=True)
    write_tokenizer(folder)
    tiny.write_json(folder / "open_clip_config.json", config())
    tensors = state()
    if pickle:
        positions = np.arange(512, dtype=np.int64)[None]
        tensors["text.transformer.embeddings.position_ids"] = positions
    save(folder, tensors, pickle=pickle)
    return folder


def bert_config() -> dict[str, object]:
    """``config.json`` of the repository that open_clip asks for the text tower's sizes."""
    return {
        "architectures": ["BertForMaskedLM"], "model_type": "bert", "hidden_act": "gelu",
        "vocab_size": len(words()), "hidden_size": TEXT_WIDTH, "num_hidden_layers": TEXT_LAYERS,
        "num_attention_heads": TEXT_HEADS, "intermediate_size": TEXT_HIDDEN,
        "max_position_embeddings": 512, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
        "pad_token_id": 0, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
    }  # fmt: skip


def scenes() -> list[np.ndarray]:
    """Landscape grey, portrait colour with an odd excess, small square; smooth, then noise."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:200, 0:333]
    waves = 127 + 60 * np.sin(x / 17) + 60 * np.cos(y / 11 + x / 40)
    colour = rng.integers(0, 256, (301, 200, 3))
    return [a.astype(np.uint8) for a in (waves, colour, rng.integers(0, 256, (60, 60)))]
