"""Ranks, groups and pairs: what the page says of who is told apart from whom."""

import math

import pytest
from compared import compared

from vesalius.records import Cell, Done, Estimate, MetricRow
from vesalius.report.columns import Circumstances, column_pages, matrix_ranks
from vesalius.report.ranking import p_text, pairs_of, rankings, ranks
from vesalius.report.tables import entries

PLACE = ("d", "vqa", "p")


def cell(model):
    return Cell(model, *PLACE)


def row(model, value, metric="accuracy", **changes):
    better = changes.pop("higher_is_better", True)
    estimate = Estimate(metric, value, value - 0.1, value + 0.1, n=9, n_patients=9,
                        higher_is_better=better)  # fmt: skip
    return MetricRow(cell(model), estimate, "card", **changes)


ROWS = [row("a", 0.9), row("b", 0.8), row("c", 0.5), row("control:random", 0.2)]


def pair(first, second, value, p, metric="accuracy"):
    return compared(cell(first), cell(second), value, p, metric=metric, n=3)


PAIRS = [pair("a", "b", 0.1, 0.3), pair("c", "a", -0.4, 0.01), pair("b", "c", 0.3, 0.06)]


def test_models_that_share_a_letter_share_a_rank_where_none_is_better():
    """Model a beats c alone: a and b are first together, b and c cannot be told apart."""
    found = ranks(rankings(PAIRS, ROWS)[PLACE])
    assert {name: (rank.text, rank.letters) for name, rank in found.items()} == {
        "a": ("1=", "a"),
        "b": ("1=", "ab"),
        "c": ("2", "b"),
    }
    assert [found[name].letters_apart for name in "abc"] == ["a", "ab", " b"]


def test_pairs_stand_with_the_better_value_first():
    """The sign of the difference and its interval are turned with the pair; p is not."""
    pairs = pairs_of(PAIRS, rankings(PAIRS, ROWS)[PLACE])
    assert [(p.better, p.other, p.difference, p.verdict) for p in pairs] == [
        ("a", "b", "+0.100", "cannot be told apart"),
        ("a", "c", "+0.400", "told apart"),
        ("b", "c", "+0.300", "cannot be told apart"),
    ]
    assert [p.interval for p in pairs] == ["[0.050, 0.150]", "[0.350, 0.450]", "[0.250, 0.350]"]
    assert [p.p for p in pairs] == ["0.300", "0.010", "0.060"]


def test_where_lower_is_better_the_lower_value_stands_first():
    """A Brier score of 0.1 is better than 0.3: the difference shown is negative."""
    rows = [row("a", 0.3, "brier", higher_is_better=False)]
    rows += [row("b", 0.1, "brier", higher_is_better=False)]
    found = [pair("a", "b", 0.2, 0.01, "brier")]
    (shown,) = pairs_of(found, rankings(found, rows)[PLACE])
    assert (shown.better, shown.other, shown.difference) == ("b", "a", "−0.200")


def test_an_undefined_p_value_says_why():
    """What was not compared is never said to be alike."""
    broken = pair("a", "b", math.nan, math.nan)
    (shown,) = pairs_of([broken], rankings([broken], ROWS)[PLACE])
    assert shown.verdict.startswith("not compared")
    assert (shown.difference, shown.p) == ("n/a", "n/a")
    assert p_text(0.00099) == "< 0.001"


def column(rows=ROWS, pairs=PAIRS, outcomes=(), models=None):
    known = rankings(pairs, rows)
    about = Circumstances(pairs, known, models or {}, outcomes)
    (page,) = column_pages(entries(outcomes, rows), about)
    return page


def test_a_column_says_who_is_told_apart_from_the_best():
    """The words follow the letters; models are listed from the best, controls are none of them."""
    page = column()
    assert [one.entry.cell.model for one in page.contenders] == ["a", "b", "c"]
    assert page.sentences == (
        "Best value: a, 0.900 [0.800, 1.000].",
        "Not told apart from it: b. It is told apart from the others.",
    )
    assert matrix_ranks([page])["c"][PLACE].text == "2"


@pytest.mark.parametrize(
    ("rows", "pairs", "words"),
    [
        (ROWS[:1], [], "It is the only model here."),
        (ROWS[:2], [], "no paired comparison"),
        (ROWS[:2], [pair("a", "b", 0.1, 0.3)], "No other model that it was compared with"),
        (ROWS[:2], [pair("a", "b", 0.1, 0.01)], "told apart from every other model"),
        ([row("a", 0.25), ROWS[3]], [], "It does not clear its controls."),
    ],
)
def test_every_state_of_a_column_has_its_words(rows, pairs, words):
    """Nothing is claimed that was not compared."""
    assert words in " ".join(column(rows, pairs).sentences)


def test_ranks_belong_to_the_metric_that_was_compared():
    """A headline of another metric gets no letter of it."""
    rows = [row("a", 0.9, "token_f1"), row("b", 0.8), row("c", 0.5)]
    rows += [row("a", 0.4)]
    heads = [row("a", math.nan), *rows[:3]]
    page = column([*heads[:1], *rows[:3]], PAIRS[2:])
    ranked = {one.entry.cell.model: one.rank for one in page.contenders}
    assert ranked["a"] is None
    assert ranked["b"].letters == ranked["c"].letters == "a"


def test_models_without_a_value_are_named_under_the_column():
    """An undefined value is no place in a ranking, and does not vanish."""
    page = column([*ROWS, row("z", math.nan)])
    assert [entry.cell.model for entry in page.absent] == ["z"]


def test_cost_is_parameters_where_all_are_known_and_else_time():
    """One axis has one meaning: a model without parameters turns it into time for all."""
    seconds, counts = {"a": 1, "b": 2, "c": 4}, {"a": 1000, "b": 2000, "c": 4000}
    outcomes = [Done(cell(m), "f", "card", 10, duration_s=s) for m, s in seconds.items()]
    sizes = {m: {"n_parameters": n} for m, n in counts.items()}
    assert "parameters of the model" in column(outcomes=outcomes, models=sizes).figure.title
    del sizes["b"]
    timed = column(outcomes=outcomes, models=sizes).figure
    assert "seconds per reference row" in timed.title
    assert "lower bound" in timed.caption
    assert column(models=sizes).figure is None
