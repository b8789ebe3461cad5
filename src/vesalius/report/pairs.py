"""Paired differences to read and to compute with, and in sentences that can be repeated."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

from vesalius.records import Json
from vesalius.report.boards import Board, defined
from vesalius.report.exports import TextTable
from vesalius.report.tables import text_of
from vesalius.stats import Comparison, Placed, Standing, letters_of

PAIR_COLUMNS: Mapping[str, type] = {
    "dataset": str, "dataset_digest": str, "task": str, "protocol": str, "task_card": str,
    "metric": str, "higher_is_better": bool, "first": str, "second": str, "difference": float,
    "low": float, "high": float, "level": float, "n": int, "n_patients": int, "n_resamples": int,
    "n_undefined": int, "p": float, "p_holm": float, "n_comparisons": int, "seed": int,
    "reason": str,
}  # fmt: skip
_HEADER = ("First", "Second", "Diff.", "Interval", "n", "p", "Holm p")
_NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
PAIR_NOTE = (
    "First minus second on the same resamples of patients, n of them; Holm p is corrected over the "
    "comparisons of this column."
)


def sentences(board: Board, /) -> tuple[str, ...]:
    """What the comparisons of a column say, in words that a person can repeat.

    How many at the top cannot be told apart; the first significant difference from above; and how
    many resamples would be needed where with so many comparisons none could be significant.
    """
    standing = board.standing
    ranked = [placed for placed in standing.placed if placed.letters]
    if len(ranked) < 2:
        return ("Nobody to compare with on identical rows.",)
    n_first = _n_alike(ranked)
    said = []
    if n_first == len(ranked):
        said.append(f"The {_number(n_first)} models cannot be told apart {_family(standing)}.")
    elif n_first > 1:
        said.append(f"The first {_number(n_first)} cannot be told apart.")
    step = next(_steps(ranked, board.comparisons, standing.alpha), None)
    if step is not None:
        said.append(_step_text(step, standing))
    return (*said, *_too_few(board))


def _n_alike(ranked: Sequence[Placed]) -> int:
    """How many from the top have a letter in common."""
    common = set(letters_of(ranked[0].letters))
    for number, placed in enumerate(ranked):
        common &= set(letters_of(placed.letters))
        if not common:
            return number
    return len(ranked)


def _number(count: int) -> str:
    return _NUMBERS[count - 2] if count - 2 < len(_NUMBERS) else str(count)


def _family(standing: Standing) -> str:
    n = standing.n_comparisons
    return f"(Holm, {n} comparison{'s' * (n != 1)})"


def _steps(
    ranked: Sequence[Placed], comparisons: Iterable[Comparison], alpha: float
) -> Iterator[Comparison]:
    """Significant differences, those of the best model first and the better model first in each."""
    found = {
        frozenset({one.first.model, one.second.model}): one
        for one in comparisons
        if one.p_holm <= alpha
    }
    for better, worse in combinations(ranked, 2):
        one = found.get(frozenset({better.model, worse.model}))
        if one is not None:
            yield one if one.first.model == better.model else one.turned


def _step_text(one: Comparison, standing: Standing) -> str:
    shown = one if standing.higher_is_better else one.turned
    estimate = shown.difference.estimate
    word = "above" if standing.higher_is_better else "below"
    return (
        f"{one.first.model} is {word} {one.second.model} by {text_of(estimate.value)} "
        f"[{text_of(estimate.low)}, {text_of(estimate.high)}], {p_text(one.p_holm)} "
        f"{_family(standing)}."
    )


def p_text(p_value: float, /) -> str:
    """A p value in words.

    >>> p_text(0.0041), p_text(0.0004), p_text(1.0)
    ('p = .004', 'p < .001', 'p = 1')
    """
    if math.isnan(p_value):
        return "no p value"
    if p_value < 0.001:
        return "p < .001"
    rounded = f"{p_value:.3f}"
    return "p = 1" if rounded == "1.000" else f"p = {rounded.removeprefix('0')}"


def _too_few(board: Board) -> tuple[str, ...]:
    """A warning where even the smallest p value that resamples can give is not significant."""
    standing = board.standing
    drawn = [one.difference.estimate.n_resamples for one in board.comparisons]
    needed = math.ceil(2 * standing.n_comparisons / standing.alpha) - 1
    if not drawn or max(drawn) >= needed:
        return ()
    return (
        f"{max(drawn)} resamples are too few for {standing.n_comparisons} comparisons: none could "
        f"reach {standing.alpha:g}; draw at least {needed} (--resamples).",
    )


def pair_table(board: Board, /) -> TextTable:
    """Every paired difference of the column."""
    lines = tuple(_line(one) for one in board.comparisons)
    title = f"Paired differences · {board.title}"
    return TextTable(_HEADER, "llrrrrr", (lines,), PAIR_NOTE, title)


def _line(one: Comparison) -> tuple[str, ...]:
    estimate = one.difference.estimate
    return (
        one.first.model,
        one.second.model,
        _signed(estimate.value),
        "" if math.isnan(estimate.low) else f"[{_signed(estimate.low)}, {_signed(estimate.high)}]",
        str(estimate.n_patients),
        _p_number(one.difference.p_value),
        _p_number(one.p_holm),
    )


def _signed(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:+.3f}"


def _p_number(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.4f}"


def pair_records(boards: Iterable[Board], /) -> list[dict[str, Json]]:
    """A flat record for each comparison, see `PAIR_COLUMNS`; None is undefined."""
    return [_record(one, board) for board in boards for one in board.comparisons]


def _record(one: Comparison, board: Board) -> dict[str, Json]:
    standing, estimate = board.standing, one.difference.estimate
    return {
        "dataset": standing.dataset, "dataset_digest": board.digest, "task": standing.task,
        "protocol": standing.protocol, "task_card": board.task_card, "metric": standing.metric,
        "higher_is_better": standing.higher_is_better, "first": one.first.model,
        "second": one.second.model, "difference": defined(estimate.value),
        "low": defined(estimate.low), "high": defined(estimate.high), "level": estimate.level,
        "n": estimate.n, "n_patients": estimate.n_patients, "n_resamples": estimate.n_resamples,
        "n_undefined": estimate.n_undefined, "p": defined(one.difference.p_value),
        "p_holm": defined(one.p_holm), "n_comparisons": one.n_comparisons, "seed": estimate.seed,
        "reason": estimate.reason,
    }  # fmt: skip
