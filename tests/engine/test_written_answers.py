"""Free text: each question about a picture is asked once, in batches, slices put together."""

import numpy as np

from vesalius.capabilities import AnswerScores
from vesalius.engine.answers import BATCH, AnswerMemory
from vesalius.records import Image


def _picture(grey: int) -> Image:
    return Image(np.full((2, 2), grey, np.uint8), "yx", "display", (0.0, 255.0))


class Reader:
    """Says the grey value and the question."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def generate(self, images, prompts, /) -> list[str]:
        """One text per image."""
        self.batches.append(len(images))
        return [f"{i.pixels[0, 0]} {p}" for i, p in zip(images, prompts, strict=True)]


class Stacker(Reader):
    """Takes several images in one question."""

    def answer_about(self, images, prompt, /) -> str:
        """All grey values in their order."""
        return "+".join(str(i.pixels[0, 0]) for i in images) + f" {prompt}"

    def score_answers_about(self, images, prompt, candidates, /) -> AnswerScores:
        """The first grey value, whatever is asked."""
        n = len(candidates)
        return AnswerScores(np.full(n, float(images[0].pixels[0, 0])), np.ones(n, np.int64))

    def score_answers(self, image, prompt, candidates, /) -> AnswerScores:
        """Never asked about a volume."""
        raise AssertionError("one by one")


def test_questions_are_asked_once_and_in_batches() -> None:
    """40 questions about 20 pictures: three calls; asked again, none."""
    memory, model = AnswerMemory(), Reader()
    asked = [(str(i % 20), "ab"[i // 20]) for i in range(40)]
    for _ in range(2):
        memory.write(model, asked + asked, lambda digest: [_picture(int(digest))])
    assert model.batches == [BATCH, BATCH, 40 - 2 * BATCH]
    assert memory.texts["7", "b"] == "7 b"
    assert len(memory.texts) == 40


def test_the_most_frequent_answer_of_the_slices_counts() -> None:
    """Two of three slices say 5; of equals the first slice decides."""
    memory = AnswerMemory()
    volumes = {"most": [4, 5, 5], "tie": [9, 8]}
    asked = [(name, "q") for name in volumes]
    memory.write(Reader(), asked, lambda digest: [_picture(g) for g in volumes[digest]])
    assert memory.texts == {("most", "q"): "5 q", ("tie", "q"): "9 q"}


def test_a_model_of_several_images_sees_the_slices_together() -> None:
    """In their order, once; a single picture goes the ordinary way."""
    memory, model = AnswerMemory(), Stacker()
    shown = {"volume": [3, 1, 2], "picture": [7]}
    asked = [(name, "q") for name in shown]
    memory.write(model, asked, lambda digest: [_picture(g) for g in shown[digest]])
    assert memory.texts == {("volume", "q"): "3+1+2 q", ("picture", "q"): "7 q"}
    found = memory.scores(
        model, "volume", ("q", ["yes", "no"]), lambda: [_picture(g) for g in shown["volume"]]
    )
    assert found.log_likelihood.tolist() == [3.0, 3.0]


def test_what_cannot_be_read_has_no_answer() -> None:
    """The others are answered all the same."""
    memory = AnswerMemory()
    memory.write(
        Reader(),
        [("lost", "q"), ("seen", "q")],
        lambda digest: [] if digest == "lost" else [_picture(1)],
    )
    assert memory.texts == {("seen", "q"): "1 q"}
