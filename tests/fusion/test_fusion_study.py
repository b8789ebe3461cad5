"""The study reaches the conclusion that was planted, and fits nothing on test rows."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from planted import cohort

from vesalius.errors import InputError
from vesalius.fusion.closed_heads import Concat, LateAverage
from vesalius.fusion.cohort import Cohort, parts_of
from vesalius.fusion.goals import Classes
from vesalius.fusion.results import Row, Settings, Study
from vesalius.fusion.slots import Inputs, Labelled, Slot
from vesalius.fusion.study import fusion_study
from vesalius.fusion.trained_heads import BILINEAR, PRODUCT
from vesalius.metrics import auroc
from vesalius.records import Resampling

QUICK = Settings(seeds=(0, 1), resampling=Resampling(n_resamples=400))
CLOSED = {head.name: head for head in (Concat(), LateAverage())}


def row(study: Study, head: str, variant: str = "fused", slot: str = "") -> Row:
    return study.row(head, variant, slot)


def test_one_slot_that_suffices_gains_nothing_from_others() -> None:
    """Its contribution is all there is above chance."""
    study = fusion_study(cohort("one"), CLOSED, settings=QUICK)
    assert study.best_single == "a"
    for head in CLOSED:
        assert row(study, head).p_holm > 0.05 or row(study, head).difference.estimate.value < 0
    assert study.contributions["a"].value == pytest.approx(0.49, abs=0.03)
    assert abs(study.contributions["b"].value) < 0.03
    assert abs(study.contributions["noise"].value) < 0.03


def test_two_slots_that_add_up_gain_significantly_and_equally() -> None:
    """Breaking the pairs or leaving one out takes the gain away."""
    study = fusion_study(cohort("sum"), CLOSED, settings=QUICK)
    for head in CLOSED:
        fused = row(study, head)
        assert fused.difference.estimate.low > 0.1
        assert fused.p_holm < 0.05
        for variant in ("shuffled", "missing"):
            assert row(study, head, variant, "b").estimate.high < fused.estimate.low
            assert row(study, head, variant, "noise").estimate.value == pytest.approx(
                fused.estimate.value, abs=0.03
            )
    a, b, noise = (study.contributions[name] for name in ("a", "b", "noise"))
    assert min(a.low, b.low) > 0.15
    assert a.value == pytest.approx(b.value, abs=0.06)
    assert noise.low < 0.02
    whole = row(study, study.best_head).estimate.value
    assert a.value + b.value + noise.value == pytest.approx(whole - 0.5, abs=1e-12)


def test_what_only_the_product_tells_needs_a_head_that_multiplies() -> None:
    """Neither a single slot nor a linear head can tell an exclusive or."""
    study = fusion_study(cohort("xor"), {"concat": Concat(), "bilinear": BILINEAR}, settings=QUICK)
    singles = [r.estimate for r in study.rows if r.place.variant == "single"]
    assert all(one.low < 0.55 for one in singles)
    assert row(study, "concat").estimate.low < 0.55
    assert row(study, "bilinear").difference.estimate.low > 0
    assert row(study, "bilinear").p_holm < 0.05
    assert study.best_head == "bilinear"


def test_the_numbers_are_those_of_the_definition() -> None:
    """Mean area over seeds on test rows; the reference is the single slot best on val."""

    @dataclass(frozen=True)
    class Fixed:
        """A user's own head: an object with `fit`."""

        def fit(self, train: Labelled, val: Labelled, seed: int, /):
            """Answers by the first number of slot b, upside down for odd seeds."""
            sign = -1 if seed % 2 else 1

            def predict(inputs: Inputs, /) -> np.ndarray:
                shown = dict(zip(inputs.names, inputs.values, strict=True))
                column = shown["b"][:, 0] if "b" in shown else np.zeros(inputs.n_rows)
                p = 1 / (1 + np.exp(-sign * column))
                return np.stack([1 - p, p], axis=1)

            return predict

    data = cohort("sum")
    study = fusion_study(data, {"mine": Fixed()}, settings=QUICK)
    found = row(study, "mine")
    assert found.estimate.value == pytest.approx(0.5)  # one area and its opposite
    assert found.n_parameters == 0
    reference = row(study, study.best_single, "single", study.best_single)
    assert reference.difference is None
    assert found.difference.estimate.value == pytest.approx(0.5 - reference.estimate.value)
    assert found.estimate.n_patients == 250
    one = fusion_study(data, {"mine": Fixed()}, settings=replace(QUICK, seeds=(0,)))
    column = parts_of(data, width=64).test.values[1][:, 0]
    truth = data.goal.labels[data.split == "test"] == 1
    assert row(one, "mine").estimate.value == pytest.approx(auroc(truth, column))


def test_test_labels_change_scores_and_nothing_else() -> None:
    """What is chosen and fitted is the same with other answers of test rows."""
    data = cohort("sum")
    labels = np.where(data.split == "test", 1 - data.goal.labels, data.goal.labels)
    study, other = (
        fusion_study(one, CLOSED, settings=QUICK)
        for one in (data, replace(data, goal=replace(data.goal, labels=labels)))
    )
    assert (study.best_single, study.best_head) == (other.best_single, other.best_head)
    for mine, theirs in zip(study.rows, other.rows, strict=True):
        assert mine.estimate.value == pytest.approx(1 - theirs.estimate.value)


def test_the_same_seed_gives_the_same_study() -> None:
    """Also of trained heads."""
    data = cohort("sum")
    first, second = (fusion_study(data, {"product": PRODUCT}, settings=QUICK) for _ in range(2))
    assert [r.estimate for r in first.rows] == [r.estimate for r in second.rows]
    assert first.contributions == second.contributions


def test_a_declared_overlap_of_splits_is_no_error() -> None:
    """Official splits that share patients can be studied; nobody else's can."""
    data = replace(cohort("sum"), patients=np.array([f"p{i % 500}" for i in range(900)]))
    with pytest.raises(InputError, match="patients in more than one split: p0"):
        fusion_study(data, CLOSED, settings=QUICK)
    declared = replace(data, split_overlap="the authors split questions")
    assert row(fusion_study(declared, CLOSED, settings=QUICK), "concat").estimate.value > 0.9


def without(data: Cohort, **changes: object) -> Cohort:
    return replace(data, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slots": (Slot("a", np.zeros((900, 2))),)}, "two or more slots of different names"),
        (
            {"slots": (Slot("a", np.zeros((900, 2))), Slot("b", np.zeros((3, 2))))},
            r"one row for each of 900 answers, got \{'b': 3\}",
        ),
        (
            {"slots": (Slot("a", np.zeros((900, 2))), Slot("b", np.full((900, 2), np.inf)))},
            "slot 'b': expected finite numbers",
        ),
        ({"goal": Classes(np.zeros(900, np.int64), ("a", "b"))}, "train: expected rows of two cl"),
        ({"split": np.repeat(["train", "test"], 450)}, "val: expected rows of two classes"),
        ({"patients": np.array(["p"] * 900)}, "patients in more than one split: p"),
        (
            {"goal": replace(cohort("sum").goal, names=("only",))},
            "labels: expected indices of 1 classes",
        ),
    ],
)
def test_cohorts_that_cannot_be_studied_are_refused(
    changes: dict[str, object], message: str
) -> None:
    """By the slot, split or patient at fault."""
    with pytest.raises(InputError, match=message):
        fusion_study(without(cohort("sum"), **changes), CLOSED, settings=QUICK)
