"""Boxes that a model writes: what is read, and what counts as no box."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from grounding_fakes import SIDE, scene
from hypothesis import given
from hypothesis import strategies as st
from task_fakes import FakeDualEncoder, predict_all, values_of, view_of

from vesalius.errors import InputError
from vesalius.records import Image, ModelCard, Phrase, Sample
from vesalius.tasks import TaskData, make_task
from vesalius.tasks.controls import control_view
from vesalius.tasks.text_box import parse_box
from vesalius.views import ModelView

TASK = make_task("grounding", "text-box")
SIZE = (100, 200)


@dataclass(frozen=True)
class FakeWriter:
    """Writes; what it writes stands in the view."""

    card: ModelCard = field(default_factory=lambda: ModelCard("writer", "fake"))

    def generate(self, images: Sequence[Image], prompts: Sequence[str], /) -> list[str]:
        """Nothing."""
        return [""] * len(images)


def writing(answers: dict[tuple[str, str], str | None]) -> ModelView:
    """A view of a model that answers with what is written down, else that it cannot see."""

    def written(asked: Sequence[tuple[Sample, str]]) -> list[str | None]:
        found: list[str | None] = []
        for one, question in asked:
            phrase = question.removeprefix("Where is the ").partition("?")[0]
            found.append(answers.get((one.id, phrase), "I cannot see it."))
        return found

    picture = Image(np.zeros((SIDE, SIDE), np.uint8), "yx", "display", (0.0, 255.0))
    return replace(view_of({}, FakeWriter()), written=written, read=lambda _: picture)


@pytest.mark.parametrize(
    ("text", "coordinates", "box"),
    [
        ("[0.1, 0.2, 0.5, 0.6]", "fraction", [20, 20, 60, 100]),
        ("(0.1, 0.2), (0.5, 0.6).", "fraction", [20, 20, 60, 100]),
        ("x0=0.1 y0=0.2 x1=0.5 y1=0.6", "fraction", [20, 20, 60, 100]),
        ("<loc0100><loc0200><loc0500><loc0600> nodule", "thousandths", [20, 20, 60, 100]),
        ("100, 200, 500, 600", "thousandths", [20, 20, 60, 100]),
        ("20 20 100 60", "pixels", [20, 20, 60, 100]),
        ("0 0 1 1", "pixels", [0, 0, 1, 1]),
        ("-5 -5 500 500", "pixels", [0, 0, 100, 200]),
    ],
)
def test_four_numbers_are_a_box(text: str, coordinates: str, box: list[float]) -> None:
    """In the unit that the setting names, cut to the image."""
    found = parse_box(text, coordinates=coordinates, size=SIZE)
    assert found is not None
    np.testing.assert_allclose(found, box)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "on the left",
        "0.1 0.2 0.5",
        "0.1 0.2 0.5 0.6 0.9",
        "0.5 0.6 0.1 0.2",
        "0.1 0.2 0.1 0.6",
        "2 2 3 3",
        "version 1.2.3, 4 5 6",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    """Too few, too many, corners in the wrong order, nothing inside the image."""
    assert parse_box(text, coordinates="fraction", size=SIZE) is None


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    """What comes back is a box inside the image, or nothing."""
    box = parse_box(text, coordinates="pixels", size=SIZE)
    assert box is None or (0 <= box[0] < box[2] <= 100 and 0 <= box[1] < box[3] <= 200)


def test_what_cannot_be_read_is_a_miss_and_counted() -> None:
    """One right box, one answer without numbers, one phrase without answer, one false alarm."""
    data = scene(3)
    answers: dict[tuple[str, str], str | None] = {
        ("test-0", "lung nodule"): "0, 0, 0.375, 0.25",  # (0, 0, 3, 2) of 8
        ("test-1", "effusion"): "0 0 1 1",
        ("test-2", "lung nodule"): None,
    }
    table = predict_all(TASK, writing(answers), data)
    assert table["key"].tolist() == list(TASK.expected(data))
    there = ~table["absent"]
    assert table["iou"][there].tolist() == [1.0, 0.0, 0.0]
    assert table["parsed"][there].tolist() == [True, False, False]
    assert table["answered"][there].tolist() == [True, True, False]
    assert table["text"][there][1] == "I cannot see it."
    values = values_of(TASK, table, data.card)
    assert values["iou[box]"] == values["detection_rate"] == pytest.approx(1 / 3)
    assert values["false_positive_rate[absent]"] == pytest.approx(1 / 3)
    assert "pointing_game" not in values  # there is no map


def test_rows_that_are_done_are_not_asked_again() -> None:
    """A resumed run pays for what is open only."""
    data = scene(3)
    asked: list[str] = []
    view = writing({})

    def written(questions: Sequence[tuple[Sample, str]]) -> list[str | None]:
        asked.extend(question for _, question in questions)
        return view.written(questions)

    done = frozenset(TASK.expected(data)[1:])
    table = predict_all(TASK, replace(view, written=written), data, done)
    assert (table.n_rows, len(asked)) == (1, 1)
    assert list(TASK.predict(view, data, frozenset(TASK.expected(data)))) == []


def test_controls_answer_too() -> None:
    """The position of train boxes is what a written box has to beat."""
    data = scene(3)
    table = predict_all(TASK, control_view("majority", writing({}), data), data)
    assert table["detected"].all()
    assert values_of(TASK, table, data.card)["iou[box]"] > 0


def test_what_cannot_be_asked_says_why() -> None:
    """A volume needs six numbers; a model without words writes none."""
    data = scene(2)
    deep = TaskData(
        data.card, data.samples, 0, (), (Phrase("test-0", "nodule", (0, 0, 1, 1, 0, 1)),)
    )
    assert TASK.unsuitable(writing({}), data) is None
    assert TASK.unsuitable(writing({}), deep) == "four numbers are no box in a volume"
    assert TASK.unsuitable(view_of({}, FakeDualEncoder()), data) == "model writes no text"
    with pytest.raises(InputError, match="exactly once"):
        make_task("grounding", "text-box", {"question": "Where?"})
    with pytest.raises(InputError, match="coordinates"):
        make_task("grounding", "text-box", {"coordinates": "guess"})
