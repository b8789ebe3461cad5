"""A tiny random BLIP-2 in the exact layout of ``Salesforce/blip2-flan-t5-xl``.

Two shards with an index, an untied head beside the shared embedding, and the tokenizer as
``tokenizer.json`` alone.
"""

from pathlib import Path

import numpy as np
import tiny_checkpoints as tiny

N_QUERIES = 6
IMAGE_SIZE, PATCH = 56, 14
VISION_WIDTH, QFORMER_WIDTH, TEXT_WIDTH = 48, 32, 40
EXTRA_IDS, SPARE_ROWS = 100, 12
EXTRA_WORDS = ("Question:", "Answer:", "is", "there", "Is", "yes", "?", "which", "side")
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


def pieces() -> list[tuple[str, float]]:
    """``<pad>`` 0, ``</s>`` 1, ``<unk>`` 2, words, characters, the sentinels in reverse order."""
    words = dict.fromkeys([*tiny.WORDS, *EXTRA_WORDS])
    found = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -4.0)]
    found += [(f"▁{word}", -3.0) for word in words]
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.,?:'"
    found += [(letter, -8.0) for letter in letters]
    return found + [(f"<extra_id_{n}>", 0.0) for n in reversed(range(EXTRA_IDS))]


def write_tokenizer(folder: Path, vocabulary: list[tuple[str, float]] | None = None) -> int:
    """Write the tokenizer files and return the number of entries, ``<image>`` included."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

    vocabulary = vocabulary or pieces()
    image = len(vocabulary)
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=2))
    metaspace = {"replacement": "▁", "prepend_scheme": "always"}
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(**metaspace)]
    )
    tokenizer.decoder = decoders.Metaspace(**metaspace)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    sentinels = [f"<extra_id_{n}>" for n in range(EXTRA_IDS)]
    specials = ["<pad>", "</s>", "<unk>", *sentinels, "<image>"]
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in specials])
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    tiny.write_json(folder / "added_tokens.json", {"<image>": image})
    tiny.write_json(
        folder / "special_tokens_map.json", names | {"additional_special_tokens": sentinels}
    )
    settings = {
        "additional_special_tokens": sentinels, "clean_up_tokenization_spaces": True,
        "extra_ids": EXTRA_IDS, "model_max_length": 512, "processor_class": "Blip2Processor",
        "sp_model_kwargs": {}, "tokenizer_class": "T5Tokenizer",
    }  # fmt: skip
    tiny.write_json(folder / "tokenizer_config.json", names | settings)
    return image + 1


def config(n_entries: int) -> dict[str, object]:
    """The form of the hub's file; some rows of the embedding belong to no token, as in T5."""
    text = {
        "model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "vocab_size":
        n_entries + SPARE_ROWS, "d_model": TEXT_WIDTH, "d_kv": 10, "d_ff": 64, "num_layers": 2,
        "num_decoder_layers": 2, "num_heads": 4, "feed_forward_proj": "gated-gelu",
        "dense_act_fn": "gelu", "is_gated_act": True, "is_encoder_decoder": True,
        "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128,
        "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0,
        "decoder_start_token_id": 0, "dropout_rate": 0.1, "output_past": True,
    }  # fmt: skip
    vision = {
        "model_type": "blip_2_vision_model", "hidden_size": VISION_WIDTH, "intermediate_size": 96,
        "num_hidden_layers": 3, "num_attention_heads": 4, "image_size": IMAGE_SIZE,
        "patch_size": PATCH,
    }  # fmt: skip
    qformer = {
        "model_type": "blip_2_qformer", "hidden_size": QFORMER_WIDTH, "num_hidden_layers": 4,
        "num_attention_heads": 4, "intermediate_size": 64, "encoder_hidden_size": VISION_WIDTH,
    }  # fmt: skip
    return {
        "architectures": ["Blip2ForConditionalGeneration"], "model_type": "blip-2",
        "image_token_index": n_entries - 1, "image_text_hidden_size": 32,
        "num_query_tokens": N_QUERIES, "initializer_factor": 1.0, "initializer_range": 0.02,
        "is_encoder_decoder": True, "use_decoder_only_language_model": False,
        "tie_word_embeddings": False, "torch_dtype": "float32",
        "text_config": text, "vision_config": vision, "qformer_config": qformer,
    }  # fmt: skip


def weights(settings: dict[str, object], *, seed: int) -> dict[str, np.ndarray]:
    """Random weights of the file's keys: ``shared`` once, and a head of its own."""
    from transformers import Blip2Config, Blip2ForConditionalGeneration

    model = Blip2ForConditionalGeneration(Blip2Config(**settings))
    shapes = tiny.shapes_of(model)
    for stack in ("encoder", "decoder"):
        del shapes[f"language_model.{stack}.embed_tokens.weight"]
    state = tiny.random_state(shapes, seed=seed)
    state["language_model.shared.weight"] = state["language_model.shared.weight"] * TEXT_WIDTH**0.5
    state["query_tokens"] = state["query_tokens"] * QFORMER_WIDTH**0.5
    for name in state:
        if name.endswith("relative_attention_bias.weight"):
            state[name] = state[name] * 3
        state[name] = np.asarray(state[name], np.float32)
    return state


def save_shards(folder: Path, state: dict[str, np.ndarray]) -> None:
    """Two safetensors files and the index that says which tensor lies where."""
    from safetensors.numpy import save_file

    names = list(state)
    middle = len(names) // 2
    parts = dict(zip(SHARDS, (names[:middle], names[middle:]), strict=True))
    for shard, part in parts.items():
        save_file({n: state[n] for n in part}, folder / shard, metadata={"format": "pt"})
    index = {
        "metadata": {"total_size": sum(value.nbytes for value in state.values())},
        "weight_map": {name: shard for shard, part in parts.items() for name in part},
    }
    tiny.write_json(folder / "model.safetensors.index.json", index)


def read_shards(folder: Path) -> dict[str, np.ndarray]:
    """All tensors of both shards."""
    from safetensors.numpy import load_file

    return {name: value for shard in SHARDS for name, value in load_file(folder / shard).items()}


def build_blip2(folder: Path, *, seed: int = 5) -> Path:
    """Write one folder; a few hundred kilobytes."""
    folder.mkdir(parents=True)
    settings = config(write_tokenizer(folder))
    tiny.write_json(folder / "config.json", settings)
    generation = {
        "_from_model_config": True, "bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0,
        "decoder_start_token_id": 0,
    }  # fmt: skip
    tiny.write_json(folder / "generation_config.json", generation)
    tiny.write_json(
        folder / "processor_config.json",
        {"num_query_tokens": N_QUERIES, "processor_class": "Blip2Processor"},
    )
    preprocessor = {
        "do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True,
        "image_mean": tiny.MEAN, "image_processor_type": "BlipImageProcessor",
        "image_std": tiny.STD, "processor_class": "Blip2Processor", "resample": 3,
        "rescale_factor": 1 / 255, "size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE},
    }  # fmt: skip
    tiny.write_json(folder / "preprocessor_config.json", preprocessor)
    save_shards(folder, weights(settings, seed=seed))
    return folder
