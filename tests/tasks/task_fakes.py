"""Fakes whose embedding geometry is known by hand, and small cohorts made of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from vesalius.records import DatasetCard, Image, ModelCard, Predictions, Sample
from vesalius.tasks import Task, TaskData
from vesalius.views import ModelView

CLASSES = ("normal", "pneumonia", "effusion")
WIDTH = 8
SCALE = 10.0


def axis(index: int) -> np.ndarray:
    """Unit vector along one axis."""
    row = np.zeros(WIDTH, dtype=np.float32)
    row[index] = 1.0
    return row


def unit(row: np.ndarray) -> np.ndarray:
    """The row at length 1."""
    return (row / np.linalg.norm(row)).astype(np.float32)


@dataclass(frozen=True)
class FakeDualEncoder:
    """Class i lies on axis i; a text lies on the axes of the classes that it names.

    ``no X`` points away from X. Any other text lies on the last axis, and so does any picture.
    """

    classes: tuple[str, ...] = CLASSES
    logit_scale: float = SCALE
    card: ModelCard = field(default_factory=lambda: ModelCard("fake", "fake"))

    def encode_images(self, images: Sequence[Image], /) -> np.ndarray:
        """One and the same vector for every picture."""
        return np.stack([axis(WIDTH - 1) for _ in images])

    def encode_texts(self, texts: Sequence[str], /) -> np.ndarray:
        """See the class."""
        return np.stack([self._text(text) for text in texts])

    def _text(self, text: str) -> np.ndarray:
        row = np.zeros(WIDTH, dtype=np.float32)
        for i, name in enumerate(self.classes):
            if name in text:
                row[i] = -1.0 if f"no {name}" in text else 1.0
        return unit(row) if row.any() else axis(WIDTH - 1)


@dataclass(frozen=True)
class FakeImageEncoder:
    """Images only."""

    card: ModelCard = field(default_factory=lambda: ModelCard("blind", "fake"))

    def encode_images(self, images: Sequence[Image], /) -> np.ndarray:
        """One and the same vector for every picture."""
        return np.stack([axis(WIDTH - 1) for _ in images])


def view_of(
    rows: dict[str, np.ndarray], model: object | None = None, *, name: str = "fake"
) -> ModelView:
    """A view whose image features are written down, by sample id."""
    model = model if model is not None else FakeDualEncoder()
    encode = model.encode_texts if isinstance(model, FakeDualEncoder) else _no_text
    return ModelView(
        name=name,
        model=model,
        image_features=lambda samples: np.stack([rows[s.id] for s in samples]),
        text_features=encode,
        read=lambda s: Image(np.zeros((2, 2), np.uint8), "yx", "display", (0.0, 255.0)),
    )


def _no_text(texts: Sequence[str]) -> np.ndarray:
    raise AssertionError("a model without text was asked for one")


def sample(name: str, labels: tuple[str, ...] = (), **given: object) -> Sample:
    """A labelled test sample of its own patient, unless said otherwise."""
    plain = Sample(
        id=name, patient=f"p-{name}", split="test", image=Path(name), labels=labels, labelled=True
    )
    return replace(plain, **given)  # type: ignore[arg-type]


def cohort(
    classes: tuple[str, ...] = CLASSES,
    *,
    n_per_class: int = 8,
    noise: float = 0.0,
    seed: int = 0,
    **card: object,
) -> tuple[TaskData, dict[str, np.ndarray]]:
    """Every class in every split, each image on the axis of its class, plus noise."""
    rng = np.random.default_rng(seed)
    samples, rows = [], {}
    for split in ("train", "val", "test"):
        for i, label in enumerate(classes):
            for n in range(n_per_class):
                name = f"{split}-{label}-{n:02d}"
                samples.append(sample(name, (label,), split=split, caption=f"{label} case {n}"))
                rows[name] = unit(axis(i) + noise * rng.normal(size=WIDTH).astype(np.float32))
    names: dict[str, tuple[str, ...]] = {label: (label,) for label in classes}
    given: dict[str, object] = {"classes": names, **card}
    return TaskData(DatasetCard("fake-set", **given), tuple(samples), seed), rows  # type: ignore[arg-type]


def multilabel_cohort(*, n: int = 12, noise: float = 0.0) -> tuple[TaskData, dict[str, np.ndarray]]:
    """Two findings, present or absent in all four ways; the sign along an axis is the truth."""
    rng = np.random.default_rng(1)
    findings = ("pneumonia", "effusion")
    model = FakeDualEncoder(findings)
    samples, rows = [], {}
    for split in ("train", "val", "test"):
        for number in range(4 * n):
            has = (number % 2 == 0, number // 2 % 2 == 0)
            labels = tuple(name for name, present in zip(findings, has, strict=True) if present)
            name = f"{split}-{number:03d}"
            samples.append(sample(name, labels, split=split))
            signs = np.zeros(WIDTH, dtype=np.float32)
            signs[:2] = np.where(has, 1.0, -1.0)
            rows[name] = unit(signs + noise * rng.normal(size=WIDTH).astype(np.float32))
    names = {name: (name,) for name in model.classes}
    card = DatasetCard("findings", classes=names, multilabel=True)
    return TaskData(card, tuple(samples)), rows


def predict_all(
    task: Task, view: ModelView, data: TaskData, done: frozenset[str] = frozenset()
) -> Predictions:
    """All batches of a prediction as one table."""
    return join(list(task.predict(view, data, done)))


def join(batches: Sequence[Predictions]) -> Predictions:
    """Batches one below the other."""
    names = batches[0].columns
    return Predictions({n: np.concatenate([b[n] for b in batches]) for n in names})


def in_order(predictions: Predictions, keys: Sequence[str]) -> Predictions:
    """The rows of `keys`, in that order."""
    place = {key: row for row, key in enumerate(predictions["key"].tolist())}
    take = np.array([place[key] for key in keys])
    return Predictions({name: values[take] for name, values in predictions.columns.items()})


def values_of(task: Task, predictions: Predictions, card: DatasetCard) -> dict[str, float]:
    """``metric`` or ``metric @ class`` → value on all rows."""
    everyone = np.arange(predictions.n_rows)
    return {
        f"{s.metric} @ {s.class_name}" if s.class_name else s.metric: s.statistic(
            everyone if s.rows is None else s.rows
        )
        for s in task.score(predictions, card)
    }


def assert_same(one: Predictions, other: Predictions) -> None:
    """Bit-equal tables."""
    assert list(one.columns) == list(other.columns)
    for name, values in one.columns.items():
        if values.dtype == object:
            assert values.tolist() == other[name].tolist(), name
        else:
            np.testing.assert_array_equal(values, other[name], err_msg=name)
