"""What every metric asks of its arrays before it computes anything."""

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from vesalius.errors import InputError


def one_dimensional(values: object, /, *, name: str) -> Shaped[np.ndarray, " n"]:
    """The argument as an array of one axis.

    Raises:
        InputError: if it has another number of axes.
    """
    array = np.asarray(values)
    if array.ndim != 1:
        raise InputError(f"{name} must have one axis, got shape {array.shape}")
    return array


def _same_length(first: np.ndarray, second: np.ndarray, /, *, names: str) -> None:
    if len(first) != len(second):
        raise InputError(f"{names} must have one row each, got {len(first)} and {len(second)} rows")


def truth_values(values: object, /, *, name: str = "y") -> Bool[np.ndarray, " n"]:
    """Booleans from booleans, or from numbers that are all 0 or 1.

    Raises:
        InputError: if any value is something else: a threshold is never guessed.
    """
    array = one_dimensional(values, name=name)
    if array.dtype != np.bool_ and not np.isin(array, (0, 1)).all():
        found = np.unique(array)[:5].tolist()
        raise InputError(f"{name} must be boolean (or 0 and 1), got values such as {found}")
    return array.astype(np.bool_)


def binary_scores(
    y: object, score: object, /
) -> tuple[Bool[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Truth and finite scores of equal length.

    Raises:
        InputError: if lengths differ or a score is not finite.
    """
    truth = truth_values(y)
    values = one_dimensional(score, name="score").astype(np.float64)
    _same_length(truth, values, names="y and score")
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(f"score must be finite, got {values[bad]} in row {bad}")
    return truth, values


def binary_probabilities(
    y: object, score: object, /
) -> tuple[Bool[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Truth and probabilities of the positive class.

    Raises:
        InputError: if a score lies outside [0, 1]; no sigmoid is applied in silence.
    """
    truth, values = binary_scores(y, score)
    if len(values) and not (values.min() >= 0 and values.max() <= 1):
        raise InputError(
            f"score must be a probability in [0, 1], got {values.min():.4g} to {values.max():.4g}; "
            "convert logits with the model's own scale first"
        )
    return truth, values


def binary_decisions(
    y: object, predicted: object, /
) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Truth and hard decisions of equal length.

    Raises:
        InputError: if lengths differ or a value is neither true nor false.
    """
    truth, decided = truth_values(y), truth_values(predicted, name="predicted")
    _same_length(truth, decided, names="y and predicted")
    return truth, decided


def _class_index(values: object, /, *, name: str) -> Int[np.ndarray, " n"]:
    array = one_dimensional(values, name=name)
    if array.dtype.kind not in "biu":
        raise InputError(f"{name} must hold class indices (integers), got dtype {array.dtype}")
    if len(array) and array.min() < 0:
        raise InputError(f"{name} must hold class indices from 0, got {int(array.min())}")
    return array.astype(np.int64)


def class_decisions(
    y: object, predicted: object, /
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """True and predicted class indices of equal length; booleans are the classes 0 and 1.

    Raises:
        InputError: if lengths differ or a value is not a class index.
    """
    truth, decided = _class_index(y, name="y"), _class_index(predicted, name="predicted")
    _same_length(truth, decided, names="y and predicted")
    return truth, decided


def class_scores(
    y: object, probabilities: object, /
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n classes"]]:
    """True class indices and one finite score per class.

    Raises:
        InputError: if shapes disagree, a score is not finite or a class has no column.
    """
    truth, scores = _class_index(y, name="y"), np.asarray(probabilities, dtype=np.float64)
    if scores.ndim != 2:
        raise InputError(f"probabilities must be rows × classes, got shape {scores.shape}")
    _same_length(truth, scores, names="y and probabilities")
    if len(truth) and truth.max() >= scores.shape[1]:
        raise InputError(
            f"y names class {int(truth.max())}, probabilities have {scores.shape[1]} columns"
        )
    if not np.isfinite(scores).all():
        bad = int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])
        raise InputError(f"probabilities must be finite, row {bad} is not")
    return truth, scores


def class_probabilities(
    y: object, probabilities: object, /
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n classes"]]:
    """True class indices and probabilities; rows need not sum to exactly 1.

    Raises:
        InputError: if a value lies outside [0, 1].
    """
    truth, scores = class_scores(y, probabilities)
    if scores.size and not (scores.min() >= 0 and scores.max() <= 1):
        raise InputError(
            f"probabilities must lie in [0, 1], got {scores.min():.4g} to {scores.max():.4g}; "
            "apply the model's softmax first"
        )
    return truth, scores
