"""Examples of answers: which rows are picked, and where their outlines lie."""

import base64
import io

import nibabel as nib
import numpy as np
import pytest
from PIL import Image as Pillow

from vesalius.records import Predictions
from vesalius.report.examples import MAX_ANSWERS, MAX_EXAMPLES, Place, examples_of
from vesalius.report.gallery import Pictures
from vesalius.report.overlays import SIDE, overlay
from vesalius.store.pictures import (
    Frame,
    encode_labels,
    encode_picture,
    labels_path,
    picture_path,
)

CYAN, ORANGE = (0, 229, 255), (255, 145, 0)
CARD = {"structures": {"heart": 2}}


def table(**columns):
    """Predictions with the columns that every task has."""
    n = len(next(iter(columns.values())))
    plain = {"id": np.array([f"s{i}" for i in range(n)]), "answered": np.ones(n, dtype=bool)}
    made = {}
    for name, values in columns.items():
        column = np.empty(n, dtype=object)
        column[:] = values
        made[name] = column if isinstance(values[0], list | str) else np.array(values)
    return Predictions(plain | made)


def put_picture(place, sample, frame, labels=None):
    """A dark picture of a sample, with its reference."""
    path = picture_path(place.run, place.dataset, sample)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = frame.size if frame.index is None else frame.size[1::-1]
    path.write_bytes(encode_picture(np.zeros((rows, columns), np.uint8), frame))
    if labels is not None:
        shown = frame.plane(labels)
        labels_path(place.run, place.dataset, sample).write_bytes(encode_labels(shown))


def pixels(pictures, name):
    """The embedded picture, decoded."""
    payload = base64.b64decode(pictures.embedded[name].partition(",")[2])
    with Pillow.open(io.BytesIO(payload)) as stored:
        return np.array(stored).astype(int)


@pytest.fixture
def place(tmp_path):
    """An empty run."""
    (tmp_path / "maps").mkdir()
    return Place(tmp_path, "set", CARD)


def test_overlay_draws_the_reference_whole_and_the_answer_broken():
    """Lines on the border just inside, tint within, nothing outside."""
    answer = np.zeros((40, 40), dtype=bool)
    answer[4:36, 4:36] = True
    reference = np.zeros_like(answer)
    reference[10:20, 10:20] = True
    drawn = overlay(np.zeros((40, 40, 3), np.uint8), reference=reference, answer=answer)
    assert (drawn[10, 10:20] == CYAN).all()
    edge = (drawn[4, 4:36] == ORANGE).all(axis=1)
    assert 8 < edge.sum() < 24
    assert (drawn[15, 15] == np.round(0.3 * np.array(ORANGE))).all()
    assert not drawn[:4].any()


@pytest.mark.parametrize("deep", [False, True])
def test_masks_lie_over_the_picture_where_they_lie_in_the_image(place, deep):
    """The answer fills the upper left quarter as shown, the reference the lower right."""
    frame = Frame((8, 8, 4), 2) if deep else Frame((8, 8))
    grid = np.zeros((8, 8), dtype=np.uint8)
    answer, labels = grid.copy(), grid.copy()
    answer[:4, :4], labels[4:, 4:] = 1, 2
    if deep:  # as shown: rows and columns are y and x, both turned round
        answer, labels = (
            np.stack([one.T[::-1, ::-1] if z == 2 else grid for z in range(4)], axis=2)
            for one in (answer, labels)
        )
        nib.save(nib.Nifti1Image(answer, np.eye(4)), place.run / "maps" / "a.nii.gz")
    else:
        Pillow.fromarray(answer * 255).save(place.run / "maps" / "a.png")
    put_picture(place, "s0", frame, labels)
    name = "maps/a.nii.gz" if deep else "maps/a.png"
    pictures = Pictures()
    made = table(structure=["heart"], dice=[0.25], map=[name])
    found = examples_of("segmentation", made, place, pictures=pictures)
    (example,) = found.shown
    assert example.facts == (("structure", "heart"), ("dice", "0.250"))
    drawn = pixels(pictures, example.picture)
    assert drawn.shape == (SIDE, SIDE, 3)
    half, quarter = SIDE // 2, SIDE // 4
    red, _, blue = drawn[quarter, quarter]
    assert red > 50 > blue  # tinted
    assert not (drawn[quarter, -quarter] > 20).any()
    line = drawn[half : half + 2, half + 20 : -20].max(axis=0)
    assert (line[:, 2] > 150).all()


def test_examples_go_from_the_best_to_the_worst_and_leave_out_what_has_no_score(place):
    """Both ends are there; rows without an answer or a score are not."""
    n = 20
    dice = np.linspace(0, 1, n)
    dice[3] = np.nan
    made = table(structure=["heart"] * n, dice=dice.tolist(), map=[""] * n)
    made.columns["answered"][n - 1] = False
    found = examples_of("segmentation", made, place, pictures=Pictures())
    values = [float(dict(one.facts)["dice"]) for one in found.shown]
    assert len(values) == MAX_EXAMPLES
    assert values == sorted(values, reverse=True)
    assert (found.shown[0].id, found.shown[-1].id) == (f"s{n - 2}", "s0")
    assert all(one.picture is None for one in found.shown)


