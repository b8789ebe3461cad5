"""``microsoft/git-large`` in small: the layout, the file names and the quirks of the repository."""

import string
from pathlib import Path

import numpy as np
from tiny_checkpoints import MEAN, STD, WORDS, random_state, save_weights, shapes_of, write_json

REPO = "microsoft/git-large"
IMAGE_SIZE, PATCH = 64, 16
VISION_WIDTH, WIDTH, N_LAYERS, N_POSITIONS = 64, 48, 2, 192
PATCHES = (IMAGE_SIZE // PATCH) ** 2
EXTRA_WORDS = ("is", "there", "what", "where", "does", "show", "yes", "side", "no", "?", ".", ",")


def vocabulary() -> list[str]:
    """BERT's order: [PAD] 0, unused, [UNK] 100, [CLS] 101, [SEP] 102, [MASK] 103, pieces, words."""
    letters = string.ascii_lowercase + string.digits
    tokens = ["[PAD]", *(f"[unused{i}]" for i in range(99)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += [*letters, "-", *(f"##{letter}" for letter in letters), *WORDS, *EXTRA_WORDS]
    return list(dict.fromkeys(tokens))


def write_bert_tokenizer(folder: Path) -> int:
    """Write the four tokenizer files of the repository and return the vocabulary size."""
    from transformers import BertTokenizer

    words = vocabulary()
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    ids = {word: index for index, word in enumerate(words)}
    BertTokenizer(vocab=ids).backend_tokenizer.save(str(folder / "tokenizer.json"))
    specials = {
        "cls_token": "[CLS]", "mask_token": "[MASK]", "pad_token": "[PAD]", "sep_token": "[SEP]",
        "unk_token": "[UNK]",
    }  # fmt: skip
    write_json(folder / "special_tokens_map.json", specials)
    settings = {
        "do_lower_case": True, "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": 512, "processor_class": "GitProcessor", "strip_accents": None,
        "tokenize_chinese_chars": True, "tokenizer_class": "BertTokenizer",
    }  # fmt: skip
    write_json(folder / "tokenizer_config.json", specials | settings)
    return len(words)


def git_config(vocabulary_size: int) -> dict[str, object]:
    """The form of the hub's file."""
    vision = {
        "model_type": "git_vision_model", "hidden_size": VISION_WIDTH,
        "intermediate_size": 2 * VISION_WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_channels": 3, "image_size": IMAGE_SIZE, "patch_size": PATCH,
        "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "attention_dropout": 0.0,
        "dropout": 0.0, "initializer_factor": 1.0, "initializer_range": 0.02,
        "projection_dim": 512,
    }  # fmt: skip
    return {
        "architectures": ["GitForCausalLM"], "model_type": "git", "vision_config": vision,
        "attention_probs_dropout_prob": 0.1, "bos_token_id": 101, "classifier_dropout": None,
        "eos_token_id": 102, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
        "hidden_size": WIDTH, "initializer_range": 0.02, "intermediate_size": 2 * WIDTH,
        "layer_norm_eps": 1e-12, "max_position_embeddings": N_POSITIONS,
        "num_attention_heads": 4, "num_hidden_layers": N_LAYERS,
        "num_image_with_embedding": None, "pad_token_id": 0,
        "position_embedding_type": "absolute", "tie_word_embeddings": False,
        "torch_dtype": "float32", "use_cache": True, "vocab_size": vocabulary_size,
    }  # fmt: skip


def git_preprocessor() -> dict[str, object]:
    """The form of 2022: sizes by name."""
    return {
        "crop_size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE}, "do_center_crop": True,
        "do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True,
        "image_mean": MEAN, "image_processor_type": "CLIPImageProcessor", "image_std": STD,
        "processor_class": "GitProcessor", "resample": 3, "rescale_factor": 1 / 255,
        "size": {"shortest_edge": IMAGE_SIZE},
    }  # fmt: skip


def build_git(folder: Path, *, pickle: bool = True, seed: int = 4) -> Path:
    """The repository in small: a pickle with ``position_ids`` buffers, or safetensors."""
    from transformers import GitConfig, GitForCausalLM

    folder.mkdir(parents=True)
    config = git_config(write_bert_tokenizer(folder))
    write_json(folder / "config.json", config)
    write_json(folder / "preprocessor_config.json", git_preprocessor())
    generation = {"_from_model_config": True, "bos_token_id": 101, "eos_token_id": 102,
                  "pad_token_id": 0}  # fmt: skip
    write_json(folder / "generation_config.json", generation)
    state = random_state(shapes_of(GitForCausalLM(GitConfig(**config))), seed=seed)
    if pickle:
        positions = {
            "git.embeddings": N_POSITIONS,
            "git.image_encoder.vision_model.embeddings": PATCHES + 1,
        }
        for module, n in positions.items():
            state[f"{module}.position_ids"] = np.arange(n, dtype=np.int64)[None]
    save_weights(folder, state, pickle=pickle)
    return folder


def waves(rows: int = 70, columns: int = 110) -> np.ndarray:
    """A grey picture by formula: waves of two directions, 8 bit."""
    y, x = np.mgrid[:rows, :columns]
    return np.floor(127.5 + 80 * np.sin(x / 7) + 45 * np.cos((x + 2 * y) / 11)).astype(np.uint8)
