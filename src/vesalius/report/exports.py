"""Tables for other programs and for papers: CSV, LaTeX, Markdown.

Names and reasons come from users and checkpoints: each format neutralises what it could execute
or misread.
"""

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from vesalius.records import MetricRow, Outcome
from vesalius.report.tables import Entry, entries, interval_text, text_of
from vesalius.store.runs import metrics_csv

_HEADER = (
    "Dataset", "Task", "Protocol", "Model", "Metric", "Value", "Interval", "Patients", "Remark",
)  # fmt: skip
_NOTE = (
    "Values with their interval over resampled patients. "
    '"not above controls": the interval does not lie wholly on the better side of the interval of '
    "every control."
)
LATEX_NEEDS = "% needs \\usepackage{booktabs}"
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "→": r"$\rightarrow$", "≤": r"$\leq$", "≥": r"$\geq$", "×": r"$\times$", "–": "--",
}  # fmt: skip
_MARKDOWN = str.maketrans(
    {
        **{mark: f"\\{mark}" for mark in "\\`*_{}[]()#+!|~-"},
        "&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", ":": "&#58;", ".": "&#46;",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table to be read, in any format.

    Attributes:
        align: a letter for each column: ``l``, ``r``, or ``p`` for one that wraps.
        blocks: lines that belong together.
        note: how to read the table, in words of this package.
        remarks: what the table says, in sentences with names.
    """

    header: tuple[str, ...]
    align: str
    blocks: tuple[tuple[tuple[str, ...], ...], ...]
    note: str = ""
    title: str = ""
    remarks: tuple[str, ...] = ()


def visible(text: str, /) -> str:
    r"""`text` on one line, with control and direction-changing characters shown as ``�``.

    Such characters can rewrite a terminal or make a reader see another name than is there.
    Joiners and other harmless format characters are kept.

    >>> visible("a\x1b[31mb")
    'a�[31mb'
    """
    return "".join(_visible_character(c) for c in text)


def _visible_character(character: str) -> str:
    if character in "\n\r\t\u2028\u2029":
        return " "
    hidden = unicodedata.category(character) in ("Cc", "Cs")
    turns = unicodedata.bidirectional(character) in (
        "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI",
    )  # fmt: skip
    return "�" if hidden or turns else character


def escape_latex(text: str, /) -> str:
    r"""`text` as LaTeX that prints it, on one line.

    >>> escape_latex("f1_score: 50%")
    'f1\\_score: 50\\%'
    """
    return "".join(_LATEX.get(character, character) for character in visible(text))


def escape_markdown(text: str, /) -> str:
    r"""`text` as Markdown that prints it, on one line: no markup, no HTML, no automatic link.

    >>> escape_markdown("a|b <b>")
    'a\\|b &lt;b&gt;'
    """
    return visible(text).translate(_MARKDOWN)


def to_csv(metrics: Sequence[MetricRow], /) -> str:
    """Every metric row in the columns of the contract, one line each.

    Undefined values are empty. A text that a spreadsheet would take for a formula starts with
    an apostrophe.
    """
    return metrics_csv(metrics).decode()


def to_markdown(metrics: Sequence[MetricRow], outcomes: Sequence[Outcome] = (), /) -> str:
    """The headline of every cell, with n/a and failed cells and their reasons, as a pipe table."""
    return markdown_table(_headlines(metrics, outcomes))


def to_latex(metrics: Sequence[MetricRow], outcomes: Sequence[Outcome] = (), /) -> str:
    """The headline of every cell as a ``booktabs`` table, with n/a and failed cells."""
    return f"{LATEX_NEEDS}\n{latex_table(_headlines(metrics, outcomes))}"


def _headlines(metrics: Sequence[MetricRow], outcomes: Sequence[Outcome]) -> TextTable:
    made = entries(outcomes, metrics)
    blocks = groupby(made, key=lambda e: (e.cell.dataset, e.cell.task, e.cell.protocol))
    lines = tuple(tuple(_texts(entry) for entry in block) for _, block in blocks)
    return TextTable(_HEADER, "lllllrrrp", lines, _NOTE)


def markdown_table(table: TextTable, /) -> str:
    """A pipe table, its title as a heading, what it says and its note below."""
    rows = [tuple(map(escape_markdown, line)) for block in table.blocks for line in block]
    rule = ["---:" if letter == "r" else "---" for letter in table.align]
    lines = [table.header, tuple(rule), *rows]
    heading = f"### {escape_markdown(table.title)}\n\n" if table.title else ""
    body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    below = [*map(escape_markdown, table.remarks), *filter(None, [table.note])]
    return heading + "\n\n".join([body, *below]) + "\n"


def latex_table(table: TextTable, /) -> str:
    """A ``booktabs`` table with space between blocks; title, remarks and note in its caption."""
    title = f"{table.title}." if table.title else ""
    caption = " ".join(filter(None, [title, *table.remarks, table.note]))
    lines = [
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{escape_latex(caption)}}}",
        f"  \\begin{{tabular}}{{{table.align.replace('p', 'p{6cm}')}}}",
        "    \\toprule",
        f"    {_latex_line(tuple(map(escape_latex, table.header)))}",
        "    \\midrule",
        *_latex_body(table.blocks),
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_body(blocks: Sequence[Sequence[Sequence[str]]]) -> list[str]:
    lines: list[str] = []
    for block in blocks:
        lines += ["    \\addlinespace"] * bool(lines)
        lines += [f"    {_latex_line(tuple(map(escape_latex, line)))}" for line in block]
    return lines


def _latex_line(cells: Sequence[str]) -> str:
    # a row that starts with a bracket would be read as the argument of the preceding \\
    return " & ".join(re.sub(r"^([\[*])", r"{}\1", cell) for cell in cells) + r" \\"


def _texts(entry: Entry) -> tuple[str, ...]:
    cell = entry.cell
    place = (cell.dataset, cell.task, cell.protocol, cell.model)
    if entry.headline is None:
        return (*place, "", entry.status, "", "", entry.note)
    estimate = entry.headline.estimate
    value = (estimate.metric, text_of(estimate.value), interval_text(estimate))
    return (*place, *value, str(estimate.n_patients), remark(entry))


def remark(entry: Entry, /) -> str:
    """What a reader must know beside the number, empty when nothing."""
    if entry.headline is not None and math.isnan(entry.headline.estimate.value):
        return entry.note or "undefined; no reason was recorded"
    words = {
        "does not clear": "not above controls",
        "no control": "no control",
        "undefined": "cannot be judged against controls",
    }
    shown = "" if entry.is_control else words.get(entry.clearance, "")
    return shown if entry.headline is not None else entry.note
