"""Retrieval by likelihood: calibrated, pessimistic about ties, honest about what was not asked."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from task_fakes import (
    FakeDualEncoder,
    assert_same,
    in_order,
    predict_all,
    sample,
    values_of,
)

from vesalius.capabilities import AnswerScores
from vesalius.errors import InputError
from vesalius.records import DatasetCard, Image, ModelCard, Predictions, Sample
from vesalius.tasks import TaskData, make_task
from vesalius.tasks.controls import control_view
from vesalius.tasks.first_stage import best, neighbour_captions
from vesalius.views import ModelView

TASK = make_task("retrieval", "likelihood")
HABIT = {"a": -1.0, "b": -9.0, "c": -4.0, "d": -6.0}


@dataclass
class FakeTeller:
    """Its prior likes some letters more than others; a picture raises those of its caption."""

    card: ModelCard = field(default_factory=lambda: ModelCard("teller", "fake"))
    asked: list[int] = field(default_factory=list)

    def score_answers(
        self, image: Image, prompt: str, candidates: Sequence[str], /
    ) -> AnswerScores:
        """The habit alone; the view below adds what a picture shows."""
        del image
        assert not prompt
        self.asked.append(len(candidates))
        habit = np.array([sum(HABIT[letter] for letter in text.split()) for text in candidates])
        return AnswerScores(habit, np.array([len(text.split()) for text in candidates]))

    def encode_images(self, images: Sequence[Image], /) -> np.ndarray:
        """Only for the first stage of blank images."""
        return np.tile(np.array([1.0, 0, 0, 0], dtype=np.float32), (len(images), 1))


def letters(one: Sample) -> np.ndarray:
    """Which letters the caption of a sample has, as a unit row."""
    row = np.array([float(letter in (one.caption or "").split()) for letter in HABIT])
    return (row / np.linalg.norm(row)).astype(np.float32)


def telling(data: TaskData, *, lost: Sequence[str] = ()) -> tuple[ModelView, FakeTeller]:
    """A view whose images raise each letter of their caption by three, and lower others by one."""
    model = FakeTeller()

    def answer_scores(one: Sample, prompt: str, candidates: Sequence[str]) -> AnswerScores:
        plain = model.score_answers(grey(), prompt, candidates)
        shown = set((one.caption or "").split())
        gain = [sum(3.0 if x in shown else -1.0 for x in text.split()) for text in candidates]
        found = plain.log_likelihood + gain
        return AnswerScores(
            np.full(len(found), np.nan) if one.id in lost else found, plain.n_tokens
        )

    view = ModelView(
        name="teller",
        model=model,
        image_features=lambda samples: np.stack([letters(s) for s in samples]),
        text_features=lambda texts: np.zeros((len(texts), 4), np.float32),
        read=lambda _: grey(),
        answer_scores=answer_scores,
    )
    return view, model


def grey() -> Image:
    return Image(np.zeros((2, 2), np.uint8), "yx", "display", (0.0, 255.0))


def four(*, n_train: int = 0) -> TaskData:
    """Four test rows, each with a caption of its own; train rows repeat the letters."""
    captions = ("a", "b", "c c", "d")
    rows = [sample(f"s{i}", caption=text) for i, text in enumerate(captions)]
    for i in range(n_train):
        text = captions[i % 4]
        rows.append(sample(f"t{i}", caption=text, split="train"))
    return TaskData(DatasetCard("letters"), tuple(rows))


def ranks(predictions: Predictions, direction: str) -> list[list[int]]:
    rows = predictions["direction"] == direction
    return [list(found) for found in predictions["ranks"][rows]]


def test_what_is_likely_anyway_does_not_win() -> None:
    """The likeliest caption of all, "a", is not found by every image: each finds its own."""
    data = four()
    view, _ = telling(data)
    predictions = predict_all(TASK, view, data)
    assert ranks(predictions, "image→text") == [[1]] * 4
    assert ranks(predictions, "text→image") == [[1]] * 4
    assert predictions["key"].tolist() == list(TASK.expected(data))
    assert predictions["answered"].dtype == np.bool_
    assert values_of(TASK, predictions, data.card)["recall@1"] == 1.0


def test_sum_and_mean_differ_only_for_captions_of_an_image() -> None:
    """The same caption has the same length for every image."""
    rows = (sample("s0", caption="a b"), sample("s1", caption="a"), sample("s2", caption="b b b d"))
    data = TaskData(DatasetCard("letters"), rows)
    view, _ = telling(data)
    mean = make_task("retrieval", "likelihood", {"normalised": "per token"})
    plain, other = predict_all(TASK, view, data), predict_all(mean, view, data)
    # gains of s0: "a b" 6, "a" 3, "b b b d" 8; per token 3, 3, 2
    assert ranks(plain, "image→text")[0] == [2]
    assert ranks(other, "image→text")[0] == [2]  # tied with "a", which comes first
    assert plain["top"][0] == ["s2", "s0", "s1"]
    assert other["top"][0] == ["s1", "s0", "s2"]
    assert ranks(plain, "text→image") == ranks(other, "text→image")


def test_blank_images_find_nothing() -> None:
    """Every gain is exactly 0, and ties are pessimistic."""
    data = four()
    view, _ = telling(data)
    predictions = predict_all(TASK, control_view("blank-image", view, data), data)
    assert ranks(predictions, "image→text") == [[4]] * 4
    assert ranks(predictions, "text→image") == [[4]] * 4


def test_shuffled_images_find_the_caption_of_their_donor() -> None:
    """With four different captions nobody finds the own one first."""
    data = four()
    view, _ = telling(data)
    predictions = predict_all(TASK, control_view("shuffled-images", view, data), data)
    assert values_of(TASK, predictions, data.card)["recall@1"] == 0.0


def test_random_is_repeatable_and_needs_no_model() -> None:
    """The same seed draws the same scores."""
    data = four()
    view, model = telling(data)
    assert TASK.unsuitable(control_view("random", view, data), data) is None
    one, other = (predict_all(TASK, control_view("random", view, data), data) for _ in range(2))
    assert_same(one, other)
    assert not model.asked


def test_an_image_that_cannot_be_read_is_wrong_and_comes_last() -> None:
    """Its own query has no answer; as an item it is behind every other."""
    data = four()
    view, _ = telling(data, lost=["s1"])
    predictions = predict_all(TASK, view, data)
    answered = predictions["answered"][predictions["direction"] == "image→text"]
    assert answered.tolist() == [True, False, True, True]
    assert ranks(predictions, "image→text") == [[1], [4], [1], [1]]
    assert ranks(predictions, "text→image") == [[1], [4], [1], [1]]
    assert values_of(TASK, predictions, data.card)["recall@1"] == 0.75


def test_resumed_rows_are_the_same() -> None:
    """Whatever is done already, the rest gets the same numbers; done rows are not repeated."""
    data = four()
    whole = predict_all(TASK, telling(data)[0], data)
    done = frozenset(whole["key"].tolist()[1::2])
    rest = predict_all(TASK, telling(data)[0], data, done)
    assert not done & set(rest["key"].tolist())
    assert_same(rest, in_order(whole, rest["key"].tolist()))
    assert not list(TASK.predict(telling(data)[0], data, frozenset(TASK.expected(data))))


def test_the_same_caption_is_asked_once_and_right_for_both() -> None:
    """Equal texts are one candidate and positives of each other."""
    rows = (sample("s0", caption="a"), sample("s1", caption="b"), sample("s2", caption="a"))
    data = TaskData(DatasetCard("letters"), rows)
    view, model = telling(data)
    predictions = predict_all(TASK, view, data)
    assert set(model.asked) == {2}
    assert ranks(predictions, "image→text") == [[1, 2], [1], [1, 2]]


def test_a_large_gallery_is_reranked_from_the_first_stage() -> None:
    """Only the best few are asked; the others keep the order of the first stage below them."""
    data = four(n_train=4)
    view, model = telling(data)
    task = make_task("retrieval", "likelihood", {"full_gallery": 3, "reranked": 2, "neighbours": 1})
    first = neighbour_captions(view, data, data.samples[:4], neighbours=1)
    np.testing.assert_allclose(first, np.eye(4), atol=1e-6)
    predictions = predict_all(task, view, data)
    assert model.asked[0] == 4  # the blank image is asked about everything
    assert sum(model.asked[1:]) == 10  # of 16 pairs; of equal images the first is taken
    assert ranks(predictions, "image→text") == [[1]] * 4
    assert ranks(predictions, "text→image") == [[1]] * 4


def test_the_likelihood_cannot_lift_what_the_first_stage_left_below() -> None:
    """An image whose neighbours say something else loses its caption before it is asked."""
    data = four(n_train=4)
    view, _ = telling(data)
    swapped = {"s0": letters(data.samples[1])}  # looks like "b" to the first stage

    def image_features(samples: Sequence[Sample]) -> np.ndarray:
        return np.stack([swapped.get(s.id, letters(s)) for s in samples])

    task = make_task("retrieval", "likelihood", {"full_gallery": 3, "reranked": 1, "neighbours": 1})
    predictions = predict_all(task, replace(view, image_features=image_features), data)
    assert ranks(predictions, "image→text")[0][0] > 1
    assert predictions["top"][0][0] == "s1"


def test_nothing_of_the_first_stage_comes_from_test() -> None:
    """The words of test captions that train does not know are nobody's evidence."""
    rows = (sample("s0", caption="a x"), sample("s1", caption="b"))
    train = (sample("t0", caption="a", split="train"), sample("v0", caption="x", split="val"))
    data = TaskData(DatasetCard("letters"), (*rows, *train))
    view, _ = telling(data)
    found = neighbour_captions(view, data, rows, neighbours=5)
    np.testing.assert_allclose(found, [[1, 0], [1, 0]], atol=1e-6)


def test_best_takes_the_first_of_equals() -> None:
    """The choice of what is asked depends on no label."""
    assert best(np.array([[1.0, 2.0, 2.0, 2.0]]), n=2).tolist() == [[False, True, True, False]]


def test_reasons() -> None:
    """Each is true, and says what is missing."""
    data = four()
    view, _ = telling(data)
    assert TASK.unsuitable(view, data) is None
    dual = replace(view, model=FakeDualEncoder())
    assert TASK.unsuitable(dual, data) == "model gives no likelihood of answers"
    none = TaskData(DatasetCard("letters"), data.samples[:1])
    assert TASK.unsuitable(view, none) == "fewer than two test rows with a caption"
    small = make_task("retrieval", "likelihood", {"full_gallery": 3})
    assert "no train row has a caption" in str(small.unsuitable(view, data))
    assert small.unsuitable(view, four(n_train=1)) is None


def test_settings_are_checked() -> None:
    """A gallery of nothing cannot be re-ranked."""
    with pytest.raises(InputError, match="reranked: expected a positive number"):
        make_task("retrieval", "likelihood", {"reranked": 0})
