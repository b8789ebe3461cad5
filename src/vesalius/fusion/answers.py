"""What is to be told of rows, classes or vectors, in the one form that heads are fitted to."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from vesalius.fusion.slots import Examples, Labelled

TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Targets of rows, and what an error costs.

    Attributes:
        targets: shape (n, outputs): one column a class, 1 for the own one; or vectors.
        weights: of the rows; their mean is 1.
        labels: class of each row; None for vectors.
        balanced: whether all classes that occur count the same, or all rows.
    """

    targets: np.ndarray
    weights: np.ndarray
    labels: np.ndarray | None = None
    balanced: bool = False

    @property
    def n_outputs(self) -> int:
        """Classes, or length of the vectors."""
        return int(self.targets.shape[1])

    def rows(self, chosen: Bool[np.ndarray, " n"], /) -> "Answers":
        """Some rows; of these, all classes that occur count the same if they are balanced."""
        if self.labels is None:
            return Answers(self.targets[chosen], self.weights[chosen])
        return _of_classes(self.labels[chosen], self.n_outputs, balanced=self.balanced)

    def prior(self) -> Float[np.ndarray, " outputs"]:
        """The best answer without any input: shares of the classes, or the mean vector.

        Balanced classes are all alike; of others each counts one row more than there are, shared
        among all, so that none is impossible.
        """
        n, mean = len(self.targets), self.targets.sum(axis=0)
        if self.labels is None:
            found: np.ndarray = mean / max(n, 1)
            return found
        if self.balanced:
            return np.full(self.n_outputs, 1 / self.n_outputs)
        shares: np.ndarray = (mean + 1 / self.n_outputs) / (n + 1)
        return shares

    def loss(self, outputs: Float[np.ndarray, "n outputs"], /) -> float:
        """Mean log-loss of probabilities, or mean squared error of vectors; lower is better."""
        if self.labels is not None:
            return log_loss(outputs, self.labels)
        return float(((outputs - self.targets) ** 2).mean())


def answers_of(examples: Examples, /) -> Answers:
    """The answers of examples."""
    if isinstance(examples, Labelled):
        return _of_classes(examples.labels, examples.n_classes, balanced=examples.balanced)
    return Answers(examples.targets.astype(np.float64), np.ones(len(examples.targets)))


def _of_classes(labels: np.ndarray, n_classes: int, *, balanced: bool) -> Answers:
    weights = class_weights(labels, n_classes) if balanced else np.ones(len(labels))
    return Answers(np.eye(n_classes)[labels], weights, labels, balanced)


def softmax(logits: Float[np.ndarray, "n classes"], /) -> Float[np.ndarray, "n classes"]:
    """Probabilities of natural-log odds."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: np.ndarray = shifted / shifted.sum(axis=1, keepdims=True)
    return found


def log_loss(
    probabilities: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, " n"], /
) -> float:
    """Mean negative natural log of the probability of the true class."""
    own = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(own, TINY)).mean())


def class_weights(labels: Int[np.ndarray, " n"], n_classes: int, /) -> Float[np.ndarray, " n"]:
    """Weight of each row, so that all classes that occur count the same; the mean is 1."""
    counts = np.bincount(labels, minlength=n_classes)
    occurring = int((counts > 0).sum())
    found: np.ndarray = len(labels) / (occurring * counts[labels])
    return found
