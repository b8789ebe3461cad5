"""GIT's two halves: a CLIP image tower, and a decoder that reads its patches before the words.

The image's tokens attend to each other only, never to the words, so their keys and values are the
same whatever is asked. They are computed once an image (`read_image`), the prompt's are added to
them once (`read_prompt`), and all candidate answers go on from there.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from transformers import GenerationConfig, GitForCausalLM

from vesalius.capabilities import AnswerScores
from vesalius.errors import InputError, ModelError
from vesalius.models.answers import IGNORED, by_length, token_log_likelihood
from vesalius.models.checkpoint import Checkpoint
from vesalius.models.loading import load_image_processor, load_tokenizer, load_weights
from vesalius.models.preprocessing import Fit, frame_of, model_input
from vesalius.models.saliency import relevance
from vesalius.records import Image

MAX_NEW_TOKENS = 128  # of an answer or caption; what is longer is cut off


@dataclass(frozen=True, slots=True, eq=False)
class GitNetwork:
    """A loaded `GitForCausalLM` with its tokenizer and image processor."""

    model: Any
    tokenizer: Any
    processor: Any
    fit: Fit


@dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """What was read before the answer.

    Attributes:
        cache: keys and values of the image's tokens and of the first `n_words` prompt tokens.
        last: the prompt's last token; it predicts the answer's first one, so it is not read yet.
        n_words: how many prompt tokens are in the cache.
    """

    cache: Any
    last: int
    n_words: int


def load_network(
    checkpoint: Checkpoint, /, *, device: str, fit: Fit, dtype: torch.dtype
) -> GitNetwork:
    """Load a checkpoint of the `GitForCausalLM` architecture for single images.

    Raises:
        ModelError: if weights, tokenizer or processor are not what the configuration says, or the
            checkpoint is one for video.
    """
    # The decoder has no other kernel than eager, which also shows its attention.
    model = load_weights(GitForCausalLM, checkpoint, device=device, dtype=dtype, attention="eager")
    config = model.config
    if config.num_image_with_embedding is not None:
        raise ModelError(
            f"{checkpoint.folder}: reads {config.num_image_with_embedding} video frames "
            "(num_image_with_embedding); expected a checkpoint for single images"
        )
    tokenizer = load_tokenizer(checkpoint, vocabulary_size=config.vocab_size)
    ends = (tokenizer.cls_token_id, tokenizer.sep_token_id)
    if ends != (config.bos_token_id, config.eos_token_id):
        raise ModelError(
            f"{checkpoint.folder}: a text begins and ends with tokens {ends} by the tokenizer, "
            f"with {(config.bos_token_id, config.eos_token_id)} by config.json"
        )
    processor = load_image_processor(checkpoint)
    frame_of(processor)  # refuses a processor without a fixed input square
    return GitNetwork(model, tokenizer, processor, fit)


def pixels_of(network: GitNetwork, images: Sequence[Image], /) -> torch.Tensor:
    """The image tower's input, on the model's device."""
    inputs = model_input(images, network.processor, fit=network.fit)
    return inputs["pixel_values"].to(network.model.device)


def see(network: GitNetwork, images: Sequence[Image], /) -> Float[torch.Tensor, "n tokens dim"]:
    """Class token and patches after the image tower's last layer norm."""
    seen = network.model.git.image_encoder(pixels_of(network, images))
    assert isinstance(seen.last_hidden_state, torch.Tensor)
    return seen.last_hidden_state


def patch_grid(
    network: GitNetwork, images: Sequence[Image], /
) -> Float[torch.Tensor, "n rows cols dim"]:
    """Patches after the image tower's last layer norm, in their places."""
    patches = see(network, images)[:, 1:]
    side = grid_side(network.model)
    return patches.reshape(len(patches), side, side, -1)


