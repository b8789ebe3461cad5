"""For each promise about answers, texts, maps and priors there is a fake that breaks only it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from vesalius.capabilities import AnswerScores
from vesalius.errors import ModelError
from vesalius.imaging import display_pixels
from vesalius.models.conformance import check_adapter
from vesalius.records import Geometry, Image

TEXTS = ("is there a nodule in the lung", "normal heart", "effusion")
GRID = 8

Scores = Callable[[AnswerScores, Image, str], AnswerScores]


def brightness(image: Image) -> float:
    return float(display_pixels(image).mean()) / 255


def cells(image: Image) -> np.ndarray:
    """Mean brightness of a grid over the whole picture."""
    pixels = display_pixels(image).astype(np.float64)
    grey = pixels.mean(axis=2) if pixels.ndim == 3 else pixels
    rows, columns = (np.linspace(0, n, GRID + 1).astype(int) for n in grey.shape)
    return np.array(
        [
            [grey[rows[i] : rows[i + 1], columns[j] : columns[j + 1]].mean() for j in range(GRID)]
            for i in range(GRID)
        ]
    )


@dataclass
class Talker:
    """Scores by letters and brightness, answers by length; one hook a promise."""

    scores: Scores = lambda scores, image, prompt: scores
    texts: Callable[[list[str], Sequence[str]], object] = lambda texts, prompts: texts

    def score_answers(
        self, image: Image, prompt: str, candidates: Sequence[str], /
    ) -> AnswerScores:
        """Longer answers, darker images and longer prompts are less likely."""
        n_tokens = np.array([len(text.split()) + 1 for text in candidates])
        log_likelihood = -n_tokens * (1.0 + brightness(image) + len(prompt) / 10)
        return self.scores(AnswerScores(log_likelihood, n_tokens), image, prompt)

    def generate(self, images: Sequence[Image], prompts: Sequence[str], /) -> list[str]:
        """How bright, and how long the question was."""
        texts = [f"{brightness(i):.2f} {len(p)}" for i, p in zip(images, prompts, strict=True)]
        return self.texts(texts, prompts)  # type: ignore[return-value]


def add(values: np.ndarray | float) -> Scores:
    """A change of the log-likelihoods."""
    return lambda s, image, prompt: replace(s, log_likelihood=s.log_likelihood + values)


def counting(change: Callable[[np.ndarray], object]) -> Scores:
    """A change of the numbers of tokens."""
    return lambda s, image, prompt: replace(s, n_tokens=change(s.n_tokens))


def by_call() -> Scores:
    """Other numbers at every call."""
    calls: list[int] = []

    def change(scores: AnswerScores, image: Image, prompt: str) -> AnswerScores:
        calls.append(0)
        return replace(scores, log_likelihood=scores.log_likelihood - len(calls))

    return change


def texts_by_call() -> Callable[[list[str], Sequence[str]], list[str]]:
    """Other texts at every call."""
    calls: list[int] = []

    def change(texts: list[str], prompts: Sequence[str]) -> list[str]:
        calls.append(0)
        return [f"{text} {len(calls)}" for text in texts]

    return change


def test_a_faithful_talker_passes(pictures: list[Image]) -> None:
    """The checks do not cry wolf."""
    check_adapter(Talker(), pictures, TEXTS)


BROKEN: dict[str, tuple[dict[str, object], str]] = {
    "tuple": ({"scores": lambda s, i, p: (s.log_likelihood,)}, "expected AnswerScores, got tuple"),
    "short": (
        {"scores": lambda s, i, p: replace(s, log_likelihood=s.log_likelihood[:-1])},
        r"expected 3 floats, got float64 of shape \(2,\)",
    ),
    "whole": (
        {"scores": lambda s, i, p: replace(s, log_likelihood=s.n_tokens)},
        "expected 3 floats, got int64",
    ),
    "nan": ({"scores": add(np.nan)}, "3 log-likelihoods are not finite"),
    "probability": ({"scores": add(1000.0)}, "a log-likelihood is above 0"),
    "no tokens": ({"scores": counting(lambda n: n * 0)}, "an answer has 0 tokens"),
    "half tokens": ({"scores": counting(lambda n: n / 2)}, "expected 3 whole numbers of tokens"),
    "random": ({"scores": by_call()}, "score_answers: a second call gives other numbers"),
    "order": (
        {"scores": lambda s, i, p: replace(
            s, log_likelihood=s.log_likelihood - 0.1 * np.arange(len(s.n_tokens)))},
        "the order of the candidates matters",
    ),
    "number": (
        {"scores": lambda s, i, p: replace(s, log_likelihood=s.log_likelihood - len(s.n_tokens))},
        "the number of candidates matters",
    ),
    "padding counted": (
        {"scores": counting(lambda n: np.full_like(n, n.max()))},
        "the number of candidates matters",
    ),
    "blind": (
        {"scores": lambda s, i, p: replace(s, log_likelihood=-s.n_tokens * (1.0 + len(p)))},
        "score_answers: the image does not matter",
    ),
    "deaf": (
        {"scores": lambda s, i, p: replace(s, log_likelihood=-s.n_tokens * (1 + brightness(i)))},
        "score_answers: the prompt does not matter",
    ),
    "any answer": (
        {"scores": lambda s, i, p: AnswerScores(
            s.log_likelihood * 0 - 1 - brightness(i) - len(p), s.n_tokens)},
        "the candidate does not matter",
    ),
    "not a list": ({"texts": lambda t, p: tuple(t)}, "generate: expected a list of strings"),
    "bytes": ({"texts": lambda t, p: [x.encode() for x in t]}, "expected a list of strings"),
    "one for all": ({"texts": lambda t, p: t[:1]}, "expected one text a prompt, got 1 for 3"),
    "dice": ({"texts": texts_by_call()}, "generate: a second call gives other texts"),
    "batch": ({"texts": lambda t, p: [x + " " * len(t) for x in t]}, "a text depends on the batch"),
    "echo": (
        {"texts": lambda t, p: [f"{q} {x}" for x, q in zip(t, p, strict=True)]},
        "generate: the answer begins with the prompt",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("hooks", "message"), BROKEN.values(), ids=list(BROKEN))
def test_each_broken_promise_of_language_is_found(
    hooks: dict[str, object], message: str, pictures: list[Image]
) -> None:
    """One fault, planted in an otherwise faithful generator, is named, and only it."""
    with pytest.raises(ModelError, match=message) as caught:
        check_adapter(Talker(**hooks), pictures, TEXTS)  # type: ignore[arg-type]
    assert str(caught.value).count(";") <= (1 if hooks.keys() == {"scores"} else 0)


Map = Callable[[np.ndarray, Image, str], np.ndarray]


@dataclass
class Looker:
    """A map of brightness, scaled by the length of the text."""

    change: Map = lambda grid, image, text: grid

    def attribute(self, image: Image, text: str, /) -> np.ndarray:
        """The brighter, the more relevant."""
        return self.change((cells(image) * len(text)).astype(np.float32), image, text)


MAPS: dict[str, tuple[Map, str]] = {
    "double": (lambda g, i, t: g.astype(np.float64), "attribute: expected float32, got float64"),
    "axes": (lambda g, i, t: g[None], r"attribute: expected shape \(any, any\)"),
    "nan": (lambda g, i, t: g * np.float32(np.nan), "64 values are not finite"),
    "flat": (lambda g, i, t: np.full_like(g, len(t) + g.mean()), "the map is constant"),
    "deaf": (lambda g, i, t: g / np.float32(len(t)), "attribute: the text does not matter"),
    "blind": (
        lambda g, i, t: (np.eye(GRID) * len(t)).astype(np.float32),
        "attribute: the image does not matter",
    ),
    "transposed": (lambda g, i, t: g.T.copy(), "attribute: the map is not row-major"),
    "upside down": (lambda g, i, t: g[::-1].copy(), "attribute: the map is not row-major"),
    "mirrored": (lambda g, i, t: g[:, ::-1].copy(), "attribute: the map is not row-major"),
}


@pytest.mark.parametrize(("change", "message"), MAPS.values(), ids=list(MAPS))
def test_each_broken_promise_of_a_map_is_found(
    change: Map, message: str, pictures: list[Image]
) -> None:
    """A map that cannot be drawn over the image, or says the same of everything."""
    check_adapter(Looker(), pictures, TEXTS)
    with pytest.raises(ModelError, match=message):
        check_adapter(Looker(change), pictures, TEXTS)


def test_a_map_that_flickers_is_found(pictures: list[Image]) -> None:
    """Dropout left on shows in maps too."""
    rng = np.random.default_rng(0)
    flicker = Looker(lambda g, i, t: (g + rng.random(g.shape)).astype(np.float32))
    with pytest.raises(ModelError, match="attribute: a second call gives other numbers"):
        check_adapter(flicker, pictures, TEXTS)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


@dataclass
class Follower:
    """Rows of cells; a prior is subtracted in part. One hook for each way to get it wrong."""

    share: float = 0.3
    bias: float = 0.0
    length: float = 1.0
    smear: float = 0.0
    any_prior: bool = False

    def encode_images(self, images: Sequence[Image], /) -> np.ndarray:
        """One row an image."""
        return unit(np.stack([self._row(image) for image in images]))

    def encode_with_prior(
        self, images: Sequence[Image], priors: Sequence[Image | None], /
    ) -> np.ndarray:
        """The same, minus some of the prior's row."""
        rows = [
            self._row(image) - (self.share * self._past(prior) if prior else 0) + self.bias
            for image, prior in zip(images, priors, strict=True)
        ]
        joined = np.stack(rows)
        joined = joined + self.smear * np.roll(joined, 1, axis=0)
        return (unit(joined) * np.float32(self.length)).astype(np.float32)

    def _past(self, prior: Image) -> np.ndarray:
        return np.linspace(0, 200, GRID * GRID + 1) if self.any_prior else self._row(prior)

    @staticmethod
    def _row(image: Image) -> np.ndarray:
        return np.append(cells(image).ravel(), 64.0)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"bias": 50.0}, "a prior of None gives another row than encode_images"),
        ({"share": 0.0}, "encode_with_prior: the prior does not matter"),
        ({"any_prior": True}, "two different priors give the same row"),
        ({"length": 2.0}, "encode_with_prior: vectors are not of unit length"),
        ({"smear": 0.3}, "encode_with_prior: a row depends on"),
    ],
)
def test_each_broken_promise_of_a_prior_is_found(
    fault: dict[str, float], message: str, pictures: list[Image]
) -> None:
    """Absent priors, priors without effect, and pairs that mix."""
    check_adapter(Follower(), pictures, TEXTS)
    with pytest.raises(ModelError, match=message):
        check_adapter(Follower(**fault), pictures, TEXTS)  # type: ignore[arg-type]


