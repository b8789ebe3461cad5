"""Segmentation without a model or without its eyes, and the ranks that maps are scored by."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from grounding_fakes import SIDE
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from segmentation_fakes import drawing, scene, seeing, truthful, with_store
from task_fakes import assert_same, axis, predict_all, values_of

from vesalius.errors import InputError
from vesalius.metrics.segmentation import dice, pixel_auprc
from vesalius.records import ModelCard
from vesalius.tasks import make_task
from vesalius.tasks.controls import control_view
from vesalius.tasks.segmentation_curve import ranked
from vesalius.tasks.segmentation_maps import heat_of, whole
from vesalius.tasks.segmentation_model_free import CELLS, SLICES, model_free_look, train_prior
from vesalius.tasks.segmentation_thresholds import best_threshold, thinned

TASK = make_task("segmentation", "zero-shot")
PROBE = make_task("segmentation", "dense-probe")


@dataclass(frozen=True)
class Grey:
    """A model with text-aligned patches, all on the last axis when it is shown a grey picture."""

    card: ModelCard = field(default_factory=lambda: ModelCard("grey", "fake"))
    dense_text_aligned: bool = True
    logit_scale: float = 1.0

    def encode_dense(self, images, /) -> np.ndarray:
        """Every patch on the last axis."""
        return np.tile(axis(7), (len(images), SIDE, SIDE, 1))

    def encode_texts(self, texts, /) -> np.ndarray:
        """The structure that is named, else the last axis."""
        return np.stack([axis(0 if "lung" in t else 1 if "heart" in t else 7) for t in texts])


@given(
    hnp.arrays(np.bool_, (4, 6)),
    hnp.arrays(np.float32, (4, 6), elements=st.sampled_from([-1.5, 0.0, 0.25, 2.0, np.nan])),
)
def test_ranks_give_the_same_as_the_definitions(reference: np.ndarray, heat: np.ndarray) -> None:
    """Ties, cells that were not seen, and Dice at every threshold."""
    if not reference.any():
        with pytest.raises(InputError, match="not empty"):
            ranked(reference, heat)
        return
    one = ranked(reference, heat)
    below = np.nan_to_num(heat, nan=-9.0)
    assert one.average_precision() == pytest.approx(pixel_auprc(reference, below))
    limits = np.array([-1.5, 0.1, 0.25, 2.0, np.inf])
    np.testing.assert_allclose(one.dice(limits), [dice(reference, heat >= v) for v in limits])


def test_a_tiny_structure_in_the_tail_of_its_map_gets_a_fitting_threshold() -> None:
    """Quantiles of the whole map alone would not reach between its highest values."""
    heat = np.linspace(0, 1, 40_000, dtype=np.float32).reshape(200, 200)
    reference = heat > 0.9995  # 20 cells
    limit = best_threshold([ranked(reference, heat)])
    assert dice(reference, heat >= limit) > 0.95


def test_without_a_value_nothing_is_called() -> None:
    """A map that was seen nowhere has no threshold that anything reaches."""
    unseen = np.full((2, 2), np.nan, dtype=np.float32)
    assert best_threshold([ranked(np.ones((2, 2), dtype=np.bool_), unseen)]) == np.inf


def test_large_grids_are_thinned_out_for_the_threshold_only() -> None:
    """About as many cells are left along each axis, none at all of a picture's are lost."""
    assert np.zeros((256, 256))[thinned((256, 256))].shape == (256, 256)
    assert np.zeros((1024, 512))[thinned((1024, 512))].size < 2 * (1 << 16)
    assert np.zeros((400, 400, 3), np.bool_)[thinned((400, 400, 3))].shape[2] >= 1


@pytest.mark.parametrize("size", [(8, 5), (6, 5, 3), (4, 4, 70)])
def test_grids_over_the_whole_reach_every_cell(size: tuple[int, ...]) -> None:
    """No border and no slice is left out, however many slices there are."""
    data, masks = scene(2)
    masks = {name: np.zeros(size, np.uint8) for name in masks}
    view = control_view("random", with_store(seeing(masks), masks), data)
    patches = model_free_look(view, view.model, data)(data.samples[0], 0)
    assert patches is not None
    assert patches.placement == whole(size)
    heat = heat_of(patches)
    assert heat.shape == size
    assert np.isfinite(heat).all()
    assert len(np.unique(heat)) > 4


