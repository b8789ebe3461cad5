"""The study finds what is planted in the synthetic cohort: who matters, how much, and joined how.

Histories go through the text encoder of a miniature and the table is the cohort's own. Images are
stood in for by noise around what they show, so that many patients cost nothing: what a miniature
sees in the drawn images is measured in docs/phantom.md.
"""

from functools import cache

import numpy as np
import pytest

from vesalius.catalog import load_model
from vesalius.data.phantom_outcomes import best_auroc, best_shapley, facts_of, outcome_columns
from vesalius.data.phantom_plan import KINDS, plan_patient
from vesalius.fusion.cohort import Cohort
from vesalius.fusion.goals import Classes
from vesalius.fusion.heads import HEADS
from vesalius.fusion.results import Settings, Study
from vesalius.fusion.slots import Slot
from vesalius.fusion.study import fusion_study
from vesalius.records import Resampling

N_PATIENTS = 1600
PLANNED = [(p, s) for p in (plan_patient(0, i) for i in range(N_PATIENTS)) for s in p.studies]
CELLS = [outcome_columns(patient, study) for patient, study in PLANNED]
SPLIT = np.array([patient.split for patient, _ in PLANNED])
LINEAR = ("concat", "late-average")
HEAD_NAMES = (*LINEAR, "low-rank-bilinear")


@cache
def slots() -> tuple[Slot, ...]:
    """Image, history, the laboratory value and a number that tells nothing."""
    rng = np.random.default_rng(0)
    shown = np.array([[kind in study.labels for kind in KINDS] for _, study in PLANNED])
    image = rng.normal(size=(len(PLANNED), 24))
    image[:, : len(KINDS)] += 6 * shown
    image[:, len(KINDS)] += 6 * np.array([facts_of(p, s).image for p, s in PLANNED])
    texts = [str(cells["history"]) for cells in CELLS]
    distinct = sorted(set(texts))
    rows = load_model("mini:clip").encode_texts(distinct)
    place = {text: i for i, text in enumerate(distinct)}
    numbers = np.array([[float(str(c["bnp_pg_ml"])), float(str(c["bed"]))] for c in CELLS])
    return (
        Slot("image", image @ np.linalg.qr(rng.normal(size=(24, 24)))[0]),
        Slot("history", rows[[place[text] for text in texts]]),
        Slot("table", np.log(numbers[:, :1]), own_units=True),
        Slot("bed", numbers[:, 1:], own_units=True),
    )


@cache
def study_of(target: str) -> Study:
    """A study of one planted outcome."""
    labels = np.array([cells[target] == "yes" for cells in CELLS]).astype(np.int64)
    patients = np.array([patient.patient for patient, _ in PLANNED])
    cohort = Cohort(slots(), Classes(labels, ("no", "yes")), patients, SPLIT)
    settings = Settings(seeds=(0, 1), dropout=0, resampling=Resampling(n_resamples=400))
    return fusion_study(cohort, {name: HEADS[name] for name in HEAD_NAMES}, settings=settings)


@cache
def share_shown() -> float:
    """Share of test rows whose image shows what counts."""
    return float(np.mean([facts_of(p, s).image for p, s in PLANNED if p.split == "test"]))


@pytest.mark.parametrize(
    "target", ["planted_image", "planted_sum", "planted_product", "planted_three"]
)
def test_contributions_are_those_that_are_planted(target: str) -> None:
    """Shapley values of an ideal reader, within what 500 test rows can tell; noise brings none."""
    found, planted = study_of(target).contributions, best_shapley(target, p_e=share_shown())
    for name, value in planted.items():
        assert found[name].value == pytest.approx(value, abs=0.05), name
    assert abs(found["bed"].value) < 0.04


def test_one_modality_suffices() -> None:
    """The image alone decides: nothing that is joined to it helps."""
    study = study_of("planted_image")
    assert study.best_single == "image"
    for head in HEAD_NAMES:
        row = study.row(head)
        assert row.difference.estimate.value < 0.01 or row.p_holm > 0.05


def test_two_modalities_add_up() -> None:
    """Each head that joins them is better than the best alone; without pairs it is not."""
    study, p_e = study_of("planted_sum"), share_shown()
    for head in HEAD_NAMES:
        row = study.row(head)
        assert row.p_holm < 0.05
        assert row.difference.estimate.low > 0.03
        assert study.row(head, "shuffled", "history").estimate.value < row.estimate.value - 0.05
    best = best_auroc("planted_sum", ("image", "history"), p_e=p_e)
    assert study.row("concat").estimate.value == pytest.approx(best, abs=0.05)


def test_what_only_a_product_tells_is_found_by_heads_that_multiply() -> None:
    """Linear heads are at chance, however many inputs they join."""
    study = study_of("planted_product")
    for head in LINEAR:
        assert study.row(head).estimate.value < 0.58
        assert study.row(head).p_holm > 0.05
    multiplied = study.row("low-rank-bilinear")
    assert multiplied.estimate.value > 0.85
    assert multiplied.p_holm < 0.05
    assert study.best_head == "low-rank-bilinear"
    for slot in ("image", "history"):
        assert study.row("low-rank-bilinear", "missing", slot).estimate.value < 0.65
    kept = study.row("low-rank-bilinear", "missing", "bed").estimate.value
    assert kept == pytest.approx(multiplied.estimate.value, abs=0.03)


def test_the_table_adds_a_known_amount() -> None:
    """The score of all inputs minus that without the table is what the plan says."""
    study, p_e = study_of("planted_three"), share_shown()
    known = [best_auroc("planted_three", k, p_e=p_e)
             for k in (("image", "history", "table"), ("image", "history"))]  # fmt: skip
    whole = study.row("concat").estimate.value
    without = study.row("concat", "missing", "table").estimate.value
    assert whole == pytest.approx(known[0], abs=0.05)
    assert whole - without == pytest.approx(known[0] - known[1], abs=0.04)
