"""A model that can do everything, and a dataset that asks for everything, both known by hand.

A picture is dark with noise, or has one bright square on the left or on the right. Images, patches
and texts lie in one space of three axes: clear, lesion on the left, lesion on the right.
"""

import csv
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from vesalius.capabilities import AnswerScores
from vesalius.data.manifest import Dataset, load_dataset
from vesalius.imaging import display_pixels
from vesalius.records import Geometry, Image, ModelCard

EDGE, SQUARE, GRID = 32, 12, 4
BLOCK = ("train", "val", "test", "test", "test", "test")
CARD = """\
format: 1
name: everything
modality: xray
classes:
  clear: ["clear"]
  lesion: ["lesion"]
positive: lesion
templates: ["a {} picture", "{} is shown"]
structures: {lesion: 1}
structure_prompts: {lesion: ["lesion"]}
tabular: {age: numeric}
subgroups: [site]
"""


def write_everything(folder: Path, *, n_patients: int = 90, seed: int = 0) -> Path:
    """Labels, captions, masks, questions, phrases and subgroups; a fifth of the pictures clear."""
    rng = np.random.default_rng(seed)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    (folder / "dataset.yaml").write_text(CARD)
    samples, questions, phrases = [], [], []
    for number in range(n_patients):
        name, side = f"s{number:03d}", ("left", "right")[rng.integers(2)] if number % 5 else "none"
        box, site = _draw(folder, name, side, rng), ("south", "north")[number // len(BLOCK) % 2]
        words = "clear picture" if box is None else f"lesion on the {side}"
        samples.append(
            (name, f"p{number:03d}", BLOCK[number % len(BLOCK)], f"images/{name}.png",
             "clear" if box is None else "lesion", f"masks/{name}.png",
             f"{words}, case {number}", 30 + number % 40, site)
        )  # fmt: skip
        yes = "no" if box is None else "yes"
        questions.append((name, "Is there a lesion?", yes, "closed", "", "yes|no", "presence"))
        if box is not None:
            questions.append((name, "Where is the lesion?", side, "open", "", "", "side"))
        phrases.append((name, "lesion", *(box or ("", "", "", ""))))
    _table(folder / "samples.csv", "id patient split image label mask caption age site", samples)
    _table(
        folder / "questions.csv", "id question answer type answers choices question_type", questions
    )
    _table(folder / "phrases.csv", "id phrase x0 y0 x1 y1", phrases)
    return folder


def everything(folder: Path, **options: int) -> Dataset:
    """The dataset, loaded."""
    return load_dataset(write_everything(folder, **options))


def _draw(
    folder: Path, name: str, side: str, rng: np.random.Generator
) -> tuple[int, int, int, int] | None:
    pixels = rng.normal(60, 8, (EDGE, EDGE))
    mask, box = np.zeros((EDGE, EDGE), dtype=np.uint8), None
    if side != "none":
        x = int(rng.integers(0, 4)) + (0 if side == "left" else EDGE // 2)
        y = int(rng.integers(0, EDGE - SQUARE))
        box = (x, y, x + SQUARE, y + SQUARE)
        mask[y : y + SQUARE, x : x + SQUARE] = 1
        pixels[mask == 1] += 130
    Pillow.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"images/{name}.png")
    Pillow.fromarray(mask).save(folder / f"masks/{name}.png")
    return box


def _table(path: Path, header: str, rows: list[tuple[object, ...]]) -> None:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([header.split(), *rows])


class Everything:
    """Every capability, by arithmetic on the grey of a 4 × 4 grid of patches."""

    logit_scale = 10.0
    dense_text_aligned = True

    def __init__(self, name: str = "everything", weights: str = "1") -> None:
        self.card = ModelCard(name=name, adapter="fake", weights={"grid": weights})

    def encode_images(self, images):
        """How clear it is, and the brightest patch of each side."""
        return np.stack([_global(_brightness(image)) for image in images])

    def encode_with_prior(self, images, priors):
        """As if there were no earlier picture."""
        return self.encode_images(images)

    def encode_texts(self, texts):
        """The words decide."""
        return np.stack([_text(text) for text in texts])

    def encode_words(self, texts):
        """Each word as a text; an empty text is read as one word."""
        return [self.encode_texts(text.split() or [text]) for text in texts]

    def encode_dense(self, images):
        """Per patch how dark it is, and how bright on its side."""
        return np.stack([_patches(_brightness(image)) for image in images])

    def score_texts(self, images, texts):
        """Scaled cosines."""
        return self.logit_scale * self.encode_images(images) @ self.encode_texts(texts).T

    def score_answers(self, image, prompt, candidates):
        """Scaled cosines as log-likelihoods; what is asked changes nothing."""
        (scores,) = self.score_texts([image], candidates)
        n_tokens = np.array([len(text.split()) + 1 for text in candidates])
        return AnswerScores((scores - self.logit_scale) * n_tokens, n_tokens)

    def score_answers_about(self, images, prompt, candidates):
        """Mean over the images."""
        scores = [self.score_answers(image, prompt, candidates) for image in images]
        mean = np.mean([one.log_likelihood for one in scores], axis=0)
        return AnswerScores(mean, scores[0].n_tokens)

    def generate(self, images, prompts):
        """Yes or no, left or right, or a caption."""
        return [_answer(_brightness(i), p) for i, p in zip(images, prompts, strict=True)]

    def answer_about(self, images, prompt):
        """What the first image says."""
        return self.generate(images[:1], [prompt])[0]

    def attribute(self, image, text):
        """Similarity of the patches with the text."""
        return (_patches(_brightness(image)) @ _text(text)).astype(np.float32)

    def geometry(self, image):
        """All of the image."""
        rows, columns = image.size
        return Geometry(0.0, 0.0, float(rows), float(columns))

    def with_fit(self, fit):
        """It sees all of an image anyway."""
        return self

    def generate_images(self, texts):
        """A dark picture with the square that the text asks for."""
        return [_picture(text) for text in texts]


def _brightness(image: Image) -> np.ndarray:
    """Mean grey of each patch: 0 like the background, 1 like the square."""
    pixels = display_pixels(image).astype(np.float64)
    grey = pixels.mean(axis=2) if pixels.ndim == 3 else pixels
    parts = [np.array_split(row, GRID, axis=1) for row in np.array_split(grey, GRID, axis=0)]
    means = np.array([[part.mean() for part in row] for row in parts])
    return np.clip((means - 70) / 110, 0, 1)


def _global(bright: np.ndarray) -> np.ndarray:
    left, right = bright[:, : GRID // 2].max(), bright[:, GRID // 2 :].max()
    return _unit(np.array([1 - max(left, right), left, right]))


def _patches(bright: np.ndarray) -> np.ndarray:
    is_left = np.arange(GRID)[None, :] < GRID // 2
    axes = np.stack([1 - bright, bright * is_left, bright * ~is_left], axis=2)
    return _unit(axes)


def _text(text: str) -> np.ndarray:
    words = set(text.lower().replace(",", " ").split())
    if words & {"clear", "no", "normal"}:
        return _unit(np.array([1.0, 0.0, 0.0]))
    if words & {"left", "right"}:
        return _unit(np.array([0.0, "left" in words, "right" in words]))
    if words & {"lesion", "yes"}:
        return _unit(np.array([0.0, 1.0, 1.0]))
    return _unit(np.ones(3))


def _answer(bright: np.ndarray, prompt: str) -> str:
    _, left, right = _global(bright)
    side = "left" if left >= right else "right"
    has_lesion = max(left, right) > 0.5
    if prompt.startswith("Is"):
        return "yes" if has_lesion else "no"
    if prompt.startswith("Where"):
        return side
    return f"lesion on the {side}" if has_lesion else "clear picture"


def _picture(text: str) -> Image:
    pixels = np.full((EDGE, EDGE), 60, dtype=np.uint8)
    _, left, right = _text(text)
    if max(left, right) > 0.6:
        start = 2 if left >= right else EDGE // 2 + 2
        pixels[10 : 10 + SQUARE, start : start + SQUARE] = 190
    return Image(pixels, "yx", "display", (0.0, 255.0), source="made")


def _unit(rows: np.ndarray) -> np.ndarray:
    rows = rows + 1e-3
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)
