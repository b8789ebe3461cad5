"""What one model answered, row by row, in the form that the sample browser shows.

A verdict is right or wrong where an answer can be one of both: all classes decided as labelled, a
mask with a Dice of at least 0.5, a box with an IoU of at least 0.5 (none where the finding is
absent), a first positive among the first five places, an accepted answer. A row without an answer
is wrong.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8

from vesalius.records import Json, Predictions
from vesalius.tasks.classification import LABEL_SEPARATOR, Problem

WRONG, RIGHT, NEITHER = 0, 1, 2
FOUND_DICE = 0.5
FOUND_PLACE = 5
NO_ANSWER = "(no answer)"
NO_FINDING = "(none)"


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that every row of a task has; `is_rank` counts from 1, others are from 0 to 1."""

    key: str
    label: str
    is_rank: bool = False


MEASURES: Mapping[str, tuple[Measure, ...]] = {
    "classification": (Measure("score", "Score of the truth"), Measure("confidence", "Confidence")),
    "segmentation": (Measure("dice", "Dice"), Measure("iou", "IoU")),
    "generation": (Measure("ssim", "SSIM"),),
    "retrieval": (Measure("rank", "Rank", is_rank=True), Measure("ap", "Average precision")),
    "grounding": (Measure("iou", "IoU"),),
    "vqa": (Measure("score", "Token F1"), Measure("confidence", "Confidence")),
}


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """One model's answers in one cell.

    Attributes:
        keys: identity of the rows, the same in all models of a protocol.
        verdict: right, wrong or neither.
        measures: key of a measure → its values, NaN where undefined.
        texts: the answers in words; empty for tasks without.
        scores: class → its values; only of classification.
        thresholds: class → the value from which on it is called, where it has one.
        maps: files of the run with the masks, empty texts where there is none.
        boxes: for each row the boxes answered, in pixels of the image.
        found: for each row ids of the first places with whether they are right.
        run: the folder that `maps` are named in.
    """

    keys: tuple[str, ...]
    verdict: UInt8[np.ndarray, " n"]
    measures: Mapping[str, np.ndarray]
    texts: tuple[str, ...] = ()
    scores: Mapping[str, np.ndarray] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    maps: tuple[str, ...] = ()
    boxes: tuple[tuple[tuple[float, ...], ...], ...] = ()
    found: tuple[tuple[tuple[str, bool], ...], ...] = ()
    run: Path = Path()


def plain_rows(predictions: Predictions, /) -> Predictions:
    """The rows of one pass: not calibrated, not copied, of few shots the first draw of the most."""
    kept = np.ones(predictions.n_rows, dtype=np.bool_)
    for name in ("calibrated", "nearest"):
        if name in predictions.columns:
            kept &= ~predictions[name].astype(np.bool_)
    if "shots" in predictions.columns and predictions.n_rows:
        shots, draw = predictions["shots"], predictions["draw"]
        most = shots.max()
        kept &= (shots == most) & (draw == draw[shots == most].min())
    return Predictions({name: values[kept] for name, values in predictions.columns.items()})


def answers_of(
    task: str, predictions: Predictions, card: Mapping[str, Json], /, *, run: Path
) -> Answered:
    """Answers of plain rows.

    Args:
        task: a name in `MEASURES`.
        predictions: the columns of the contract.
        card: entry of ``run.json`` of the data set: ``classes``, ``multilabel``, ``positive``.
        run: the folder they lie in.
    """
    if task == "classification":
        return replace(_classification(predictions, card), run=run)
    return replace(_READERS[task](predictions), run=run)


def _keys(predictions: Predictions) -> tuple[str, ...]:
    return tuple(map(str, predictions["key"]))


def _number(predictions: Predictions, name: str) -> Float[np.ndarray, " n"]:
    values: np.ndarray = predictions[name].astype(np.float64)
    return values


def _judged(
    right: Bool[np.ndarray, " n"], judged: Bool[np.ndarray, " n"]
) -> UInt8[np.ndarray, " n"]:
    verdict: np.ndarray = np.where(judged, right, NEITHER).astype(np.uint8)
    return verdict


def _classification(predictions: Predictions, card: Mapping[str, Json]) -> Answered:
    classes = [name.removeprefix("score:") for name in predictions.columns if name[:6] == "score:"]
    problem = Problem(tuple(classes), bool(card.get("multilabel")), card.get("positive"))
    scores = np.stack([_number(predictions, f"score:{name}") for name in classes], axis=1)
    thresholds = {name: _threshold(predictions, problem, name) for name in problem.thresholded}
    labels = [str(label).split(LABEL_SEPARATOR) for label in predictions["label"]]
    truth = np.array([[name in row for name in classes] for row in labels], dtype=np.bool_)
    called = _called(scores, problem, thresholds)
    missing = np.isnan(scores).any(axis=1)
    right = (called == truth).all(axis=1) & ~missing
    measures = {
        "score": _of_truth(scores, truth, problem),
        "confidence": _confidence(scores, called, truth, problem),
    }
    named = [[name for name, c in zip(classes, row, strict=True) if c] for row in called]
    texts = tuple(
        NO_ANSWER if gone else ", ".join(row) or NO_FINDING
        for gone, row in zip(missing, named, strict=True)
    )
    columns = {name: scores[:, i] for i, name in enumerate(classes)}
    verdict = _judged(right, np.ones(len(right), dtype=np.bool_))
    return Answered(_keys(predictions), verdict, measures, texts, columns, thresholds)


