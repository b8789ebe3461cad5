"""Maps that can be worked out by hand: every sample is 8 × 8 pixels under a grid of 8 × 8."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from task_fakes import FakeDualEncoder, axis, sample, view_of

from vesalius.placement import Patches, Placement
from vesalius.records import DatasetCard, Geometry, Image, ModelCard, Phrase, Sample
from vesalius.tasks import Task, TaskData, make_task
from vesalius.views import ModelView

SIDE = 8
FRAME = Geometry(0.0, 0.0, float(SIDE), float(SIDE))
FLAT = Placement((SIDE, SIDE), (FRAME,))
HOT, WARM = 1.0, 0.25  # peaks of what is there and of what is not
SHARP = {"smoothing": 0.0}

Draw = Callable[[Sample, str], np.ndarray | None]


@dataclass(frozen=True)
class FakeAttributor:
    """Can say where it looks; what it says stands in the view."""

    card: ModelCard = field(default_factory=lambda: ModelCard("looker", "fake"))

    def attribute(self, image: Image, text: str, /) -> np.ndarray:
        """Nothing in particular."""
        return np.zeros((SIDE, SIDE), dtype=np.float32)


@dataclass(frozen=True)
class FakeDense(FakeDualEncoder):
    """A dual encoder whose patches lie in the space of its texts."""

    dense_text_aligned: bool = True

    def encode_dense(self, images: Sequence[Image], /) -> np.ndarray:
        """Every patch on the last axis."""
        return np.tile(axis(7), (len(images), SIDE, SIDE, 1))


def attribution(**settings: object) -> Task:
    """The protocol without smoothing, so that a pixel keeps its value."""
    return make_task("grounding", "attribution", SHARP | settings)


def looking(draw: Draw, *, placement: Placement = FLAT) -> ModelView:
    """A view of a model whose maps are written down."""

    def seen(one: Sample, text: str) -> Patches | None:
        values = draw(one, text)
        if values is None:
            return None
        return Patches(values if values.ndim == 3 else values[None], placement)

    def read(one: Sample) -> Image:
        size = placement.size
        axes = "yx" if len(size) == 2 else "xyz"
        return Image(np.zeros(size, np.uint8), axes, "display", (0.0, 255.0))

    return replace(view_of({}, FakeAttributor()), attribution=seen, read=read)


def hill(box: Sequence[float], height: float = HOT) -> np.ndarray:
    """A map of zeros with a plateau over a box in the dataset's order."""
    x0, y0, x1, y1 = (int(v) for v in box)
    values = np.zeros((SIDE, SIDE), dtype=np.float32)
    values[y0:y1, x0:x1] = height
    return values


def truthful(data: TaskData) -> Draw:
    """Maps of a model that knows: hot over every reference box, lukewarm where nothing is."""
    boxes: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for one in data.phrases:
        boxes.setdefault((one.id, one.phrase), [])
        if one.box is not None:
            boxes[one.id, one.phrase].append(one.box)

    def draw(one: Sample, text: str) -> np.ndarray:
        there = boxes[one.id, text]
        maps = [hill(box) for box in there] or [hill((0, 0, 2, 2), WARM)]
        found: np.ndarray = np.max(maps, axis=0)
        return found

    return draw


def scene(n: int = 6, **card: object) -> TaskData:
    """Per sample a nodule somewhere else, and an effusion that is absent."""
    samples, phrases = [], []
    for split in ("train", "val", "test"):
        for number in range(n):
            name = f"{split}-{number}"
            samples.append(sample(name, split=split))
            x, y = number % 4, number // 4
            phrases.append(Phrase(name, "lung nodule", (x, y, x + 3, y + 2)))
            phrases.append(Phrase(name, "effusion", None))
    given: dict[str, object] = {"classes": {"nodule": ("nodule",)}, **card}
    return TaskData(DatasetCard("scene", **given), tuple(samples), 0, (), tuple(phrases))  # type: ignore[arg-type]
