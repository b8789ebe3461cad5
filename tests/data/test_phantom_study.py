"""Truths of one synthetic patient: projection, boxes, labels and words."""

from itertools import chain

import numpy as np
import pytest

from vesalius.data.phantom import Study, make_patient
from vesalius.data.phantom_plan import (
    KINDS,
    Finding,
    PatientPlan,
    StudyPlan,
    plan_patient,
    split_of,
    stream,
)
from vesalius.data.phantom_project import (
    WATER_PER_MM,
    attenuation,
    optical_depth,
    project_labels,
    project_mask,
)
from vesalius.data.phantom_questions import write_questions
from vesalius.data.phantom_shapes import SPACING_MM
from vesalius.data.phantom_study import STRUCTURES, make_study, tight_box
from vesalius.data.phantom_text import write_report

SEED = 3


@pytest.fixture(scope="module")
def studies() -> list[Study]:
    """Every study of the first patients of one cohort."""
    return list(chain.from_iterable(make_patient(SEED, index) for index in range(14)))


def plans(n: int) -> list[PatientPlan]:
    """Plans are cheap: no voxel is drawn."""
    return [plan_patient(SEED, index) for index in range(n)]


def test_same_seed_and_index_give_the_same_patient() -> None:
    """Determinism: two calls agree in every voxel, pixel and word."""
    first, second = make_patient(SEED, 5)[-1], make_patient(SEED, 5)[-1]
    assert np.array_equal(first.hu, second.hu)
    assert np.array_equal(first.radiograph, second.radiograph)
    assert (first.report, first.questions, first.phrases) == (
        second.report,
        second.questions,
        second.phrases,
    )


def test_seeds_and_indices_differ() -> None:
    """Neither argument is ignored."""
    base = make_patient(SEED, 5)[-1]
    assert not np.array_equal(base.hu, make_patient(SEED, 6)[-1].hu)
    assert not np.array_equal(base.hu, make_patient(SEED + 1, 5)[-1].hu)


def test_beer_lambert_by_hand() -> None:
    """A slab of 100 mm water and 20 mm of bone-like 1000 HU lets exp(-(100 + 40) μ) through."""
    slab = np.full((2, 12, 3), -1000.0)
    slab[0, :10] = 0.0
    slab[0, 10:] = 1000.0
    depth = optical_depth(slab, spacing_mm=10.0)
    assert depth.shape == (3, 2)
    assert depth[:, 1] == pytest.approx(WATER_PER_MM * (100 + 2 * 20))  # x = 0 is the last column
    assert depth[:, 0] == pytest.approx(0.0)
    assert np.exp(-depth[0, 1]) == pytest.approx(np.exp(-2.73), rel=1e-5)


def test_attenuation_is_never_negative() -> None:
    """Values below vacuum, which scanners store outside the bore, do not add photons."""
    assert attenuation(np.array([[[-2000.0, -1000.0, 0.0]]])).min() == 0.0


def test_patient_right_is_on_the_image_left() -> None:
    """Radiological orientation, and the head on top."""
    volume = np.zeros((96, 96, 96), bool)
    volume[-1, 10, -1] = True  # far right, highest
    seen = project_mask(volume)
    assert tight_box(seen) == (0, 0, 3, 3)


def test_label_map_of_radiograph_is_the_projection(studies: list[Study]) -> None:
    """Each pixel shows the highest label along its ray, checked ray by ray."""
    study = studies[0]
    rng = np.random.default_rng(0)
    for row, col in rng.integers(0, 256, (200, 2)):
        x, z = 95 - (2 * col + 1) * 96 // 512, 95 - (2 * row + 1) * 96 // 512
        assert study.labels_2d[row, col] == study.labels[x, :, z].max()
    assert np.array_equal(study.labels_2d, project_labels(study.labels))


def test_boxes_are_tight(studies: list[Study]) -> None:
    """Every border row and column of a box is touched; nothing lies outside."""
    for study in studies:
        for truth in study.truths:
            x0, y0, x1, y1 = truth.box
            flat = project_mask(truth.mask)
            inner = flat[y0:y1, x0:x1]
            assert inner.sum() == flat.sum() > 0
            assert all(edge.any() for edge in (inner[0], inner[-1], inner[:, 0], inner[:, -1]))
            x0, y0, x1, y1, z0, z1 = truth.box_3d
            assert truth.mask[x0:x1, y0:y1, z0:z1].sum() == truth.mask.sum() > 0


