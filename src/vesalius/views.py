"""A model as tasks see it on one dataset: samples and texts in, numpy out.

A view hides files, slices of volumes, batches and memory. Controls are views too: they answer in
a model's place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

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


@dataclass(frozen=True, slots=True, eq=False)
class Store:
    """What a task may ask of the dataset's files and leave in the run folder.

    Attributes:
        mask: label map of a sample in the grid of its image; None if it has none.
        keep: store an array under a name, belonging to a sample; gives the path inside the run
            folder. Booleans become a PNG or, for volumes, a NIfTI mask; uint8 of a 2D sample or
            of any other size a grey PNG. Keeping the same twice changes nothing.
        judge: a fixed encoder by name, such as ``mini:biomedclip``.
    """

    mask: Callable[[Sample], np.ndarray | None] = no_mask
    keep: Callable[[str, np.ndarray, Sample], str] = not_kept
    judge: Callable[[str], Judge] = no_judge


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
