"""``llava-hf/llava-1.5-7b-hf`` in small: a CLIP tower, a projector and a Llama, for chat."""

from pathlib import Path

import tiny_checkpoints as tiny
import tiny_smolvlm

PATCHES = (tiny.IMAGE_SIZE // tiny.PATCH) ** 2
TEMPLATE = (
    "{% for turn in messages %}{{ turn.role | upper }}: "
    "{% for part in turn.content %}"
    "{% if part.type == 'image' %}<image>\n{% else %}{{ part.text }} {% endif %}"
    "{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def config(n_tokens: int, image_token: int) -> dict[str, object]:
    """Features of the last block but one, class token dropped, as LLaVA takes them."""
    text = {
        "model_type": "llama", "hidden_size": 40, "intermediate_size": 80, "vocab_size": n_tokens,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4,
        "max_position_embeddings": 512, "tie_word_embeddings": False,
    }  # fmt: skip
    vision = {
        "model_type": "clip_vision_model", "hidden_size": tiny.WIDTH,
        "intermediate_size": 2 * tiny.WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4,
        "image_size": tiny.IMAGE_SIZE, "patch_size": tiny.PATCH, "projection_dim": 32,
    }  # fmt: skip
    return {
        "architectures": ["LlavaForConditionalGeneration"], "model_type": "llava",
        "image_token_id": image_token, "image_seq_length": PATCHES, "projector_hidden_act": "gelu",
        "text_config": text, "vision_config": vision, "vision_feature_layer": -2,
        "vision_feature_select_strategy": "default", "tie_word_embeddings": False,
    }  # fmt: skip


def build_llava(folder: Path, *, seed: int = 6) -> Path:
    """The template lies in a file of its own, as newer repositories have it."""
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    folder.mkdir(parents=True)
    ids = tiny_smolvlm.write_tokenizer(folder)
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        tiny_smolvlm.change_json(
            folder / name, pad_token=None, eos_token="<|im_end|>", processor_class="LlavaProcessor"
        )
    settings = config(len(ids), ids["<image>"])
    tiny.write_json(folder / "config.json", settings)
    tiny.write_json(
        folder / "preprocessor_config.json",
        tiny.clip_preprocessor() | {"processor_class": "LlavaProcessor"},
    )
    processor = {
        "processor_class": "LlavaProcessor", "image_token": "<image>", "patch_size": tiny.PATCH,
        "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1,
    }  # fmt: skip
    tiny.write_json(folder / "processor_config.json", processor)
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    tiny.write_json(folder / "generation_config.json", {"eos_token_id": ids["<|im_end|>"]})
    shapes = tiny.shapes_of(LlavaForConditionalGeneration(LlavaConfig(**settings)))
    state = tiny.random_state(shapes, seed=seed)
    state["lm_head.weight"] *= 1.5
    tiny.save_weights(folder, state, pickle=False)
    return folder
