"""Grounding without a model, and with a model that is shown something else."""

from dataclasses import replace

import numpy as np
import pytest
from grounding_fakes import SIDE, attribution, hill, looking, scene, truthful
from task_fakes import predict_all, values_of

from vesalius.errors import DataError
from vesalius.placement import Patches
from vesalius.records import Image, Phrase, Sample
from vesalius.tasks.controls import control_view
from vesalius.tasks.grounding_model_free import gaussian

TASK = attribution()


def test_majority_gives_the_mean_train_box_of_the_phrase() -> None:
    """A place that train knows, for phrases it knows; the mean of all boxes for others."""
    data = scene(2)
    data = replace(
        data,
        phrases=(
            Phrase("train-0", "apex", (0, 0, 2, 2)),
            Phrase("train-1", "apex", (2, 0, 4, 2)),
            Phrase("train-0", "base", (0, 4, 8, 8)),
            Phrase("train-1", "base", None),
            Phrase("test-0", "apex", (1, 0, 3, 2)),
            Phrase("test-0", "base", (0, 4, 8, 8)),
            Phrase("test-0", "hilum", (0, 0, 1, 1)),
        ),
    )
    view = control_view("majority", looking(truthful(data)), data)
    table = predict_all(TASK, view, data)
    assert table["phrase"].tolist() == ["apex", "base", "hilum"]
    middle = np.mean([(0, 0, 2, 2), (2, 0, 4, 2), (0, 4, 8, 8)], axis=0).tolist()
    expected = [[[1.0, 0.0, 3.0, 2.0]], [[0.0, 4.0, 8.0, 8.0]], [middle]]
    assert [np.round(b, 9).tolist() for b in table["box"]] == np.round(expected, 9).tolist()
    assert [score for (score,) in table["box_score"]] == [1.0, 0.5, 0.5]
    assert table["pointing"][:2].tolist() == [1.0, 1.0]


def test_centre_prior_is_a_box_of_the_mean_train_size_in_the_middle() -> None:
    """Three columns and two rows, as every train box."""
    data = scene(3)
    table = predict_all(TASK, control_view("centre-prior", looking(truthful(data)), data), data)
    assert np.allclose(table["box"].tolist(), [[[2.5, 3.0, 5.5, 5.0]]] * table.n_rows)


def test_random_boxes_depend_on_seed_and_phrase_alone() -> None:
    """No train boxes needed; the same box whatever else is asked."""
    data = scene(30)
    view = control_view("random", looking(truthful(data)), data)
    table = predict_all(TASK, view, data)
    done = frozenset(table["key"][1:].tolist())
    assert predict_all(TASK, view, data, done)["box"].tolist() == table["box"][:1].tolist()
    assert len({str(box) for box in table["box"]}) == table.n_rows
    assert values_of(TASK, table, data.card)["iou[box]"] < 0.3
    assert (~table["answered"]).sum() == 0
    untrained = replace(data, samples=tuple(s for s in data.samples if s.split == "test"))
    assert TASK.unsuitable(control_view("random", view, untrained), untrained) is None
    for name in ("majority", "centre-prior"):
        reason = TASK.unsuitable(control_view(name, view, untrained), untrained)
        assert reason == "no phrase with a box about a train sample"


def test_images_that_cannot_be_read_are_left_out_of_the_prior_and_unanswered_in_test() -> None:
    """A broken file ends nothing and is counted."""
    data = scene(3)
    view = looking(truthful(data))

    def read(one: Sample) -> Image:
        if one.id in ("train-1", "test-1"):
            raise DataError("gone", reason="missing_file")
        return view.read(one)

    table = predict_all(TASK, control_view("majority", replace(view, read=read), data), data)
    assert np.unique(table["id"][~table["answered"]]).tolist() == ["test-1"]
    boxes = table["box"][(table["phrase"] == "lung nodule") & table["answered"]].tolist()
    assert np.allclose(boxes, [[[1.0, 0.0, 4.0, 2.0]]] * 2)  # the mean of train-0 and train-2


@pytest.mark.parametrize("name", ["shuffled-images", "gibberish-prompt"])
def test_a_model_that_knows_is_worse_when_image_or_phrase_are_not_its_own(name: str) -> None:
    """The controls reach the maps, and are fitted on their own val maps."""
    data = scene(8)
    knows = truthful(data)

    def draw(one: Sample, text: str) -> np.ndarray:
        return knows(one, text) if text in ("lung nodule", "effusion") else hill((0, 0, 8, 1))

    view = looking(draw)
    own = values_of(TASK, predict_all(TASK, view, data), data.card)["iou[box]"]
    controlled = control_view(name, view, data)
    other = values_of(TASK, predict_all(TASK, controlled, data), data.card)["iou[box]"]
    assert own == 1 > other


def test_a_blank_image_is_placed_where_the_sample_lies() -> None:
    """The fake's map of grey is constant: it finds nothing."""
    data = scene(3)
    view = control_view("blank-image", looking(truthful(data)), data)
    assert isinstance(view.attribution(data.samples[0], "lung nodule"), Patches)
    assert not predict_all(TASK, view, data)["detected"].any()


def test_the_hill_of_a_box_is_highest_in_its_middle() -> None:
    """Two standard deviations reach the edge of the box."""
    hill_map = gaussian(np.array([1.0, 2.0, 4.0, 7.0]), (SIDE, SIDE))
    assert np.unravel_index(hill_map.argmax(), hill_map.shape) == (2, 4)
    assert hill_map[2, 4] == 1.0
    assert gaussian(np.array([0.0, 0, 0, 4, 4, 4]), (4, 5, 6)).shape == (4, 5, 6)
