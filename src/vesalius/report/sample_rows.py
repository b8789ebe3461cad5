"""Which rows the sample browser lists, and what they have in common for all models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from vesalius.records import Predictions
from vesalius.report.sample_answers import NO_FINDING, Answered, Measure, boxes_in
from vesalius.report.sources import Origin
from vesalius.tasks.classification import LABEL_SEPARATOR

SUBGROUP = "subgroup:"


@dataclass(frozen=True, slots=True)
class Asked:
    """One row: what was asked of which sample, and what is true.

    Attributes:
        asked: structure, phrase, question or direction; empty where the task asks one thing.
        truth: the reference in words; empty where it is a mask or a picture.
        groups: subgroup column → value.
        boxes: of the reference, in pixels of the image.
    """

    id: str
    split: str
    asked: str
    truth: str
    groups: Mapping[str, str]
    boxes: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A row with where its sample lies."""

    key: str
    asked: Asked
    origin: Origin


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """Rows and the answers of all models.

    Attributes:
        answers: shown model name → its answers.
        places: shown model name → for each row its place among those answers, −1 without one.
    """

    rows: tuple[Row, ...]
    answers: Mapping[str, Answered]
    places: Mapping[str, np.ndarray]


def sheet_of(rows: Sequence[Row], answers: Mapping[str, Answered], /) -> Sheet:
    """Find every row in the answers of every model."""
    places = {}
    for model, answered in answers.items():
        known = {key: place for place, key in enumerate(answered.keys)}
        places[model] = np.array([known.get(row.key, -1) for row in rows], dtype=np.int64)
    return Sheet(tuple(rows), answers, places)


def column_of(sheet: Sheet, model: str, values: np.ndarray, /) -> np.ndarray:
    """Values of a model's answers by row of the sheet, NaN where it has none."""
    place = sheet.places[model]
    padded = np.append(values.astype(np.float64), np.nan)
    found: np.ndarray = padded[place]
    return found


def asked_rows(task: str, predictions: Predictions, /, *, words: bool) -> dict[str, Asked]:
    """Key → row, in the order of the table.

    Args:
        task: its name.
        predictions: plain rows.
        words: whether questions, phrases and reference answers may be shown.
    """
    said = (_WORDS if words else _WORDS | _WORDLESS)[task](predictions)
    columns = [name for name in predictions.columns if name.startswith(SUBGROUP)]
    boxes = boxes_in(predictions, "reference") if task == "grounding" else ((),) * len(said)
    return {
        str(predictions["key"][row]): Asked(
            str(predictions["id"][row]),
            str(predictions["split"][row]),
            *said[row],
            {name.removeprefix(SUBGROUP): str(predictions[name][row]) for name in columns},
            boxes[row],
        )
        for row in range(predictions.n_rows)
    }


Said = list[tuple[str, str]]


def _labels(predictions: Predictions) -> Said:
    shown = (str(label).replace(LABEL_SEPARATOR, ", ") for label in predictions["label"])
    return [("", label or NO_FINDING) for label in shown]


def _structures(predictions: Predictions) -> Said:
    return [(str(name), "") for name in predictions["structure"]]


def _pictures(predictions: Predictions) -> Said:
    return [("", "")] * predictions.n_rows


def _searches(predictions: Predictions) -> Said:
    names = ("direction", "relevance", "n_positive", "gallery")
    rows = zip(*(predictions[name] for name in names), strict=True)
    return [(f"{where}, {what}", f"{n} of {size}") for where, what, n, size in rows]


def _phrases(predictions: Predictions) -> Said:
    return _present(predictions, "phrase")


def _findings(predictions: Predictions) -> Said:
    return _present(predictions, "finding")


def _present(predictions: Predictions, column: str) -> Said:
    absent = predictions["absent"].astype(np.bool_)
    pairs = zip(predictions[column], absent, strict=True)
    return [(str(text), "absent" if gone else "present") for text, gone in pairs]


def _questions(predictions: Predictions) -> Said:
    pairs = zip(predictions["question"], predictions["reference"], strict=True)
    return [(str(question), str(answer)) for question, answer in pairs]


def _kinds(predictions: Predictions) -> Said:
    return [(str(kind), "") for kind in predictions["type"]]


_WORDS: dict[str, Callable[[Predictions], Said]] = {
    "classification": _labels,
    "segmentation": _structures,
    "generation": _pictures,
    "retrieval": _searches,
    "grounding": _phrases,
    "vqa": _questions,
}
_WORDLESS: dict[str, Callable[[Predictions], Said]] = {"grounding": _findings, "vqa": _kinds}


def goodness(sheet: Sheet, measure: Measure, /) -> Float[np.ndarray, " n"]:
    """Mean of a measure over the models that have it, higher is better; NaN without any."""
    total, count = np.zeros(len(sheet.rows)), np.zeros(len(sheet.rows))
    for model, answered in sheet.answers.items():
        values = column_of(sheet, model, answered.measures[measure.key])
        values = 1 / np.maximum(values, 1) if measure.is_rank else values
        total += np.nan_to_num(values)
        count += np.isfinite(values)
    mean: np.ndarray = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return mean


def chosen_rows(good: Float[np.ndarray, " n"], most: int, /) -> Int[np.ndarray, " m"]:
    """At most `most` rows in their order: half the worst, the others evenly spaced over the rest.

    Of equally bad ones the first; undefined ones are not bad.

    >>> chosen_rows(np.array([0.9, 0.1, 0.8, 0.7, 0.2, 0.6, 0.5, 0.4]), 4).tolist()
    [0, 1, 4, 7]
    """
    if len(good) <= most:
        return np.arange(len(good))
    n_worst = (most + 1) // 2
    worst = np.argsort(np.where(np.isnan(good), np.inf, good), kind="stable")[:n_worst]
    rest = np.setdiff1d(np.arange(len(good)), worst)
    spaced = rest[np.unique(np.linspace(0, len(rest) - 1, most - n_worst).round().astype(int))]
    return np.sort(np.concatenate([worst, spaced]))
