"""Any chat model of transformers that takes an image: LLaVA, Qwen-VL, Gemma 3 and others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from jinja2 import TemplateError
from transformers import AutoModelForImageTextToText
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as CHAT_MODELS,
)

from vesalius.capabilities import AnswerScores
from vesalius.errors import ModelError, did_you_mean
from vesalius.models import dialogue, towers
from vesalius.models import options as declared
from vesalius.models.answers import IGNORED, check_candidates, token_log_likelihood
from vesalius.models.checkpoint import Checkpoint, card_of, read_config
from vesalius.models.loading import load_weights
from vesalius.models.preprocessing import Fit
from vesalius.records import Image, Json, ModelCard

ADAPTER = "chat"
BATCH = 4  # full sequences at once: their logits are as wide as the vocabulary
_MARK = "answer"


@dataclass(frozen=True, slots=True)
class ReplyForm:
    """What the chat template puts around an answer.

    Attributes:
        lead: between the prompt for an answer and the answer, mostly nothing or a blank.
        end: the token that ends the turn.
    """

    lead: str
    end: str


@dataclass(frozen=True, slots=True, eq=False)
class HfChat:
    """Capabilities: Generator, AnswerScorer, TextScorer.

    Input and text form are the checkpoint's own: its processor (in the Pillow form) and its chat
    template, with one image before the question. An answer ends with the token that the template
    puts after it, or the tokenizer's end token where it puts none.

    Likelihoods come from full forward passes over image, question and answer: what may be
    encoded only once differs between architectures, and a wrong guess would not show.
    """

    card: ModelCard
    model: Any
    processor: Any
    fit: Fit
    form: ReplyForm

    @property
    def n_parameters(self) -> int:
        """Number of parameters of the whole model."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def score_answers(
        self, image: Image, prompt: str, candidates: Sequence[str], /
    ) -> AnswerScores:
        """Log-likelihood of each candidate after the question, end of turn included.

        The tokens counted are those that the whole text has after what it shares with the prompt.
        """
        answers = check_candidates(candidates)
        dialogue.check_plain(answers, self.processor)
        text = dialogue.prompt_text(self.processor, prompt)
        before = self._inputs([image], [text], side="right")["input_ids"][0]
        parts = [
            self._score(image, text, answers[start : start + BATCH], before)
            for start in range(0, len(answers), BATCH)
        ]
        return AnswerScores(
            log_likelihood=np.concatenate([part.log_likelihood for part in parts]),
            n_tokens=np.concatenate([part.n_tokens for part in parts]),
        )

    def score_texts(
        self, images: Sequence[Image], texts: Sequence[str], /
    ) -> Float[np.ndarray, "n m"]:
        """Log-likelihood of each text as a caption of each image, end of turn included."""
        scores = np.zeros((len(images), len(towers.check_texts(texts))), np.float32)
        if texts:
            for row, image in enumerate(images):
                scores[row] = self.score_answers(image, "", texts).log_likelihood
        return scores

    def generate(self, images: Sequence[Image], prompts: Sequence[str], /) -> list[str]:
        """Greedy answers of at most `dialogue.MAX_NEW_TOKENS` tokens."""
        dialogue.check_pairs(images, prompts)
        tokenizer = self.processor.tokenizer
        own = [tokenizer.convert_tokens_to_ids(self.form.end), tokenizer.eos_token_id]
        ends = dialogue.end_tokens(self.model, *(token for token in own if token is not None))
        texts: list[str] = []
        for start in range(0, len(images), BATCH):
            asked = [dialogue.prompt_text(self.processor, p) for p in prompts[start:][:BATCH]]
            inputs = self._inputs(images[start:][:BATCH], asked, side="left")
            texts += dialogue.decode_greedily(self.model, inputs, tokenizer=tokenizer, ends=ends)
        return texts

    def _inputs(
        self, images: Sequence[Image], texts: Sequence[str], *, side: str
    ) -> dict[str, torch.Tensor]:
        begin = self.processor.tokenizer.bos_token
        inputs = self.processor(
            text=list(texts),
            images=[[dialogue.picture(image, self.processor, fit=self.fit)] for image in images],
            # a template that writes the start token itself must not get a second one
            add_special_tokens=not (begin and texts[0].startswith(begin)),
            padding=True,
            padding_side=side,
            return_tensors="pt",
        )
        return dialogue.on_device(inputs, self.model)

    def _score(
        self, image: Image, prompt: str, answers: Sequence[str], before: Int[torch.Tensor, " n"]
    ) -> AnswerScores:
        texts = [f"{prompt}{self.form.lead}{answer.strip()}{self.form.end}" for answer in answers]
        inputs = self._inputs([image] * len(texts), texts, side="right")
        ids, is_text = inputs["input_ids"], inputs["attention_mask"].bool()
        shared = torch.stack([_n_shared(row, before) for row in ids])
        places = torch.arange(ids.shape[1], device=ids.device)
        labels = ids.masked_fill(~is_text | (places < shared[:, None]), IGNORED)
        with torch.inference_mode():
            logits = self.model(**inputs).logits
        if logits.shape[:2] != ids.shape:
            raise ModelError(
                f"{self.card.name}: expected a logit for each of {tuple(ids.shape)} tokens, got "
                f"{tuple(logits.shape[:2])}; this architecture needs an adapter of its own"
            )
        first = int(shared.min())
        return token_log_likelihood(logits[:, first - 1 : -1], labels[:, first:])


