"""The sample browser as the page holds it: all rows, all models, nothing silent, nothing twice."""

import base64
import gzip
import re

import nibabel as nib
import numpy as np
import pytest
from demo_run import Names
from sample_run import CT, CT_SIZE, MARK, SIDE, N, build_sample_run
from unpacking import opened

from vesalius.report import sample_overlays, sample_volumes, samples
from vesalius.report.gallery import Pictures
from vesalius.report.page import render
from vesalius.report.samples import sample_book
from vesalius.report.sources import read_results
from vesalius.store.pictures import Frame
from vesalius.store.volumes import volume_path

NAMES = Names()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with every kind of block."""
    return build_sample_run(tmp_path_factory.mktemp("samples") / "run")


@pytest.fixture(scope="module")
def book(run):
    return sample_book(read_results([run]), Pictures())


def block(book, task, dataset=NAMES.dataset):
    """The first block of a task with its number."""
    found = enumerate(book.blocks)
    return next((n, b) for n, b in found if (b.cell.task, b.cell.dataset) == (task, dataset))


def words(found, name):
    """The texts of a column."""
    return [found.header["words"][place] for place in found.columns[name]]


def test_there_is_a_block_for_every_dataset_task_and_protocol(book):
    """Models that failed or do not apply are not in it, controls neither."""
    places = [(b.cell.dataset, b.cell.task, b.cell.protocol) for b in book.blocks]
    assert places == [
        (CT, "segmentation", "zero-shot"),
        (NAMES.dataset, "classification", "knn"),
        (NAMES.dataset, "classification", "zero-shot"),
        (NAMES.dataset, "segmentation", "zero-shot"),
        (NAMES.dataset, "retrieval", "embedding"),
        (NAMES.dataset, "grounding", "boxes"),
        (NAMES.dataset, "vqa", "free-text"),
    ]
    assert {b.models for b in book.blocks} == {NAMES.models[:2]}


def test_a_row_holds_what_was_asked_and_what_each_model_said(book):
    """Question, reference, answers, verdicts, scores to three decimals, subgroup."""
    _, one = block(book, "vqa")
    found = opened(one.payload)
    assert words(found, "id") == [NAMES.sample.format(i) for i in range(N)]
    assert words(found, "asked")[1] == "Is it there? 1"
    assert words(found, "truth") == ["yes"] * N
    assert words(found, "group0") == ["F", "M"] * 3
    assert found.header["groups"] == ["sex"]
    assert found.columns["m0:verdict"] == [0, 1, 1, 0, 1, 1]
    assert found.columns["m1:verdict"] == [1, 1, 0, 1, 1, 0]
    assert found.header["words"][found.columns["m0:answer"][0] - 1] == "no Is it there?"
    assert found.columns["m0:confidence"] == [900, 800, 700, 600, 500, 400]


def test_boxes_are_shares_of_the_picture(book):
    """The left half was answered, the right half is true; the absent finding has none."""
    _, one = block(book, "grounding")
    found = opened(one.payload)
    assert found.columns["m0:box:n"] == found.columns["truth:box:n"] == [1] * (N - 1) + [0]
    assert found.columns["m0:box"][:4] == [0, 250, 500, 750]
    assert found.columns["truth:box"][:4] == [500, 250, 1000, 750]


@pytest.mark.parametrize(
    ("frame", "box"),
    [(Frame((40, 60)), (6, 10, 30, 40)), (Frame((40, 60, 8), 3), (4, 6, 2, 20, 36, 5))],
)
def test_a_rectangle_lies_where_the_region_of_the_box_lies(frame, box):
    """The shares of a box, spread over a picture, cover the region that masks are drawn by."""
    shape = frame.shown
    left, top, right, bottom = frame.rectangle(box)
    region = frame.region(box, shape=shape)
    rows, columns = np.nonzero(region)
    ends = (top * shape[0], bottom * shape[0], left * shape[1], right * shape[1])
    expected = (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1)
    np.testing.assert_allclose(ends, expected)
    if frame.index is not None:
        assert Frame(frame.size, 7).rectangle(box) is None


def test_masks_are_bits_over_the_picture(book):
    """Upper left is the answer, wider for the second model; lower right is the reference."""
    _, one = block(book, "segmentation")
    rows, found = opened(one.payload), opened(one.masks)
    assert rows.columns["width"][0] == rows.columns["height"][0] == SIDE
    bits = np.array(found.columns["bits"], dtype=np.uint8)

    def mask(name):
        start = found.columns[name][2] - 1
        flat = np.unpackbits(bits[start : start + SIDE * SIDE // 8], bitorder="little")
        return flat.reshape(SIDE, SIDE).astype(bool)

    for name, corner in (
        ("m0", np.s_[8:24, 8:24]), ("m1", np.s_[8:24, 8:32]), ("reference", np.s_[32:, 32:]),
    ):  # fmt: skip
        expected = np.zeros((SIDE, SIDE), dtype=bool)
        expected[corner] = True
        assert (mask(name) == expected).all(), name


def test_volumes_are_embedded_once_with_masks_on_their_grid(book):
    """The mark of an asymmetric volume is at its place in volume, reference and answer."""
    number, one = block(book, "segmentation", CT)
    assert opened(one.payload).columns["volume"] == [1, 2]
    volume = book.volumes.embedded[0]
    image = nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(volume.image)))
    assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
    assert np.argwhere(np.asarray(image.dataobj) == 255).tolist() == [list(MARK)]
    found = opened(volume.masks[number])
    assert found.header["labels"] == {"0": 2}
    bits = np.array(found.columns["0:0"], dtype=np.uint8)
    mask = np.unpackbits(bits, bitorder="little")[: np.prod(CT_SIZE)].reshape(CT_SIZE, order="F")
    assert mask[MARK] == 1
    x, y, z = np.argwhere(mask).max(axis=0)
    assert (x, y, z) == (MARK[0], MARK[1], MARK[2] + 1)
    assert set(found.columns) == {"0:0", "0:1"}


def test_without_pictures_nothing_about_a_patient_is_said(run):
    """No picture, outline, volume, question or answer; ids, verdicts and numbers stay."""
    made = sample_book(read_results([run]), Pictures(enabled=False))
    assert made.volumes.embedded == []
    assert {b.masks for b in made.blocks} == {""}
    for one in made.blocks:
        found = opened(one.payload)
        assert not any("there?" in word for word in found.header["words"])
        assert set(found.columns["picture"]) == set(found.columns["volume"]) == {0}
    _, vqa = block(made, "vqa")
    found = opened(vqa.payload)
    assert "m0:answer" not in found.columns
    assert words(found, "truth") == [""] * N
    assert found.columns["m0:verdict"] == [0, 1, 1, 0, 1, 1]


def test_rows_beyond_the_limit_are_counted_and_the_worst_stay(run, monkeypatch):
    """Ten of 24 rows of two models: the notice says how many and which."""
    monkeypatch.setattr(samples, "MOST_ANSWERS", 20)
    made = sample_book(read_results([run]), Pictures())
    _, one = block(made, "classification")
    assert one.n_rows == len(opened(one.payload).columns["id"]) == 10
    assert one.notices == (
        "10 of 24 rows are listed: the 5 that are worst by their mean score of the truth over the "
        "models, and others evenly spaced in the order of the data",
    )
    page = render(read_results([run]))
    assert "10 of 24 rows are listed" in page


def test_masks_and_volumes_beyond_their_limits_are_counted(run, monkeypatch):
    """Outlines of fewer rows, one volume of two; the page says so."""
    monkeypatch.setattr(samples, "MOST_MASKS", 18)  # 9 each for two blocks of two models
    monkeypatch.setattr(sample_volumes, "MOST_VOLUMES", 1)
    made = sample_book(read_results([run]), Pictures())
    _, one = block(made, "segmentation")
    assert "3 of 6 rows with a picture have outlines" in one.notices[0]
    assert sum(place > 0 for place in opened(one.masks).columns["m0"]) == 3
    assert len(made.volumes.embedded) == 1
    assert made.volumes.notice.startswith("1 volume was left out of the page: at most 1 volumes")
    assert made.volumes.notice in render(read_results([run]))


def test_a_volume_that_the_run_has_not_kept_is_counted(tmp_path):
    """A run keeps the first ones; the page says that others are missing."""
    run = build_sample_run(tmp_path / "run")
    volume_path(run, CT, NAMES.sample.format(1)).unlink()
    made = sample_book(read_results([run]), Pictures())
    assert made.volumes.notice == (
        "1 volume was not kept in the run, which has the first ones of each data set"
    )
    assert made.volumes.notice in render(read_results([run]))


def test_a_missing_or_broken_map_is_a_mask_that_is_not_there(run, tmp_path):
    """One bad file does not end a report."""
    copy = build_sample_run(tmp_path / "run")
    (copy / "maps/m0/flat/2.png").write_bytes(b"\x89PNG broken")
    (copy / "maps/m1/ct/0.nii.gz").unlink()
    made = sample_book(read_results([copy]), Pictures())
    number, deep = block(made, "segmentation", CT)
    _, flat = block(made, "segmentation")
    found = opened(flat.masks).columns
    assert [place > 0 for place in found["m0"]] == [True, True, False, True, True, True]
    assert all(place > 0 for place in found["m1"])
    assert set(opened(made.volumes.embedded[0].masks[number]).columns) == {"0:0"}
    assert opened(deep.masks).columns["m1"][0] == 0


def test_equal_runs_give_equal_bytes(run):
    """Packing depends on nothing but the run."""
    results = read_results([run])
    assert render(results) == render(results)
    assert sample_overlays.mask_shape(Frame((300, 150))) == (112, 56)


def test_payloads_are_base64_and_names_in_the_index_are_escaped(run):
    """Nothing of a run stands in a block that a browser might take for markup."""
    page = render(read_results([run]))
    for payload in re.findall(r'<script type="text/plain" id="[a-z0-9-]+">([^<]*)</script>', page):
        assert re.fullmatch(r"[A-Za-z0-9+/=]+", payload)
