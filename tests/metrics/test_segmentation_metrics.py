"""Segmentation: values by hand, symmetries, agreement with MONAI, one policy for empty masks."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai import metrics as monai
from sklearn.metrics import average_precision_score

from vesalius.errors import InputError
from vesalius.metrics import segmentation as s
from vesalius.metrics.surfels import cell_codes, surfel_sizes
from vesalius.metrics.table import METRICS
from vesalius.metrics.weighted import mean_defined

EMPTY = np.zeros((10, 10), dtype=bool)
SPACING_2D, SPACING_3D = (1.0, 2.0), (0.7, 1.3, 2.1)


def _rectangle(rows: slice, columns: slice) -> np.ndarray:
    mask = EMPTY.copy()
    mask[rows, columns] = True
    return mask


SQUARE = _rectangle(slice(2, 6), slice(2, 6))
SHIFTED = _rectangle(slice(2, 6), slice(3, 7))
# The outline of a square runs through 16 cells: three of 2 mm in the upper and in the lower side,
# three of 1 mm in the left and in the right side, four corners of √5/2 mm. Of each outline five
# cells (a side with its corners) are 2 mm away from the other one, and so is the middle of the
# opposite side; that side's other cells are at most 1 mm away.
OUTLINE = 3 * 2 * 2 + 3 * 2 + 4 * np.sqrt(5) / 2
FARTHER_THAN_1_MM = 3 + 2 * np.sqrt(5) / 2 + 1
BY_HAND = {
    "dice": 2 * 12 / 32,
    "iou": 12 / 20,
    "hd95[voxel]": 2.0,
    "nsd[surfel,1mm]": 1 - FARTHER_THAN_1_MM / OUTLINE,
    "nsd[surfel,2mm]": 1.0,
    "nsd[surfel,5mm]": 1.0,
    "missed": 0.0,
    "false_positive_rate[empty]": 1.0,
    # the two pixels of the reference come first and third
    "auprc[pixel]": (1 + 2 / 3) / 2,
}


def _by_name(reference: np.ndarray, prediction: np.ndarray, name: str) -> float:
    spacing_mm = SPACING_2D if reference.ndim == 2 else SPACING_3D
    return s.case_values(reference, prediction, spacing_mm=spacing_mm)[name]


@pytest.mark.parametrize("name", BY_HAND)
def test_value_by_hand(name: str) -> None:
    """Two squares of 4 × 4 pixels, 2 mm apart, give the values worked out on paper."""
    if name == "auprc[pixel]":
        reference = np.array([[True, False], [True, False]])
        value = s.pixel_auprc(reference, np.array([[0.9, 0.8], [0.7, -0.1]]))
    else:
        reference = EMPTY if name == "false_positive_rate[empty]" else SQUARE
        value = _by_name(reference, SHIFTED, name)
    assert value == pytest.approx(BY_HAND[name], abs=1e-12)
    assert METRICS[name].function(np.array([value, np.nan])) == value


def test_percentile_is_directed_and_interpolated() -> None:
    """From one pixel to five in a row: 0, …, 4 pixels; 95 % lies at 0.95 · 4 of the way."""
    point = _rectangle(slice(0, 1), slice(0, 1))
    row = _rectangle(slice(0, 1), slice(0, 5))
    assert s.hd95(point, row, spacing_mm=(1.0, 2.0)) == pytest.approx(2 * 3.8)
    assert s.hd95(row, point, spacing_mm=(1.0, 2.0)) == pytest.approx(2 * 3.8)


def test_surfel_sizes_by_hand() -> None:
    """A lone voxel is an octahedron, in 2D a rhombus; a half space has one face per cell."""
    assert surfel_sizes((3.0, 4.0))[cell_codes(np.ones((1, 1), dtype=bool))].sum() == 4 * 2.5
    voxel = surfel_sizes((1.0, 1.0, 1.0))[cell_codes(np.ones((1, 1, 1), dtype=bool))]
    assert voxel.sum() == pytest.approx(np.sqrt(3))
    assert surfel_sizes(SPACING_3D)[0b00001111] == pytest.approx(1.3 * 2.1)
    assert surfel_sizes(SPACING_3D)[0b01010101] == pytest.approx(0.7 * 1.3)


def _blob(rng: np.random.Generator, shape: tuple[int, ...], *, share: float = 0.4) -> np.ndarray:
    """A ragged mask in a part of the grid that often touches its edge; never empty."""
    mask = np.zeros(shape, dtype=bool)
    box = tuple(slice(rng.integers(0, n // 2), rng.integers(n // 2 + 1, n + 1)) for n in shape)
    mask[box] = rng.random(mask[box].shape) < share
    mask[tuple(n // 2 for n in shape)] = True
    return mask


def _tensor(mask: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(mask[None, None])


def _monai_hd95(r: np.ndarray, p: np.ndarray, spacing: tuple[float, ...]) -> float:
    value = monai.compute_hausdorff_distance(
        _tensor(p), _tensor(r), include_background=True, percentile=95, spacing=list(spacing)
    )
    return float(value)


def _monai_nsd(tolerance_mm: float) -> Callable[..., float]:
    def value(r: np.ndarray, p: np.ndarray, spacing: tuple[float, ...]) -> float:
        return float(
            monai.compute_surface_dice(
                _tensor(p),
                _tensor(r),
                [tolerance_mm],
                include_background=True,
                spacing=list(spacing),
                use_subvoxels=True,
            )
        )

    return value


AGREEMENT: dict[str, Callable[..., float]] = {
    "dice": lambda r, p, _: float(monai.compute_dice(_tensor(p), _tensor(r))),
    "iou": lambda r, p, _: float(monai.compute_iou(_tensor(p), _tensor(r))),
    "hd95[voxel]": _monai_hd95,
    "nsd[surfel,1mm]": _monai_nsd(1),
    "nsd[surfel,2mm]": _monai_nsd(2),
    "nsd[surfel,5mm]": _monai_nsd(5),
    # of one case, what is missed or found where nothing is are yes or no
    "missed": lambda r, p, _: float(
        monai.compute_dice(_tensor(p), _tensor(r)) == 0 and not p.any()
    ),
    "false_positive_rate[empty]": lambda r, p, _: (
        float(monai.compute_dice(_tensor(p), _tensor(r), ignore_empty=False) == 0)
        if not r.any()
        else float("nan")
    ),
}


# MONAI 1.6 warns of its own call to itself
@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")
@pytest.mark.parametrize("shape", [(40, 23), (14, 19, 11)], ids=["2D", "3D"])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_monai(shape: tuple[int, ...], seed: int) -> None:
    """Values equal MONAI to 1e-5 (it counts in float32), ragged masks at the edge included."""
    rng = np.random.default_rng(seed)
    spacing_mm = SPACING_2D if len(shape) == 2 else SPACING_3D
    reference, prediction = _blob(rng, shape), _blob(rng, shape, share=0.7)
    values = s.case_values(reference, prediction, spacing_mm=spacing_mm)
    expected = {
        name: oracle(reference, prediction, spacing_mm) for name, oracle in AGREEMENT.items()
    }
    assert values == pytest.approx(expected, abs=1e-5, nan_ok=True)


@pytest.mark.parametrize("found", [True, False])
def test_false_positives_and_misses_agree_with_monai(found: bool) -> None:
    """With empties counted in, MONAI scores a find on an empty reference as 0, silence as 1."""
    prediction = SQUARE if found else EMPTY
    for name in ("missed", "false_positive_rate[empty]"):
        reference = SQUARE if name == "missed" else EMPTY
        expected = AGREEMENT[name](reference, prediction, SPACING_2D)
        assert _by_name(reference, prediction, name) == expected


@pytest.mark.parametrize("seed", range(3))
def test_pixel_auprc_agrees_with_scikit_learn(seed: int) -> None:
    """Tied pixels included, the value is sklearn's average precision over all pixels."""
    rng = np.random.default_rng(seed)
    reference, score = rng.random((9, 7, 3)) < 0.2, rng.random((9, 7, 3)).round(1)
    expected = average_precision_score(reference.ravel(), score.ravel())
    assert s.pixel_auprc(reference, score) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_axes=st.sampled_from([2, 3]))