def test_the_majority_is_the_mean_train_mask_at_its_place() -> None:
    """One of two train lungs lies left: half; at twice the size at the same share of the image."""
    data, masks = scene(2)
    masks = {name: np.zeros((SIDE, SIDE), np.uint8) for name in masks}
    masks["train-00"][:, :4] = 1
    masks["train-01"][:4] = 1
    masks["test-00"] = np.zeros((16, 16), np.uint8)
    view = control_view("majority", with_store(seeing(masks), masks), data)
    prior = train_prior(view, data)
    assert prior.shape == (2, SLICES, CELLS, CELLS)
    (quarters,) = {tuple(grid[[0, 0, -1, -1], [0, -1, 0, -1]]) for grid in prior[0]}
    assert quarters == (1.0, 0.5, 0.5, 0.0)
    assert not prior[1].any()
    look = model_free_look(view, view.model, data)
    (test,) = [s for s in data.samples if s.id == "test-00"]
    heat = heat_of(look(test, 0))
    np.testing.assert_allclose(heat[[0, 0, -1, -1], [0, -1, 0, -1]], quarters)


def test_the_prior_of_volumes_keeps_their_height() -> None:
    """A structure in the upper third of the train volumes is expected in that of any other."""
    data, masks = scene(2)
    masks = {name: np.zeros((4, 5, 9), np.uint8) for name in masks}
    for name, mask in masks.items():
        mask[1:3, :2, 6:] = name.startswith("train")
    masks["test-00"] = np.zeros((4, 5, 18), np.uint8)
    view = control_view("majority", with_store(seeing(masks), masks, spacing=(1, 1, 1)), data)
    look = model_free_look(view, view.model, data)
    (test,) = [s for s in data.samples if s.id == "test-00"]
    heat = heat_of(look(test, 0))
    assert heat[1, 0, 15] > 0.9
    assert heat[1, 0, 3] < 0.1
    assert heat[1, 4, 15] < 0.1
    assert heat[0, 0, 15] < 0.1 + heat[1, 0, 15] / 2


def test_the_centre_prior_is_highest_in_the_middle() -> None:
    """The same hill for every structure and sample."""
    data, masks = scene(2)
    view = control_view("centre-prior", with_store(seeing(masks), masks), data)
    look = model_free_look(view, view.model, data)
    heats = [heat_of(look(s, k)) for s in data.samples for k in (0, 1)]
    assert all(np.array_equal(heat, heats[0]) for heat in heats)
    np.testing.assert_allclose(heats[0], heats[0][::-1, ::-1], atol=1e-6)
    assert heats[0][4, 4] == heats[0].max() > 2 * heats[0][0, 0]


@pytest.mark.parametrize("task", [TASK, PROBE])
def test_every_control_gives_a_full_table_and_loses_to_a_model_that_sees(task) -> None:
    """What is not seen is not found; a nonsense prompt finds no name."""
    data, masks = scene(12)
    rng = np.random.default_rng(5)
    for mask in masks.values():  # nothing to learn about places
        mask[:] = np.roll(mask, rng.integers(0, SIDE, size=2), axis=(0, 1))
    view = replace(seeing(masks), model=Grey(), text_features=Grey().encode_texts)
    good = values_of(task, predict_all(task, view, data), data.card)["dice"]
    assert good == 1
    for name in task.controls:
        controlled = control_view(name, view, data)
        assert task.unsuitable(controlled, data) is None
        table = predict_all(task, controlled, data)
        assert table["key"].tolist() == list(task.expected(data))
        assert_same(predict_all(task, control_view(name, view, data), data), table)
        assert set(table["map"]) == {""}
        assert values_of(task, table, data.card)["dice"] < 0.5, name


def test_no_control_measures_in_the_millimetres_of_another_picture() -> None:
    """Blank and exchanged pictures have no spacing of the sample; other controls have it."""
    data, masks = scene(4)
    view = replace(seeing(masks), model=Grey(), text_features=Grey().encode_texts)
    for name, known in (("blank-image", False), ("shuffled-images", False),
                        ("gibberish-prompt", True), ("random", True)):  # fmt: skip
        table = predict_all(TASK, control_view(name, view, data), data)
        there = ~table["empty_reference"]
        assert np.isfinite(table["hd95_mm"][there]).all() == known, name
        assert np.isfinite(table["dice"][there]).all()


def test_a_control_of_an_image_that_cannot_be_read_has_no_answer_either() -> None:
    """The same samples are misses for a model and for its controls."""
    data, masks = scene(2)
    view = drawing(truthful(masks), masks, unreadable=frozenset({"test-01"}))
    for name in ("random", "centre-prior"):
        table = predict_all(TASK, control_view(name, view, data), data)
        assert table["answered"].tolist() == [True, True, False, False]
        assert table["dice"][2] == 0
