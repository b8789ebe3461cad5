"""The command compare: who is better than whom, how sure one can be, and how to say it."""

from collections.abc import Sequence
from pathlib import Path

from vesalius.commands.board_formats import Boards, Layout, Output, check_output, encode
from vesalius.commands.terminal import console, deliver, quiet_bars
from vesalius.errors import UsageError
from vesalius.ranking import Choice, rank_runs
from vesalius.records import Json
from vesalius.report.boards import Board, board_records, board_table
from vesalius.report.boards_console import differences
from vesalius.report.exports import TextTable
from vesalius.report.pairs import PAIR_COLUMNS, pair_records, pair_table, sentences


def compare_command(runs: Sequence[Path], choice: Choice, output: Output) -> None:
    """Print or write every ranking with the paired differences behind it."""
    check_output(output)
    with quiet_bars() as progress:
        ranked = rank_runs(runs, choice, progress=progress)
    boards = [board for board in ranked if board.comparisons]
    if not boards:
        raise UsageError(
            "nothing to compare: expected two models with predictions for the same rows of the "
            "same dataset, task and protocol"
        )
    if output.form == "table":
        console.print(differences(boards))
    else:
        deliver(encode(boards, _LAYOUT, output.form), output.out)


def _tables(board: Board) -> tuple[TextTable, ...]:
    return board_table(board, remarks=sentences(board)), pair_table(board)


def _document(boards: Boards) -> Json:
    return [
        {"title": board.title, "sentences": sentences(board), "ranking": board_records([board]),
         "pairs": pair_records([board]), "absent": dict(board.absent)}
        for board in boards
    ]  # fmt: skip


_LAYOUT = Layout(PAIR_COLUMNS, pair_records, _tables, _document)