def _threshold(predictions: Predictions, problem: Problem, name: str) -> float:
    """The threshold of the cell; every row holds the same."""
    values = _number(predictions, problem.threshold_column(name))
    known = values[np.isfinite(values)]
    return float(known[0]) if len(known) else math.nan


def _called(
    scores: Float[np.ndarray, "n classes"], problem: Problem, thresholds: Mapping[str, float]
) -> Bool[np.ndarray, "n classes"]:
    if problem.kind == "multilabel":
        many: np.ndarray = scores >= np.array([thresholds[name] for name in problem.classes])
        return many
    if problem.kind == "binary":
        positive = problem.classes.index(str(problem.positive))
        best = scores[:, positive] >= thresholds[str(problem.positive)]
        index = np.where(best, positive, 1 - positive)
    else:
        index = np.nan_to_num(scores, nan=-1.0).argmax(axis=1)
    one: np.ndarray = np.arange(scores.shape[1]) == index[:, None]
    return one


def _of_truth(
    scores: Float[np.ndarray, "n classes"], truth: Bool[np.ndarray, "n classes"], problem: Problem
) -> Float[np.ndarray, " n"]:
    """Score of the true class; of findings the mean over those there (s) and not there (1 − s)."""
    if problem.multilabel:
        mean: np.ndarray = np.where(truth, scores, 1 - scores).mean(axis=1)
        return mean
    own: np.ndarray = np.where(truth, scores, 0.0).sum(axis=1)
    return own


def _confidence(
    scores: Float[np.ndarray, "n classes"],
    called: Bool[np.ndarray, "n classes"],
    truth: Bool[np.ndarray, "n classes"],
    problem: Problem,
) -> Float[np.ndarray, " n"]:
    """Score of the answer; of findings that of the surest wrong one, else of the least sure."""
    if not problem.multilabel:
        own: np.ndarray = np.where(called, scores, 0.0).sum(axis=1)
        return own
    sure = np.where(called, scores, 1 - scores)
    wrong = called != truth
    surest = np.where(wrong, sure, -np.inf).max(axis=1)
    chosen: np.ndarray = np.where(wrong.any(axis=1), surest, sure.min(axis=1))
    chosen[np.isnan(scores).any(axis=1)] = np.nan
    return chosen


def _segmentation(predictions: Predictions) -> Answered:
    dice = _number(predictions, "dice")
    answered = predictions["answered"].astype(np.bool_)
    verdict = _judged(dice >= FOUND_DICE, np.isfinite(dice) | ~answered)
    measures = {"dice": dice, "iou": _number(predictions, "iou")}
    maps = tuple(map(str, predictions["map"]))
    return Answered(_keys(predictions), verdict, measures, maps=maps)


def _generation(predictions: Predictions) -> Answered:
    answered = predictions["answered"].astype(np.bool_)
    verdict = np.where(answered, NEITHER, WRONG).astype(np.uint8)
    return Answered(_keys(predictions), verdict, {"ssim": _number(predictions, "ssim")})


def _retrieval(predictions: Predictions) -> Answered:
    rank = _number(predictions, "rank_first")
    verdict = _judged(rank <= FOUND_PLACE, predictions["n_positive"] > 0)
    measures = {"rank": rank, "ap": _number(predictions, "average_precision")}
    found = tuple(
        tuple((str(name), bool(right)) for name, right in zip(names, rights, strict=True))
        for names, rights in zip(predictions["top"], predictions["top_correct"], strict=True)
    )
    return Answered(_keys(predictions), verdict, measures, found=found)


def _grounding(predictions: Predictions) -> Answered:
    absent = predictions["absent"].astype(np.bool_)
    quiet = ~predictions["detected"].astype(np.bool_) & predictions["answered"].astype(np.bool_)
    right = np.where(absent, quiet, predictions["hit"].astype(np.bool_))
    verdict = _judged(right, np.ones(len(right), dtype=np.bool_))
    iou = np.where(absent, np.nan, _number(predictions, "iou"))
    return Answered(_keys(predictions), verdict, {"iou": iou}, boxes=boxes_in(predictions, "box"))


def boxes_in(predictions: Predictions, column: str, /) -> tuple[tuple[tuple[float, ...], ...], ...]:
    """Boxes of every row, none where there are none."""
    return tuple(
        tuple(tuple(float(end) for end in box) for box in boxes) for boxes in predictions[column]
    )


def _vqa(predictions: Predictions) -> Answered:
    right = predictions["correct"].astype(np.bool_)
    texts = tuple(str(text).strip() or NO_ANSWER for text in predictions["prediction"])
    likely = _number(predictions, "log_likelihood")
    # a log-likelihood above 0 is a difference of two, not a probability
    confidence = np.exp(np.where(likely <= 0, likely, np.nan))
    measures = {"score": _number(predictions, "token_f1"), "confidence": confidence}
    verdict = _judged(right, np.ones(len(right), dtype=np.bool_))
    return Answered(_keys(predictions), verdict, measures, texts)


_READERS: Mapping[str, Callable[[Predictions], Answered]] = {
    "segmentation": _segmentation,
    "generation": _generation,
    "retrieval": _retrieval,
    "grounding": _grounding,
    "vqa": _vqa,
}
