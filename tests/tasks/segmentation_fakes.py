"""Masks that can be worked out by hand: 8 × 8 pixels under a grid of 8 × 8, so maps are patches."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from grounding_fakes import FLAT, SIDE, FakeAttributor, FakeDense
from task_fakes import axis, sample, view_of

from vesalius.errors import DataError
from vesalius.placement import Patches, Placement
from vesalius.records import DatasetCard, Image, Sample
from vesalius.tasks import TaskData
from vesalius.views import ModelView, Store

NAMES = ("lung", "heart")
STRUCTURES = {"lung": 1, "heart": 2}
SPACING = (2.0, 0.5)

Masks = Mapping[str, np.ndarray]
Draw = Callable[[Sample, str], np.ndarray | None]


def scene(n: int = 6, **card: object) -> tuple[TaskData, dict[str, np.ndarray]]:
    """Per sample a lung of 3 × 2 pixels somewhere, and a heart of 2 × 2 in every second one."""
    samples, masks = [], {}
    for split in ("train", "val", "test"):
        for number in range(n):
            name = f"{split}-{number:02d}"
            samples.append(sample(name, split=split, mask=Path(f"{name}.png")))
            mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
            row, column = number % 5, number // 5 % 6
            mask[row : row + 3, column : column + 2] = 1
            if number % 2 == 0:
                mask[6:8, 6:8] = 2
            masks[name] = mask
    given: dict[str, object] = {"structures": STRUCTURES, **card}
    return TaskData(DatasetCard("scene", **given), tuple(samples)), masks  # type: ignore[arg-type]


def with_store(
    view: ModelView,
    masks: Masks,
    *,
    spacing: tuple[float, ...] | None = SPACING,
    unreadable: frozenset[str] = frozenset(),
) -> ModelView:
    """The view over samples with these masks; images named in `unreadable` cannot be read."""

    def read(one: Sample) -> Image:
        if one.id in unreadable:
            raise DataError("cannot be read", reason="corrupt", where=one.id)
        size = masks[one.id].shape
        kind = "yx" if len(size) == 2 else "xyz"
        return Image(np.zeros(size, np.uint8), kind, "display", (0.0, 255.0), spacing_mm=spacing)

    def mask(one: Sample) -> np.ndarray | None:
        return None if one.id in unreadable else masks.get(one.id)

    return replace(view, read=read, store=Store(mask=mask))


def drawing(draw: Draw, masks: Masks, *, placement: Placement = FLAT, **store: object) -> ModelView:
    """A model whose attributions are written down, by sample and the name it is asked for."""

    def attribution(one: Sample, text: str) -> Patches | None:
        values = draw(one, text)
        if values is None:
            return None
        return Patches(values if values.ndim == 3 else values[None], placement)

    view = replace(view_of({}, FakeAttributor()), attribution=attribution)
    return with_store(view, masks, **store)  # type: ignore[arg-type]


def truthful(masks: Masks) -> Draw:
    """Maps of a model that knows: 1 inside and a quarter outside."""

    def draw(one: Sample, text: str) -> np.ndarray:
        found: np.ndarray = np.where(masks[one.id] == STRUCTURES[text], 1.0, 0.25)
        return found

    return draw


def seeing(
    masks: Masks, *, noise: float = 0.0, aligned: bool = True, placement: Placement = FLAT
) -> ModelView:
    """A model whose patches lie on the axis of the structure they show, others on the last one."""

    def dense(one: Sample) -> Patches:
        labels = masks[one.id]
        planes = np.stack([axis(7), axis(0), axis(1)])[labels][None]
        rng = np.random.default_rng(int.from_bytes(one.id.encode()[-4:]))
        return Patches((planes + noise * rng.normal(size=planes.shape)), placement)

    model = FakeDense(NAMES, dense_text_aligned=aligned)
    return with_store(replace(view_of({}, model), dense=dense), masks)
