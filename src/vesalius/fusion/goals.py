"""What a fusion is to tell, and how well it was told: classes, answers, partners, pictures.

Each goal gives heads their examples and turns what they say of some rows into a statistic of
these rows, which the bootstrap resamples. What is fitted in a goal, such as the components of its
pictures, was fitted on train rows when the goal was made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped, UInt8

from vesalius.fusion.scaling import fit_scaling, principal_axes
from vesalius.fusion.slots import Examples, Inputs, Labelled, Paired, Slot
from vesalius.metrics import ssim
from vesalius.metrics.retrieval import (
    chance_recall,
    positives_by_label,
    query_values,
    rank_positives,
)
from vesalius.stats import MeanOf, Statistic, statistic

CHANCE = 0.5  # of the area under the curve
CUTOFF = 5
WHITE = 255.0

Outputs = Sequence[Float[np.ndarray, "rows outputs"]]
Rows = Int[np.ndarray, " rows"]
TrainRows = Int[np.ndarray, " train"]


@runtime_checkable
class Goal(Protocol):
    """What is to be told of the rows of a cohort."""

    @property
    def metric(self) -> str:
        """Name of the score in `vesalius.metrics.METRICS`; higher is better."""
        ...

    @property
    def n_rows(self) -> int:
        """Rows of the cohort."""
        ...

    def lacks(self, rows: Rows, /) -> str | None:
        """What the rows of a split lack for the goal; None if nothing."""
        ...

    def examples(self, inputs: Inputs, rows: Rows, /) -> Examples:
        """What a head learns from; `inputs` are those of `rows`, some of which may be left out."""
        ...

    def score(self, said: Outputs, rows: Rows, /) -> Statistic:
        """The score as a function of positions in `rows`, the mean over predictors."""
        ...

    def floor(self, train: TrainRows, rows: Rows, /) -> Statistic:
        """The score of an answer without any input."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """The same value whatever the rows."""

    value: float

    def __call__(self, rows: np.ndarray, /) -> float:
        """The value."""
        del rows
        return self.value

    def batched(self, weights: Float[np.ndarray, "b n"], /) -> Float[np.ndarray, " b"]:
        """The value, once per resample."""
        return np.full(len(weights), self.value)


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """One class a row: the area under the ROC curve, the mean over classes.

    Attributes:
        labels: class of each row, an index into `names`.
        names: of the classes, two or more. Of two only the second counts, for the first has the
            same area.
    """

    labels: Int[np.ndarray, " n"]
    names: tuple[str, ...]

    metric = "auroc"

    @property
    def n_rows(self) -> int:
        """Rows of the cohort."""
        return len(self.labels)

    def lacks(self, rows: Rows, /) -> str | None:
        """Rows of two classes at least."""
        found = np.unique(self.labels[rows])
        return None if len(found) > 1 else f"expected rows of two classes or more, got {len(found)}"

    def examples(self, inputs: Inputs, rows: Rows, /) -> Labelled:
        """All classes count the same."""
        return Labelled(inputs, self.labels[rows], len(self.names))

    def score(self, said: Outputs, rows: Rows, /) -> MeanOf:
        """Area under the curve, the mean over classes and predictors."""
        n = len(self.names)
        counted = range(1, n) if n == 2 else range(n)
        labels = self.labels[rows]
        return MeanOf(
            tuple(statistic(self.metric, labels == c, one[:, c]) for one in said for c in counted)
        )

    def floor(self, train: TrainRows, rows: Rows, /) -> Constant:
        """Chance."""
        del train, rows
        return Constant(CHANCE)


@dataclass(frozen=True, slots=True, eq=False)
class AnswerClasses:
    """The answers of train questions as classes: the share that is right.

    Attributes:
        labels: answer of each row, an index into `names`; -1 for one that train does not have,
            which no prediction can get right.
        names: of the answers.
        allowed: shape (n, answers): which answers a question may have, such as its choices.

    Source: Nguyen et al. (2019), doi:10.1007/978-3-030-32251-9_57.
    """

    labels: Int[np.ndarray, " n"]
    names: tuple[str, ...]
    allowed: Bool[np.ndarray, "n answers"]

    metric = "accuracy"

    @property
    def n_rows(self) -> int:
        """Rows of the cohort."""
        return len(self.labels)

    def lacks(self, rows: Rows, /) -> str | None:
        """One row at least, whatever its answer."""
        return None if len(rows) else "expected rows, got none"

    def examples(self, inputs: Inputs, rows: Rows, /) -> Labelled:
        """Rows whose answer is known; all rows count the same."""
        known = self.labels[rows] >= 0
        return Labelled(
            inputs.rows(known), self.labels[rows][known], len(self.names), balanced=False
        )

    def score(self, said: Outputs, rows: Rows, /) -> MeanOf:
        """Share of rows whose likeliest allowed answer is right, the mean over predictors."""
        return MeanOf(tuple(self._right(one, rows) for one in said))

    def floor(self, train: TrainRows, rows: Rows, /) -> Statistic:
        """Always the allowed answer that is most frequent in train."""
        counts = np.bincount(self.labels[train][self.labels[train] >= 0], minlength=len(self.names))
        return self._right(np.tile(counts / max(counts.sum(), 1), (len(rows), 1)), rows)

    def _right(self, shares: Float[np.ndarray, "rows answers"], rows: Rows) -> Statistic:
        allowed = self.allowed[rows]
        chosen = np.where(allowed, shares, -1.0).argmax(axis=1)
        return statistic(self.metric, self.labels[rows] + 1, chosen + 1)  # an unknown one is 0


@dataclass(frozen=True, slots=True, eq=False)
class Partners:
    """What belongs to a row, found among all of its split by cosine: recall among the first five.

    Rows with the same partner, such as two identical captions, are right for each other.

    Attributes:
        targets: embeddings of the partners as `partners` scales them, shape (n, dim).
        same: rows with equal values have the same partner.

    Source: retrieval by a composed query, Vo et al. (2019), arXiv:1812.07119.
    """

    targets: Float[np.ndarray, "n dim"]
    same: Shaped[np.ndarray, " n"]

    metric = f"recall@{CUTOFF}"

    @property
    def n_rows(self) -> int:
        """Rows of the cohort."""
        return len(self.targets)

    def lacks(self, rows: Rows, /) -> str | None:
        """One row at least."""
        return None if len(rows) else "expected rows, got none"

    def examples(self, inputs: Inputs, rows: Rows, /) -> Paired:
        """Each row with its partner."""
        return Paired(inputs, self.targets[rows])

    def score(self, said: Outputs, rows: Rows, /) -> MeanOf:
        """Share of partners among the first five, the mean over predictors."""
        gallery = _unit(self.targets[rows])
        positives = positives_by_label(self.same[rows], self.same[rows])
        found = [
            query_values(rank_positives(_unit(one), gallery, positives))[self.metric]
            for one in said
        ]
        return MeanOf(tuple(statistic(self.metric, one) for one in found))

    def floor(self, train: TrainRows, rows: Rows, /) -> Constant:
        """A random order."""
        del train
        return Constant(chance_recall(gallery_size=len(rows), n_positive=1, k=CUTOFF))


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """The image of a row, drawn from its principal components: structural similarity.

    Attributes:
        pictures: grey, shape (n, side, side).
        mean: of train pictures, shape (pixels,).
        axes: their principal components as rows, shape (k, pixels).
        scale: factor from coordinates to targets, so that their mean square is 1.
    """

    pictures: UInt8[np.ndarray, "n side side"]
    mean: Float[np.ndarray, " pixels"]
    axes: Float[np.ndarray, "k pixels"]
    scale: float

    metric = "ssim"

    @property
    def n_rows(self) -> int:
        """Rows of the cohort."""
        return len(self.pictures)

    def lacks(self, rows: Rows, /) -> str | None:
        """One row at least."""
        return None if len(rows) else "expected rows, got none"

    def examples(self, inputs: Inputs, rows: Rows, /) -> Paired:
        """Each row with the coordinates of its picture."""
        flat = self.pictures[rows].reshape(len(rows), -1)
        return Paired(inputs, (flat - self.mean) @ self.axes.T * self.scale)

    def score(self, said: Outputs, rows: Rows, /) -> MeanOf:
        """Structural similarity with the true picture, the mean over predictors."""
        return MeanOf(tuple(self._likeness(self.drawn(one), rows) for one in said))

    def floor(self, train: TrainRows, rows: Rows, /) -> Statistic:
        """Always the mean of train."""
        del train
        return self._likeness(self.drawn(np.zeros((len(rows), len(self.axes)))), rows)

    def drawn(self, outputs: Float[np.ndarray, "rows k"], /) -> UInt8[np.ndarray, "rows side side"]:
        """Pictures with these targets, rounded and clipped to what can be shown."""
        grey = self.mean + outputs / self.scale @ self.axes
        levels: np.ndarray = np.clip(np.floor(grey + 0.5), 0, WHITE).astype(np.uint8)
        return levels.reshape(len(outputs), *self.pictures.shape[1:])

    def _likeness(self, drawn: np.ndarray, rows: Rows) -> Statistic:
        values = [
            ssim(true, one, data_range=WHITE)
            for true, one in zip(self.pictures[rows], drawn, strict=True)
        ]
        return statistic(self.metric, np.array(values))


def partners(
    values: Float[np.ndarray, "n dim"],
    same: Shaped[np.ndarray, " n"],
    train: TrainRows,
    /,
    *,
    width: int,
) -> Partners:
    """Embeddings as partners: centred on train and cut to its principal components.

    Args:
        values: embeddings, one row a sample, all of them finite.
        same: what makes two partners the same.
        train: rows that the scaling is fitted on.
        width: most principal components that are kept.
    """
    scaling = fit_scaling(Slot("partner", values[train]), most=width)
    return Partners(scaling(values), same)


def pictures(
    values: UInt8[np.ndarray, "n side side"], train: TrainRows, /, *, width: int
) -> Pictures:
    """Pictures as a goal, with the principal components of train.

    Args:
        values: grey pictures of one size.
        train: rows that the components are fitted on.
        width: most components that are kept.
    """
    flat = values[train].reshape(len(train), -1).astype(np.float64)
    mean = flat.mean(axis=0)
    axes = principal_axes(flat - mean, most=min(width, len(train) - 1))
    square = float((((flat - mean) @ axes.T) ** 2).mean())
    return Pictures(values, mean, axes, 1 / np.sqrt(square) if square > 0 else 1.0)


def _unit(rows: Float[np.ndarray, "n dim"]) -> Float[np.ndarray, "n dim"]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    found: np.ndarray = rows / np.where(length > 0, length, 1.0)
    return found
