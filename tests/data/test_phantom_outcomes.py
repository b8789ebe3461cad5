"""Planted outcomes: facts that depend on nothing, targets that follow them, exact best scores."""

import csv
import hashlib
import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata

from vesalius.data.manifest import load_dataset
from vesalius.data.phantom import make_patient, write_phantom
from vesalius.data.phantom_outcomes import (
    BNP_CUT_PG_ML,
    FLIPPED_SHARE,
    INPUTS,
    OPENINGS,
    OUTCOME_COLUMNS,
    REASONS,
    SYMPTOM,
    TARGETS,
    Facts,
    best_auroc,
    best_shapley,
    chance_of_yes,
    facts_of,
    outcome_columns,
)
from vesalius.data.phantom_plan import KINDS, PatientPlan, StudyPlan, plan_patient, stream
from vesalius.data.phantom_text import write_report
from vesalius.errors import InputError
from vesalius.fusion.shapley import shapley_weights, subsets

SEED = 4
N_PATIENTS = 5000
SUBSETS = [chosen for size in range(4) for chosen in combinations(INPUTS, size)]
Planned = list[tuple[PatientPlan, StudyPlan, Facts, dict[str, object]]]


@pytest.fixture(scope="module")
def planned() -> Planned:
    """Every study of many patients, with its facts and cells; no voxel is drawn."""
    patients = [plan_patient(SEED, index) for index in range(N_PATIENTS)]
    return [(p, s, facts_of(p, s), outcome_columns(p, s)) for p in patients for s in p.studies]


def test_facts_depend_on_nothing(planned: Planned) -> None:
    """History, table and bed are independent of findings, person, site and of each other."""
    facts = {name: [getattr(f, name) for _, _, f, _ in planned] for name in INPUTS}
    others: dict[str, list[float]] = {kind: [kind in s.labels for _, s, _, _ in planned]
                                      for kind in KINDS}  # fmt: skip
    others |= {
        "age": [p.age for p, _, _, _ in planned],
        "sex": [p.sex == "F" for p, _, _, _ in planned],
        "coast": [p.site == "coast" for p, _, _, _ in planned],
        "visit": [s.visit for _, s, _, _ in planned],
        "bed": [float(str(cells["bed"])) for _, _, _, cells in planned],
    }
    most = 4 / math.sqrt(len(planned))
    for name in ("history", "table"):
        assert np.mean(facts[name]) == pytest.approx(0.5, abs=most / 2)
        for other, values in (others | facts).items():
            if other != name:
                assert abs(np.corrcoef(facts[name], values)[0, 1]) < most, (name, other)
    for other, values in (others | facts).items():
        if other != "bed":
            assert abs(np.corrcoef(others["bed"], values)[0, 1]) < most, other


def test_the_image_shows_its_fact_about_half_the_time(planned: Planned) -> None:
    """So that no other input gives planted_product away; and the fact is what labels say."""
    assert np.mean([f.image for _, _, f, _ in planned]) == pytest.approx(0.5, abs=0.03)
    for _, study, facts, _ in planned[:500]:
        seen = {"effusion", "pneumothorax", "cardiomegaly"} & set(study.labels)
        assert facts.image == bool(seen)


def test_cells_tell_their_facts(planned: Planned) -> None:
    """The sentence holds one wording of its own side, the number lies on its side of the cut."""
    for _, _, facts, cells in planned:
        said = {k for k, words in SYMPTOM.items() if any(str(cells["history"]).endswith(f", {w}.")
                                                         for w in words)}  # fmt: skip
        assert said == {facts.history}
        assert (int(str(cells["bnp_pg_ml"])) > BNP_CUT_PG_ML) == facts.table
        assert list(cells) == list(OUTCOME_COLUMNS)
    assert len({cells["history"] for *_, cells in planned}) == len(OPENINGS) * len(REASONS) * 6


def test_laboratory_values_are_plausible(planned: Planned) -> None:
    """Log-normal about 60 and 900 pg/ml, whole numbers, a wide gap between the two."""
    for is_high, median in ((False, 60), (True, 900)):
        values = np.array(
            [int(str(c["bnp_pg_ml"])) for _, _, f, c in planned if f.table == is_high]
        )
        assert np.median(values) == pytest.approx(median, rel=0.05)
        assert np.log(values).std() == pytest.approx(0.35, abs=0.02)
        assert median / 3 < values.min() < values.max() < median * 3


