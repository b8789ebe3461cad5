"""Rankings and differences as they are shown: words, numbers, widths, and hostile names."""

import io
import re
from dataclasses import replace

import pytest
from payloads import PAYLOADS
from rich.console import Console

from vesalius.records import Cell, Estimate
from vesalius.report.boards import BOARD_COLUMNS, Board, Facts, board_records, board_table
from vesalius.report.boards_console import differences, rankings
from vesalius.report.exports import latex_table, markdown_table
from vesalius.report.pairs import PAIR_COLUMNS, pair_records, pair_table, sentences
from vesalius.stats import Comparison, Difference, standings

VALUES = {"best": 0.9, "good": 0.85, "poor": 0.5}
P_VALUES = {("best", "good"): 0.4, ("best", "poor"): 0.0042, ("good", "poor"): 0.06}


def board(values=VALUES, p_values=P_VALUES, *, higher_is_better=True, alpha=0.05, **facts):
    """A column of invented numbers; the first of a pair minus the second, ± 0.1."""

    def cell(model):
        return Cell(model, "cxr", "classification", "knn")

    def pair(first, second, p):
        change = values[first] - values[second]
        found = Estimate(
            "f1", change, change - 0.1, change + 0.1, n=20, n_patients=15, n_resamples=2000,
            higher_is_better=higher_is_better,
        )  # fmt: skip
        return Comparison(cell(first), cell(second), Difference(found, p / 3), p, len(p_values))

    pairs = tuple(pair(*names, p) for names, p in p_values.items())
    estimates = {
        cell(name): Estimate("f1", value, value - 0.05, value + 0.05, n=20, n_patients=15,
                             higher_is_better=higher_is_better)
        for name, value in values.items()
    }  # fmt: skip
    (standing,) = standings(pairs, estimates, alpha=alpha)
    known = {name: facts.get(name, Facts("clears", is_miniature=False)) for name in values}
    return Board(standing, pairs, known, "d" * 64, "c" * 16, {})


def test_what_can_be_repeated_about_a_column():
    """Who cannot be told apart at the top, and the first difference that is significant."""
    assert sentences(board()) == (
        "The first two cannot be told apart.",
        "best is above poor by 0.400 [0.300, 0.500], p = .004 (Holm, 3 comparisons).",
    )


def test_the_better_model_is_named_first_whatever_the_order_of_the_pair():
    """A pair stored the other way round gives the same words."""
    turned = {names[::-1]: p for names, p in P_VALUES.items()}
    assert sentences(board(p_values=turned)) == sentences(board())


def test_lower_is_better_is_said_as_below():
    """The model with the smaller error is first, and the difference is positive."""
    said = sentences(board(higher_is_better=False, p_values={**P_VALUES, ("good", "poor"): 0.01}))
    assert said[0] == "poor is below good by 0.350 [0.250, 0.450], p = .010 (Holm, 3 comparisons)."


@pytest.mark.parametrize(
    ("p_values", "alpha", "expected"),
    [
        (P_VALUES, 0.001, "The three models cannot be told apart (Holm, 3 comparisons)."),
        ({("best", "good"): 0.5}, 0.1, "The two models cannot be told apart (Holm, 1 comparison)."),
        ({}, 0.05, "Nobody to compare with on identical rows."),
    ],
)  # fmt: skip
def test_what_is_said_where_nothing_differs(p_values, alpha, expected):
    """All alike, one pair, nobody."""
    assert sentences(board(p_values=p_values, alpha=alpha))[0] == expected


def test_too_few_resamples_for_so_many_comparisons_are_said():
    """2000 resamples give no p below 2/2001, so 51 comparisons can never reach 0.05."""
    few = board(p_values=dict.fromkeys(P_VALUES, 1.0))
    assert len(sentences(few)) == 1
    many = replace(few, standing=replace(few.standing, n_comparisons=51))
    assert sentences(many)[1] == (
        "2000 resamples are too few for 51 comparisons: none could reach 0.05; draw at least 2039 "
        "(--resamples)."
    )
    enough = replace(few, standing=replace(few.standing, n_comparisons=50))
    assert len(sentences(enough)) == 1


