"""The modality gap: what is moved, how far, and when there is nothing to move."""

from dataclasses import replace

import numpy as np
import pytest

from vesalius.errors import InputError
from vesalius.fusion.closed_heads import Concat
from vesalius.fusion.cohort import Cohort, Parts, parts_of
from vesalius.fusion.gap_head import GapShift, _space
from vesalius.fusion.goals import Classes
from vesalius.fusion.results import Settings
from vesalius.fusion.slots import Slot
from vesalius.fusion.study import fusion_study
from vesalius.metrics import auroc
from vesalius.records import Resampling

N = 400
SPLIT = np.repeat(["train", "val", "test"], [240, 60, 100])


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def gapped(*, space: str = "m") -> Cohort:
    """Image and text of one space point the same way, apart by a gap; each row has one of them."""
    rng = np.random.default_rng(0)
    content = rng.normal(size=(N, 6))
    gap = np.array([0, 0, 0, 0, 0, 8.0])
    image = unit(content + 0.3 * rng.normal(size=(N, 6)) + gap)
    text = unit(content + 0.3 * rng.normal(size=(N, 6)) - gap)
    has_image = rng.random(N) < 0.5
    image[~has_image], text[has_image] = np.nan, np.nan
    return Cohort(
        slots=(
            Slot("image", image, space),
            Slot("text", text, space),
            Slot("noise", rng.normal(size=(N, 2))),
        ),
        goal=Classes((content[:, 0] > 0).astype(np.int64), ("no", "yes")),
        patients=np.array([f"p{i}" for i in range(N)]),
        split=SPLIT,
    )


@pytest.fixture(scope="module")
def parts() -> Parts:
    return parts_of(gapped(), width=6)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_averages_are_those_of_moved_unit_rows(strength: float, parts: Parts) -> None:
    """By the definition, in the space itself."""
    space = _space(parts.train.inputs, "m", width=6)
    image, text = (c.raw[c.present] for c in parts.train.inputs.channels[:2])
    middle = (image.mean(axis=0) + text.mean(axis=0)) / 2
    np.testing.assert_allclose(space.gaps["image"], image.mean(axis=0) - middle)
    moved = unit(image - strength * (image.mean(axis=0) - middle)) @ space.axes.T
    there = parts.train.inputs.channels[0].present
    found = space.average(parts.train.inputs, strength)
    np.testing.assert_allclose(found[there], moved, atol=1e-12)


def test_rows_with_both_slots_are_the_mean() -> None:
    """Of the two moved rows."""
    data = gapped()
    image = np.nan_to_num(data.slots[0].values, nan=1 / np.sqrt(6))
    whole = replace(data, slots=(replace(data.slots[0], values=image), *data.slots[1:]))
    inputs = parts_of(whole, width=6).train.inputs
    space = _space(inputs, "m", width=6)
    alone = [space.average(inputs.only((name, "noise")), 0.5) for name in ("image", "text")]
    both = inputs.channels[1].present
    together = space.average(inputs, 0.5)
    np.testing.assert_allclose(together[both], (alone[0] + alone[1])[both] / 2, atol=1e-12)
    np.testing.assert_allclose(together[~both], alone[0][~both], atol=1e-12)


def test_closing_the_gap_helps_where_each_row_has_one_modality(parts: Parts) -> None:
    """One map then reads both; λ is chosen on val."""
    data = gapped()
    truth = data.goal.labels[data.split == "test"] == 1
    chosen = GapShift().fit(parts.train, parts.val, 0)
    left = GapShift(lambdas=(0.0,)).fit(parts.train, parts.val, 0)
    assert chosen.strength > 0
    assert auroc(truth, chosen(parts.test)[:, 1]) > auroc(truth, left(parts.test)[:, 1])
    assert chosen.n_parameters > 0
    nothing = parts.test.without("image").without("text").without("noise")
    assert np.ptp(chosen(nothing), axis=0).max() < 1e-9


def test_slots_of_different_spaces_are_not_joined_so() -> None:
    """The study says why instead of a number, and goes on with other heads."""
    quick = Settings(seeds=(0,), dropout=0, resampling=Resampling(n_resamples=50))
    heads = {"gap-shift": GapShift(), "concat": Concat()}
    study = fusion_study(gapped(space=""), heads, settings=quick)
    row = study.row("gap-shift")
    assert np.isnan(row.estimate.value)
    assert "no two inputs lie in one space" in row.estimate.reason
    assert np.isnan(row.p_holm)
    assert study.row("concat").estimate.value > 0.5
    with pytest.raises(InputError, match="a head that can join these slots"):
        fusion_study(gapped(space=""), {"gap-shift": GapShift()}, settings=quick)
