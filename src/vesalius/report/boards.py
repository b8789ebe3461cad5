"""Rankings to read and to compute with: who stands where, and what must be known beside it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vesalius.records import Json
from vesalius.report.controls import Clearance
from vesalius.report.exports import TextTable
from vesalius.report.tables import interval_text, text_of
from vesalius.stats import Comparison, Placed, Standing

BOARD_COLUMNS: Mapping[str, type] = {
    "dataset": str, "dataset_digest": str, "task": str, "protocol": str, "task_card": str,
    "metric": str, "higher_is_better": bool, "rank": int, "tied": bool, "model": str,
    "miniature": bool, "value": float, "low": float, "high": float, "level": float,
    "n": int, "n_patients": int, "letters": str, "n_better": int, "controls": str, "alpha": float,
    "n_comparisons": int, "seed": int, "reason": str,
}  # fmt: skip
_HEADER = ("Rank", "Model", "Value", "Interval", "n", "Group", "Controls", "Remark")
BOARD_NOTE = (
    "Rank: one more than the number of models that are significantly better; = is shared. Models "
    "with a common letter (group) cannot be told apart. n counts patients."
)
_CONTROLS: Mapping[Clearance, str] = {
    "clears": "above",
    "does not clear": "▽ not above",
    "no control": "none",
    "undefined": "unknown",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a ranking does not say of a model: does it clear its controls, is it a miniature."""

    clearance: Clearance
    is_miniature: bool


@dataclass(frozen=True, slots=True)
class Board:
    """A column of a leaderboard.

    Attributes:
        standing: the ranking.
        comparisons: of its models, by pairs.
        facts: of each model in the ranking.
        digest: of the data set.
        task_card: digest of the settings.
        absent: models without a number here, and why.
    """

    standing: Standing
    comparisons: tuple[Comparison, ...]
    facts: Mapping[str, Facts]
    digest: str
    task_card: str
    absent: Mapping[str, str]

    @property
    def title(self) -> str:
        """The column in words."""
        one = self.standing
        direction = "" if one.higher_is_better else " (lower is better)"
        return " · ".join((one.dataset, one.task, one.protocol, one.metric)) + direction


def rank_text(placed: Placed, standing: Standing, /) -> str:
    """The rank, with ``=`` when it is shared; a dash for a model that was not compared."""
    if placed.rank is None:
        return "–"
    return f"{placed.rank}{'=' * _is_tied(placed, standing)}"


def _is_tied(placed: Placed, standing: Standing) -> bool:
    if placed.n_better is None:
        return False
    return sum(one.n_better == placed.n_better for one in standing.placed) > 1


def board_table(board: Board, /, *, remarks: Sequence[str] = ()) -> TextTable:
    """The ranking as a table, below which stand `remarks` and who has no number."""
    lines = tuple(_line(placed, board) for placed in board.standing.placed)
    return TextTable(
        _HEADER, "rlrrrllp", (lines,), BOARD_NOTE, board.title, (*remarks, *board_remarks(board))
    )


def _line(placed: Placed, board: Board) -> tuple[str, ...]:
    estimate, facts = placed.estimate, board.facts[placed.model]
    words = ("miniature" if facts.is_miniature else "", placed.reason)
    return (
        rank_text(placed, board.standing),
        placed.model,
        text_of(estimate.value),
        interval_text(estimate),
        str(estimate.n_patients),
        placed.letters,
        _CONTROLS[facts.clearance],
        "; ".join(filter(None, words)),
    )


def board_remarks(board: Board, /) -> list[str]:
    """What a reader of the ranking must know: its data, who is missing, which are miniatures."""
    lines = [f"Data {board.digest[:8]}, task card {board.task_card[:8]}."]
    small = {facts.is_miniature for facts in board.facts.values()}
    if len(small) > 1:
        lines.append(
            "Miniatures are small networks trained on synthetic pictures; their numbers say "
            "nothing about the genuine model of that name."
        )
    by_reason: dict[str, list[str]] = {}
    for model, reason in board.absent.items():
        by_reason.setdefault(reason, []).append(model)
    lines += [f"No number: {', '.join(names)} ({why})." for why, names in by_reason.items()]
    return lines


def board_records(boards: Iterable[Board], /) -> list[dict[str, Json]]:
    """A flat record for each model of each ranking, see `BOARD_COLUMNS`; None is undefined."""
    return [_record(placed, board) for board in boards for placed in board.standing.placed]


def _record(placed: Placed, board: Board) -> dict[str, Json]:
    standing, estimate, facts = board.standing, placed.estimate, board.facts[placed.model]
    return {
        "dataset": standing.dataset, "dataset_digest": board.digest, "task": standing.task,
        "protocol": standing.protocol, "task_card": board.task_card, "metric": standing.metric,
        "higher_is_better": standing.higher_is_better, "rank": placed.rank,
        "tied": _is_tied(placed, standing), "model": placed.model,
        "miniature": facts.is_miniature, "value": defined(estimate.value),
        "low": defined(estimate.low), "high": defined(estimate.high), "level": estimate.level,
        "n": estimate.n, "n_patients": estimate.n_patients, "letters": placed.letters,
        "n_better": placed.n_better, "controls": facts.clearance, "alpha": standing.alpha,
        "n_comparisons": standing.n_comparisons, "seed": estimate.seed, "reason": placed.reason,
    }  # fmt: skip


def defined(value: float, /) -> float | None:
    """The value, or None where it is NaN."""
    return None if math.isnan(value) else value
