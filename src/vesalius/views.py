"""A model as tasks see it on one dataset: samples and texts in, numpy out.

A view hides files, slices of volumes, batches and memory. Controls are views too: they answer in
a model's place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from vesalius.capabilities import AnswerScores
from vesalius.errors import InputError, ModelError
from vesalius.placement import Patches
from vesalius.records import Image, Sample


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """A fixed encoder that compares pictures, the same for every model of a run.

    Attributes:
        name: stands in the name of each metric that it decides.
        image_features: rows of images, (n, dim); unit rows where there are texts to compare.
        text_features: unit rows of texts in the same space, (n, dim); None for an encoder of
            images only.
    """

    name: str
    image_features: Callable[[Sequence[Image]], np.ndarray]
    text_features: Callable[[Sequence[str]], np.ndarray] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Rows that have both a picture and an embedding.

    Attributes:
        pictures: grey levels from 0 to 255.
    """

    features: Float[np.ndarray, "n dim"]
    pictures: Float[np.ndarray, "n pixels"]


@dataclass(frozen=True, slots=True)
class FlowLesson:
    """How a flow from noise to pictures is learnt and followed.

    Attributes:
        side: of the pictures, in pixels.
        channels: of the network where it is finest, a multiple of 8.
        epochs: passes over the train rows, at most.
        patience: epochs without a better loss on val, after which learning stops.
        batch: train rows of one step of the optimiser.
        rate: of learning.
        blind: share of train rows that are shown without their embedding.
        steps: from noise to picture.
        guidance: how far to go from the velocity without embedding towards that with it; at 1
            the latter is all there is.
        seed: of the first weights, and of what is drawn while learning.
    """

    side: int
    channels: int
    epochs: int
    patience: int
    batch: int
    rate: float
    blind: float
    steps: int
    guidance: float
    seed: int


Draw = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Embeddings (n, dim) and noise (n, side, side) → grey levels, (n, pixels); row by row."""
LearnFlow = Callable[[FlowLesson, Material, Material], Draw]
"""From rows of train and of val; the latter may be none."""


def no_answers(sample: Sample, prompt: str, candidates: Sequence[str], /) -> AnswerScores:
    """Stands in a view of a model that gives no likelihood of answers.

    Raises:
        ModelError: always.
    """
    raise ModelError(
        f"no likelihood of {list(candidates)} for {prompt!r} about {sample.id!r}: "
        "the model is no AnswerScorer"
    )


def no_answer(sample: Sample, prompt: str, /) -> str | None:
    """Stands in a view of a model that writes no text.

    Raises:
        ModelError: always.
    """
    raise ModelError(f"no answer to {prompt!r} about {sample.id!r}: the model is no Generator")


def not_written(asked: Sequence[tuple[Sample, str]], /) -> list[str | None]:
    """Stands in a view of a model that writes no text.

    Raises:
        ModelError: always.
    """
    raise ModelError(f"no answers to {len(asked)} questions: the model is no Generator")


def no_dense(sample: Sample, /) -> Patches | None:
    """Stands in a view of a model without local embeddings.

    Raises:
        ModelError: always.
    """
    raise ModelError(f"no local embeddings of {sample.id!r}: the model is no DenseEncoder")


def no_attribution(sample: Sample, text: str, /) -> Patches | None:
    """Stands in a view of a model that cannot say where it looks.

    Raises:
        ModelError: always.
    """
    raise ModelError(f"no map of {text!r} over {sample.id!r}: the model is no Attributor")


def no_weights(samples: Sequence[Sample], seed: int, /) -> np.ndarray:
    """Stands in a view of a model without weights that could be shuffled.

    Raises:
        InputError: always.
    """
    raise InputError(f"no weights to shuffle for {len(samples)} samples and seed {seed}")


def no_mask(sample: Sample, /) -> np.ndarray | None:
    """A dataset without masks."""
    del sample
    return None


def not_kept(name: str, array: np.ndarray, sample: Sample, /) -> str:
    """Keeps nothing; for controls, whose masks and pictures nobody looks at."""
    del name, array, sample
    return ""


def no_judge(name: str, /) -> Judge:
    """Stands in a view where no judge can be had.

    Raises:
        ModelError: always.
    """
    raise ModelError(f"no judge {name!r} here")


def no_flow(lesson: FlowLesson, train: Material, val: Material, /) -> Draw:
    """Stands in a view where no network can be trained.

    Raises:
        ModelError: always.
    """
    n_rows = len(train.features) + len(val.features)
    raise ModelError(f"no flow to pictures of {lesson.side} pixels from {n_rows} rows here")


@dataclass(frozen=True, slots=True, eq=False)
class Store:
    """What a task may ask for beside the model, and leave in the run folder.

    Attributes:
        mask: label map of a sample in the grid of its image; None if it has none.
        keep: store an array under a name, belonging to a sample; gives the path inside the run
            folder. Booleans become a PNG or, for volumes, a NIfTI mask; uint8 of a 2D sample or
            of any other size a grey PNG. Keeping the same twice changes nothing.
        judge: a fixed encoder by name, such as ``mini:biomedclip``.
        flow: train a network that draws pictures from embeddings, where the model lies.
    """

    mask: Callable[[Sample], np.ndarray | None] = no_mask
    keep: Callable[[str, np.ndarray, Sample], str] = not_kept
    judge: Callable[[str], Judge] = no_judge
    flow: LearnFlow = no_flow


@dataclass(frozen=True, slots=True, eq=False)
class ModelView:
    """A model as a task sees it on one dataset: what is computed once is kept.

    Attributes:
        name: name in the results, a model or ``control:…``.
        model: the adapter itself; test a capability with `isinstance`.
        image_features: unit rows of the samples' images, volumes pooled over slices; (n, dim).
        text_features: unit rows of the texts, (n, dim).
        untrained_features: as `image_features`, by the same network with its weights shuffled;
            with the seed of that.
        read: the decoded image of one sample.
        answer_scores: log-likelihoods of candidates as answers to a bare question about a sample's
            image, kept while the view lives; averaged over the slices of a volume, NaN where the
            image cannot be read.
        answer: free text to a bare question about a sample's image; None if it cannot be read.
        written: the same for many questions at once, which is much faster.
        dense: local embeddings of a sample, (grids, rows, cols, dim); None if it cannot be read.
        attribution: relevance of a text over a sample, (grids, rows, cols); None if it cannot be
            read. Like `dense` of the whole image, padded to a square and not cropped.
        store: masks of the dataset, and what the task leaves in the run folder.
    """

    name: str
    model: object
    image_features: Callable[[Sequence[Sample]], np.ndarray]
    text_features: Callable[[Sequence[str]], np.ndarray]
    read: Callable[[Sample], Image]
    untrained_features: Callable[[Sequence[Sample], int], np.ndarray] = no_weights
    answer_scores: Callable[[Sample, str, Sequence[str]], AnswerScores] = no_answers
    answer: Callable[[Sample, str], str | None] = no_answer
    written: Callable[[Sequence[tuple[Sample, str]]], list[str | None]] = not_written
    dense: Callable[[Sample], Patches | None] = no_dense
    attribution: Callable[[Sample, str], Patches | None] = no_attribution
    store: Store = field(default_factory=Store)
