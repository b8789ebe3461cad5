"""GIT: an image tower of CLIP and a decoder that reads its patches as if they were words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from transformers import GitConfig, GitForCausalLM

from vesalius.capabilities import AnswerScores
from vesalius.errors import InputError
from vesalius.models import git_decoder as decoder
from vesalius.models import options as declared
from vesalius.models.answers import check_candidates
from vesalius.models.checkpoint import Checkpoint, card_of
from vesalius.models.language import Reading, encode_language, encode_words
from vesalius.models.memory import LastImage
from vesalius.models.preprocessing import Fit, frame_of, input_geometry
from vesalius.models.towers import BATCH, BLANK, check_texts, encode_in_batches, unit
from vesalius.records import Geometry, Image, Json, ModelCard

ADAPTER = "git"


@dataclass(frozen=True, slots=True, eq=False)
class Git:
    """Capabilities: ImageEncoder, DenseEncoder, AnswerScorer, Generator, TextScorer, Attributor.

    There is no text embedding in the image space: words exist only in the decoder, whose reading
    of a text alone is `encode_language` and, word by word, `encode_words` (WordEncoder).

    Input: a 2D display image as RGB, its shorter side resized to the model's input (224 px for
    GIT-large), centre crop. Prompt: ``[CLS]`` and the bare question, without ``[SEP]``; the
    pre-trained checkpoint is a captioner, so its answers continue the question.

    Source: Wang et al. (2022), arXiv:2205.14100.
    """

    card: ModelCard
    network: decoder.GitNetwork
    memory: LastImage = field(default_factory=LastImage)

    @property
    def n_parameters(self) -> int:
        """Number of parameters of image tower and decoder."""
        return sum(parameter.numel() for parameter in self.network.model.parameters())

    @property
    def dense_text_aligned(self) -> bool:
        """Always false: CLIP's text tower is not part of the checkpoint."""
        return False

    def encode_images(self, images: Sequence[Image], /) -> Float[np.ndarray, "n dim"]:
        """Unit rows of the class token after the image tower's last layer norm."""

        def encode(batch: Sequence[Image]) -> torch.Tensor:
            return unit(decoder.see(self.network, batch)[:, 0])

        return encode_in_batches(images, encode, blank=BLANK)

    def encode_dense(self, images: Sequence[Image], /) -> Float[np.ndarray, "n rows cols dim"]:
        """Patches after the image tower's last layer norm; `geometry` says where they lie."""

        def encode(batch: Sequence[Image]) -> torch.Tensor:
            return decoder.patch_grid(self.network, batch)

        return encode_in_batches(images, encode, blank=BLANK)

    def encode_language(self, texts: Sequence[str], /) -> Float[np.ndarray, "n dim"]:
        """Unit rows: the decoder's mean last hidden state of a text, read without an image."""
        return encode_language(texts, self._reading)

    def encode_words(self, texts: Sequence[str], /) -> list[Float[np.ndarray, "words dim"]]:
        """The decoder's last hidden states of each text, read without an image."""
        return encode_words(texts, self._reading)

    @torch.no_grad()
    def score_texts(
        self, images: Sequence[Image], texts: Sequence[str], /
    ) -> Float[np.ndarray, "n m"]:
        """Log-likelihood of every text as the caption of every image, summed over its tokens."""
        captions = check_texts(texts)
        if not captions or not images:
            return np.zeros((len(images), len(captions)), np.float32)
        rows = [self.score_answers(image, "", captions).log_likelihood for image in images]
        return np.stack(rows).astype(np.float32)

    @torch.no_grad()
    def score_answers(
        self, image: Image, prompt: str, candidates: Sequence[str], /
    ) -> AnswerScores:
        """Log-likelihood of each candidate after image and question, both read only once.

        Raises:
            InputError: if there is no candidate, one is empty, or one is longer than the context.
        """
        answers = check_candidates(candidates)
        seen = self.memory.of(image, lambda: decoder.read_image(self.network, image))
        prefix = decoder.read_prompt(self.network, seen, prompt=prompt)
        return decoder.score(self.network, prefix, candidates=answers)

    @torch.no_grad()
    def generate(self, images: Sequence[Image], prompts: Sequence[str], /) -> list[str]:
        """Greedy answer to each prompt for its image, at most 128 tokens, without the prompt.

        Raises:
            InputError: if there is not one prompt an image, or one is longer than the context.
        """
        asked = check_texts(prompts)
        if len(asked) != len(images):
            raise InputError(f"expected one prompt an image, got {len(asked)} for {len(images)}")
        answers: list[str] = []
        for i in range(0, len(asked), BATCH):
            batch, questions = images[i : i + BATCH], asked[i : i + BATCH]
            answers += decoder.generate(self.network, batch, prompts=questions)
        return answers

    def attribute(self, image: Image, text: str, /) -> Float[np.ndarray, "rows cols"]:
        """Where the decoder looks for `text` as the caption: attention times its gradient.

        Raises:
            InputError: if the text is empty or longer than the context.
        """
        (caption,) = check_candidates([text])
        return decoder.attention_map(self.network, image, text=caption)

    def with_fit(self, fit: Fit, /) -> "Git":
        """The same weights, padding to a square or framing as the checkpoint does."""
        return replace(self, network=replace(self.network, fit=fit), memory=LastImage())

    def geometry(self, image: Image, /) -> Geometry:
        """Where the model's input square lies in the original image."""
        return input_geometry(image, frame_of(self.network.processor), fit=self.network.fit)

    @property
    def _reading(self) -> Reading:
        model = self.network.model
        return Reading(
            states=partial(decoder.text_states, self.network),
            tokenizer=self.network.tokenizer,
            max_length=model.config.max_position_embeddings,
            device=model.device,
        )


def architecture(config: Mapping[str, Json], /) -> Any:
    """The network that a ``config.json`` describes, without weights, on the meta device.

    Args:
        config: the file's content.
    """
    with torch.device("meta"):
        return GitForCausalLM(GitConfig.from_dict(dict(config))).eval()


def load(
    checkpoint: Checkpoint, *, name: str, options: Mapping[str, Json], device: str = "auto"
) -> Git:
    """Load GIT weights strictly.

    Args:
        checkpoint: a folder in the hub's layout.
        name: display name, for the card.
        options: ``fit``: ``crop`` (default, the model's own preprocessing) or ``pad``; ``dtype``:
            ``float32`` (default) or ``bfloat16``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        InputError: if an option or the device is unknown.
        ModelError: if the files do not make a complete GIT for single images.
    """
    settled = declared.complete(options, declared=declared.GIT, adapter=ADAPTER)
    card = card_of(checkpoint, name=name, adapter=ADAPTER, options=settled)
    network = decoder.load_network(
        checkpoint, device=device, fit=settled["fit"], dtype=getattr(torch, settled["dtype"])
    )
    return Git(card, network)
