"""Forward passes of BLIP-2: what an image is, what a question makes of it, what is answered.

An image goes through the vision tower and the Q-Former once; the encoder of the language model
once for each prompt; only the decoder runs for every candidate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from transformers import GenerationConfig
from transformers.modeling_outputs import BaseModelOutput

from vesalius.capabilities import AnswerScores
from vesalius.models.answers import IGNORED, by_length, token_log_likelihood
from vesalius.models.preprocessing import Fit, model_input
from vesalius.records import Image

MAX_NEW_TOKENS = 128  # of an answer or caption; what is longer is cut off


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """A loaded `Blip2ForConditionalGeneration` with its tokenizer and image processor."""

    model: Any
    tokenizer: Any
    processor: Any
    fit: Fit


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What the language model's decoder attends to: encoded queries and prompt, row by row."""

    states: Float[torch.Tensor, "n tokens width"]
    mask: Int[torch.Tensor, "n tokens"]

    def row(self, index: int) -> "Context":
        """One row, as a batch of one; no copy."""
        return Context(self.states[index : index + 1], self.mask[index : index + 1])


def see(parts: Parts, images: Sequence[Image], /) -> Any:
    """Output of the vision tower: ``last_hidden_state``, class token first, and its pooled form."""
    model = parts.model
    pixels = model_input(images, parts.processor, fit=parts.fit)["pixel_values"]
    return model.vision_model(pixel_values=pixels.to(model.device, model.dtype))


def patch_grid(parts: Parts, /) -> tuple[int, int]:
    """Rows and columns of the vision tower's patches."""
    vision = parts.model.config.vision_config
    return (vision.image_size // vision.patch_size,) * 2


def distil(
    parts: Parts,
    positions: Float[torch.Tensor, "n positions width"],
    /,
    *,
    attentions: bool = False,
) -> Any:
    """Output of the Q-Former: its queries after they have attended to the image."""
    model = parts.model
    return model.qformer(
        query_embeds=model.query_tokens.expand(len(positions), -1, -1),
        encoder_hidden_states=positions,
        output_attentions=attentions,
    )


def text_states(
    parts: Parts, ids: Int[torch.Tensor, "n tokens"], mask: Int[torch.Tensor, "n tokens"], /
) -> Float[torch.Tensor, "n tokens width"]:
    """What the language model's encoder makes of texts without an image."""
    encoder = parts.model.language_model.get_encoder()
    states: torch.Tensor = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    return states


def prompt_text(question: str, /) -> str:
    """A bare question in the form that BLIP-2 was tuned on; nothing for a caption."""
    return f"Question: {question.strip()} Answer:" if question.strip() else ""


def ask(
    parts: Parts, queries: Float[torch.Tensor, "n queries width"], questions: Sequence[str], /
) -> Context:
    """Encode the queries of each image followed by its question and the end token."""
    model, language = parts.model, parts.model.language_model
    tokens = parts.tokenizer(
        [prompt_text(question) for question in questions],
        padding=True,
        padding_side="right",
        return_tensors="pt",
    ).to(model.device)
    visual = model.language_projection(queries)
    embedded = torch.cat([visual, language.get_input_embeddings()(tokens["input_ids"])], dim=1)
    seen = tokens["attention_mask"].new_ones(visual.shape[:2])
    mask = torch.cat([seen, tokens["attention_mask"]], dim=1)
    encoded = language.get_encoder()(inputs_embeds=embedded, attention_mask=mask)
    return Context(encoded.last_hidden_state, mask)


def look(parts: Parts, images: Sequence[Image], /) -> Float[torch.Tensor, "n queries width"]:
    """What the Q-Former takes from the images."""
    queries = distil(parts, see(parts, images).last_hidden_state).last_hidden_state
    assert isinstance(queries, torch.Tensor)
    return queries


def consider(parts: Parts, images: Sequence[Image], questions: Sequence[str], /) -> Context:
    """From images and their questions to what the decoder attends to."""
    return ask(parts, look(parts, images), questions)


def answer_labels(parts: Parts, texts: Sequence[str], /) -> Int[torch.Tensor, "n tokens"]:
    """Token ids with the end token, right-padded with what does not count."""
    tokens = parts.tokenizer(
        list(texts), padding=True, padding_side="right", return_tensors="pt"
    ).to(parts.model.device)
    labels: torch.Tensor = tokens["input_ids"].masked_fill(tokens["attention_mask"] == 0, IGNORED)
    return labels


def answer_logits(
    parts: Parts, context: Context, labels: Int[torch.Tensor, "n tokens"], /
) -> Float[torch.Tensor, "n tokens vocabulary"]:
    """Position *t* predicts ``labels[:, t]``; a context of one row serves all labels as a view."""
    language, n = parts.model.language_model, len(labels)
    output = language(
        encoder_outputs=BaseModelOutput(last_hidden_state=context.states.expand(n, -1, -1)),
        attention_mask=context.mask.expand(n, -1),
        decoder_input_ids=language.prepare_decoder_input_ids_from_labels(labels),
        use_cache=False,
    )
    logits: torch.Tensor = output.logits
    return logits


def log_likelihoods(parts: Parts, context: Context, texts: Sequence[str], /) -> AnswerScores:
    """Log-likelihood of every text under one context, in batches."""

    def score_some(chosen: list[int]) -> AnswerScores:
        labels = answer_labels(parts, [texts[i] for i in chosen])
        return token_log_likelihood(answer_logits(parts, context, labels), labels)

    lengths = [len(ids) for ids in parts.tokenizer(list(texts))["input_ids"]]
    return by_length(lengths, score_some)


def continue_greedily(parts: Parts, context: Context, /) -> list[str]:
    """The most probable token at every step, up to the end token; one text for each row."""
    config = parts.model.config.text_config
    settings = GenerationConfig(
        max_new_tokens=MAX_NEW_TOKENS,
        do_sample=False,
        num_beams=1,
        decoder_start_token_id=config.decoder_start_token_id,
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
    )
    ids = parts.model.language_model.generate(
        encoder_outputs=BaseModelOutput(last_hidden_state=context.states),
        attention_mask=context.mask,
        generation_config=settings,
    )
    texts = parts.tokenizer.batch_decode(ids, skip_special_tokens=True)
    return [text.strip() for text in texts]