def test_ranks_are_shared_and_badges_shown():
    """= marks a shared rank; controls, miniatures and missing models are said in words."""
    shown = board(good=Facts("does not clear", is_miniature=True))
    table = board_table(replace(shown, absent={"lost": "failed: no memory", "gone": "n/a"}))
    assert table.blocks == (
        (
            ("1=", "best", "0.900", "[0.850, 0.950]", "15", "a", "above", ""),
            ("1=", "good", "0.850", "[0.800, 0.900]", "15", "ab", "▽ not above", "miniature"),
            ("2", "poor", "0.500", "[0.450, 0.550]", "15", "b", "above", ""),
        ),
    )
    text = " ".join(table.remarks)
    assert "Data dddddddd, task card cccccccc." in text
    assert "nothing about the genuine model" in text
    assert "No number: lost (failed: no memory). No number: gone (n/a)." in text


def test_miniatures_alone_need_no_warning():
    """Nobody genuine stands beside them."""
    alone = board(**dict.fromkeys(VALUES, Facts("clears", is_miniature=True)))
    assert not any("genuine" in remark for remark in board_table(alone).remarks)


def test_records_hold_every_column_with_its_type():
    """What is written as CSV and Parquet, in full precision; undefined is None."""
    shown = board({**VALUES, "none": float("nan")})
    kinds = ((BOARD_COLUMNS, board_records([shown])), (PAIR_COLUMNS, pair_records([shown])))
    for columns, records in kinds:
        for record in records:
            assert list(record) == list(columns)
            assert all(v is None or type(v) is columns[name] for name, v in record.items())
    assert [(r["model"], r["rank"], r["tied"], r["letters"]) for r in board_records([shown])] == [
        ("best", 1, True, "a"), ("good", 1, True, "ab"), ("poor", 2, False, "b"),
        ("none", None, False, ""),
    ]  # fmt: skip
    assert board_records([shown])[3]["value"] is None
    (first, *_) = pair_records([shown])
    assert (first["difference"], first["p_holm"]) == (VALUES["best"] - VALUES["good"], 0.4)


def printed(shown, width=80):
    """What a terminal of that width would show."""
    console = Console(file=io.StringIO(), width=width)
    console.print(shown)
    return console.file.getvalue()


def test_tables_fit_a_terminal_of_80_columns():
    """Names of the longest miniature in full, every badge, no number cut."""
    names = dict(zip(VALUES, ("mini:pubmedclip", "mini:biomedclip", "mini:biovil-t"), strict=True))
    values = {names[name]: value for name, value in VALUES.items()}
    p_values = {(names[a], names[b]): p for (a, b), p in P_VALUES.items()}
    marks = dict.fromkeys(values, Facts("does not clear", is_miniature=True))
    shown = board(values, p_values, **marks)
    for made in (rankings([shown]), differences([shown])):
        text = printed(made)
        assert max(len(line) for line in text.splitlines()) <= 80
        assert "…" not in text
        for part in ("mini:pubmedclip", "miniature", "[0.850, 0.950]", "▽ not above"):
            assert part in text
    assert "[+0.300, +0.500]" in printed(differences([shown]))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_names_are_text_in_every_format(payload):
    """No name opens a tag, a column, a command or an escape sequence."""
    values = {payload: 0.9, "b": 0.5}
    shown = board(values, {(payload, "b"): 0.01})
    shown = replace(shown, absent={payload + "2": payload})
    markdown = markdown_table(board_table(shown, remarks=sentences(shown)))
    assert not re.search(r"<[a-zA-Z/!]", markdown)
    n_columns = {
        line.replace("\\|", "").count("|") for line in markdown.splitlines() if line[:1] == "|"
    }
    assert n_columns == {9}
    latex = latex_table(pair_table(shown))
    assert not re.search(r"\\(input|write|def|include)", latex)
    assert "\x1b" not in printed(differences([shown]))
