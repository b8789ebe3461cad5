"""GIT at miniature size, and several turns about one image read in a single pass.

The image's tokens never attend to words, so all turns about an image can lie behind it in one row,
each blind to the others. That is the same as one row for each turn, at a fraction of the work.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional
from transformers import BertTokenizerFast, CLIPModel, GitConfig, GitForCausalLM

from minis.cohort import PATCH, PIXELS
from minis.network import WIDTH, to_input

DECODER_WIDTH, N_LAYERS, N_HEADS, N_POSITIONS = 96, 3, 4, 192
N_IMAGE = (PIXELS // PATCH) ** 2 + 1  # patches and class token
IGNORED = -100


def new_model(tokenizer: BertTokenizerFast) -> GitForCausalLM:
    """A GIT with random weights and CLIP's image tower; no dropout, for so small a network."""
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": 3 * WIDTH,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": PIXELS,
        "patch_size": PATCH,
        "hidden_act": "quick_gelu",
    }
    config = GitConfig(
        vision_config=vision,
        vocab_size=len(tokenizer),
        hidden_size=DECODER_WIDTH,
        num_hidden_layers=N_LAYERS,
        num_attention_heads=N_HEADS,
        intermediate_size=256,
        max_position_embeddings=N_POSITIONS,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return GitForCausalLM._from_config(config, attn_implementation="eager")


def start_from_clip(model: GitForCausalLM, folder: Path) -> None:
    """Give `model` the image tower of a finished CLIP, tensor by tensor."""
    clip = CLIPModel.from_pretrained(folder, dtype=torch.float32)
    tower = model.git.image_encoder.vision_model
    tower.load_state_dict(clip.vision_model.state_dict(), strict=True)


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """One turn in tokens.

    Attributes:
        prompt: ``[CLS]`` and the question.
        answer: the answer and ``[SEP]``.
        focus: patches that the answer is about; none if it has no place.
        is_caption: whether the prompt was empty.
    """

    prompt: list[int]
    answer: list[int]
    focus: Bool[np.ndarray, " patches"]
    is_caption: bool


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """The turns about a batch of images, one row an image, padded on the right.

    Attributes:
        ids: tokens that are read.
        positions: counted anew in every turn.
        labels: the next token where it belongs to an answer, else -100.
        turn: number of the turn in its row; -1 for padding.
        captions: which tokens belong to a caption.
    """

    ids: Int[Tensor, "n words"]
    positions: Int[Tensor, "n words"]
    labels: Int[Tensor, "n words"]
    turn: Int[Tensor, "n words"]
    captions: Bool[Tensor, "n words"]


def pack(rows: Sequence[Sequence[Spoken]]) -> Packed:
    """Lay the turns of each image one behind the other."""
    columns: list[list[list[int]]] = [[], [], [], [], []]
    for turns in rows:
        flat: list[list[int]] = [[], [], [], [], []]
        for number, turn in enumerate(turns):
            read = [*turn.prompt, *turn.answer[:-1]]
            unasked = [IGNORED] * (len(turn.prompt) - 1)
            parts = (
                read,
                list(range(len(read))),
                [*unasked, *turn.answer],
                [number] * len(read),
                [int(turn.is_caption)] * len(read),
            )
            for column, part in zip(flat, parts, strict=True):
                column.extend(part)
        for column, values in zip(columns, flat, strict=True):
            column.append(values)
    width = max(map(len, columns[0]))
    ids, positions, labels, turn, captions = (
        torch.tensor([values + [fill] * (width - len(values)) for values in column])
        for column, fill in zip(columns, (0, 0, IGNORED, -1, 0), strict=True)
    )
    return Packed(ids, positions, labels, turn, captions.bool())


def see(model: GitForCausalLM, grey: Float[Tensor, "n h w"]) -> Float[Tensor, "n tokens dim"]:
    """Class token and patches after the image tower; display values in [0, 1]."""
    return model.git.image_encoder(to_input(grey)).last_hidden_state


def _mask(packed: Packed) -> Bool[Tensor, "n 1 words tokens"]:
    """What a word may look at: the whole image, and its own turn up to itself."""
    n, n_words = packed.ids.shape
    same = packed.turn[:, :, None] == packed.turn[:, None, :]
    own = same & torch.ones((n_words, n_words), dtype=torch.bool).tril()
    return torch.cat([torch.ones((n, n_words, N_IMAGE), dtype=torch.bool), own], dim=2)[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """Queries of the words and keys of the patches in the last layer."""

    words: Float[Tensor, "n heads words dim"]
    patches: Float[Tensor, "n heads patches dim"]


def read(
    model: GitForCausalLM, tokens: Float[Tensor, "n tokens dim"], packed: Packed
) -> tuple[Float[Tensor, "n words width"], Looks]:
    """States of the words after the decoder, and what its last layer compares.

    The decoder's own forward pass would compute and keep every attention weight of the padded row;
    here image and words are attended to apart, by a kernel that keeps none.
    """
    git, mask = model.git, _mask(packed)
    words = git.embeddings(input_ids=packed.ids, position_ids=packed.positions)
    states = torch.cat([git.visual_projection(tokens), words], dim=1)
    for layer in git.encoder.layer:
        own = layer.attention.self
        query, key, value = (
            part(states).unflatten(-1, (N_HEADS, -1)).transpose(1, 2)
            for part in (own.query, own.key, own.value)
        )
        image = functional.scaled_dot_product_attention(
            query[:, :, :N_IMAGE], key[:, :, :N_IMAGE], value[:, :, :N_IMAGE]
        )
        spoken = functional.scaled_dot_product_attention(
            query[:, :, N_IMAGE:], key, value, attn_mask=mask
        )
        seen = torch.cat([image, spoken], dim=2).transpose(1, 2).flatten(2)
        states = layer.feed_forward_chunk(layer.attention.output(seen, states))
    return states[:, N_IMAGE:], Looks(query[:, :, N_IMAGE:], key[:, :, 1:N_IMAGE])


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """Of one batch: answers to questions, captions, and how far attention misses its place."""

    answers: Tensor
    captions: Tensor
    place: Tensor


def losses(
    model: GitForCausalLM, tokens: Float[Tensor, "n tokens dim"], rows: Sequence[Sequence[Spoken]]
) -> Losses:
    """Cross-entropy of the words, and minus the log of the attention that falls into the focus."""
    packed = pack(rows)
    states, looks = read(model, tokens, packed)
    asked = packed.labels != IGNORED
    logits = model.output(states[asked])
    each = functional.cross_entropy(logits, packed.labels[asked], reduction="none")
    is_caption = packed.captions[asked]
    return Losses(
        answers=each[~is_caption].mean(),
        captions=each[is_caption].mean(),
        place=_missed(looks, packed, rows),
    )


def _missed(looks: Looks, packed: Packed, rows: Sequence[Sequence[Spoken]]) -> Tensor:
    """Minus log of the share of attention to the patches that lies in the focus of a turn.

    Mean over the words that predict the answer and over heads; turns without a place count not.
    """
    shares = []
    for row, turns in enumerate(rows):
        for number, turn in enumerate(turns):
            if turn.focus.any():
                words = (packed.turn[row] == number) & (packed.labels[row] != IGNORED)
                logits = looks.words[row][:, words] @ looks.patches[row].transpose(-1, -2)
                attention = (logits / looks.words.shape[-1] ** 0.5).softmax(-1).mean((0, 1))
                shares.append(-torch.log(attention[torch.from_numpy(turn.focus)].sum() + 1e-6))
    return torch.stack(shares).mean() if shares else looks.words.sum() * 0
