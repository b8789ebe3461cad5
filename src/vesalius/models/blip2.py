"""BLIP-2 with the encoder–decoder language model FLAN-T5."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from transformers import Blip2Config, Blip2ForConditionalGeneration
from transformers.utils import logging

from vesalius.capabilities import AnswerScores
from vesalius.errors import InputError, ModelError
from vesalius.models import blip2_network as network
from vesalius.models import options as declared
from vesalius.models import towers
from vesalius.models.answers import check_candidates
from vesalius.models.blip2_maps import attribution
from vesalius.models.checkpoint import Checkpoint, card_of, read_config
from vesalius.models.language import Reading, encode_language, encode_words
from vesalius.models.loading import load_image_processor, load_tokenizer, load_weights
from vesalius.models.memory import LastImage
from vesalius.models.preprocessing import Fit, frame_of, input_geometry
from vesalius.records import Geometry, Image, Json, ModelCard

ADAPTER = "blip2"
IMAGE_TOKEN = "<image>"  # noqa: S105 - a token of the vocabulary, not a secret
PROCESSOR = "processor_config.json"
MAX_TEXT = 512  # tokens that FLAN-T5 was trained to read


@dataclass(frozen=True, slots=True, eq=False)
class Blip2:
    """Capabilities: ImageEncoder, DenseEncoder, AnswerScorer, Generator, TextScorer, Attributor.

    Input: a 2D display image as RGB, squashed to the model's square (224 px). Text: a question is
    put as ``Question: … Answer:``; an empty one asks for a caption. Texts keep their case and
    are never cut off. There is no text embedding: this checkpoint has no shared space; what its
    language model makes of a text is `encode_language` and `encode_words` (WordEncoder).

    Source: Li et al. (2023), arXiv:2301.12597.
    """

    card: ModelCard
    parts: network.Parts
    image_features: Literal["qformer", "vision"]
    memory: LastImage = field(default_factory=LastImage)

    @property
    def n_parameters(self) -> int:
        """Number of parameters of vision tower, Q-Former and language model."""
        return sum(parameter.numel() for parameter in self.parts.model.parameters())

    @property
    def dense_text_aligned(self) -> bool:
        """Always false: no text is embedded in the space of the patches."""
        return False

    def encode_images(self, images: Sequence[Image], /) -> Float[np.ndarray, "n dim"]:
        """Unit rows: mean of the Q-Former's queries, or the pooled output of the vision tower."""

        def encode(batch: Sequence[Image]) -> torch.Tensor:
            seen = network.see(self.parts, batch)
            if self.image_features == "vision":
                return towers.unit(seen.pooler_output)
            queries = network.distil(self.parts, seen.last_hidden_state).last_hidden_state
            return towers.unit(queries.float().mean(1))

        return towers.encode_in_batches(images, encode, blank=towers.BLANK)

    def encode_dense(self, images: Sequence[Image], /) -> Float[np.ndarray, "n rows cols dim"]:
        """Patches of the vision tower after its last layer norm; not of unit length."""

        def encode(batch: Sequence[Image]) -> torch.Tensor:
            patches = network.see(self.parts, batch).last_hidden_state[:, 1:]
            grid: torch.Tensor = patches.unflatten(1, network.patch_grid(self.parts))
            return grid

        return towers.encode_in_batches(images, encode, blank=towers.BLANK)

    def encode_language(self, texts: Sequence[str], /) -> Float[np.ndarray, "n dim"]:
        """Unit rows: mean last hidden state of FLAN-T5's encoder, read without an image."""
        return encode_language(self._plain(texts), self._reading)

    def encode_words(self, texts: Sequence[str], /) -> list[Float[np.ndarray, "words dim"]]:
        """Last hidden states of FLAN-T5's encoder, read without an image."""
        return encode_words(self._plain(texts), self._reading)

    def score_answers(
        self, image: Image, prompt: str, candidates: Sequence[str], /
    ) -> AnswerScores:
        """Log-likelihood of each candidate with its end token; the image is encoded once."""
        answers = self._plain(check_candidates(candidates))
        with torch.inference_mode():
            queries = self.memory.of(image, lambda: network.look(self.parts, [image]))
            context = network.ask(self.parts, queries, self._plain([prompt]))
            return network.log_likelihoods(self.parts, context, answers)

    def score_texts(
        self, images: Sequence[Image], texts: Sequence[str], /
    ) -> Float[np.ndarray, "n m"]:
        """Log-likelihood of every text as a caption of every image; each is encoded once."""
        captions = self._plain(texts)
        scores = np.zeros((len(images), len(captions)), np.float32)
        for start in range(0, len(images) if captions else 0, towers.BATCH):
            batch = images[start : start + towers.BATCH]
            with torch.inference_mode():
                contexts = network.consider(self.parts, batch, [""] * len(batch))
                for index in range(len(batch)):
                    found = network.log_likelihoods(self.parts, contexts.row(index), captions)
                    scores[start + index] = found.log_likelihood
        return scores

    def generate(self, images: Sequence[Image], prompts: Sequence[str], /) -> list[str]:
        """Greedy answers, at most 128 tokens each.

        Raises:
            InputError: if there is not one prompt for each image.
        """
        questions = self._plain(prompts)
        if len(images) != len(questions):
            raise InputError(
                f"expected one prompt an image, got {len(questions)} for {len(images)}"
            )
        answers: list[str] = []
        for start in range(0, len(images), towers.BATCH):
            batch = slice(start, start + towers.BATCH)
            with torch.inference_mode():
                context = network.consider(self.parts, images[batch], questions[batch])
                answers += network.continue_greedily(self.parts, context)
        return answers

    def attribute(self, image: Image, text: str, /) -> Float[np.ndarray, "rows cols"]:
        """Relevance of each patch to the log-likelihood of `text` as a caption; not negative.

        Raises:
            InputError: if the text is empty.
        """
        return attribution(self.parts, image, *self._plain(check_candidates([text])))

    def with_fit(self, fit: Fit, /) -> "Blip2":
        """The same weights, padding to a square or framing as the checkpoint does."""
        return replace(self, parts=replace(self.parts, fit=fit), memory=LastImage())

    def geometry(self, image: Image, /) -> Geometry:
        """Where the model's input lies in the original image: all of it, unless padded."""
        return input_geometry(image, frame_of(self.parts.processor), fit=self.parts.fit)

    @property
    def _reading(self) -> Reading:
        states = partial(network.text_states, self.parts)
        return Reading(states, self.parts.tokenizer, MAX_TEXT, self.parts.model.device)

    def _plain(self, texts: Sequence[str]) -> list[str]:
        """The texts, if none spells a special token, which would be read as one."""
        for index, text in enumerate(towers.check_texts(texts)):
            for token in self.parts.tokenizer.get_added_vocab():
                if token in text:
                    raise InputError(f"texts[{index}]: contains the special token {token!r}")
        return list(texts)


