"""The Idefics3 architecture at miniature size: network, tokenizer, and its start from mini:clip."""

import json
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import (
    AutoTokenizer,
    CLIPModel,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from minis.cohort import PATCH, PIXELS
from minis.network import MEAN, STD, to_input

SCALE = 2
SIDE = PIXELS // PATCH // SCALE
N_IMAGE_TOKENS = SIDE**2
WIDTH, TEXT_WIDTH = 128, 96
N_MERGES = 262
START = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
END = "<end_of_utterance>"
PLACES = tuple(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7))
ADDED = ("<global-img>", *PLACES, "<fake_token_around_image>", "<image>", END)
SPECIALS = {
    "bos_token": "<|im_start|>",
    "eos_token": END,
    "pad_token": "<|im_end|>",
    "unk_token": "<|endoftext|>",
}
REQUEST = "Describe this image."
TEMPLATE = (
    "<|im_start|>{% for turn in messages %}{{ turn.role | capitalize }}:"
    "{% if turn.content[0].type != 'image' %} {% endif %}"
    "{% for part in turn.content %}"
    "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
IMAGE = (
    "<fake_token_around_image><global-img>"
    + "<image>" * N_IMAGE_TOKENS
    + "<fake_token_around_image>"
)


def prompt(question: str) -> str:
    """What the model reads before it answers; an empty question asks for a caption."""
    return f"<|im_start|>User:{IMAGE}{question or REQUEST}{END}\nAssistant:"


def write_tokenizer(folder: Path, texts: list[str]) -> PreTrainedTokenizerFast:
    """Learn a byte-level BPE and write the six tokenizer files of the genuine repository."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=len(START) + len(alphabet) + N_MERGES,
        special_tokens=list(START),
        initial_alphabet=sorted(alphabet),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.model.save(str(folder))  # vocab.json, merges.txt
    special = [AddedToken(t, normalized=False, special=True) for t in (*START, *ADDED)]
    tokenizer.add_special_tokens(special)
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_settings(folder, tokenizer.get_vocab())
    return AutoTokenizer.from_pretrained(folder)


def _write_settings(folder: Path, ids: dict[str, int]) -> None:
    form = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    more = {"additional_special_tokens": list(ADDED[-3:])}
    settings = {
        "add_prefix_space": False,
        "added_tokens_decoder": {
            str(ids[token]): {"content": token, **form, "special": True}
            for token in (*START, *ADDED)
        },
        "clean_up_tokenization_spaces": False,
        "model_max_length": 1024,
        "processor_class": "Idefics3Processor",
        "tokenizer_class": "GPT2Tokenizer",
    }
    write_json(folder / "tokenizer_config.json", SPECIALS | more | settings)
    write_json(folder / "special_tokens_map.json", SPECIALS | more)
    write_json(folder / "added_tokens.json", {token: ids[token] for token in ADDED})


def write_json(path: Path, value: object) -> None:
    """Indented JSON with a final line break."""
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def new_model(tokenizer: PreTrainedTokenizerFast) -> Idefics3ForConditionalGeneration:
    """Random weights; the head is not tied to the embedding, as in the genuine model."""
    ids = {name: tokenizer.convert_tokens_to_ids(SPECIALS[name]) for name in SPECIALS}
    text = {
        "model_type": "llama",
        "vocab_size": len(tokenizer),
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": 2 * TEXT_WIDTH,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "tie_word_embeddings": False,
        "pad_token_id": ids["pad_token"],
        "bos_token_id": ids["bos_token"],
        "eos_token_id": ids["eos_token"],
    }
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": 3 * WIDTH,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": PIXELS,
        "patch_size": PATCH,
    }
    config = Idefics3Config(
        text_config=text,
        vision_config=vision,
        scale_factor=SCALE,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        attn_implementation="eager",  # the weights are looked at in training
    )
    return Idefics3ForConditionalGeneration(config)


def start_from_clip(
    model: Idefics3ForConditionalGeneration, folder: Path, images: UInt8[np.ndarray, "n 128 128"]
) -> None:
    """Take over the image tower of a finished mini:clip, but for its class token.

    Another pixel scale and the norm before the first block are folded into the patch embedding;
    the norm's divisor becomes its mean over `images`.
    """
    clip = CLIPModel.from_pretrained(folder, dtype=torch.float32).vision_model
    vision = model.model.vision_model
    vision.encoder.load_state_dict(clip.encoder.state_dict())
    vision.post_layernorm.load_state_dict(clip.post_layernorm.state_dict())
    kernel = clip.embeddings.patch_embedding.weight
    place = clip.embeddings.position_embedding.weight[1:]
    norm = clip.pre_layrnorm
    with torch.no_grad():
        seen = clip.embeddings(to_input(torch.from_numpy(images.astype(np.float32) / 255)))[:, 1:]
        centre = torch.eye(WIDTH) - 1 / WIDTH
        fold = torch.diag(norm.weight / seen.std(-1, unbiased=False).mean()) @ centre
        mean, std = torch.tensor(MEAN), torch.tensor(STD)
        shift = (kernel.sum((2, 3)) * ((0.5 - mean) / std)).sum(1)
        scaled = kernel * (0.5 / std)[None, :, None, None]
        patch = vision.embeddings.patch_embedding
        patch.weight.copy_(torch.einsum("ij,jchw->ichw", fold, scaled))
        patch.bias.copy_(fold @ shift + norm.bias)
        vision.embeddings.position_embedding.weight.copy_(place @ fold.T)


def see(
    model: Idefics3ForConditionalGeneration, grey: Float[Tensor, "n h w"]
) -> tuple[Float[Tensor, "n patches width"], Float[Tensor, "n tokens dim"]]:
    """Patches and image tokens of display values in [0, 1]."""
    pixels = (grey[:, None] * 2 - 1).expand(-1, 3, -1, -1)
    patches = model.model.vision_model(pixel_values=pixels).last_hidden_state
    return patches, model.model.connector(patches)
