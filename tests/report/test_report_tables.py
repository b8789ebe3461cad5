"""Headlines, controls, matrices: who clears what, and that nothing goes missing."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vesalius.records import Cell, Done, Estimate, Failed, MetricRow, NotApplicable
from vesalius.report.controls import clearance, controls_of
from vesalius.report.tables import (
    entries,
    headline_of,
    interval_text,
    matrices,
    outcome_counts,
    text_of,
)

NAN = math.nan


def row(model="m", metric="f1", value=0.8, low=0.7, high=0.9, **changes):
    better = changes.pop("higher_is_better", True)
    protocol = changes.pop("protocol", "zero-shot")
    task = changes.pop("task", "classification")
    estimate = Estimate(metric, value, low, high, n=10, n_patients=9, higher_is_better=better)
    return MetricRow(Cell(model, "d", task, protocol), estimate, "card", **changes)


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        ((0.5, 0.4, 0.69), "clears"),
        ((0.5, 0.4, 0.7), "does not clear"),
        ((0.95, 0.92, 0.99), "does not clear"),
        ((0.5, NAN, NAN), "clears"),
        ((0.7, NAN, NAN), "does not clear"),
        ((NAN, NAN, NAN), "undefined"),
    ],
)
def test_a_control_is_cleared_only_by_the_whole_interval(control, expected):
    """The mark says what the page defines: touching intervals do not clear."""
    value, low, high = control
    against = row("control:random", value=value, low=low, high=high)
    assert clearance(row().estimate, [against]) == expected


def test_lower_is_better_turns_the_comparison_round():
    """A Brier score clears a control from below."""
    model = row(metric="brier", value=0.1, low=0.05, high=0.15, higher_is_better=False).estimate
    worse = row("control:r", "brier", 0.3, 0.2, 0.4, higher_is_better=False)
    better = row("control:r", "brier", 0.1, 0.02, 0.12, higher_is_better=False)
    assert clearance(model, [worse]) == "clears"
    assert clearance(model, [worse, better]) == "does not clear"


def test_without_control_or_interval_nothing_is_judged():
    """Absence of a control is said, never taken as success."""
    assert clearance(row().estimate, []) == "no control"
    bare = row(low=NAN, high=NAN).estimate
    assert clearance(bare, [row("control:random", value=0.1)]) == "undefined"


def test_a_control_counts_for_its_own_model_protocol_and_metric_only():
    """Shuffled images of one model say nothing about another."""
    rows = [
        row("control:random"),
        row("control:shuffled-images(m)"),
        row("control:shuffled-images(other)"),
        row("control:random", protocol="knn"),
        row("control:random", metric="auroc"),
        row("control:random", subgroup="sex=F"),
        row("other"),
    ]
    assert controls_of(row(), rows) == tuple(rows[:2])


def test_the_headline_of_a_binary_task_is_f1_and_else_the_first_stored_row():
    """A cell is never without headline while it has any row for all samples."""
    rows = [row(metric="macro_f1"), row(metric="f1"), row(metric="f1", class_name="a")]
    assert headline_of("classification", rows) is rows[1]
    few_shot = [row(metric="f1[1 shots]", subgroup="sex=F"), row(metric="f1[1 shots]")]
    assert headline_of("classification", few_shot) is few_shot[1]
    assert headline_of("classification", []) is None


def test_heat_runs_from_the_strongest_control_to_the_best_model():
    """Colour is a share of that distance; a value that does not clear gets none."""
    made = entries(
        (),
        [
            row("best", value=0.9, low=0.85, high=0.95),
            row("middle", value=0.7, low=0.65, high=0.75),
            row("weak", value=0.52, low=0.4, high=0.6),
            row("undefined", value=NAN, low=NAN, high=NAN),
            row("control:majority", value=0.3, low=0.2, high=0.4),
            row("control:random", value=0.5, low=0.45, high=0.55),
        ],
    )
    heat = {entry.cell.model: entry.heat for entry in made}
    assert heat["best"] == 1.0
    assert heat["middle"] == pytest.approx(0.5)
    assert heat["weak"] == 0.0
    assert math.isnan(heat["undefined"])
    assert math.isnan(heat["control:random"])


def test_models_come_before_controls_and_tasks_in_the_order_of_the_contract():
    """The order of every table is fixed."""
    made = entries(
        (), [row("control:a"), row("z", task="retrieval"), row("z"), row("a", task="unheard-of")]
    )
    order = [(entry.cell.task, entry.cell.model) for entry in made]
    assert order == [
        ("classification", "z"),
        ("classification", "control:a"),
        ("retrieval", "z"),
        ("unheard-of", "a"),
    ]


def test_every_outcome_is_an_entry_and_every_gap_of_the_grid_is_named():
    """No cell can vanish: n/a, failed, done without rows, and pairs that nothing was tried for."""
    cells = [Cell(m, "d", t, "p") for m, t in (("a", "vqa"), ("b", "vqa"), ("c", "retrieval"))]
    outcomes = (
        NotApplicable(cells[0], "f", "why"),
        Failed(cells[1], "f", "boom"),
        Done(cells[2], "f", "card", 3),
    )
    made = entries(outcomes, ())
    assert {(e.cell.model, e.status, e.note) for e in made} == {
        ("a", "n/a", "why"),
        ("b", "failed", "boom"),
        ("c", "done", "no metric was computed"),
    }
    (matrix, empty) = matrices(made, models=["a", "b", "c", "never"], datasets=["d", "other"])
    assert matrix.places["never", "vqa"][0].status == "not run"
    assert matrix.places["a", "retrieval"][0].status == "not run"
    assert len(matrix.places) == 4 * 2
    assert {entry.status for (entry,) in empty.places.values()} == {"not run"}
    assert outcome_counts(outcomes) == {"done": 1, "n/a": 1, "failed": 1}


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.just(math.nan), st.floats(-1e300, 1e300)))
def test_undefined_is_never_shown_as_a_number(value):
    """NaN reads n/a; a number reads as itself to the digits shown."""
    text = text_of(value)
    if math.isnan(value):
        assert text == "n/a"
    else:
        assert float(text) == pytest.approx(value, rel=1e-3, abs=5e-4)


def test_half_an_interval_is_no_interval():
    """An interval with an undefined end is left out."""
    assert interval_text(Estimate("f1", 0.5, 0.4, NAN)) == ""
    assert interval_text(Estimate("f1", 0.5, 0.4, 0.6)) == "[0.400, 0.600]"


def test_an_undefined_row_is_no_headline_while_another_has_a_value():
    """NaN of the first choice gives way to a value; with nothing else it stays."""
    undefined, other = row(metric="f1", value=NAN), row(metric="macro_f1")
    assert headline_of("classification", [undefined, other]) is other
    by_class = row(metric="f1", class_name="a")
    assert headline_of("classification", [undefined, by_class]) is undefined
    later = row(metric="anything")
    assert headline_of("classification", [undefined, later]) is later
    assert headline_of("segmentation", [by_class]) is by_class


@pytest.mark.parametrize("prefix", ["", "macro_"])
def test_few_shot_is_shown_with_the_most_shots_that_have_a_value(prefix):
    """Whatever the order and the numbers of shots, headline and companion have the same shots."""
    names = [f"{prefix}{metric}[{k}-shot]" for k in (1, 16, 4) for metric in ("auroc", "f1")]
    rows = [row(metric=name, value=NAN if "16" in name else 0.8) for name in names]
    (entry,) = entries((), rows)
    assert entry.headline.estimate.metric == f"{prefix}f1[4-shot]"
    assert entry.companion.estimate.metric == f"{prefix}auroc[4-shot]"
    assert headline_of("classification", [row(metric="f1[5-shot]")]).estimate.value == 0.8


def test_a_failed_control_takes_the_verdict_away():
    """“Clears every control” is not said while one of them has no number; others are untouched."""
    good, bar = row("m"), row("control:random", value=0.5, low=0.4, high=0.6)
    failed = Cell("control:shuffled-images(m)", "d", "classification", "zero-shot")
    outcomes = [Done(good.cell, "f", "card", 1), Failed(failed, "f", "out of memory")]
    found = {e.cell.model: e for e in entries(outcomes, [good, bar, row("other")])}
    assert found["m"].clearance == "undefined"
    assert "control:shuffled-images(m)" in found["m"].note
    assert found["other"].clearance == "clears"
