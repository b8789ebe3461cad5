"""Pictures whose embedding is known, a judge, and a view of both."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vesalius.errors import DataError
from vesalius.imaging import display_pixels
from vesalius.records import DatasetCard, Image, ModelCard, Sample
from vesalius.tasks import TaskData
from vesalius.tasks.controls import ModelFree
from vesalius.views import Judge, ModelView, Store

SIDE, RANK = 16, 4
UNREADABLE = "test-broken"
JUDGE = "fake-judge"


@dataclass(frozen=True)
class Drawer:
    """Embeds images and texts, and draws a flat picture for a text."""

    card: ModelCard = field(default_factory=lambda: ModelCard("fake", "fake"))

    def encode_images(self, images: Sequence[Image], /) -> np.ndarray:
        """Never asked: the view knows the rows."""
        raise AssertionError(len(images))

    def encode_texts(self, texts: Sequence[str], /) -> np.ndarray:
        """Never asked: the view knows the rows."""
        raise AssertionError(len(texts))

    def generate_images(self, texts: Sequence[str], /) -> list[Image]:
        """As bright as the text is long."""
        flat = [np.full((5, 9), len(text), np.uint8) for text in texts]
        return [Image(pixels, "yx", "display", (0.0, 255.0)) for pixels in flat]


@dataclass(frozen=True)
class Reader:
    """A language model without text embedding: the length of a text."""

    seen: list[str] = field(default_factory=list)

    def encode_language(self, texts: Sequence[str], /) -> np.ndarray:
        """One column."""
        self.seen.extend(texts)
        return np.array([[len(text)] for text in texts], dtype=np.float32)


@dataclass
class Cohort:
    """Pictures made of `RANK` patterns; the coordinates are the embedding."""

    data: TaskData
    coordinates: dict[str, np.ndarray]
    pictures: dict[str, np.ndarray]
    kept: list[str] = field(default_factory=list)

    def view(self, model: object | None = None, *, name: str = "fake") -> ModelView:
        """A model that embeds each image, and its caption, as its coordinates."""
        by_caption = {s.caption: self.coordinates[s.id] for s in self.data.samples}
        return ModelView(
            name=name,
            model=model or Drawer(),
            image_features=lambda samples: np.stack([self.coordinates[s.id] for s in samples]),
            text_features=lambda texts: np.stack([by_caption[text] for text in texts]),
            read=self._read,
            store=Store(keep=self._keep, judge=judge),
        )

    def _read(self, sample: Sample) -> Image:
        if sample.id == UNREADABLE:
            raise DataError("cannot be read", reason="missing_file", where=sample.id)
        return Image(self.pictures[sample.id], "yx", "display", (0.0, 255.0))

    def _keep(self, name: str, array: np.ndarray, sample: Sample) -> str:
        assert array.dtype == np.uint8
        self.kept.append(f"{name}/{sample.id}")
        return self.kept[-1]


def judge(name: str) -> Judge:
    """Sees the grey of the four quarters; texts are all the same to it."""

    def image_features(images: Sequence[Image]) -> np.ndarray:
        grey = np.stack([display_pixels(image).astype(np.float64) for image in images])
        half = grey.shape[1] // 2
        parts = [grey[:, r : r + half, c : c + half] for r in (0, half) for c in (0, half)]
        rows = np.stack([part.mean(axis=(1, 2)) for part in parts], axis=1) + 1.0
        unit: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit

    return Judge(name, image_features, lambda texts: np.full((len(texts), 4), 0.5))


def cohort(*, n: int = 20, seed: int = 0, broken: bool = False) -> Cohort:
    """`n` train, half as many val and test pictures, every one with a caption of its own."""
    rng = np.random.default_rng(seed)
    patterns = rng.normal(size=(RANK, SIDE, SIDE)) * 14
    samples, coordinates, pictures = [], {}, {}
    names = [f"{s}-{i:02d}" for s, k in (("train", n), ("val", n // 2), ("test", n // 2))
             for i in range(k)]  # fmt: skip
    for name in names + [UNREADABLE] * broken:
        split = name.partition("-")[0]
        row = rng.normal(size=RANK)
        shown = np.clip(127 + np.tensordot(row, patterns, axes=1), 0, 255)
        samples.append(Sample(name, f"p-{name}", split, Path(name), caption=f"picture {name}"))  # type: ignore[arg-type]
        coordinates[name] = row.astype(np.float32)
        pictures[name] = np.floor(shown + 0.5).astype(np.uint8)
    if broken:
        coordinates[UNREADABLE] = np.full(RANK, np.nan, np.float32)
    return Cohort(TaskData(DatasetCard("fake-set"), tuple(samples)), coordinates, pictures)


def model_free(kind: str) -> ModelFree:
    """A control without model."""
    return ModelFree(kind, 0)  # type: ignore[arg-type]