@dataclass
class Placed:
    """A grid over the whole picture, and a `geometry` that may say something else."""

    frame: Callable[[Geometry], Geometry] = lambda frame: frame
    dense_text_aligned: bool = False

    def encode_dense(self, images: Sequence[Image], /) -> np.ndarray:
        """Brightness of the cells."""
        return np.stack([cells(image)[..., None] for image in images]).astype(np.float32)

    def geometry(self, image: Image, /) -> Geometry:
        """The whole picture."""
        rows, columns = image.size[:2]
        return self.frame(Geometry(0.0, 0.0, float(rows), float(columns)))


@pytest.mark.parametrize(
    "frame",
    [
        lambda g: Geometry(g.left, g.top, g.width, g.height),
        lambda g: Geometry(0.0, 0.0, g.height / 2, g.width / 2),
        lambda g: Geometry(-g.height / 2, -g.width / 2, g.height, g.width),
    ],
    ids=["axes swapped", "half as large", "shifted"],
)
def test_cells_that_lie_elsewhere_are_found(
    frame: Callable[[Geometry], Geometry], pictures: list[Image]
) -> None:
    """A heat map of such a grid would be drawn in the wrong place."""
    check_adapter(Placed(), pictures, TEXTS)
    with pytest.raises(ModelError, match="do not lie where geometry puts them"):
        check_adapter(Placed(frame), pictures, TEXTS)