def test_labels_match_masks(studies: list[Study]) -> None:
    """A kind is a label exactly when it has voxels; the heart is judged by its measured ratio."""
    for study in studies:
        present = set(np.unique(study.labels))
        for kind in KINDS:
            if kind == "cardiomegaly":
                assert (study.cardiothoracic_ratio > 0.5) == (kind in study.plan.labels)
                assert abs(study.cardiothoracic_ratio - 0.5) > 0.01
            else:
                assert (STRUCTURES[kind] in present) == (kind in study.plan.labels)


def test_findings_lie_on_their_side(studies: list[Study]) -> None:
    """The named side is the patient's: right means x above the middle, left of the image."""
    for study in studies:
        for truth in study.truths:
            x0, _, x1, _ = truth.box
            if truth.finding.side == "right":
                assert x1 <= 131
            elif truth.finding.side == "left":
                assert x0 >= 125


def test_masks_hold_what_they_say(studies: list[Study]) -> None:
    """Pleural air is darker than lung, fluid and nodules are denser than lung."""
    means = {
        truth.finding.kind: float(study.hu[truth.mask].mean())
        for study in studies
        for truth in study.truths
    }
    assert means["pneumothorax"] < -850
    assert -120 < means["effusion"] < 40
    assert means["nodule"] > -150


def test_radiograph_fills_the_grey_range(studies: list[Study]) -> None:
    """Displayed values are finite and span [0, 1]; lungs are darker than the heart."""
    for study in studies:
        grey = study.radiograph
        assert (grey.min(), grey.max()) == (0.0, 1.0)
        lung = grey[study.labels_2d == STRUCTURES["lung"]].mean()
        assert lung < grey[study.labels_2d == STRUCTURES["heart"]].mean()


def test_radiograph_follows_the_volume(studies: list[Study]) -> None:
    """The picture is made of this volume: it correlates with its optical depth."""
    study = studies[3]
    depth = optical_depth(study.hu, spacing_mm=SPACING_MM)
    middle = (np.arange(96) * 2 + 1) * 256 // 192  # pixels at the voxel centres
    small = study.radiograph[np.ix_(middle, middle)]
    inner = np.s_[10:86, 20:76]
    agreement = np.corrcoef(small[inner].ravel(), depth[inner].ravel())[0, 1]
    assert agreement > 0.8


def test_every_twenty_patients_are_split_alike() -> None:
    """60/15/25 % in every block, in an order that depends on the seed."""
    block = [split_of(SEED, index) for index in range(20)]
    assert [block.count(split) for split in ("train", "val", "test")] == [12, 3, 5]
    assert block != [split_of(SEED + 1, index) for index in range(20)]


def test_planted_correlations_are_there() -> None:
    """Cardiomegaly with age and effusion with the coast site, as documented."""
    rows = [(p.age >= 60, p.site, p.studies[-1].labels) for p in plans(3000)]
    heart = {
        old: np.mean([("cardiomegaly" in k) for o, _, k in rows if o is old])
        for old in (True, False)
    }
    fluid = {
        c: np.mean([("effusion" in k) for _, s, k in rows if (s == "coast") is c])
        for c in (True, False)
    }
    assert heart[True] == pytest.approx(0.38, abs=0.04)
    assert heart[False] == pytest.approx(0.12, abs=0.03)
    assert fluid[True] == pytest.approx(0.48, abs=0.05)
    assert fluid[False] == pytest.approx(0.16, abs=0.03)


def test_visible_combinations_only() -> None:
    """A side with a pneumothorax has nothing else; no lower-zone patch hides in fluid."""
    for plan in plans(600):
        for study in plan.studies:
            air = {f.side for f in study.findings if f.kind == "pneumothorax"}
            wet = {f.side for f in study.findings if f.kind == "effusion"}
            for finding in study.findings:
                if finding.kind in ("nodule", "consolidation", "effusion"):
                    assert finding.side not in air
                assert not (finding.zone == "lower" and finding.side in wet)


