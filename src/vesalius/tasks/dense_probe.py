"""Segmentation by a linear probe on frozen local embeddings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from vesalius.capabilities import DenseEncoder
from vesalius.errors import InputError
from vesalius.placement import fractions
from vesalius.records import DatasetCard, Json, Predictions, Sample, Split, TaskCard
from vesalius.tasks import Scored, TaskData
from vesalius.tasks.controls import ModelFree, seeded
from vesalius.tasks.patch_ridge import Moments, fit_patch_ridge, no_rows
from vesalius.tasks.segmentation_cases import drawn, expected_keys, unsuitable_cases
from vesalius.tasks.segmentation_maps import Look, by_heads
from vesalius.tasks.segmentation_model_free import model_free_look
from vesalius.tasks.segmentation_scores import score_segmentation
from vesalius.tasks.segmentation_table import Cut, Outline, predict_cases
from vesalius.tasks.segmentation_thresholds import fit_thresholds
from vesalius.tasks.settings import from_settings, settings_of
from vesalius.views import ModelView

DEFAULT_STRENGTH = 0.1
DEFAULT_THRESHOLD = 0.5  # half of the cell's neighbourhood


@dataclass(frozen=True, slots=True)
class DenseProbe:
    """Ridge regression of the share of each structure in a patch on the patch's embedding.

    Targets are shares, so that a patch at the border of a structure is neither inside nor outside.
    Predicted shares are interpolated to the grid of the image or volume. Columns as in
    `ZeroShotSegmentation`. A structure that never occurs in train is never predicted.

    Attributes:
        strengths: penalties to choose from, added to the unit variances of the inputs.
        train_cases: samples of train, drawn with the seed, that the probe is fitted on.
        train_patches: patches that the probe is fitted on, drawn with the seed, as many of each
            sample.
        tuning_cases: samples, drawn with the seed, that penalty and threshold are chosen on.
        tolerance_mm: tolerance of the normalised surface Dice.
    """

    strengths: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0, 10.0)
    strength: Literal["least squared error on val, else 0.1"] = (
        "least squared error on val, else 0.1"
    )
    fit: Literal["pad"] = "pad"
    threshold: Literal["max mean Dice on val, else train, else 0.5"] = (
        "max mean Dice on val, else train, else 0.5"
    )
    train_cases: int = 128
    train_patches: int = 20_000
    tuning_cases: int = 32
    tolerance_mm: Literal[1, 2, 5] = 2
    metrics_version: Literal[1] = 1

    @property
    def card(self) -> TaskCard:
        """Settings as data."""
        return TaskCard("segmentation", "dense-probe", settings_of(self))

    @property
    def controls(self) -> tuple[str, ...]:
        """All but nonsense prompts: there is no prompt."""
        return ("majority", "random", "centre-prior", "blank-image", "shuffled-images")

    def unsuitable(self, view: ModelView, data: TaskData, /) -> str | None:
        """Why this model cannot be probed, or this dataset has nothing to learn or to outline."""
        reason = unsuitable_cases(data, learns=True)
        if reason is not None or isinstance(view.model, (ModelFree, DenseEncoder)):
            return reason
        return "model has no local embeddings"

    def expected(self, data: TaskData, /) -> tuple[str, ...]:
        """Structure and id, for every structure of every test sample with a mask."""
        return expected_keys(data)

    def predict(
        self, view: ModelView, data: TaskData, done: frozenset[str], /
    ) -> Iterator[Predictions]:
        """Fit the probe on train, then outline every structure of the card."""
        if done.issuperset(self.expected(data)):
            return
        if isinstance(view.model, ModelFree):
            look = model_free_look(view, view.model, data)
        else:
            look = self._fitted(view, data)
        thresholds = fit_thresholds(
            look, data, view.store.mask, most=self.tuning_cases, default=DEFAULT_THRESHOLD
        )
        outline = Outline(Cut(look, thresholds), self.tolerance_mm, self.card.protocol)
        yield from predict_cases(outline, view, data, done=done)

    def score(self, predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
        """Overlap and distance per structure, their means, and false positives."""
        return score_segmentation(
            predictions, tuple(card.structures), tolerance_mm=self.tolerance_mm
        )

    def _fitted(self, view: ModelView, data: TaskData) -> Look:
        train = self._moments(view, data, "train")
        if train is None:  # nothing could be read: nothing is learnt, nothing is found
            return lambda *_: None
        probe = fit_patch_ridge(
            train,
            self._moments(view, data, "val"),
            strengths=self.strengths,
            default=DEFAULT_STRENGTH,
        )
        return by_heads(view, probe.weights, offsets=probe.intercepts.tolist())

    def _moments(self, view: ModelView, data: TaskData, split: Split) -> Moments | None:
        """Sums over drawn patches of a split; None if there is none that can be read."""
        most = self.train_cases if split == "train" else self.tuning_cases
        samples = drawn(data, split, most=most)
        sums: Moments | None = None
        for sample in samples:
            rows = labelled_patches(view, sample, data.card)
            if rows is None:
                continue
            inputs, shares = rows
            per_sample = max(1, self.train_patches // len(samples))
            if len(inputs) > per_sample:
                rng = seeded(data.seed, "patches", sample.id)
                kept = np.sort(rng.permutation(len(inputs))[:per_sample])
                inputs, shares = inputs[kept], shares[kept]
            sums = sums or no_rows(inputs.shape[1], shares.shape[1])
            sums.add(inputs, shares)
        return sums


def labelled_patches(
    view: ModelView, sample: Sample, card: DatasetCard, /
) -> tuple[Float[np.ndarray, "n dim"], Float[np.ndarray, "n structures"]] | None:
    """Embeddings of the patches that lie over the sample, and the share of each structure in them.

    None without mask or embeddings.
    """
    mask, patches = view.store.mask(sample), view.dense(sample)
    if mask is None or patches is None or not np.isfinite(patches.values).all():
        return None
    values, placement = patches.values, patches.placement
    shape = (values.shape[1], values.shape[2])
    labels = list(card.structures.values())
    present = set(np.unique(mask).tolist())
    everywhere = fractions(np.ones(mask.shape, dtype=np.bool_), placement, shape=shape).ravel()
    shares = np.zeros((len(everywhere), len(labels)))
    for place, label in enumerate(labels):
        if label in present:
            shares[:, place] = fractions(mask == label, placement, shape=shape).ravel()
    over = ~np.isnan(everywhere)
    return values.reshape(-1, values.shape[-1])[over], shares[over]


def dense_probe(settings: Mapping[str, Json], /) -> DenseProbe:
    """The protocol with some settings changed.

    Raises:
        InputError: for an unknown setting, or a number out of range.
    """
    task = from_settings(DenseProbe, settings)
    for name, number in (
        ("train_cases", task.train_cases),
        ("train_patches", task.train_patches),
        ("tuning_cases", task.tuning_cases),
    ):
        if number < 1:
            raise InputError(f"setting {name!r}: expected at least 1, got {number}")
    if not task.strengths or min(task.strengths) <= 0:
        raise InputError(f"setting 'strengths': expected positive numbers, got {task.strengths}")
    return task