def test_targets_follow_their_facts(planned: Planned) -> None:
    """In each of the eight cases the share of yes is the stated chance."""
    for target in TARGETS:
        for case in {facts for _, _, facts, _ in planned}:
            said = [cells[target] == "yes" for _, _, facts, cells in planned if facts == case]
            chance = chance_of_yes(target, case)
            error = math.sqrt(chance * (1 - chance) / len(said))
            assert abs(np.mean(said) - chance) <= 4.5 * error, (target, case)


def test_flips_come_at_the_stated_rate(planned: Planned) -> None:
    """The product disagrees with image xor history in 5 of 100 studies."""
    flipped = [(cells["planted_product"] == "yes") != (f.image != f.history)
               for _, _, f, cells in planned]  # fmt: skip
    error = math.sqrt(FLIPPED_SHARE * (1 - FLIPPED_SHARE) / len(flipped))
    assert np.mean(flipped) == pytest.approx(0.05, abs=4 * error)


def test_no_report_speaks_of_the_symptom() -> None:
    """The history alone tells it, and the history names nothing that the image shows."""
    words = ("flat", "lying", "orthopn", "pillow", "gasp", "breathless")
    for index in range(500):
        patient = plan_patient(SEED, index)
        for study in patient.studies:
            report = write_report(patient, study, stream(SEED, index, 97)).lower()
            assert not any(word in report for word in words), report
            history = str(outcome_columns(patient, study)["history"]).lower()
            assert not any(kind in history for kind in (*KINDS, "heart", "fluid", "opacity"))


def test_the_same_study_has_the_same_outcomes() -> None:
    """Nothing but seed, patient and visit decides."""
    patient = next(p for p in (plan_patient(SEED, i) for i in range(50)) if p.studies[1:])
    first, second = (outcome_columns(patient, study) for study in patient.studies)
    assert first == outcome_columns(patient, patient.studies[0])
    assert first != second
    other = plan_patient(SEED + 1, patient.index)
    assert first != outcome_columns(other, other.studies[0])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("p_e", [0.5, 0.3])
def test_best_auroc_is_what_many_draws_give(target: str, p_e: float) -> None:
    """Enumeration against 200,000 drawn rows, whose score is the share of yes among its likes."""
    rng = np.random.default_rng(0)
    n = 200_000
    drawn = np.stack([rng.random(n) < p for p in (p_e, 0.5, 0.5)], axis=1)
    codes = drawn @ [4, 2, 1]
    chances = np.array(
        [chance_of_yes(target, Facts(bool(c & 4), bool(c & 2), bool(c & 1))) for c in range(8)]
    )
    yes = rng.random(n) < chances[codes]
    for known in SUBSETS:
        group = drawn @ [w * (name in known) for w, name in zip((4, 2, 1), INPUTS, strict=True)]
        shares = np.bincount(group, yes, minlength=8) / np.maximum(
            np.bincount(group, minlength=8), 1
        )
        ranks = rankdata(shares[group])
        n_yes = yes.sum()
        area = (ranks[yes].sum() - n_yes * (n_yes + 1) / 2) / (n_yes * (n - n_yes))
        assert best_auroc(target, known, p_e=p_e) == pytest.approx(area, abs=0.005), known


