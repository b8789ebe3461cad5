"""Zero-shot segmentation: patches that are like a structure's name, or what the name rests on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from vesalius.capabilities import Attributor, DenseEncoder, TextEncoder
from vesalius.errors import InputError
from vesalius.records import DatasetCard, Json, Predictions, TaskCard
from vesalius.tasks import Scored, TaskData
from vesalius.tasks.controls import PREFIX, ModelFree
from vesalius.tasks.prompts import Average, Prompts, class_embeddings
from vesalius.tasks.segmentation_cases import expected_keys, structure_prompts, unsuitable_cases
from vesalius.tasks.segmentation_maps import Look, by_attribution, by_heads, shifted
from vesalius.tasks.segmentation_model_free import model_free_look
from vesalius.tasks.segmentation_scores import score_segmentation
from vesalius.tasks.segmentation_table import Cut, Outline, predict_cases
from vesalius.tasks.segmentation_thresholds import fit_thresholds
from vesalius.tasks.settings import from_settings, settings_of
from vesalius.views import ModelView

GENERIC = ("background", "other tissue", "empty space")
DEFAULT_THRESHOLD = 0.0  # as alike to the structure as to all else; any relevance at all


@dataclass(frozen=True, slots=True)
class ZeroShotSegmentation:
    """Cosine of each patch with a structure minus its mean cosine with everything else.

    Everything else are the other structures of the dataset card and `background`. Models whose
    patches do not lie in the space of their texts, such as generators, give the attribution of the
    structure's first name instead. Patches are interpolated to the grid of
    the image or volume, and a structure is where the map reaches its threshold.

    Columns: ``structure``, ``threshold`` and ``threshold_source``, ``tp``, ``fp``, ``fn``, ``tn``
    (cells), ``dice``, ``iou``, ``hd95_mm``, ``nsd``, ``auprc``, ``missed``, ``false_positive``,
    ``reference_read`` (whether the mask could be read), ``empty_reference``, ``answered``, ``map``
    (path of the predicted mask), ``template <i>:dice``.

    Attributes:
        templates: used instead of those of the dataset card; empty for the card's own.
        average: how the prompts of a structure become one vector, see `class_embeddings`.
        background: names of what is no structure.
        single_templates: whether each template is also scored alone (Dice), with its own threshold.
        tuning_cases: samples, drawn with the seed, that thresholds are chosen on.
        tolerance_mm: tolerance of the normalised surface Dice.

    Source: Zhou, Loy and Dai (2022), arXiv:2112.01071, for patches compared with names.
    """

    templates: tuple[str, ...] = ()
    average: Average = "normalised"
    background: tuple[str, ...] = GENERIC
    single_templates: bool = True
    fit: Literal["pad"] = "pad"
    threshold: Literal["max mean Dice on val, else train, else 0"] = (
        "max mean Dice on val, else train, else 0"
    )
    tuning_cases: int = 32
    tolerance_mm: Literal[1, 2, 5] = 2
    metrics_version: Literal[1] = 1

    @property
    def card(self) -> TaskCard:
        """Settings as data."""
        return TaskCard("segmentation", "zero-shot", settings_of(self))

    @property
    def controls(self) -> tuple[str, ...]:
        """All but the majority, which takes masks of train."""
        return ("random", "centre-prior", "blank-image", "shuffled-images", "gibberish-prompt")

    def unsuitable(self, view: ModelView, data: TaskData, /) -> str | None:
        """Why this model has no map of a name, or this dataset has nothing to outline."""
        reason = unsuitable_cases(data, learns=False)
        known = isinstance(view.model, (ModelFree, Attributor)) or aligned(view.model)
        if reason is not None or known:
            return reason
        return (
            "model has no local embeddings in the space of its texts "
            "and gives no map of where it looks"
        )

    def expected(self, data: TaskData, /) -> tuple[str, ...]:
        """Structure and id, for every structure of every test sample with a mask."""
        return expected_keys(data)

    def predict(
        self, view: ModelView, data: TaskData, done: frozenset[str], /
    ) -> Iterator[Predictions]:
        """Outline every structure of the card."""
        if done.issuperset(self.expected(data)):
            return
        cut, *alone = (self._cut(look, view, data) for look in self._looks(view, data))
        outline = Outline(cut, self.tolerance_mm, self.card.protocol, tuple(alone))
        yield from predict_cases(outline, view, data, done=done)

    def score(self, predictions: Predictions, card: DatasetCard, /) -> list[Scored]:
        """Overlap and distance per structure, their means, and false positives."""
        return score_segmentation(
            predictions, tuple(card.structures), tolerance_mm=self.tolerance_mm
        )

    def _cut(self, look: Look, view: ModelView, data: TaskData) -> Cut:
        thresholds = fit_thresholds(
            look, data, view.store.mask, most=self.tuning_cases, default=DEFAULT_THRESHOLD
        )
        return Cut(look, thresholds)

    def _looks(self, view: ModelView, data: TaskData) -> list[Look]:
        """The maps; for a model that compares prompts, then those of each template alone."""
        if isinstance(view.model, ModelFree):
            return [model_free_look(view, view.model, data)]
        if not aligned(view.model):
            return [by_attribution(view, data.card)]
        prompts = structure_prompts(data.card, templates=self.templates, background=self.background)
        parts = [prompts]
        if self._is_split(prompts, view):
            parts += [prompts.only(i) for i in range(prompts.n_templates)]
        n = len(data.card.structures)
        heads = [self._heads(part, view)[:n] for part in parts]
        together = by_heads(view, np.concatenate(heads))
        return [shifted(together, i * n) for i in range(len(heads))]

    def _is_split(self, prompts: Prompts, view: ModelView) -> bool:
        """Controls stand for all templates together."""
        wanted = self.single_templates and prompts.n_templates > 1
        return wanted and not view.name.startswith(PREFIX)

    def _heads(self, prompts: Prompts, view: ModelView) -> Float[np.ndarray, "n dim"]:
        return against_the_rest(class_embeddings(prompts, view.text_features, average=self.average))


def zero_shot(settings: Mapping[str, Json], /) -> ZeroShotSegmentation:
    """The protocol with some settings changed.

    Raises:
        InputError: for an unknown setting, or a number out of range.
    """
    task = from_settings(ZeroShotSegmentation, settings)
    if task.tuning_cases < 1:
        raise InputError(f"setting 'tuning_cases': expected at least 1, got {task.tuning_cases}")
    if not task.background:
        raise InputError("setting 'background': expected at least one name")
    return task


def aligned(model: object, /) -> bool:
    """Whether patches of a model may be compared with its texts."""
    return (
        isinstance(model, DenseEncoder)
        and model.dense_text_aligned
        and isinstance(model, TextEncoder)
    )


def against_the_rest(rows: Float[np.ndarray, "n dim"], /) -> Float[np.ndarray, "n dim"]:
    """Each row minus the mean of all others.

    >>> against_the_rest(np.array([[1.0], [2.0], [6.0]])).ravel().tolist()
    [-3.0, -1.5, 4.5]
    """
    others: np.ndarray = (rows.sum(axis=0) - rows) / (len(rows) - 1)
    contrast: np.ndarray = rows - others
    return contrast
