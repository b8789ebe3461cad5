"""The command leaderboard: one ranking a column over all runs of any folders."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from vesalius.commands.board_formats import Layout, Output, check_output, encode
from vesalius.commands.terminal import console, deliver, quiet_bars
from vesalius.errors import RunError, UsageError
from vesalius.ranking import Choice, rank_runs
from vesalius.report.boards import BOARD_COLUMNS, Board, board_records, board_table
from vesalius.report.boards_console import rankings
from vesalius.report.exports import TextTable
from vesalius.report.pairs import sentences
from vesalius.store.runs import read_info


def leaderboard_command(places: Sequence[Path], choice: Choice, output: Output) -> None:
    """Print or write the rankings of all runs in `places`."""
    check_output(output)
    runs, skipped = find_runs(places)
    for line in skipped:
        sys.stderr.write(f"vesalius: skipped {line}\n")
    with quiet_bars() as progress:
        boards = rank_runs(runs, choice, progress=progress)
    if output.form == "table":
        console.print(rankings(boards))
    else:
        deliver(encode(boards, _LAYOUT, output.form), output.out)


def find_runs(places: Sequence[Path], /) -> tuple[list[Path], list[str]]:
    """Run folders among `places` and anywhere below them, and which below cannot be read.

    Nothing is looked for inside a run folder. A run that stands below two places counts once.

    Raises:
        RunError: if one of `places` is itself a run folder and cannot be read.
        UsageError: if a place is no folder, or none holds a run.
    """
    found: dict[Path, Path] = {}
    skipped = []
    for place in places:
        if not place.is_dir():
            raise UsageError(f"{place} is not a folder; expected run folders or folders of them")
        for path in _below(place):
            try:
                read_info(path)
            except RunError as error:
                if path == place:
                    raise
                skipped.append(str(error))
            else:
                found.setdefault(path.resolve(), path)
    if not found:
        raise UsageError(f"no run folder in {', '.join(map(str, places))}: none has a run.json")
    return list(found.values()), skipped


def _below(place: Path) -> list[Path]:
    found = []
    for folder, inside, files in os.walk(place):
        if "run.json" in files:
            found.append(Path(folder))
            inside.clear()
        inside.sort()
    return found


def _tables(board: Board) -> tuple[TextTable, ...]:
    return (board_table(board, remarks=sentences(board)),)


_LAYOUT = Layout(BOARD_COLUMNS, board_records, _tables, board_records)