def test_best_auroc_by_hand() -> None:
    """A two-valued score has area 1/2 + (true - false positive rate)/2."""
    # image alone: yes in (0.9526 + 0.5) / 2 = 0.7263 of rows with the fact, 0.2737 without
    assert best_auroc("planted_sum", ["image"], p_e=0.5) == pytest.approx(0.72629, abs=1e-5)
    # history alone, 6 of 10 images show it: yes in 0.6*0.95 + 0.4*0.05 = 0.59 without the symptom
    assert best_auroc("planted_product", ["history"], p_e=0.6) == pytest.approx(0.59)
    assert best_auroc("planted_product", ["image"], p_e=0.6) == pytest.approx(0.5)
    assert best_auroc("planted_product", INPUTS, p_e=0.6) == pytest.approx(0.95)
    assert best_auroc("planted_image", ["image", "table"], p_e=0.2) == 1.0
    assert all(best_auroc(target, (), p_e=0.4) == 0.5 for target in TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_known_never_hurts(target: str) -> None:
    """The best area grows with the inputs, and only with those that the target depends on."""
    for known in SUBSETS:
        for name in INPUTS:
            more = best_auroc(target, {*known, name}, p_e=0.45)
            assert more >= best_auroc(target, known, p_e=0.45) - 1e-12
            if name == "table" and target != "planted_three":
                assert more == pytest.approx(best_auroc(target, known, p_e=0.45))


@pytest.mark.parametrize("target", TARGETS)
def test_shapley_values_are_those_of_the_study(target: str) -> None:
    """Orders of joining and the weights of subsets that the fusion study uses give one answer."""
    values = best_shapley(target, p_e=0.42)
    for name in INPUTS:
        weights = shapley_weights(INPUTS, name)
        wanted = sum(weights[s] * best_auroc(target, s, p_e=0.42) for s in subsets(INPUTS))
        assert values[name] == pytest.approx(wanted, abs=1e-12)
    assert sum(values.values()) == pytest.approx(best_auroc(target, INPUTS, p_e=0.42) - 0.5)


def test_a_target_of_one_class_has_no_area() -> None:
    """Undefined is NaN, not a half."""
    assert math.isnan(best_auroc("planted_image", INPUTS, p_e=1.0))
    assert math.isnan(best_shapley("planted_image", p_e=0.0)["image"])
    assert best_auroc("planted_product", ["history"], p_e=1.0) == pytest.approx(0.95)


def test_unknown_names_are_refused() -> None:
    """The message says what there is."""
    with pytest.raises(InputError, match=r"did you mean 'planted_sum'"):
        best_auroc("planted_sums", INPUTS, p_e=0.5)
    with pytest.raises(InputError, match=r"expected inputs among .*got \['text'\]"):
        best_auroc("planted_sum", ["text"], p_e=0.5)
    with pytest.raises(InputError, match=r"p_e=1\.5"):
        best_auroc("planted_sum", ["image"], p_e=1.5)


def rows_of(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file."""
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def short_hash(content: bytes) -> str:
    """First digits of a SHA-256."""
    return hashlib.sha256(content).hexdigest()[:16]


def test_nothing_else_changed_when_outcomes_were_added(tmp_path: Path) -> None:
    """Tables and older columns have the bytes that they had before there were any outcomes."""
    out = write_phantom(tmp_path / "c", n_patients=3, seed=2)
    before = {
        "questions.csv": "106c24e6d2ad7e83",
        "phrases.csv": "84af2bae8619ef14",
        "ct/phrases.csv": "d44fd262a031dba0",
        "samples.csv": "a3533ef133261cce",
        "ct/samples.csv": "bbae6f2e3e12522d",
    }
    new = {*OUTCOME_COLUMNS, "volume"}
    for name, digest in before.items():
        path = out / name
        if path.name == "samples.csv":
            rows = rows_of(path)
            kept = [column for column in rows[0] if column not in new]
            path = tmp_path / "kept.csv"
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, kept, extrasaction="ignore", lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
        assert short_hash(path.read_bytes()) == digest, name


def test_pixels_are_those_of_before() -> None:
    """Label maps to the voxel; grey levels to what another processor may round otherwise."""
    study = make_patient(2, 0)[0]
    assert short_hash(study.labels.tobytes()) == "05a070e4f179de57"
    assert short_hash(study.labels_2d.tobytes()) == "e7dcd113c6797b6b"
    greys = [
        183.86,
        126.84,
        241.25,
        143.25,
        184.49,
        5.49,
        184.28,
        65.2,
        227.6,
        79.72,
        202.35,
        85.17,
    ]
    assert study.radiograph[48:108:40, 48::40].ravel() * 255 == pytest.approx(greys, abs=0.1)


def test_a_cohort_loads_with_its_outcomes(tmp_path: Path) -> None:
    """Numbers of the card are floats, words and targets text, volumes name files that exist."""
    out = write_phantom(tmp_path / "c", n_patients=2, seed=SEED)
    flat, deep = load_dataset(out), load_dataset(out / "ct")
    assert not flat.problems + deep.problems
    for sample, same in zip(flat, deep, strict=True):
        patient = plan_patient(SEED, int(sample.id[1:6]))
        study = next(study for study in patient.studies if study.id == sample.id)
        cells = outcome_columns(patient, study)
        for column in OUTCOME_COLUMNS:
            assert sample.extra[column] == same.extra[column] == cells[column]
        volume = out / str(sample.extra["volume"])
        assert volume.resolve() == same.image
        assert "volume" not in same.extra
    for data in (flat, deep):
        assert data.card.tabular["bnp_pg_ml"] == data.card.tabular["bed"] == "numeric"
        assert not set(data.card.tabular) & {*TARGETS, "history", "volume"}
        assert data.card.subgroups == ("sex", "site")
