"""SmolVLM-Instruct: a SigLIP tower, pixel shuffle and a small language model (Idefics3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3Processor

from vesalius.capabilities import AnswerScores
from vesalius.errors import ModelError
from vesalius.models import dialogue, towers
from vesalius.models import options as declared
from vesalius.models import smolvlm_answers as written
from vesalius.models.checkpoint import Checkpoint, card_of
from vesalius.models.language import Reading, encode_language, encode_words
from vesalius.models.loading import load_weights
from vesalius.models.memory import LastImage
from vesalius.models.preprocessing import Fit, InputFrame, input_geometry
from vesalius.models.saliency import relevance
from vesalius.records import Geometry, Image, Json, ModelCard

ADAPTER = "smolvlm"
BATCH = 8  # prompts decoded together; one at a time when the image is split


@dataclass(frozen=True, slots=True, eq=False)
class SmolVlm:
    """Capabilities: ImageEncoder, DenseEncoder, AnswerScorer, TextScorer, Generator, Attributor.

    Several images in one question are SeveralImages: the slices of a volume, each its own tile.

    Input: a 2D display image as RGB, squashed to one square tile, the "global" one (512 px: 32x32
    patches, of which pixel shuffle makes 8x8 tokens for the language model). With
    ``image_splitting`` the image is also cut into tiles of full resolution, which come before the
    global one: as the model was trained, and about seventeen times slower. Embeddings and maps are
    always those of the global tile.

    Text: the checkpoint's chat template; answers are ``" " + answer`` and the end of the turn.
    There is no text embedding; what the language model makes of a text alone is `encode_language`
    and `encode_words` (WordEncoder). Captions are asked for by `dialogue.CAPTION_REQUEST`.

    A tile that is exactly zero after normalisation would be dropped as padding by the model; no
    8-bit image can be that (its middle grey is 127.5).

    Source: Marafioti et al. (2025), arXiv:2504.05299; Laurençon et al. (2024), arXiv:2408.12637.
    """

    card: ModelCard
    model: Any
    processor: Any
    fit: Fit
    image_splitting: bool
    memory: LastImage = field(default_factory=LastImage)

    @property
    def n_parameters(self) -> int:
        """Number of parameters of vision tower, connector and language model."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def dense_text_aligned(self) -> bool:
        """Always false: patches live in the vision tower's own space."""
        return False

    def encode_images(self, images: Sequence[Image], /) -> Float[np.ndarray, "n dim"]:
        """Unit rows: mean over the patches of the global tile, after the tower's last norm."""

        def encode(batch: Sequence[Image]) -> torch.Tensor:
            return towers.unit(self._patches(self._global_tiles(batch)).float().mean(dim=1))

        return towers.encode_in_batches(images, encode, blank=towers.BLANK)

    def encode_dense(self, images: Sequence[Image], /) -> Float[np.ndarray, "n rows cols dim"]:
        """Patch vectors of the global tile, not normalised; `geometry` says where they lie."""

        def encode(batch: Sequence[Image]) -> torch.Tensor:
            patches = self._patches(self._global_tiles(batch))
            return patches.reshape(len(batch), self._patch_side, self._patch_side, -1)

        return towers.encode_in_batches(images, encode, blank=towers.BLANK)

    def encode_language(self, texts: Sequence[str], /) -> Float[np.ndarray, "n dim"]:
        """Unit rows: the language model's mean last hidden state of a text without image."""
        dialogue.check_plain(texts, self.processor)
        return encode_language(texts, self._reading)

    def encode_words(self, texts: Sequence[str], /) -> list[Float[np.ndarray, "words dim"]]:
        """The language model's last hidden states of each text, read without an image."""
        dialogue.check_plain(texts, self.processor)
        return encode_words(texts, self._reading)

    def score_answers(
        self, image: Image, prompt: str, candidates: Sequence[str], /
    ) -> AnswerScores:
        """Log-likelihood of each candidate; image and prompt run through the model once."""
        return self.score_answers_about([image], prompt, candidates)

    def score_answers_about(
        self, images: Sequence[Image], prompt: str, candidates: Sequence[str], /
    ) -> AnswerScores:
        """The same with several images before the question, none of them split."""
        answers = written.answer_ids(self.model, self.processor, candidates)
        with torch.inference_mode():
            embedded, _ = self._embedded_prompt(images, prompt)
            return written.score_after(self.model, embedded, answers)

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
        step = 1 if self.image_splitting else BATCH
        texts: list[str] = []
        for start in range(0, len(images), step):
            alone = [[image] for image in images[start : start + step]]
            inputs = self._inputs(alone, prompts[start : start + step])
            texts += written.decode(self.model, self.processor, inputs)
        return texts

    def answer_about(self, images: Sequence[Image], prompt: str, /) -> str:
        """A greedy answer about several images, none of them split."""
        (text,) = written.decode(self.model, self.processor, self._inputs([images], [prompt]))
        return text

    def attribute(self, image: Image, text: str, /) -> Float[np.ndarray, "rows cols"]:
        """Attention of `text`, as a caption, to the image tokens of the global tile.

        Positive attention times gradient of the caption's log-likelihood, accumulated over the
        layers, averaged over the positions that predict the caption.

        Source: Chefer et al. (2021), doi:10.1109/ICCV48922.2021.00045, equations 5 and 6.
        """
        (answer,) = written.answer_ids(self.model, self.processor, [text])
        with torch.no_grad():
            embedded, is_image = self._embedded_prompt([image], "")
            tail = self.model.get_input_embeddings()(answer)
        whole = torch.cat([embedded[0], tail])[None, :-1].requires_grad_()
        with torch.enable_grad():
            read = self.model.model.text_model(
                inputs_embeds=whole, output_attentions=True, use_cache=False
            )
            logits = self.model.lm_head(read.last_hidden_state[0, -len(answer) :])
            chosen = logits.float().log_softmax(-1).gather(-1, answer[:, None])
            gradients = torch.autograd.grad(chosen.sum(), read.attentions)
        total = torch.eye(whole.shape[1], device=whole.device)
        for attention, gradient in zip(read.attentions, gradients, strict=True):
            total = total + relevance(attention[0].float(), gradient[0].float()) @ total
        columns = is_image.nonzero()[-(self._token_side**2) :, 0]
        rows = total.detach()[-len(answer) :].mean(0)[columns]
        return rows.reshape(self._token_side, self._token_side).cpu().numpy()

    def with_fit(self, fit: Fit, /) -> "SmolVlm":
        """The same weights, padding to a square or framing as the checkpoint does."""
        return replace(self, fit=fit, memory=LastImage())

    def geometry(self, image: Image, /) -> Geometry:
        """Where the global tile lies in the original image: all of it, squashed, if not padded."""
        side = self.model.config.vision_config.image_size
        frame = InputFrame(None, (side, side), None, dialogue.mean_colour(self.processor))
        return input_geometry(image, frame, fit=self.fit)

    @property
    def _patch_side(self) -> int:
        vision = self.model.config.vision_config
        return int(vision.image_size // vision.patch_size)

    @property
    def _token_side(self) -> int:
        return self._patch_side // int(self.model.config.scale_factor)

    def _global_tiles(self, images: Sequence[Image]) -> Float[torch.Tensor, "n 3 side side"]:
        """The last tile of each image; one image at a time, so that none is padded with tiles."""
        tiles = [
            self.processor.image_processor(
                [[dialogue.picture(image, self.processor, fit=self.fit)]],
                do_image_splitting=self.image_splitting,
                return_tensors="pt",
            )["pixel_values"][0, -1]
            for image in images
        ]
        return torch.stack(tiles).to(self.model.device, self.model.dtype)

    def _patches(self, tiles: torch.Tensor) -> Float[torch.Tensor, "n patches dim"]:
        patches: torch.Tensor = self.model.model.vision_model(pixel_values=tiles).last_hidden_state
        return patches

    @property
    def _reading(self) -> Reading:
        longest = self.model.config.text_config.max_position_embeddings
        tokenizer = self.processor.tokenizer
        return Reading(self._text_states, tokenizer, longest, self.model.device)

    def _text_states(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        read = self.model.model.text_model(input_ids=ids, attention_mask=mask, use_cache=False)
        states: torch.Tensor = read.last_hidden_state
        return states

    def _inputs(
        self, images: Sequence[Sequence[Image]], prompts: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Token ids, padded on the left, and tiles; for each prompt one or more images."""
        asked = list(zip(images, prompts, strict=True))
        inputs = self.processor(
            text=[dialogue.prompt_text(self.processor, p, n_images=len(i)) for i, p in asked],
            images=[[dialogue.picture(i, self.processor, fit=self.fit) for i in s] for s in images],
            do_image_splitting=self.image_splitting and all(len(shown) == 1 for shown in images),
            padding=True,
            padding_side="left",
            return_tensors="pt",
        )
        return dialogue.on_device(inputs, self.model)

    def _embedded_prompt(
        self, images: Sequence[Image], prompt: str
    ) -> tuple[Float[torch.Tensor, "1 tokens dim"], torch.Tensor]:
        """Prompt with the images' tokens in their places, and which places these are."""
        inputs = self._inputs([images], [prompt])
        seen = self.memory.of(
            images, lambda: self.model.model.connector(self._patches(inputs["pixel_values"][0]))
        )
        ids = inputs["input_ids"]
        is_image = ids == self.model.config.image_token_id
        words = self.model.get_input_embeddings()(ids)
        return words.masked_scatter(is_image[..., None], seen.to(words.dtype)), is_image[0]


def architecture(config: Mapping[str, Json], /) -> Any:
    """The network that a ``config.json`` describes, on the meta device: shapes without weights."""
    with torch.device("meta"):
        return Idefics3ForConditionalGeneration(Idefics3Config(**config)).eval()


def load(
    checkpoint: Checkpoint, *, name: str, options: Mapping[str, Json], device: str = "auto"
) -> SmolVlm:
    """Load SmolVLM weights strictly.

    Args:
        checkpoint: a folder in the hub's layout.
        name: display name, for the card.
        options: ``fit``: ``crop`` (default, the model's own squash) or ``pad``; ``dtype``:
            ``float32`` or ``bfloat16``; ``image_splitting``: False (default) or True.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        InputError: if an option or the device is unknown.
        ModelError: if the files do not make a complete Idefics3 with its chat tokens.
    """
    settled = declared.complete(options, declared=declared.SMOLVLM, adapter=ADAPTER)
    dtype = getattr(torch, settled["dtype"])
    model = load_weights(Idefics3ForConditionalGeneration, checkpoint, device=device, dtype=dtype)
    # only this kernel shows attention weights; the vision tower keeps the one that saves memory
    model.model.text_model.set_attn_implementation("eager")
    size = model.config.text_config.vocab_size
    processor = dialogue.load_processor(checkpoint, vocabulary_size=size)
    adapter = SmolVlm(
        card=card_of(checkpoint, name=name, adapter=ADAPTER, options=settled),
        model=model,
        processor=processor,
        fit=settled["fit"],
        image_splitting=settled["image_splitting"],
    )
    _check_agreement(adapter, checkpoint)
    return adapter


def _check_agreement(adapter: SmolVlm, checkpoint: Checkpoint) -> None:
    """Processor and network must agree on tile, tokens per tile and the image token."""
    config, processor = adapter.model.config, adapter.processor
    if not isinstance(processor, Idefics3Processor):
        raise ModelError(
            f"{checkpoint.folder}: expected an Idefics3Processor, got {type(processor).__name__}; "
            "processor_config.json belongs to another model"
        )
    side, n_tokens = config.vision_config.image_size, adapter._token_side**2
    expected = {"tile": side, "tokens of a tile": n_tokens, "id of <image>": config.image_token_id}
    found = {
        "tile": processor.image_processor.max_image_size["longest_edge"],
        "tokens of a tile": processor.image_seq_len,
        "id of <image>": processor.tokenizer.convert_tokens_to_ids("<image>"),
    }
    if found != expected:
        raise ModelError(f"{checkpoint.folder}: the network expects {expected}, got {found}")
