"""Metrics of a table of answers; no model, no image.

Open and closed questions are never mixed. `class_name` says which: ``closed`` and ``open``, with
the question type after a slash. The headline, without class name, is the accuracy over the closed
questions; where a dataset has none, the normalised exact match over the open ones. A question
without an answer counts as wrong in every metric.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from vesalius.records import Predictions
from vesalius.stats import statistic
from vesalius.tasks import Scored
from vesalius.tasks.row_subset import OnRows
from vesalius.tasks.vqa_questions import CLOSED, OPEN
from vesalius.tasks.vqa_table import BLEU_COLUMN, ORDERS, TEXT_COLUMNS

TextMetrics = Literal[
    "best over accepted answers; sacrebleu nrefs:1|case:lc|eff:yes|tok:13a|smooth:exp; "
    "meteor nltk-2007, Porter stems, no synonyms"
]
TEXT_METRICS: TextMetrics = (
    "best over accepted answers; sacrebleu nrefs:1|case:lc|eff:yes|tok:13a|smooth:exp; "
    "meteor nltk-2007, Porter stems, no synonyms"
)
FAULTS = ("unparsed", "ambiguous")


def score_answers(
    predictions: Predictions,
    rows: np.ndarray | None = None,
    /,
    *,
    suffix: str = "",
    parsed: bool = False,
) -> list[Scored]:
    """Every metric of the answers in `rows` (all without it); the headline comes first.

    With a suffix such as ``[calibrated]`` only the accuracies, which are what it changes. Where
    answers are `parsed` from free text, also how often that failed.
    """
    table = predictions
    rows = np.arange(table.n_rows) if rows is None else rows
    closed, free = (rows[table["type"][rows] == kind] for kind in (CLOSED, OPEN))
    scored: list[Scored] = []
    if len(closed):
        scored.append(_accuracy(table, closed, "", suffix))
    elif len(free):
        scored.append(_mean(table, free, "exact_normalised", ""))
    for kind, members in ((CLOSED, closed), (OPEN, free)):
        if len(members):
            scored += _of_kind(table, members, kind, suffix)
    if parsed and len(closed):
        scored += [_fault(table, closed, name) for name in FAULTS]
    return scored


def _of_kind(table: Predictions, rows: np.ndarray, kind: str, suffix: str) -> Iterator[Scored]:
    """Closed: accuracy, whole and by question type; open: the text itself."""
    if kind == CLOSED:
        yield _accuracy(table, rows, kind, suffix)
        for place, members in _by_question_type(table, rows, kind):
            yield _accuracy(table, members, place, suffix)
        if not suffix:
            yield _mean(table, rows, "exact_normalised", kind)
        return
    yield from (_mean(table, rows, column, kind) for column in TEXT_COLUMNS)
    statistics = np.array([np.asarray(table[BLEU_COLUMN][row]) for row in rows], dtype=np.int64)
    for order in ORDERS:
        name = f"bleu{order}[sacrebleu]"
        yield Scored(name, OnRows(statistic(name, statistics), rows), kind, rows)
    for place, members in _by_question_type(table, rows, kind):
        yield _mean(table, members, "exact_normalised", place)


def _by_question_type(
    table: Predictions, rows: np.ndarray, kind: str
) -> Iterator[tuple[str, np.ndarray]]:
    names = table["question_type"][rows]
    for name in (n for n in np.unique(names).tolist() if n):
        yield f"{kind}/{name}", rows[names == name]


def _accuracy(table: Predictions, rows: np.ndarray, place: str, suffix: str) -> Scored:
    """Share of right answers: each row's true class is 1, and 1 is what is right."""
    right = table["correct"][rows].astype(np.int64)
    found = statistic("accuracy", np.ones_like(right), right)
    return Scored("accuracy" + suffix, OnRows(found, rows), place, rows)


def _mean(table: Predictions, rows: np.ndarray, column: str, place: str) -> Scored:
    name = TEXT_COLUMNS[column]
    values = table[column][rows].astype(np.float64)
    return Scored(name, OnRows(statistic(name, values), rows), place, rows)


def _fault(table: Predictions, rows: np.ndarray, name: str) -> Scored:
    share = statistic(name, table[name][rows].astype(np.float64))
    return Scored(name, OnRows(share, rows), CLOSED, rows, higher_is_better=False)
