"""ClipMD: CLIP fine-tuned on radiology captions, with a sliding window over long texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int

from vesalius.models import maps, towers
from vesalius.models import options as declared
from vesalius.models.checkpoint import Checkpoint, card_of
from vesalius.models.language import word_places
from vesalius.models.preprocessing import Fit, frame_of, input_geometry
from vesalius.records import Geometry, Image, Json, ModelCard

ADAPTER = "clipmd"
OVERLAP = 7

Pooling = Literal["native", "eos"]


@dataclass(frozen=True, slots=True, eq=False)
class ClipMd:
    """Capabilities: DualEncoder, DenseEncoder (text-aligned), WordEncoder, TextScorer, Attributor.

    Images as CLIP's. Texts of any length: windows of 77 tokens that overlap by 7, each embedded
    by CLIP's text tower; the text is the mean of the projected windows before normalisation.

    With ``pooling="native"``, as trained, a window without an end token is read at its highest
    token id. In the first of several windows that is the start token, whose state cannot depend
    on the text under a causal mask: it adds the same vector to every long text.
    ``pooling="eos"`` puts the end token in the last place of each such window (the token it
    replaces stands in the next window too).

    Source: Glassberg and Hope (2023), arXiv:2303.13340.
    """

    card: ModelCard
    towers: towers.ClipTowers
    pooling: Pooling

    @property
    def n_parameters(self) -> int:
        """Number of parameters of both towers."""
        return sum(parameter.numel() for parameter in self.towers.model.parameters())

    @property
    def logit_scale(self) -> float:
        """Factor from cosine to logit, from the checkpoint."""
        return towers.logit_scale(self.towers)

    @property
    def dense_text_aligned(self) -> bool:
        """Always true: patches are projected into the shared space."""
        return True

    def encode_images(self, images: Sequence[Image], /) -> Float[np.ndarray, "n dim"]:
        """Unit rows of 2D images in the shared space."""
        return towers.encode_images(self.towers, images)

    def encode_texts(self, texts: Sequence[str], /) -> Float[np.ndarray, "n dim"]:
        """Unit rows of texts of any length in the shared space."""

        def encode(batch: Sequence[str]) -> torch.Tensor:
            return towers.unit(torch.stack([self._mean_of_windows(text) for text in batch]))

        return towers.encode_in_batches(towers.check_texts(texts), encode, blank="")

    def encode_words(self, texts: Sequence[str], /) -> list[Float[np.ndarray, "words dim"]]:
        """Tokens after the text tower's last layer norm, before the projection.

        A token that stands in two windows counts once, as the first of them read it: there it has
        seen more of what comes before. Where ``pooling="eos"`` has put the end token in its place,
        the next window's reading is taken.
        """
        with torch.inference_mode():
            return [self._words(text) for text in towers.check_texts(texts)]

    def encode_dense(self, images: Sequence[Image], /) -> Float[np.ndarray, "n rows cols dim"]:
        """Unit vectors of the patches in the shared space; `geometry` says where they lie."""
        return towers.encode_dense(self.towers, images)

    def score_texts(
        self, images: Sequence[Image], texts: Sequence[str], /
    ) -> Float[np.ndarray, "n m"]:
        """Scaled cosine of every image with every text, in logits."""
        rows, columns = self.encode_images(images), self.encode_texts(texts)
        return towers.match_scores(rows, columns, scale=self.logit_scale)

    def attribute(self, image: Image, text: str, /) -> Float[np.ndarray, "rows cols"]:
        """Positive gradient-weighted attention of the class token in the last block."""
        return maps.clip_map(self.towers, image, self.encode_texts([text])[0])

    def with_fit(self, fit: Fit, /) -> "ClipMd":
        """The same weights, padding to a square or cropping the centre."""
        return replace(self, towers=replace(self.towers, fit=fit))

    def geometry(self, image: Image, /) -> Geometry:
        """Where the model's input square lies in the original image."""
        return input_geometry(image, frame_of(self.towers.processor), fit=self.towers.fit)

    def _mean_of_windows(self, text: str) -> torch.Tensor:
        ids, mask = self._padded(self._windows(self._token_ids(text)))
        output = self.towers.model.get_text_features(input_ids=ids, attention_mask=mask)
        return towers.pooled(output).mean(dim=0)

    def _words(self, text: str) -> Float[np.ndarray, "words dim"]:
        ids = self._token_ids(text)
        parts = self._windows(ids)
        states = towers.text_states(self.towers, *self._padded(parts)).float().cpu().numpy()
        whole = states[0, : len(ids)] if len(parts) == 1 else self._joined(ids, parts, states)
        return whole[word_places(ids, self.towers.tokenizer.all_special_ids)]

    def _joined(
        self,
        ids: Sequence[int],
        parts: Sequence[Sequence[int]],
        states: Float[np.ndarray, "windows length dim"],
    ) -> Float[np.ndarray, "tokens dim"]:
        """States of all tokens, each as the first window has it that holds it."""
        stride = self._length - OVERLAP
        read: dict[int, np.ndarray] = {}
        for number, part in enumerate(parts):
            for place, token in enumerate(part):
                if token == ids[number * stride + place]:  # else the end token stands there
                    read.setdefault(number * stride + place, states[number, place])
        return np.stack([read[position] for position in range(len(ids))])

    @property
    def _length(self) -> int:
        """Tokens of a window."""
        return int(self.towers.model.config.text_config.max_position_embeddings)

    def _token_ids(self, text: str) -> list[int]:
        ids: list[int] = self.towers.tokenizer(text, truncation=False, verbose=False)["input_ids"]
        return ids

    def _windows(self, ids: Sequence[int]) -> list[list[int]]:
        end = self.towers.tokenizer.eos_token_id if self.pooling == "eos" else None
        return windows(ids, length=self._length, end=end)

    def _padded(
        self, parts: Sequence[Sequence[int]]
    ) -> tuple[Int[torch.Tensor, "windows length"], Int[torch.Tensor, "windows length"]]:
        """Ids of the windows, filled up on the right, and their mask."""
        pad, device = self.towers.tokenizer.pad_token_id, self.towers.model.device
        ids = [[*part, *[pad] * (self._length - len(part))] for part in parts]
        mask = [[1] * len(part) + [0] * (self._length - len(part)) for part in parts]
        return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def windows(ids: Sequence[int], *, length: int, end: int | None = None) -> list[list[int]]:
    """Cut token ids into full windows and a remainder, which is never empty.

    A text of at most `length` tokens is its own remainder. Otherwise full windows start every
    ``length - 7`` tokens, and the remainder is what follows the last start.

    Args:
        ids: token ids with start and end token.
        length: tokens of a full window.
        end: token to put in the last place of each full window; None leaves it.

    >>> [len(w) for w in windows(range(78), length=77)]
    [77, 8]
    """
    stride = length - OVERLAP
    n_full = (len(ids) - length) // stride + 1 if len(ids) > length else 0
    full = [list(ids[i * stride : i * stride + length]) for i in range(n_full)]
    if end is not None:
        full = [[*window[:-1], end] for window in full]
    return [*full, list(ids[n_full * stride :])]


def load(
    checkpoint: Checkpoint, *, name: str, options: Mapping[str, Json], device: str = "auto"
) -> ClipMd:
    """Load ClipMD weights strictly; the repository's Python file is never run.

    Args:
        checkpoint: a folder in the hub's layout.
        name: display name, for the card.
        options: ``fit``: ``crop`` (default) or ``pad``; ``pooling``: ``native`` or ``eos``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        InputError: if an option or the device is unknown.
        ModelError: if the files do not make a complete CLIP.
    """
    settled = declared.complete(options, declared=declared.CLIPMD, adapter=ADAPTER)
    card = card_of(checkpoint, name=name, adapter=ADAPTER, options=settled)
    loaded = towers.load_towers(checkpoint, device=device, fit=settled["fit"])
    return ClipMd(card, loaded, settled["pooling"])
