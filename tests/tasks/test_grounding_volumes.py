"""Boxes of volumes: the order of their numbers, and maps over slices."""

import csv
from pathlib import Path

import numpy as np
import pytest
from grounding_fakes import FakeAttributor, attribution
from hypothesis import given
from hypothesis import strategies as st
from task_fakes import predict_all, sample, values_of, view_of

from vesalius.data.manifest import Dataset, load_dataset
from vesalius.data.phantom import write_phantom
from vesalius.metrics.heatmaps import cells_inside
from vesalius.placement import Patches, Placement, cut
from vesalius.records import DatasetCard, Geometry, Image, Phrase, Sample
from vesalius.tasks import TaskData
from vesalius.tasks.grounding_maps import smoothed
from vesalius.tasks.grounding_phrases import in_array_order, in_dataset_order
from vesalius.views import ModelView

SIZE = (6, 7, 8)  # x, y, z: three different lengths, so that no two axes can be mixed up
BOX = (1.0, 2.0, 3.0, 6.0, 3.0, 7.0)  # x0, y0, x1, y1, z0, z1


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The CT arm of a small cohort."""
    out = tmp_path_factory.mktemp("cohort")
    write_phantom(out, n_patients=4, seed=0)
    return load_dataset(out / "ct")


def test_boxes_of_the_phantom_enclose_the_label_of_their_finding(phantom: Dataset) -> None:
    """Numbers in the table, axes of the array and label map are one and the same frame."""
    checked = 0
    for one in phantom:
        mask = phantom.read_mask(one, like=phantom.read(one))
        assert mask is not None
        for label, value in phantom.card.structures.items():
            noun = {"effusion": "pleural effusion", "heart": "enlarged heart"}.get(label, label)
            boxes = [
                p.box for p in phantom.phrases if p.id == one.id and noun in p.phrase and p.box
            ]
            if not boxes or not (mask == value).any():
                continue
            inside = cells_inside(in_array_order(boxes, n_axes=3), shape=mask.shape)
            assert (inside & (mask == value)).sum() == (mask == value).sum(), (one.id, label)
            checked += 1
    assert checked >= 3


def test_the_columns_of_the_file_are_read_by_name(phantom: Dataset) -> None:
    """x0 to z1 as they stand in ``phrases.csv``, whatever their order there."""
    with Path(phantom.root, "phrases.csv").open(newline="") as file:
        (row, *_) = [r for r in csv.DictReader(file) if r["x0"]]
    lower, upper = [[float(row[f"{a}{end}"]) for a in "xyz"] for end in (0, 1)]
    first = next(p for p in phantom.phrases if (p.id, p.phrase) == (row["id"], row["phrase"]))
    assert first.box is not None
    assert in_array_order([first.box], n_axes=3).tolist() == [[*lower, *upper]]


@given(st.sampled_from([2, 3]), st.integers(0, 5))
def test_orders_of_numbers_undo_each_other(n_axes: int, n: int) -> None:
    """Nothing is lost on the way to the arithmetic and back."""
    boxes = np.arange(n * 2 * n_axes, dtype=np.float64).reshape(n, 2 * n_axes).tolist()
    assert in_dataset_order(in_array_order(boxes, n_axes=n_axes)) == boxes


def _seeing(data: TaskData) -> ModelView:
    """Axial slices, one patch per voxel, hot over the reference box; turned as they are shown."""
    hot = np.zeros(SIZE)
    (lower, upper) = np.split(in_array_order([BOX], n_axes=3)[0].astype(int), 2)
    hot[tuple(slice(a, b) for a, b in zip(lower, upper, strict=True))] = 1.0
    rows, columns = SIZE[1], SIZE[0]
    frames = (Geometry(0.0, 0.0, float(rows), float(columns)),) * SIZE[2]
    placement = Placement(SIZE, frames, tuple(range(SIZE[2])))
    slices = np.stack([cut(hot, index) for index in range(SIZE[2])])

    def seen(one: Sample, text: str) -> Patches:
        return Patches(slices if text == "nodule" else np.roll(slices, 1, axis=0) / 4, placement)

    def read(one: Sample) -> Image:
        return Image(np.zeros(SIZE, np.int16), "xyz", "hu", (-1000.0, 1000.0))

    view = view_of({}, FakeAttributor())
    return type(view)(**{f: getattr(view, f) for f in ("name", "image_features", "text_features")},
                      model=FakeAttributor(), read=read, attribution=seen)  # fmt: skip


def test_a_map_of_slices_becomes_a_box_of_voxels() -> None:
    """A model that knows: IoU 1 in three dimensions, in the dataset's order of numbers."""
    samples = tuple(sample(split, split=split) for split in ("train", "val", "test"))
    phrases = [Phrase(s.id, "nodule", BOX) for s in samples]
    phrases += [Phrase(s.id, "effusion", None) for s in samples]
    data = TaskData(DatasetCard("deep"), samples, 0, (), tuple(phrases))
    task = attribution()
    table = predict_all(task, _seeing(data), data)
    (row,) = np.flatnonzero(~table["absent"])
    assert table["box"][row] == [list(BOX)]
    assert set(table["map"]) == {""}  # no picture of a volume
    values = values_of(task, table, data.card)
    assert values["iou[box]"] == values["pointing_game"] == 1
    assert values["false_positive_rate[absent]"] == 0


def test_padding_lends_no_value_to_the_image() -> None:
    """A bright margin outside of the picture must not shine into it when the map is smoothed."""
    frame = Geometry(-4.0, 0.0, 8.0, 8.0)  # upper half is margin
    values = np.array([[[9.0, 9.0], [1.0, 1.0]]])
    patches = Patches(values, Placement((4, 8), (frame,)))
    np.testing.assert_allclose(smoothed(patches, 1.0)[0, 1], [1.0, 1.0])
    seen = Patches(values, Placement((8, 8), (Geometry(0.0, 0.0, 8.0, 8.0),)))
    assert (smoothed(seen, 1.0)[0, 1] > 1).all()
