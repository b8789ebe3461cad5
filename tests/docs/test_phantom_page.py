"""The page about the synthetic cohort: its numbers are those of the functions it names."""

import re
from pathlib import Path

import pytest

from vesalius.data import phantom_outcomes as planted
from vesalius.data.phantom_outcomes import INPUTS, TARGETS, best_auroc, best_shapley
from vesalius.data.phantom_plan import plan_patient

PAGE = (Path(__file__).parents[2] / "docs" / "phantom.md").read_text(encoding="utf-8")
SHARE = float(re.findall(r"for a share of E of ([\d.]+)", PAGE)[0])


def table(first: str) -> list[dict[str, str]]:
    """Rows of the one table whose first column is called so."""
    lines = PAGE.split(f"| {first} |")[1].split("\n\n")[0].splitlines()
    names = [first, *(name.strip() for name in lines[0].strip("|").split("|"))]
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines[2:]]
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_best_scores_are_those_of_the_function() -> None:
    """Every subset of inputs of every target, to the third decimal."""
    rows = table("target")
    assert tuple(row["target"] for row in rows) == TARGETS
    for row in rows:
        shown = {column: text for column, text in row.items() if re.fullmatch(r"\d\.\d+", text)}
        assert len(shown) == 7
        for column, text in shown.items():
            known = INPUTS if column == "all" else column.split(" + ")
            best = best_auroc(row["target"], known, p_e=SHARE)
            assert float(text) == pytest.approx(best, abs=0.00051), (row["target"], column)


def test_contributions_are_those_of_the_function() -> None:
    """Shapley values of every target."""
    rows = table("Shapley value")
    assert tuple(row["Shapley value"] for row in rows) == TARGETS
    for row in rows:
        values = best_shapley(row["Shapley value"], p_e=SHARE)
        shown = {name: float(row[name]) for name in INPUTS}
        assert shown == pytest.approx(values, abs=0.00051)


def test_constants_are_those_of_the_cohort() -> None:
    """Share of E, cut, medians, weights and flips."""
    plans = [plan_patient(0, index) for index in range(3000)]
    shown = [
        planted.facts_of(patient, study).image for patient in plans for study in patient.studies
    ]
    assert sum(shown) / len(shown) == pytest.approx(SHARE, abs=0.02)
    words = " ".join(PAGE.split())
    assert f"{SHARE} over all studies" in words
    assert f"above {planted.BNP_CUT_PG_ML} exactly" in words
    low, high = planted.BNP_MEDIAN_PG_ML.values()
    assert f"about {low:.0f} or {high:.0f} pg/ml" in words
    image, history, third = planted.THREE_WEIGHTS
    assert image == history == planted.SUM_WEIGHT
    assert f"(E and F {image}, T {third})" in words
    assert f"save for {planted.FLIPPED_SHARE * 100:.0f} %" in words