@dataclass
class Shower(Talker):
    """Takes several images: the second counts against the first; one hook a promise."""

    weights: Sequence[float] = (1.0, -1.0)
    bias: float = 0.0
    reply: str = ""

    def score_answers_about(
        self, images: Sequence[Image], prompt: str, candidates: Sequence[str], /
    ) -> AnswerScores:
        """As `Talker.score_answers`, further images added by weight."""
        first = self.score_answers(images[0], prompt, candidates)
        further = zip(self.weights[1:], images[1:], strict=False)
        change = self.bias + sum(weight * brightness(image) for weight, image in further)
        return AnswerScores(first.log_likelihood - first.n_tokens * change, first.n_tokens)

    def answer_about(self, images: Sequence[Image], prompt: str, /) -> str:
        """The single image's answer, unless told otherwise."""
        return self.reply or self.generate(images[:1], [prompt])[0]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"bias": 0.3}, "score_answers_about: one image gives other numbers"),
        ({"weights": (1.0, 1.0)}, "score_answers_about: the order of the images does not matter"),
        ({"reply": "always"}, "answer_about: one image gives another text"),
    ],
)
def test_promises_about_several_images(
    pictures: list[Image], broken: dict[str, object], message: str
) -> None:
    """Whoever keeps them passes; whoever breaks one is told which."""
    check_adapter(Shower(), pictures, TEXTS)
    with pytest.raises(ModelError, match=message):
        check_adapter(Shower(**broken), pictures, TEXTS)  # type: ignore[arg-type]