def test_symmetries(seed: int, n_axes: int) -> None:
    """Swapping the masks or mirroring the grid changes nothing; scaling mm scales the distance."""
    rng = np.random.default_rng(seed)
    shape, spacing_mm = ((9, 12), (0.5, 2.0)) if n_axes == 2 else ((5, 7, 6), (2.0, 0.5, 1.0))
    one, other = _blob(rng, shape), _blob(rng, shape)
    values = s.case_values(one, other, spacing_mm=spacing_mm)
    swapped = s.case_values(other, one, spacing_mm=spacing_mm)
    mirrored = s.case_values(np.flip(one), np.flip(other), spacing_mm=spacing_mm)
    assert values == pytest.approx(swapped, nan_ok=True)
    assert values == pytest.approx(mirrored, nan_ok=True)
    assert values["dice"] == pytest.approx(2 * values["iou"] / (1 + values["iou"]))
    tripled = tuple(3 * mm for mm in spacing_mm)
    assert s.hd95(one, other, spacing_mm=tripled) == pytest.approx(3 * values["hd95[voxel]"])
    near = s.nsd(one, other, spacing_mm=spacing_mm, tolerance_mm=1)
    assert s.nsd(one, other, spacing_mm=tripled, tolerance_mm=3) == pytest.approx(near)
    assert near <= values["nsd[surfel,2mm]"] <= values["nsd[surfel,5mm]"] <= 1


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), margin=st.integers(1, 4))
def test_empty_surroundings_change_nothing(seed: int, margin: int) -> None:
    """More empty grid around both masks changes no value; a mask equals itself perfectly."""
    rng = np.random.default_rng(seed)
    one, other = _blob(rng, (8, 5, 7)), _blob(rng, (8, 5, 7))
    values = s.case_values(one, other, spacing_mm=SPACING_3D)
    padded = s.case_values(np.pad(one, margin), np.pad(other, margin), spacing_mm=SPACING_3D)
    assert values == pytest.approx(padded, nan_ok=True)
    itself = s.case_values(one, one, spacing_mm=SPACING_3D)
    assert (itself["dice"], itself["iou"], itself["hd95[voxel]"]) == (1, 1, 0)
    assert itself["nsd[surfel,1mm]"] == 1


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_false_positives_cost_overlap(seed: int) -> None:
    """One more wrong pixel lowers Dice and IoU; one more right pixel raises them."""
    rng = np.random.default_rng(seed)
    reference, prediction = _blob(rng, (9, 9)), _blob(rng, (9, 9))
    place = tuple(np.argwhere(~prediction)[0])
    more = prediction.copy()
    more[place] = True
    sign = 1 if reference[place] else -1
    for metric in (s.dice, s.iou):
        assert sign * (metric(reference, more) - metric(reference, prediction)) >= 0


