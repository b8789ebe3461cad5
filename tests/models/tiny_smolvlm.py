"""``HuggingFaceTB/SmolVLM-256M-Instruct`` in small: 64-px tiles, 16 patches, 4 image tokens.

The files are those of the hub: byte-level BPE with chat and image tokens, a legacy
``chat_template.json``, and generation settings that name another end token than the turn's.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import tiny_checkpoints as tiny

TILE, PATCH, SCALE, TOKENS = 64, 16, 2, 4
VISION_WIDTH, TEXT_WIDTH = 48, 40
LARGEST = 2 * TILE  # longest side before cutting into tiles
REPO = "HuggingFaceTB/SmolVLM-256M-Instruct"
START = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
PLACES = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
IMAGE_TOKENS = ["<global-img>", *PLACES, "<fake_token_around_image>", "<image>"]
TEMPLATE = (
    "<|im_start|>{% for turn in messages %}{{ turn.role | capitalize }}:"
    "{% if turn.content[0].type != 'image' %} {% endif %}"
    "{% for part in turn.content %}"
    "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)


def vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Three specials, 256 bytes, and one merge chain for each word with a blank before it."""
    tokens, merges = [*START, *tiny.byte_characters()], []
    for word in [*tiny.WORDS, "yes", "is", "there", "?", "Assistant", "User"]:
        left = "Ġ"
        for right in word:
            if (left, right) not in merges:
                merges.append((left, right))
                tokens.append(left + right)
            left += right
    return {token: index for index, token in enumerate(dict.fromkeys(tokens))}, merges


def write_tokenizer(folder: Path) -> dict[str, int]:
    """Write the six tokenizer files of the repository; returns all tokens with their ids."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    known, merges = vocabulary()
    tokenizer = Tokenizer(models.BPE(vocab=known, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    added = [*START, *IMAGE_TOKENS, "<end_of_utterance>"]
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in added])
    tokenizer.save(str(folder / "tokenizer.json"))
    ids = tokenizer.get_vocab()
    tiny.write_json(folder / "vocab.json", known)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges), ""]
    (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")
    tiny.write_json(folder / "added_tokens.json", {t: ids[t] for t in added[len(START) :]})
    form = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    more = ["<fake_token_around_image>", "<image>", "<end_of_utterance>"]
    specials = {
        "bos_token": "<|im_start|>", "eos_token": "<end_of_utterance>",
        "pad_token": "<|im_end|>", "unk_token": "<|endoftext|>",
        "additional_special_tokens": [{"content": token, **form} for token in more],
    }  # fmt: skip
    tiny.write_json(folder / "special_tokens_map.json", specials)
    settings = {
        "add_prefix_space": False, "clean_up_tokenization_spaces": False,
        "model_max_length": 8192, "processor_class": "Idefics3Processor",
        "tokenizer_class": "GPT2Tokenizer", "truncation_side": "left", "vocab_size": len(ids),
        "added_tokens_decoder": {
            str(ids[token]): {"content": token, **form, "special": True} for token in added
        },
    }  # fmt: skip
    tiny.write_json(
        folder / "tokenizer_config.json",
        specials | settings | {"additional_special_tokens": more},
    )
    return dict(ids)


def config(ids: Mapping[str, int]) -> dict[str, object]:
    """The form of the hub's file, deprecated top-level padding id included."""
    text = {
        "model_type": "llama", "hidden_size": TEXT_WIDTH, "intermediate_size": 2 * TEXT_WIDTH,
        "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
        "head_dim": TEXT_WIDTH // 4, "vocab_size": len(ids), "max_position_embeddings": 1024,
        "rms_norm_eps": 1e-5, "rope_theta": 100000, "hidden_act": "silu",
        "pad_token_id": ids["<|im_end|>"], "bos_token_id": ids["<|im_start|>"],
        "eos_token_id": ids["<end_of_utterance>"], "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }  # fmt: skip
    vision = {
        "model_type": "idefics3", "hidden_size": VISION_WIDTH,
        "intermediate_size": 2 * VISION_WIDTH, "num_hidden_layers": 3, "num_attention_heads": 4,
        "image_size": TILE, "patch_size": PATCH, "max_image_size": {"longest_edge": TILE},
        "size": {"longest_edge": LARGEST}, "tie_word_embeddings": False, "use_base_siglip": False,
    }  # fmt: skip
    return {
        "architectures": ["Idefics3ForConditionalGeneration"], "model_type": "idefics3",
        "image_token_id": ids["<image>"], "scale_factor": SCALE, "use_cache": True,
        "tie_word_embeddings": False, "text_config": text, "vision_config": vision,
        "pad_token_id": 128002, "torch_dtype": "bfloat16", "transformers_version": "4.46.0",
    }  # fmt: skip


def preprocessor() -> dict[str, object]:
    """Lanczos, splitting on by default, as the repository has it."""
    return {
        "do_convert_rgb": True, "do_image_splitting": True, "do_normalize": True, "do_pad": True,
        "do_rescale": True, "do_resize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
        "image_processor_type": "Idefics3ImageProcessor",
        "max_image_size": {"longest_edge": TILE}, "processor_class": "Idefics3Processor",
        "resample": 1, "rescale_factor": 1 / 255, "size": {"longest_edge": LARGEST},
    }  # fmt: skip


def build_smolvlm(folder: Path, *, seed: int = 4) -> Path:
    """Every file of the repository; the head is not tied to the embedding."""
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration

    folder.mkdir(parents=True)
    ids = write_tokenizer(folder)
    settings = config(ids)
    tiny.write_json(folder / "config.json", settings)
    tiny.write_json(folder / "preprocessor_config.json", preprocessor())
    processor = {"image_seq_len": TOKENS, "processor_class": "Idefics3Processor"}
    tiny.write_json(folder / "processor_config.json", processor)
    tiny.write_json(folder / "chat_template.json", {"chat_template": TEMPLATE})
    generation = {
        "_from_model_config": True, "bos_token_id": ids["<|im_start|>"],
        "eos_token_id": ids["<|im_end|>"], "pad_token_id": ids["<|im_end|>"],
    }  # fmt: skip
    tiny.write_json(folder / "generation_config.json", generation)
    shapes = tiny.shapes_of(Idefics3ForConditionalGeneration(Idefics3Config(**settings)))
    state = tiny.random_state(shapes, seed=seed)
    for name in ("model.text_model.embed_tokens.weight", "lm_head.weight"):
        state[name] *= 0.7 if "embed" in name else 1.5
    tiny.save_weights(folder, state, pickle=False)
    return folder


def change_json(path: Path, **changes: object) -> None:
    """Overwrite some keys of a JSON file."""
    value = json.loads(path.read_text(encoding="utf-8"))
    tiny.write_json(path, value | changes)
