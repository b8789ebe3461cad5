"""The gap between the best and the worst subgroup: right, paired, and honest where undefined."""

import math

import numpy as np
import pytest

from vesalius.engine.gaps import GapOf
from vesalius.engine.scoring import score_cell
from vesalius.records import Cell, DatasetCard, Predictions, Resampling
from vesalius.stats import bootstrap_many, statistic
from vesalius.stats.row_functions import one_by_one
from vesalius.tasks import make_task

CARD = DatasetCard(
    "two sites", classes={"no": ("no",), "yes": ("yes",)}, positive="yes", subgroups=("site",)
)
SPLIT = Resampling(seed=1, n_resamples=200)
TASK = make_task("classification", "zero-shot")


def predictions(n_north=40, n_south=40, n_east=0, *, seed=0):
    """Every call is right in the north, a third of them is wrong in the south."""
    rng = np.random.default_rng(seed)
    sites = np.array(["north"] * n_north + ["south"] * n_south + ["east"] * n_east)
    n = len(sites)
    truth = np.arange(n) % 2 == 0
    wrong = (sites == "south") & (np.arange(n) % 3 == 0)
    score = np.clip(np.where(truth ^ wrong, 0.8, 0.2) + rng.normal(0, 0.01, n), 0, 1)
    ids = np.array([f"s{i:03d}" for i in range(n)])
    return Predictions(
        {
            "id": ids,
            "patient": ids,
            "split": np.full(n, "test"),
            "key": ids,
            "label": np.where(truth, "yes", "no"),
            "subgroup:site": sites,
            "score:no": 1 - score,
            "score:yes": score,
            "threshold": np.full(n, 0.5),
        }
    )


def rows_of(table, model="m"):
    """Metric rows by metric and subgroup."""
    cell = Cell(model, "two sites", "classification", "zero-shot")
    found = score_cell(cell, TASK, table, CARD, resampling=SPLIT)
    return {(r.estimate.metric, r.subgroup): r.estimate for r in found if not r.class_name}


def test_gap_is_best_minus_worst_group():
    """Of the two first metrics, from the very values that the subgroup rows show."""
    found = rows_of(predictions())
    for metric in ("f1", "precision"):
        gap = found[f"{metric}[gap]", "site"]
        north, south = (found[metric, f"site={name}"].value for name in ("north", "south"))
        assert north > south
        assert gap.value == pytest.approx(north - south)
        assert 0 < gap.low <= gap.value <= gap.high
        assert (gap.n, gap.n_patients, gap.higher_is_better) == (80, 80, False)
    assert sum("[gap]" in metric for metric, _ in found) == 2


def test_gap_of_three_groups_leaves_small_ones_out():
    """A group of 19 patients moves neither the gap nor its number of patients."""
    with_east, without = rows_of(predictions(n_east=19)), rows_of(predictions())
    assert with_east["f1[gap]", "site"].value == without["f1[gap]", "site"].value
    assert with_east["f1[gap]", "site"].n_patients == 80
    assert rows_of(predictions(n_east=20))["f1[gap]", "site"].n_patients == 100


def test_one_group_has_no_gap_and_says_why():
    """NaN with a reason, never 0."""
    gap = rows_of(predictions(n_south=19))["f1[gap]", "site"]
    assert math.isnan(gap.value)
    assert gap.reason == "1 of 2 groups have 20 patients; a gap needs two"


def test_controls_have_no_gap():
    """Subgroups are for models."""
    assert not any(subgroup for _, subgroup in rows_of(predictions(), "control:random"))


def test_batched_gap_is_the_definition_resample_by_resample():
    """Both forms agree on every resample, with and without an empty group in it."""
    rng = np.random.default_rng(2)
    truth, called = rng.random(30) < 0.5, rng.random(30) < 0.6
    groups = (np.arange(0, 12), np.arange(10, 22), np.arange(22, 30))
    gap = GapOf(statistic("accuracy", truth, called), groups)
    weights = rng.integers(0, 3, (40, 30)).astype(np.float32)
    weights[0, 22:] = 0
    batched = gap.batched(weights)
    np.testing.assert_allclose(batched, one_by_one(gap, weights), rtol=1e-6)
    assert np.isnan(batched[0])
    assert not np.isnan(batched[1:]).any()


def test_groups_of_the_same_rows_have_no_gap_in_any_resample():
    """Paired: the same patients are drawn for each group, so equal groups never differ."""
    truth, called = np.arange(50) % 2 == 0, np.arange(50) % 3 == 0
    gap = GapOf(statistic("f1", truth, called), (np.arange(50), np.arange(50)))
    (found,) = bootstrap_many({"gap": gap}, groups=np.arange(50), n_resamples=100).values()
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)
