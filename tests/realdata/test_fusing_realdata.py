"""Fusion studies on real radiographs, reports and tables, and on real questions."""

from pathlib import Path

import numpy as np
import pytest

import vesalius as vs
from vesalius.fusion.heads import HEADS
from vesalius.fusion.results import Settings
from vesalius.records import Resampling

QUICK = Settings(seeds=(0,), resampling=Resampling(n_resamples=300))
pytestmark = [pytest.mark.realdata, pytest.mark.xdist_group("fusing")]


def test_a_report_that_names_the_finding_leaves_nothing_to_add(
    shared_data: Path, tmp_path: Path
) -> None:
    """Image, caption and table of the NIH radiographs; captions are made of the labels."""
    features = ["mini:biomedclip:image", "mini:biomedclip:text", "tabular"]
    prepared = vs.fusion_cohort(shared_data / "nih-cxr", features, cache=tmp_path)
    assert len(prepared.keys) == 460
    assert not prepared.problems
    heads = {name: HEADS[name] for name in ("concat", "late-average", "gap-shift", "product")}
    study = vs.fusion_study(prepared.cohort, heads, settings=QUICK)
    assert study.best_single == "mini:biomedclip:text"
    best = study.row(study.best_single, "single", study.best_single)
    assert best.estimate.value > 0.95
    assert (best.estimate.n, best.estimate.n_patients) == (89, 65)
    for head in heads:
        assert study.row(head).estimate.value > 0.9
    told = study.contributions
    assert told["mini:biomedclip:text"].value > told["mini:biomedclip:image"].value
    whole = study.row(study.best_head).estimate.value
    assert sum(one.value for one in told.values()) == pytest.approx(whole - 0.5)


def test_real_questions_are_rows_of_a_study(shared_data: Path, tmp_path: Path) -> None:
    """VQA-RAD: image and question, closed questions, answers of train as classes."""
    features = ["mini:clip:image", "mini:clip:question"]
    prepared = vs.fusion_cohort(shared_data / "vqa-rad", features, task="vqa", cache=tmp_path)
    goal = prepared.cohort.goal
    assert goal.n_rows == 903
    assert {"yes", "no"} <= {name.lower() for name in goal.names}
    heads = {name: HEADS[name] for name in ("concat", "product")}
    study = vs.fusion_study(prepared.cohort, heads, settings=QUICK)
    assert 0.3 < study.floor.value < 0.8
    for row in study.rows:
        assert 0 <= row.estimate.low <= row.estimate.value <= row.estimate.high <= 1
    answered = goal.labels[prepared.cohort.split == "test"] >= 0
    assert np.mean(answered) > 0.8