def grid_side(model: Any, /) -> int:
    """Number of rows, and of columns, of patches."""
    vision = model.config.vision_config
    return int(vision.image_size // vision.patch_size)


def text_states(
    network: GitNetwork, ids: Int[torch.Tensor, "n tokens"], mask: Int[torch.Tensor, "n tokens"], /
) -> Float[torch.Tensor, "n tokens dim"]:
    """Last hidden states of texts that are read without an image."""
    states: torch.Tensor = network.model.git(input_ids=ids, attention_mask=mask).last_hidden_state
    return states


def prompt_tokens(network: GitNetwork, prompt: str, /) -> list[int]:
    """``[CLS]`` and the question, without ``[SEP]``: the answer is its continuation."""
    question = network.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    return [network.tokenizer.cls_token_id, *question]


def answer_tokens(network: GitNetwork, answer: str, /) -> list[int]:
    """The answer and ``[SEP]``, which ends it."""
    words = network.tokenizer(answer, add_special_tokens=False)["input_ids"]
    return [*words, network.tokenizer.sep_token_id]


def check_length(network: GitNetwork, n_tokens: int, /, *, what: str) -> None:
    """Refuse what has more tokens than the decoder has positions; the image takes none of them.

    Raises:
        InputError: if there are too many.
    """
    limit = network.model.config.max_position_embeddings
    if n_tokens > limit:
        raise InputError(f"{what} has {n_tokens} tokens, GIT has {limit} positions; shorten it")


def read_image(network: GitNetwork, image: Image, /) -> Any:
    """Keys and values of the image's tokens: the one run of the image tower."""
    nothing = torch.zeros((1, 0), dtype=torch.long, device=network.model.device)
    read = network.model.git(
        input_ids=nothing, pixel_values=pixels_of(network, [image]), use_cache=True
    )
    return read.past_key_values


def read_prompt(network: GitNetwork, image_cache: Any, /, *, prompt: str) -> Prefix:
    """`image_cache` and all of the prompt but its last token; the cache given stays as it was."""
    *read, last = prompt_tokens(network, prompt)
    cache = copy.deepcopy(image_cache)
    if read:
        ids = torch.tensor([read], device=network.model.device)
        continued(network.model.git, cache, ids=ids, start=0)
    return Prefix(cache, last, len(read))


def continued(
    module: Any,
    cache: Any,
    /,
    *,
    ids: Int[torch.Tensor, "n tokens"],
    start: int,
    maps: bool = False,
) -> Any:
    """Output of the decoder for tokens that follow a cache, which grows by them.

    Args:
        module: the model with or without its language head.
        cache: image tokens and `start` words; image tokens have no position of their own.
        ids: right-padded; nothing attends to what comes later, so padding needs no mask.
        start: position of the first token.
        maps: also return attention weights.
    """
    positions = torch.arange(start, start + ids.shape[1], device=ids.device)
    return module(
        input_ids=ids,
        position_ids=positions.expand(len(ids), -1),
        attention_mask=torch.ones((len(ids), start + ids.shape[1]), device=ids.device).long(),
        past_key_values=cache,
        output_attentions=maps,
    )


def score(network: GitNetwork, prefix: Prefix, /, *, candidates: Sequence[str]) -> AnswerScores:
    """Log-likelihood of every candidate after the prefix, which is left as it was."""
    answers = [answer_tokens(network, candidate) for candidate in candidates]
    longest = max(map(len, answers))
    check_length(network, prefix.n_words + longest, what="prompt with answer")

    def score_some(chosen: list[int]) -> AnswerScores:
        ids, labels = _teacher_forced(network, prefix, answers=[answers[i] for i in chosen])
        cache = copy.deepcopy(prefix.cache)
        cache.batch_repeat_interleave(len(ids))
        logits = continued(network.model, cache, ids=ids, start=prefix.n_words).logits
        return token_log_likelihood(logits, labels)

    return by_length([len(answer) for answer in answers], score_some)


def _teacher_forced(
    network: GitNetwork, prefix: Prefix, /, *, answers: list[list[int]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens that are read and tokens that they must predict, one place later; right-padded."""
    width = max(map(len, answers))
    pad = network.tokenizer.pad_token_id
    read = [[prefix.last, *answer[:-1]] + [pad] * (width - len(answer)) for answer in answers]
    wanted = [answer + [IGNORED] * (width - len(answer)) for answer in answers]
    device = network.model.device
    return torch.tensor(read, device=device), torch.tensor(wanted, device=device)


def generate(
    network: GitNetwork, images: Sequence[Image], /, *, prompts: Sequence[str]
) -> list[str]:
    """Greedy continuations of one batch, padded on the left so that all answers begin together."""
    tokens = [prompt_tokens(network, prompt) for prompt in prompts]
    width = max(map(len, tokens))
    check_length(network, width + MAX_NEW_TOKENS, what="prompt with answer")
    words = network.tokenizer
    rows = [[words.pad_token_id] * (width - len(row)) + row for row in tokens]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in tokens]
    device = network.model.device
    out = network.model.generate(
        pixel_values=pixels_of(network, images),
        input_ids=torch.tensor(rows, device=device),
        attention_mask=torch.tensor(mask, device=device),
        generation_config=GenerationConfig(
            max_new_tokens=MAX_NEW_TOKENS,
            do_sample=False,
            num_beams=1,
            bos_token_id=words.cls_token_id,
            eos_token_id=words.sep_token_id,
            pad_token_id=words.pad_token_id,
        ),
    )
    answers = words.batch_decode(out[:, width:], skip_special_tokens=True)
    return [answer.strip() for answer in answers]


def attention_map(
    network: GitNetwork, image: Image, /, *, text: str
) -> Float[np.ndarray, "rows cols"]:
    """Relevance of every patch for the log-likelihood of `text` as the image's caption.

    Attention from the words to the patches times its gradient, positive part, mean over heads, sum
    over the decoder's layers and over the words. It takes a patch of the image tower's output for
    the place that it came from.
    """
    model = network.model
    answer = answer_tokens(network, text)
    check_length(network, len(answer), what="text")
    with torch.no_grad():
        prefix = read_prompt(network, read_image(network, image), prompt="")
    ids, labels = _teacher_forced(network, prefix, answers=[answer])
    with torch.enable_grad():
        out = continued(model, prefix.cache, ids=ids, start=prefix.n_words, maps=True)
        log_probability = out.logits.float().log_softmax(-1)
        likelihood = log_probability.gather(-1, labels[..., None]).sum()
        gradients = torch.autograd.grad(likelihood, out.attentions)
    side = grid_side(model)
    total = torch.zeros(side * side, device=model.device)
    for attention, gradient in zip(out.attentions, gradients, strict=True):
        weights = relevance(attention[0].detach().float(), gradient[0].float())
        total += weights[:, 1 : 1 + side * side].sum(0)  # column 0 is the class token
    return total.reshape(side, side).cpu().numpy()
