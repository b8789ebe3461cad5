"""Tables for other programs and for papers: CSV, LaTeX, Markdown.

Names and reasons come from users and checkpoints: each format neutralises what it could execute
or misread.
"""

import math
import re
from collections.abc import Sequence

from vesalius.markup import visible as visible  # noqa: PLC0414 - lives lower, is known here
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
    rows = [tuple(escape_markdown(text) for text in _texts(e)) for e in entries(outcomes, metrics)]
    rule = ["---"] * 5 + ["---:"] * 3 + ["---"]
    lines = [_HEADER, tuple(rule), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\n{_NOTE}\n"


def to_latex(metrics: Sequence[MetricRow], outcomes: Sequence[Outcome] = (), /) -> str:
    """The headline of every cell as a ``booktabs`` table, with n/a and failed cells."""
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{escape_latex(_NOTE)}}}",
        "  \\begin{tabular}{llllllllp{6cm}}",
        "    \\toprule",
        f"    {_latex_line(_HEADER)}",
        "    \\midrule",
        *_latex_body(entries(outcomes, metrics)),
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_body(made: Sequence[Entry]) -> list[str]:
    lines: list[str] = []
    previous = None
    for entry in made:
        block = (entry.cell.dataset, entry.cell.task, entry.cell.protocol)
        if previous not in (None, block):
            lines.append("    \\addlinespace")
        previous = block
        lines.append(f"    {_latex_line(tuple(escape_latex(text) for text in _texts(entry)))}")
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