Drawn = Callable[[list[Image], Sequence[str]], object]


@dataclass
class Painter:
    """Fills a picture with the length of the text."""

    change: Drawn = lambda images, texts: images

    def generate_images(self, texts: Sequence[str], /) -> object:
        """One picture a text."""
        grey = [np.full((4, 4), len(text), np.float32) for text in texts]
        return self.change([Image(one, "yx", "display", (0.0, 99.0)) for one in grey], texts)


def repainted(images: list[Image], value: Callable[[int], float]) -> list[Image]:
    return [replace(one, pixels=one.pixels * 0 + value(i)) for i, one in enumerate(images)]


PICTURES: dict[str, tuple[Drawn, str]] = {
    "tuple": (lambda i, t: tuple(i), "expected a list of 2D images, got tuple"),
    "arrays": (lambda i, t: [x.pixels for x in i], "expected a list of 2D images"),
    "one for all": (lambda i, t: i[:1], "expected one image a text, got 1 for 3"),
    "nan": (lambda i, t: repainted(i, lambda _: np.nan), "a picture is not finite"),
    "company": (lambda i, t: repainted(i, float), "a picture depends on the other texts"),
    "deaf": (lambda i, t: repainted(i, lambda _: 5.0), "generate_images: the text does not matter"),
}


def test_a_painter_that_keeps_every_promise_passes(pictures: list[Image]) -> None:
    """Nothing is found where nothing is wrong."""
    check_adapter(Painter(), pictures, TEXTS)


@pytest.mark.parametrize(("change", "message"), PICTURES.values(), ids=list(PICTURES))
def test_each_broken_promise_of_pictures_is_found(
    change: Drawn, message: str, pictures: list[Image]
) -> None:
    """One fault in what is drawn."""
    with pytest.raises(ModelError, match=message):
        check_adapter(Painter(change), pictures, TEXTS)


def test_pictures_that_are_never_the_same_are_found(pictures: list[Image]) -> None:
    """Without a seed."""
    drawn = iter(range(100))
    painter = Painter(lambda i, t: repainted(i, lambda _: float(next(drawn))))
    with pytest.raises(ModelError, match="a second call gives other pictures"):
        check_adapter(painter, pictures, TEXTS)