def test_changes_between_visits_are_true() -> None:
    """New, unchanged and resolved follow from the two lists of labels."""
    seen = set()
    for plan in plans(300):
        if len(plan.studies) == 2:
            before, now = (set(study.labels) for study in plan.studies)
            for kind, change in plan.studies[1].changes:
                assert (kind in before, kind in now) == {
                    "new": (False, True),
                    "unchanged": (True, True),
                    "resolved": (True, False),
                }[change]
                seen.add(change)
    assert seen == {"new", "unchanged", "resolved"}


def test_reports_say_what_is_there() -> None:
    """Names a side for each lateral finding, and denies no finding that is present."""
    denials = {
        "nodule": ("No nodule", "No lung nodule", "No pulmonary nodule"),
        "effusion": ("No effusion", "No pleural effusion", "angles are sharp", "no pleural fluid"),
        "pneumothorax": ("o pneumothorax", "No pleural air"),
        "cardiomegaly": ("heart size is normal", "No cardiomegaly", "not enlarged"),
        "consolidation": ("No consolidation", "No airspace", "no focal", "clear of"),
    }
    for plan in plans(300):
        for study in plan.studies:
            report = write_report(plan, study, stream(SEED, plan.index, 99))
            for finding in study.findings:
                if finding.kind != "cardiomegaly":
                    assert finding.side in report.lower()
                assert not any(text in report for text in denials[finding.kind]), report


def test_yes_answers_are_true_and_both_answers_occur() -> None:
    """Closed presence questions follow the labels, side by side with open ones."""
    answers = []
    words = {"nodule": "nodule", "consolidation": "consolidation", "effusion": "effusion"}
    for plan in plans(200):
        study = plan.studies[-1]
        for question in write_questions(study, stream(SEED, plan.index, 98)):
            assert question.answer == question.answers[0]
            assert question.answer in (question.choices or (question.answer,))
            for kind, word in words.items():
                if question.question_type == "presence" and word in question.question:
                    assert (question.answer == "yes") == (kind in study.labels)
                    answers.append(question.answer)
    assert 0.3 < answers.count("yes") / len(answers) < 0.7


def test_absent_phrases_are_absent(studies: list[Study]) -> None:
    """A phrase without box names no finding of the study, one with a box does."""
    for study in studies:
        for phrase in study.phrases:
            kind = phrase.phrase.rpartition(" ")[2]
            assert kind in {"nodule", "consolidation", "effusion", "pneumothorax"}
            assert (phrase.box is not None) == (kind in study.plan.labels)


def test_phrases_do_not_tell_where(studies: list[Study]) -> None:
    """Neither by a side or zone, nor by naming what has only one place."""
    words = {word for study in studies for p in study.phrases for word in p.phrase.split()}
    assert words <= {"nodule", "consolidation", "pleural", "effusion", "pneumothorax"}


def test_two_effusions_share_a_phrase() -> None:
    """A bilateral effusion is one phrase with two boxes."""
    both = tuple(Finding("effusion", side, "base", 0.5) for side in ("right", "left"))
    patient = plan_patient(SEED, 0)
    study = make_study(patient, StudyPlan("x", 0, both))
    boxes = [p.box for p in study.phrases if p.phrase == "pleural effusion"]
    assert len(boxes) == 2
    assert boxes[0] != boxes[1]


def test_heart_size_does_not_move_the_rest_of_the_patient() -> None:
    """Two visits of a patient share their anatomy: same chest wall, other findings."""
    patient = plan_patient(SEED, 0)
    calm = make_study(patient, StudyPlan("a", 0, ()))
    ill = make_study(patient, StudyPlan("b", 1, (Finding("nodule", "left", "mid", 0.5),)))
    assert (calm.hu != ill.hu).mean() < 0.01
    assert calm.cardiothoracic_ratio == ill.cardiothoracic_ratio


def test_unchanged_findings_stay_where_they_were() -> None:
    """What became of other findings, or of the heart, moves nothing that is called unchanged."""
    compared = 0
    for index in (2, 82, 89, 96, 258):  # other findings came or went, in 82 and 96 the heart grew
        before, now = (
            {
                (truth.finding.kind, truth.finding.side): truth.mask
                for truth in study.truths
                if truth.finding.kind in ("nodule", "effusion", "pneumothorax")
            }
            for study in make_patient(SEED, index)
        )
        for key in before.keys() & now.keys():
            overlap = (before[key] & now[key]).sum() / (before[key] | now[key]).sum()
            assert overlap > 0.95, (index, key)
            compared += 1
    assert compared >= 5
