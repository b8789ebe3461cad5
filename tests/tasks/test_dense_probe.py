"""The probe on patches, against scikit-learn and cohorts worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from grounding_fakes import SIDE, FakeAttributor
from segmentation_fakes import scene, seeing
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from task_fakes import assert_same, predict_all, values_of, view_of

from vesalius.errors import InputError
from vesalius.placement import Patches, Placement
from vesalius.records import Geometry, Sample
from vesalius.tasks import make_task
from vesalius.tasks.dense_probe import labelled_patches
from vesalius.tasks.patch_ridge import Moments, fit_patch_ridge, no_rows

TASK = make_task("segmentation", "dense-probe")


def _sums(inputs: np.ndarray, targets: np.ndarray, *, parts: int = 3) -> Moments:
    sums = no_rows(inputs.shape[1], targets.shape[1])
    for some, more in zip(np.array_split(inputs, parts), np.array_split(targets, parts),
                          strict=True):  # fmt: skip
        sums.add(some, more)
    return sums


def _problem(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, 5)) * [1, 10, 0.1, 1, 0] + [0, 3, 0, 0, 7]
    targets = inputs[:, :2] @ [[0.2, 0.0], [0.01, 0.05]] + rng.normal(size=(n, 2))
    return inputs, targets


def test_ridge_from_sums_is_that_of_scikit_learn() -> None:
    """Standardised inputs, one of them constant; the penalty counts per row."""
    inputs, targets = _problem(50, 0)
    for strength in (0.01, 1.0):
        fit = fit_patch_ridge(_sums(inputs, targets), None, strengths=(), default=strength)
        scaler = StandardScaler().fit(inputs)
        other = Ridge(alpha=strength * 50).fit(scaler.transform(inputs), targets)
        expected = other.predict(scaler.transform(inputs))
        np.testing.assert_allclose(inputs @ fit.weights.T + fit.intercepts, expected, atol=1e-9)


def test_each_target_has_the_penalty_that_fits_validation_best() -> None:
    """By the squared error on the rows themselves, not from their sums."""
    train, val = _problem(20, 1), _problem(30, 2)
    strengths = (0.001, 0.1, 1.0, 10.0)
    fit = fit_patch_ridge(_sums(*train), _sums(*val), strengths=strengths, default=5.0)
    errors = []
    for strength in strengths:
        one = fit_patch_ridge(_sums(*train), None, strengths=(), default=strength)
        errors.append(((val[0] @ one.weights.T + one.intercepts - val[1]) ** 2).sum(axis=0))
    chosen = [strengths[k] for k in np.argmin(errors, axis=0)]
    assert fit.strengths.tolist() == chosen
    assert len(set(chosen)) == 2


def test_a_probe_needs_rows_and_never_predicts_what_it_never_saw() -> None:
    """NaN weights for a target that is 0 in all of train; no rows are an error."""
    inputs, targets = _problem(20, 3)
    targets[:, 1] = 0
    fit = fit_patch_ridge(_sums(inputs, targets), None, strengths=(), default=1.0)
    assert np.isnan(fit.weights[1]).all()
    assert np.isfinite(fit.weights[0]).all()
    with pytest.raises(InputError, match="at least one patch"):
        fit_patch_ridge(no_rows(2, 1), None, strengths=(), default=1.0)


def test_patches_that_show_a_structure_find_it() -> None:
    """No text is needed, and patches need not lie in its space."""
    data, masks = scene(8)
    view = seeing(masks, noise=0.1, aligned=False)
    table = predict_all(TASK, view, data)
    assert table["key"].tolist() == list(TASK.expected(data))
    assert set(table["threshold_source"]) == {"val"}
    assert ((table["threshold"] > 0.2) & (table["threshold"] < 0.8)).all()
    values = values_of(TASK, table, data.card)
    assert values["dice"] == values["auprc[pixel]"] == 1
    assert values["hd95[voxel]"] == 0


def test_targets_are_shares_of_patches_and_margins_take_no_part() -> None:
    """A grid of 2 × 2 that reaches beyond the image: two patches over it, half and all lung."""
    data, _ = scene(2)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:, 2:] = 1
    placement = Placement((SIDE, SIDE), (Geometry(0.0, 0.0, 16.0, 8.0),))
    vectors = np.arange(4.0).reshape(1, 2, 2, 1)
    view = replace(
        seeing({"train-00": mask}),
        dense=lambda _: Patches(vectors, placement),
    )
    (sample,) = [s for s in data.samples if s.id == "train-00"]
    rows = labelled_patches(view, sample, data.card)
    assert rows is not None
    assert rows[0].tolist() == [[0.0], [1.0]]
    assert rows[1].tolist() == [[0.5, 0.0], [1.0, 0.0]]


def test_nothing_is_learnt_from_test() -> None:
    """Another test mask with its patches changes no threshold."""
    data, masks = scene(8)
    other = {n: np.zeros_like(m) if n == "test-00" else m for n, m in masks.items()}
    tables = [predict_all(TASK, seeing(m, noise=0.3), data) for m in (masks, other)]
    np.testing.assert_array_equal(tables[0]["threshold"], tables[1]["threshold"])
    assert not np.array_equal(tables[0]["tp"], tables[1]["tp"])


def test_patches_are_drawn_with_the_seed_and_whatever_the_order_of_files() -> None:
    """A cap on patches gives the same rows again; another seed draws others."""
    data, masks = scene(8)
    view = seeing(masks, noise=0.5)
    task = make_task("segmentation", "dense-probe", {"train_patches": 80, "tuning_cases": 5})
    table = predict_all(task, view, data)
    assert_same(predict_all(task, view, replace(data, samples=data.samples[::-1])), table)
    others = predict_all(task, view, replace(data, seed=1))
    assert not np.array_equal(others["threshold"], table["threshold"])


def test_a_structure_that_train_does_not_have_is_missed() -> None:
    """Never called, and no better than chance as a map."""
    data, masks = scene(6)
    for name, mask in masks.items():
        if name.startswith("train"):
            mask[mask == 2] = 0
    table = predict_all(TASK, seeing(masks), data)
    there = (table["structure"] == "heart") & ~table["empty_reference"]
    assert table["missed"][there].all()
    assert table["answered"].all()
    np.testing.assert_allclose(table["auprc"][there], 4 / SIDE**2)
    assert (table["dice"][table["structure"] == "lung"] == 1).all()


def test_without_val_penalty_and_threshold_have_stated_sources() -> None:
    """Train serves for the threshold; the probe still finds what it was shown."""
    data, masks = scene(6)
    some = replace(data, samples=tuple(s for s in data.samples if s.split != "val"))
    table = predict_all(TASK, seeing(masks), some)
    assert set(table["threshold_source"]) == {"train"}
    assert values_of(TASK, table, data.card)["dice"] == 1


def test_slices_of_a_volume_are_learnt_and_scored_in_3d() -> None:
    """Every second slice is seen; between them maps are interpolated."""
    data, _ = scene(3)
    size = (6, 4, 9)
    masks = {}
    for number, one in enumerate(data.samples):
        mask = np.zeros(size, np.uint8)
        mask[number % 3 : number % 3 + 3, 1:3, 2:7] = 1
        mask[5, 3, :] = 2
        masks[one.id] = mask
    placement = Placement(size, (Geometry(0.0, 0.0, 4.0, 6.0),) * 5, (0, 2, 4, 6, 8))

    def dense(one: Sample) -> Patches:
        shown = np.stack([masks[one.id][::-1, ::-1, z].T for z in placement.positions])
        return Patches(np.eye(3)[shown], placement)

    view = replace(seeing(masks), dense=dense)
    read = view.read
    view = replace(view, read=lambda one: replace(read(one), spacing_mm=(1.0, 1.0, 2.5)))
    table = predict_all(TASK, view, data)
    assert (table["dice"] > 0.99).all()
    assert np.isfinite(table["hd95_mm"]).all()


def test_unreadable_train_samples_are_left_out_and_none_at_all_gives_no_answer() -> None:
    """Every row stays; without anything learnt there is nothing to say."""
    data, masks = scene(4)
    view = seeing(masks)
    dense = view.dense

    def broken(names: tuple[str, ...]):
        return replace(view, dense=lambda s: None if s.id.startswith(names) else dense(s))

    table = predict_all(TASK, broken(("train-00", "val-01")), data)
    assert values_of(TASK, table, data.card)["dice"] == 1
    silent = predict_all(TASK, broken(("train",)), data)
    assert not silent["answered"].any()
    assert values_of(TASK, silent, data.card)["dice"] == 0


def test_what_cannot_be_done_says_why() -> None:
    """Reasons are true and name what is missing."""
    data, masks = scene(2)
    assert TASK.unsuitable(seeing(masks), data) is None
    assert TASK.unsuitable(view_of({}, FakeAttributor()), data) == "model has no local embeddings"
    test = replace(data, samples=tuple(s for s in data.samples if s.split == "test"))
    assert TASK.unsuitable(seeing(masks), test) == "no train sample with a mask"
    for settings in ({"strengths": [0.0]}, {"strengths": []}, {"train_patches": 0}):
        with pytest.raises(InputError, match=next(iter(settings))):
            make_task("segmentation", "dense-probe", settings)