def test_boxes_are_drawn_and_absent_phrases_are_not_shown(place):
    """The reference box is a whole line at its place; several boxes are all there."""
    put_picture(place, "s0", Frame((8, 8)))
    put_picture(place, "s1", Frame((8, 8)))
    made = table(
        absent=[False, True], iou=[0.5, np.nan], phrase=["nodule", "effusion"], map=["", ""],
        reference=[[[0.0, 0.0, 4.0, 4.0], [6.0, 6.0, 8.0, 8.0]], []], box=[[], [[0, 0, 1, 1]]],
    )  # fmt: skip
    pictures = Pictures()
    found = examples_of("grounding", made, place, pictures=pictures)
    (example,) = found.shown
    assert example.facts == (("phrase", "nodule"), ("iou", "0.500"))
    blue = pixels(pictures, example.picture)[..., 2] > 150
    assert blue[:2, 10:100].any(axis=0).all()
    assert blue[-2:, -40:-10].any(axis=0).all()
    assert not blue[:, SIDE // 2 + 4 : 3 * SIDE // 4 - 4].any()


def test_answers_of_two_models_without_maps_are_two_pictures(place):
    """Row and sample are the same; what is drawn is not."""
    put_picture(place, "s0", Frame((8, 8)))
    pictures = Pictures()
    names = []
    for box in ([0.0, 0.0, 4.0, 4.0], [4.0, 4.0, 8.0, 8.0]):
        made = table(
            absent=[False], iou=[0.5], phrase=["nodule"], map=[""],
            reference=[[[2.0, 2.0, 6.0, 6.0]]], box=[[box]],
        )  # fmt: skip
        names.append(examples_of("grounding", made, place, pictures=pictures).shown[0].picture)
    first, second = (pixels(pictures, name) for name in names)
    assert (first != second).any()


def test_generated_images_stand_beside_the_true_ones(place):
    """True left, generated right; rows of the copied training image are another control."""
    for name, grey in (("true", 0), ("made", 255)):
        Pillow.new("L", (16, 16), grey).save(place.run / "maps" / f"{name}.png")
    made = table(
        nearest=[False, True], ssim=[0.3, 0.9], image=["maps/made.png"] * 2,
        reference=["maps/true.png"] * 2,
    )  # fmt: skip
    pictures = Pictures()
    found = examples_of("generation", made, place, pictures=pictures)
    (example,) = found.shown
    assert example.facts == (("ssim", "0.300"),)
    drawn = pixels(pictures, example.picture)
    assert drawn.shape == (SIDE // 2, SIDE + 2, 3)
    assert drawn[:, : SIDE // 2 - 8].max() < 20
    assert drawn[:, SIDE // 2 + 10 :].min() > 235


@pytest.mark.parametrize(("n_right", "expected"), [(10, 4), (2, 2), (20, MAX_ANSWERS), (0, 0)])
def test_answers_are_half_wrong_as_far_as_there_are_both(place, n_right, expected):
    """Calibrated answers are the same questions again and stay out."""
    n = 20
    right = [i < n_right for i in range(n)]
    made = table(
        calibrated=[False] * n + [True] * n, correct=right + [True] * n,
        question=["Is it?"] * 2 * n, reference=["yes"] * 2 * n, prediction=["", "no"] * n,
    )  # fmt: skip
    found = examples_of("vqa", made, place, pictures=Pictures())
    assert len(found.shown) == MAX_ANSWERS
    assert sum(bool(one.verdict) for one in found.shown) == expected
    assert dict(found.shown[0].facts)["answer"] == "(nothing)"
    assert all(int(one.id[1:]) < n for one in found.shown)


def test_without_pictures_nothing_of_a_patient_is_shown(place):
    """Questions and answers stay out of a page that leaves the house."""
    made = table(correct=[True], question=["?"], reference=["yes"], prediction=["yes"])
    assert examples_of("vqa", made, place, pictures=Pictures(enabled=False)) is None
    assert examples_of("classification", made, place, pictures=Pictures()) is None


def test_files_outside_of_the_maps_of_the_run_are_not_read(place):
    """A run folder from elsewhere cannot name a file of this machine."""
    put_picture(place, "s0", Frame((8, 8)))
    outside = place.run / "private.png"
    Pillow.new("L", (8, 8), 255).save(outside)
    for name in ("private.png", "maps/../private.png", str(outside), "maps/none.png"):
        pictures = Pictures()
        made = table(structure=["heart"], dice=[0.5], map=[name])
        (example,) = examples_of("segmentation", made, place, pictures=pictures).shown
        assert example.picture is None
        assert not pictures.embedded
