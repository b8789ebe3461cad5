"""What the sample browser says of an answer: right, wrong, how sure, how good; by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
from unpacking import opened

from vesalius.records import Cell, Predictions
from vesalius.report.packing import Words, pack, shares
from vesalius.report.sample_answers import (
    MEASURES,
    NEITHER,
    RIGHT,
    WRONG,
    Answered,
    answers_of,
    plain_rows,
)
from vesalius.report.sample_rows import (
    Asked,
    Row,
    asked_rows,
    chosen_rows,
    goodness,
    sheet_of,
)
from vesalius.report.sources import Origin
from vesalius.store.runs import Run

NAN = math.nan


def table(**columns):
    """Predictions with the columns that every task has; lists become objects."""
    n = len(next(iter(columns.values())))
    made = {
        "id": np.array([f"s{i}" for i in range(n)]),
        "key": np.array([f"k{i}" for i in range(n)]),
    }
    made["split"] = np.full(n, "test")
    for name, values in columns.items():
        column = np.empty(n, dtype=object)
        column[:] = values
        made[name] = column if isinstance(values[0], list) else np.array(values)
    return Predictions(made)


def answers(task, predictions, **card):
    """Read by the rules of a task."""
    return answers_of(task, predictions, card, run=Path())


def test_findings_are_right_when_every_one_is():
    """Three rows of two findings with thresholds 0.5 and 0.3, worked out by hand."""
    made = table(
        label=["a", "", "a|b"],
        **{"score:a": [0.9, 0.2, NAN], "score:b": [0.2, 0.4, NAN]},
        **{"threshold:a": [0.5] * 3, "threshold:b": [0.3] * 3},
    )
    found = answers("classification", made, multilabel=True)
    assert found.verdict.tolist() == [RIGHT, WRONG, WRONG]
    assert found.texts == ("a", "b", "(no answer)")
    # all right: the less sure of 0.9 and 1 − 0.2; one wrong: its own score; none: undefined
    np.testing.assert_allclose(found.measures["confidence"], [0.8, 0.4, NAN])
    np.testing.assert_allclose(found.measures["score"], [0.85, 0.7, NAN])
    assert found.thresholds == {"a": 0.5, "b": 0.3}


def test_two_classes_are_told_by_the_threshold_of_the_positive_one():
    """0.4 is above a threshold of 0.35 although the other class has more."""
    made = table(
        label=["sick", "well"], threshold=[0.35, 0.35],
        **{"score:well": [0.6, 0.6], "score:sick": [0.4, 0.4]},
    )  # fmt: skip
    found = answers("classification", made, positive="sick")
    assert found.verdict.tolist() == [RIGHT, WRONG]
    assert found.texts == ("sick", "sick")
    np.testing.assert_allclose(found.measures["confidence"], [0.4, 0.4])
    np.testing.assert_allclose(found.measures["score"], [0.4, 0.6])


def test_of_many_classes_the_highest_is_the_answer():
    """Its score is the confidence; the score of the truth is another number."""
    made = table(label=["c"], **{"score:a": [0.2], "score:b": [0.5], "score:c": [0.3]})
    found = answers("classification", made)
    assert (found.verdict.tolist(), found.texts) == ([WRONG], ("b",))
    assert found.measures["confidence"].tolist() == [0.5]
    assert found.measures["score"].tolist() == pytest.approx([0.3])
    assert found.thresholds == {}


def test_masks_are_found_from_half_on_and_undefined_ones_are_not_judged():
    """Without an answer a mask is wrong; with nothing to find and nothing found it is neither."""
    made = table(
        dice=[0.5, 0.49, NAN, NAN], iou=[0.4, 0.3, NAN, NAN], map=["maps/a", "", "", ""],
        answered=[True, True, True, False],
    )  # fmt: skip
    found = answers("segmentation", made)
    assert found.verdict.tolist() == [RIGHT, WRONG, NEITHER, WRONG]


def test_boxes_of_absent_findings_are_right_when_there_is_none():
    """Present: the hit decides; absent: silence is right, a box or no answer is wrong."""
    made = table(
        absent=[False, False, True, True, True], hit=[True, False, False, False, False],
        detected=[True, True, False, True, False], answered=[True, True, True, True, False],
        iou=[0.6, 0.2, NAN, NAN, NAN], box=[[[0, 0, 1, 1]], [[1, 1, 2, 2]], [], [[0, 0, 1, 1]], []],
    )  # fmt: skip
    found = answers("grounding", made)
    assert found.verdict.tolist() == [RIGHT, WRONG, RIGHT, WRONG, WRONG]
    assert found.boxes[1] == ((1.0, 1.0, 2.0, 2.0),)


def test_searches_are_found_within_five_places():
    """The sixth place is too late; without a positive there is nothing to find."""
    made = table(
        rank_first=[5.0, 6.0, NAN], n_positive=[1, 1, 0], average_precision=[0.2, 0.1, NAN],
        top=[["s1", "s0"], ["s2"], []], top_correct=[[False, True], [False], []],
    )  # fmt: skip
    found = answers("retrieval", made)
    assert found.verdict.tolist() == [RIGHT, WRONG, NEITHER]
    assert found.found[0] == (("s1", False), ("s0", True))


def test_answers_are_as_sure_as_their_likelihood_when_it_is_one():
    """The exponential of a log-likelihood; a positive one is no probability."""
    made = table(
        correct=[True, False, False], prediction=["yes", " ", "no"], token_f1=[1.0, 0.0, 0.0],
        log_likelihood=[math.log(0.25), 0.7, NAN],
    )  # fmt: skip
    found = answers("vqa", made)
    assert found.texts == ("yes", "(no answer)", "no")
    np.testing.assert_allclose(found.measures["confidence"], [0.25, NAN, NAN])


def test_only_the_rows_of_one_pass_are_listed():
    """Calibrated rows, copies and other draws of few shots are left to the metrics."""
    made = table(calibrated=[0, 1, 0], nearest=[0, 0, 1])
    assert plain_rows(made)["key"].tolist() == ["k0"]
    made = table(shots=[1, 4, 4, 4], draw=[0, 1, 1, 2])
    assert plain_rows(made)["key"].tolist() == ["k1", "k2"]


def test_words_about_a_patient_are_left_out_when_asked():
    """Questions, phrases and reference answers; the kind of question and the finding stay."""
    made = table(question=["Is it?"], reference=["yes"], type=["closed"])
    assert asked_rows("vqa", made, words=True)["k0"] == Asked("s0", "test", "Is it?", "yes", {})
    assert asked_rows("vqa", made, words=False)["k0"] == Asked("s0", "test", "closed", "", {})
    made = table(
        phrase=["left nodule"], finding=["nodule"], absent=[False], reference=[[[0, 1, 2, 3]]]
    )
    shown = asked_rows("grounding", made, words=True)["k0"]
    assert (shown.asked, shown.truth, shown.boxes) == ("left nodule", "present", ((0, 1, 2, 3),))
    assert asked_rows("grounding", made, words=False)["k0"].asked == "nodule"


def test_goodness_is_the_mean_of_the_models_that_have_a_value():
    """A missing row or an undefined value of one model does not count against the others."""
    origin = Origin(Run(Path(), {}, (), ()), Cell("m", "d", "segmentation", "p"))
    rows = [Row(f"k{i}", Asked(f"s{i}", "test", "", "", {}), origin) for i in range(3)]
    none = np.zeros(0, np.uint8)
    sheet = sheet_of(rows, {
        "one": Answered(("k2", "k0"), none, {"dice": np.array([0.2, 0.6])}),
        "two": Answered(("k0", "k1"), none, {"dice": np.array([0.8, NAN])}),
    })  # fmt: skip
    np.testing.assert_allclose(goodness(sheet, MEASURES["segmentation"][0]), [0.7, NAN, 0.2])


@pytest.mark.parametrize("most", [2, 5, 9, 30])
def test_what_is_left_out_is_neither_the_worst_nor_a_stretch(most):
    """Half of the kept rows are the worst; the order of the data stays; nothing twice."""
    good = np.random.default_rng(0).permutation(20) / 20
    kept = chosen_rows(good, most)
    assert kept.tolist() == sorted(set(kept.tolist()))
    assert len(kept) == min(most, 20)
    assert set(np.argsort(good)[: (min(most, 20) + 1) // 2]) <= set(kept.tolist())


def test_columns_come_back_from_a_payload_and_equal_ones_are_equal_text():
    """One, two and four bytes a number, decoded by other means; header beside them."""
    columns = {
        "a": np.array([0, 255]), "b": np.array([256, 65535, 1]), "c": np.array([2**32 - 1, 65536]),
        "none": np.array([], dtype=np.int64),
    }  # fmt: skip
    text = pack({"words": ["ü<"]}, columns)
    found = opened(text)
    assert found.header == {"words": ["ü<"]}
    assert found.columns == {name: values.tolist() for name, values in columns.items()}
    assert text == pack({"words": ["ü<"]}, columns)


def test_shares_are_thousandths_and_words_are_visible():
    """Rounded half up and clipped; undefined ones apart; control characters shown as such."""
    values = np.array([0.0004, 0.0005, 0.5, 1.2, -1, NAN])
    assert shares(values).tolist() == [0, 1, 500, 1000, 0, 65535]
    words = Words()
    assert [words.place("a"), words.place("\x1b[31m"), words.place("a")] == [0, 1, 0]
    assert words.texts == ["a", "�[31m"]