def test_policy_for_empty_masks() -> None:
    """Without reference NaN; missed is the worst value, so that missing is never rewarded."""
    nothing = s.case_values(EMPTY, EMPTY, spacing_mm=SPACING_2D)
    invented = s.case_values(EMPTY, SQUARE, spacing_mm=SPACING_2D)
    lost = s.case_values(SQUARE, EMPTY, spacing_mm=SPACING_2D)
    overlaps = [name for name in lost if name == "dice" or name.startswith(("iou", "nsd"))]
    for name in [*overlaps, "hd95[voxel]", "missed"]:
        assert np.isnan(nothing[name])
        assert np.isnan(invented[name])
    assert all(lost[name] == 0 for name in overlaps)
    assert lost["missed"] == 1
    assert lost["hd95[voxel]"] == pytest.approx(np.hypot(10 * 1, 10 * 2))
    assert nothing["false_positive_rate[empty]"] == 0
    assert invented["false_positive_rate[empty]"] == 1
    assert np.isnan(lost["false_positive_rate[empty]"])
    assert np.isnan(s.nsd(EMPTY, SQUARE, spacing_mm=SPACING_2D, tolerance_mm=1))
    assert s.nsd(SQUARE, EMPTY, spacing_mm=SPACING_2D, tolerance_mm=1) == 0
    assert np.isnan(s.pixel_auprc(EMPTY, np.ones((10, 10))))


def test_missed_case_is_not_dropped() -> None:
    """Defect 7: a total miss beside a perfect case does not leave a perfect mean (MONAI: 0 mm)."""
    cases = [(SQUARE, EMPTY), (SQUARE, SQUARE)]
    values = [s.case_values(r, p, spacing_mm=SPACING_2D) for r, p in cases]
    assert mean_defined(np.array([v["dice"] for v in values])) == 0.5
    assert mean_defined(np.array([v["hd95[voxel]"] for v in values])) > 10


def test_empty_class_does_not_depend_on_the_order_of_calls() -> None:
    """Defect 11: Dice of an empty class is NaN in any order of the cases, however often asked."""
    cases = [(EMPTY, EMPTY), (SQUARE, SHIFTED), (EMPTY, SQUARE), (SQUARE, EMPTY)]
    forward = [s.dice(r, p) for r, p in cases]
    backward = [s.dice(r, p) for r, p in reversed(cases)][::-1]
    np.testing.assert_array_equal(forward, backward)
    assert np.isnan(forward).tolist() == [True, False, True, False]
    aggregate = METRICS["dice"].function
    assert aggregate(np.array(forward)) == aggregate(np.array(forward)) == 0.75 / 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: s.dice(SQUARE.astype(int), SQUARE), "reference must be a boolean mask, got"),
        (lambda: s.iou(SQUARE, SQUARE[:4]), r"one grid, got \(10, 10\) and \(4, 10\)"),
        (lambda: s.pixel_auprc(SQUARE, np.zeros((2, 2))), "reference and score must be one grid"),
        (lambda: s.hd95(SQUARE, SQUARE, spacing_mm=(1.0,)), r"2 positive numbers, got \(1.0,\)"),
        (lambda: s.hd95(SQUARE, SQUARE, spacing_mm=(0.0, 1.0)), "2 positive numbers"),
        (lambda: s.hd95(SQUARE[0], SQUARE[0], spacing_mm=(1.0,)), "2D or 3D"),
        (
            lambda: s.nsd(SQUARE, SQUARE, spacing_mm=SPACING_2D, tolerance_mm=-1),
            "at least 0, got -1",
        ),
    ],
)
def test_bad_input_is_named(call: Callable[[], float], message: str) -> None:
    """Grids, spacings and tolerances that make no sense are errors that say what came."""
    with pytest.raises(InputError, match=message):
        call()