def architecture(config: Mapping[str, Json], /) -> torch.nn.Module:
    """The network that a ``config.json`` describes, its weights random.

    Under ``torch.device("meta")`` it has shapes and no memory. The head is its own tensor, as in
    the published file; transformers alone would make it the embedding.
    """
    built: torch.nn.Module = Blip2ForConditionalGeneration(Blip2Config.from_dict(dict(config)))
    head = built.get_submodule("language_model.lm_head")
    assert isinstance(head, torch.nn.Linear)
    head.weight = torch.nn.Parameter(head.weight.detach().clone())
    return built.eval()


def load(
    checkpoint: Checkpoint, *, name: str, options: Mapping[str, Json], device: str = "auto"
) -> Blip2:
    """Load BLIP-2 weights strictly.

    Args:
        checkpoint: a folder in the hub's layout.
        name: display name, for the card.
        options: ``fit``: ``crop`` (default, the model's own preprocessing, which crops nothing)
            or ``pad``; ``dtype``: ``float32`` or ``bfloat16``; ``image_features``: ``qformer`` or
            ``vision``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        InputError: if an option or the device is unknown.
        ModelError: if the files do not make a complete BLIP-2 with a T5 and a head of its own.
    """
    settled = declared.complete(options, declared=declared.BLIP2, adapter=ADAPTER)
    _check_configuration(checkpoint)
    with _without_advice_on_tying():
        model = load_weights(
            Blip2ForConditionalGeneration,
            checkpoint,
            device=device,
            dtype=getattr(torch, settled["dtype"]),
        )
    _check_head(model, checkpoint)
    # Other kernels hide the weights that maps need; here queries are few and nothing is lost.
    model.qformer.set_attn_implementation("eager")
    tokenizer = load_tokenizer(checkpoint, vocabulary_size=model.config.text_config.vocab_size)
    _check_tokens(tokenizer, model.config, checkpoint)
    processor = load_image_processor(checkpoint)
    return Blip2(
        card=card_of(checkpoint, name=name, adapter=ADAPTER, options=settled),
        parts=network.Parts(model, tokenizer, processor, settled["fit"]),
        image_features=settled["image_features"],
    )


