"""Tables for other programs: no text can become a formula, a command or markup."""

import csv
import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from payloads import PAYLOADS
from rich.console import Console

from vesalius.records import Cell, Estimate, Failed, MetricRow, NotApplicable
from vesalius.report.console import summary
from vesalius.report.exports import (
    escape_latex,
    escape_markdown,
    to_csv,
    to_latex,
    to_markdown,
    visible,
)
from vesalius.store.runs import read_run

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1")


def rows_named(name):
    cell = Cell(name, name, "classification", name)
    return [
        MetricRow(cell, Estimate("f1", -0.5, -0.6, -0.4, n=3, n_patients=3), name, subgroup=name),
        MetricRow(cell, Estimate("f1", float("nan"), reason=name), "card", class_name=name),
    ]


@pytest.mark.parametrize("name", FORMULAS)
def test_no_text_cell_of_the_csv_starts_a_formula(name):
    """A spreadsheet opens the table without executing anything; numbers stay numbers."""
    table = list(csv.DictReader(io.StringIO(to_csv(rows_named(name)), newline="")))
    numeric = {"value", "low", "high", "level", "n", "n_patients"}
    for record in table:
        for column, text in record.items():
            assert column in numeric or not text.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert float(table[0]["value"]) == -0.5
    assert table[1]["value"] == ""


def plain(latex):
    """LaTeX with its known commands and escapes taken away."""
    commands = r"\\(textbackslash|textasciicircum|textasciitilde|textless|textgreater)\{\}"
    text = re.sub(
        commands + r"|\\(textbar|textquotedbl)\{\}|\$\\(rightarrow|leq|geq|times)\$", "", latex
    )
    return re.sub(r"\\[{}$&#%_]", "", text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_latex_has_no_active_character_left(text):
    """No text can run a command, end an argument or start a column."""
    assert not re.search(r"[\\{}$&#%_^~\n]", plain(escape_latex(text)))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_markdown_has_no_active_character_left(text):
    """No text can open a tag, a link, a column or a heading."""
    left = re.sub(r"\\[\\`*_{}\[\]()#+!|~-]|&(amp|lt|gt|#64|#58|#46);", "", escape_markdown(text))
    assert not re.search(r"[<>|`*_\[\]\n@]", left)


def test_control_and_direction_characters_are_shown():
    """A name cannot rewrite the terminal or read backwards."""
    assert visible("a\x1b[2Jb\u202ec\nd\x00") == "a�[2Jb�c d�"
    assert visible("naïve → 胸部") == "naïve → 胸部"


def test_tables_for_papers_hold_every_cell(run_folder):
    """Models, controls, n/a with its reason and failures with their error stand in both formats."""
    run = read_run(run_folder)
    for text in (to_markdown(run.metrics, run.outcomes), to_latex(run.metrics, run.outcomes)):
        for needle in (
            "mini",
            "pubmedclip",
            "clipmd",
            "random",
            "n/a",
            "failed",
            "no text encoder",
        ):
            assert needle in text
        assert "not above controls" in text
    lines = to_markdown(run.metrics, run.outcomes).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + 14
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {10}


def test_latex_is_a_booktabs_table_with_equal_columns(hostile_run):
    """Payloads do not change the number of columns."""
    run = read_run(hostile_run)
    body = to_latex(run.metrics, run.outcomes)
    lines = [line for line in body.splitlines() if line.endswith(r" \\")]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {8}
    assert body.index(r"\toprule") < body.index(r"\midrule") < body.index(r"\bottomrule")


def test_a_latex_row_cannot_become_the_argument_of_the_line_before():
    """A cell that starts with a bracket or a star follows an empty group."""
    rows = [MetricRow(Cell("m", "[2cm]", "classification", "p"), Estimate("f1", 0.5), "card")]
    assert "{}[2cm]" in to_latex(rows)


def shown(table):
    console = Console(width=220, file=io.StringIO(), force_terminal=True, color_system=None)
    console.print(table)
    return console.file.getvalue()


def test_the_console_table_has_no_gap_and_no_markup(run_folder):
    """Every cell is a line, reasons included, and a name in brackets is printed as it is."""
    run = read_run(run_folder)
    text = shown(summary(run.metrics, run.outcomes))
    for needle in ("0.880", "[0.830, 0.920]", "n/a", "failed", "Control", "not above"):
        assert needle in text
    assert "6 done, 1 n/a, 1 failed" in text
    cell = Cell("[red]m[/red]", "d\x1b[31m", "vqa", "p")
    text = shown(summary((), [Failed(cell, "f", "[/]"), NotApplicable(cell, "f", "why not")]))
    assert "[red]m[/red]" in text
    assert "why not" in text
    assert "\x1b[31m" not in text


def test_a_reason_is_given_once_for_all_models_of_a_protocol():
    """Nobody reads forty equal lines; other reasons keep their own."""
    told = [(m, p, r) for p, r in (("p", "no text"), ("q", "no box")) for m in ("a", "b", "c")]
    outcomes = [NotApplicable(Cell(m, "d", "vqa", p), "f", r) for m, p, r in told]
    outcomes[5] = NotApplicable(outcomes[5].cell, "f", "no map")
    text = shown(summary((), outcomes))
    assert "d · vqa · p: n/a, no text (all 3 models)" in text
    assert "d · vqa · q: n/a, no box (a, b)" in text
    assert "d · vqa · q: n/a, no map (c)" in text


def test_the_console_table_fits_a_narrow_terminal(run_folder):
    """At 80 columns no number is broken over two lines."""
    run = read_run(run_folder)
    console = Console(width=80, file=io.StringIO(), color_system=None)
    console.print(summary(run.metrics, run.outcomes))
    text = console.file.getvalue()
    assert "[0.830, 0.920]" in text
    assert "control:" not in text


def test_a_control_that_failed_has_its_own_line():
    """Controls that are done stand in a column; one that failed must not disappear."""
    cell = Cell("control:random", "d", "classification", "knn")
    text = shown(summary((), [Failed(cell, "f", "no random numbers left")]))
    assert "no random numbers left" in text


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payloads_open_no_tag_in_markdown(payload):
    """Markdown viewers pass HTML through; none is left."""
    assert "<" not in escape_markdown(payload)
