"""Rankings and paired differences in a terminal of 80 columns."""

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vesalius.report.boards import BOARD_NOTE, Board, board_table
from vesalius.report.console import MODEL_WIDTH
from vesalius.report.exports import TextTable, visible
from vesalius.report.pairs import PAIR_NOTE, pair_table, sentences

_NAMES = ("Model", "First", "Second")


def rankings(boards: Sequence[Board], /) -> RenderableType:
    """Every ranking with what it says."""
    shown = [_shown(board_table(board, remarks=sentences(board))) for board in boards]
    return Group(*shown, Text(BOARD_NOTE, style="dim"))


def differences(boards: Sequence[Board], /) -> RenderableType:
    """Every ranking with what it says and the paired differences behind it."""
    parts: list[RenderableType] = []
    for board in boards:
        parts += [
            _shown(board_table(board, remarks=sentences(board))),
            _shown(pair_table(board)),
        ]
    return Group(*parts, Text(f"{BOARD_NOTE} {PAIR_NOTE}", style="dim"))


def _shown(table: TextTable) -> RenderableType:
    made = Table(
        title=Text(visible(table.title), style="bold cyan"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        header_style="bold",
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name, letter in zip(table.header, table.align, strict=True):
        if letter == "r":
            made.add_column(name, justify="right", no_wrap=True)
        else:
            made.add_column(name, overflow="fold", min_width=_width(name, table))
    for block in table.blocks:
        for line in block:
            made.add_row(*(Text(visible(text)) for text in line))
    return Group(made, *(Text(visible(remark)) for remark in table.remarks), Text(""))


def _width(name: str, table: TextTable) -> int | None:
    if name not in _NAMES:
        return None
    place = table.header.index(name)
    longest = max(
        (len(visible(line[place])) for block in table.blocks for line in block), default=0
    )
    return min(longest, MODEL_WIDTH)