def _n_shared(
    row: Int[torch.Tensor, " tokens"], before: Int[torch.Tensor, " n"]
) -> Int[torch.Tensor, ""]:
    """How many tokens two sequences have in common at their beginning."""
    n = min(len(row), len(before))
    return (row[:n] == before[:n]).long().cumprod(0).sum()


def load(
    checkpoint: Checkpoint, *, name: str, options: Mapping[str, Json], device: str = "auto"
) -> HfChat:
    """Load any image-text-to-text chat model strictly; never runs code from the checkpoint.

    Args:
        checkpoint: a folder in the hub's layout.
        name: display name, for the card.
        options: ``fit``: ``crop`` (default, the checkpoint's own preprocessing) or ``pad``;
            ``dtype``: ``float32`` or ``bfloat16``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        InputError: if an option or the device is unknown.
        ModelError: if the architecture is no such model, or the files are incomplete.
    """
    settled = declared.complete(options, declared=declared.CHAT, adapter=ADAPTER)
    _check_architecture(checkpoint)
    dtype = getattr(torch, settled["dtype"])
    model = load_weights(AutoModelForImageTextToText, checkpoint, device=device, dtype=dtype)
    size = model.config.get_text_config().vocab_size
    processor = dialogue.load_processor(checkpoint, vocabulary_size=size)
    form = _reply_form(processor, checkpoint)
    if processor.tokenizer.pad_token is None:  # padding is masked: any token will do
        processor.tokenizer.pad_token = form.end
    return HfChat(
        card=card_of(checkpoint, name=name, adapter=ADAPTER, options=settled),
        model=model,
        processor=processor,
        fit=settled["fit"],
        form=form,
    )


def _check_architecture(checkpoint: Checkpoint) -> None:
    found = str(read_config(checkpoint).get("model_type", ""))
    if found not in CHAT_MODELS:
        raise ModelError(
            f"{checkpoint.folder}: model_type {found!r} neither has one tower for images and one "
            f"for texts nor takes an image in a dialogue{did_you_mean(found, CHAT_MODELS)}; "
            f"this adapter drives {', '.join(CHAT_MODELS)}"
        )


def _reply_form(processor: Any, checkpoint: Checkpoint) -> ReplyForm:
    """Read off a dialogue with an answer what surrounds the answer."""
    tokenizer = processor.tokenizer
    try:
        prompt = dialogue.prompt_text(processor, "")
        whole = dialogue.dialogue_text(processor, "", _MARK)
    except (TemplateError, TypeError, ValueError) as error:
        raise ModelError(
            f"{checkpoint.folder}: the chat template cannot write an image, a question and an "
            f"answer: {error}"
        ) from error
    before, _, after = whole.rpartition(_MARK)
    lead = before.removeprefix(prompt) if before.startswith(prompt) else ""
    known = sorted(tokenizer.get_added_vocab(), key=len, reverse=True)
    ends = [token for token in known if after.lstrip().startswith(token)]
    end = ends[0] if ends else tokenizer.eos_token
    if not end:
        raise ModelError(
            f"{checkpoint.folder}: neither the chat template nor the tokenizer has a token that "
            "ends an answer, so its likelihood is not defined"
        )
    return ReplyForm(lead, end)