@contextmanager
def _without_advice_on_tying() -> Iterator[None]:
    """Transformers advises to change the configuration when it finds a head of its own."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _check_configuration(checkpoint: Checkpoint) -> None:
    """The number of queries must be said twice and alike; old layouts said it once."""
    config = read_config(checkpoint)
    language = config.get("text_config", {}).get("model_type")
    if config.get("model_type") != "blip-2" or language != "t5":
        raise ModelError(
            f"{checkpoint.folder}: expected config.json of BLIP-2 with a T5, got model_type "
            f"{config.get('model_type')!r} with {language!r}"
        )
    if PROCESSOR not in checkpoint.files:
        raise ModelError(
            f"{checkpoint.folder}: without {PROCESSOR}; a layout of before 2024, "
            "take a newer revision"
        )
    n_queries = _processor_queries(checkpoint.folder / PROCESSOR)
    if n_queries != config.get("num_query_tokens"):
        raise ModelError(
            f"{checkpoint.folder}: num_query_tokens is {n_queries} in {PROCESSOR} and "
            f"{config.get('num_query_tokens')} in config.json"
        )


def _processor_queries(path: Path) -> Json:
    try:
        return json.loads(path.read_text(encoding="utf-8"))["num_query_tokens"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path}: expected a JSON object with num_query_tokens: {error}"
        ) from error


def _check_head(model: Any, checkpoint: Checkpoint) -> None:
    """The head must be its own tensor, and the encoder's embedding the shared one.

    Transformers ties what the file does not hold, and versions before 5.23 took the one for the
    other; both give fluent nonsense without a message.
    """
    language = model.language_model
    head, shared = language.lm_head.weight, language.shared.weight
    if head is shared or torch.equal(head, shared):
        raise ModelError(
            f"{checkpoint.folder}: the language model's head (language_model.lm_head.weight) is "
            "the input embedding; in BLIP-2 with FLAN-T5 it is a tensor of its own. Use the "
            "published file; a copy saved after tying is spoilt"
        )
    for stack in (language.encoder, language.decoder):
        if not torch.equal(stack.embed_tokens.weight, shared):
            raise ModelError(
                f"{checkpoint.folder}: the embedding of {type(stack).__name__} is not "
                "language_model.shared.weight; install transformers 5.23 or newer"
            )


def _check_tokens(tokenizer: Any, config: Any, checkpoint: Checkpoint) -> None:
    """Ids that the model counts on must mean the same to the tokenizer."""
    expected = {
        IMAGE_TOKEN: config.image_token_index,
        tokenizer.pad_token: config.text_config.pad_token_id,
        tokenizer.eos_token: config.text_config.eos_token_id,
    }
    for token, index in expected.items():
        found = tokenizer.get_vocab().get(token)
        if found is None or found != index:
            raise ModelError(
                f"{checkpoint.folder}: token {token!r} is {found} in the tokenizer and {index} in "
                "config.json; tokenizer files are missing or another model's"
            )
