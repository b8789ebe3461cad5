"""The table of pictures: a protocol makes them, everything else is done here, once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vesalius.metrics.geometry import row_cosines
from vesalius.records import Predictions, Sample, Split
from vesalius.tasks import TaskData
from vesalius.tasks.classification import CHUNK, Part, sample_columns
from vesalius.tasks.controls import ModelFree, seeded
from vesalius.tasks.generation_pictures import (
    MISSING,
    Picture,
    as_image,
    likeness,
    read_picture,
    true_samples,
)
from vesalius.views import Judge, ModelView

DIGITS = 5  # of judge features, which float32 networks repeat to about 1e-6
MIN_TRAIN = 8
Make = Callable[[Sequence[Sample]], Sequence[Picture | None]]


@dataclass(frozen=True, slots=True, eq=False)
class Studio:
    """What pictures are made with and compared by.

    Attributes:
        view: the model.
        data: the dataset.
        side: of every picture, in pixels.
        judge: the encoder of the distances between sets.
        kind: of generation, a column of the table and the folder of the pictures.
    """

    view: ModelView
    data: TaskData
    side: int
    judge: Judge
    kind: str

    def pictures(self, samples: Sequence[Sample], /) -> dict[str, Picture]:
        """Sample id → its own picture, of those that can be read."""
        true = true_samples(self.view, self.data)
        found = {
            s.id: read_picture(self.view, true[s.id], side=self.side)
            for s in samples
            if s.id in true
        }
        return {name: picture for name, picture in found.items() if picture is not None}


def samples_of(
    data: TaskData, split: Split, /, *, captioned: bool = False, limit: int = 0
) -> tuple[Sample, ...]:
    """Samples of a split by id, at most `limit` of them (0: all), drawn by the task's seed."""
    chosen = [s for s in data.samples if s.split == split and (s.caption or not captioned)]
    chosen.sort(key=lambda s: s.id)
    if limit and len(chosen) > limit:
        drawn = seeded(data.seed, "generation", split).permutation(len(chosen))[:limit]
        chosen = [chosen[i] for i in sorted(drawn.tolist())]
    return tuple(chosen)


def unsuitable_samples(data: TaskData, /, *, captioned: bool, learns: bool = True) -> str | None:
    """Why a dataset cannot be generated from."""
    rows = "rows with a caption" if captioned else "rows"
    if len(samples_of(data, "test", captioned=captioned)) < 2:
        return f"fewer than two test {rows}"
    n_train = len(samples_of(data, "train", captioned=captioned))
    if learns and n_train < MIN_TRAIN:
        return f"{n_train} train {rows}, fewer than {MIN_TRAIN}"
    return None


def model_free_pictures(model: ModelFree, train: Mapping[str, Picture], /, *, side: int) -> Make:
    """``majority`` is the mean train picture, ``random`` one of them, drawn per sample."""
    stack = np.array(list(train.values()), dtype=np.uint8).reshape(len(train), side, side)

    def make(samples: Sequence[Sample]) -> list[Picture | None]:
        if not len(stack):
            return [None] * len(samples)
        if model.kind == "random":
            return [
                stack[int(seeded(model.seed, "generation", s.id).integers(len(stack)))]
                for s in samples
            ]
        mean: np.ndarray = np.floor(stack.mean(axis=0) + 0.5).astype(np.uint8)
        return [mean] * len(samples)

    return make


def picture_rows(
    makers: Sequence[tuple[Part, Make]],
    samples: Sequence[Sample],
    studio: Studio,
    /,
    *,
    done: frozenset[str],
) -> Iterator[Predictions]:
    """One row per sample and part, in batches of fixed borders; what is done is left out."""
    if all(part.prefix + s.id in done for part, _ in makers for s in samples):
        return
    references = studio.pictures(samples)
    reference_features = judged(references, studio.judge)
    for part, make in makers:
        for start in range(0, len(samples), CHUNK):
            chunk = samples[start : start + CHUNK]
            keys = [part.prefix + sample.id for sample in chunk]
            wanted = np.array([key not in done for key in keys])
            if not wanted.any():
                continue
            made = zip(chunk, make(chunk), strict=True)
            pictures = {s.id: p for s, p in made if p is not None and s.id in references}
            columns = sample_columns(chunk, keys, studio.data.card)
            columns |= {name: np.full(len(chunk), v) for name, v in part.columns.items()}
            columns |= _compared(chunk, pictures, references)
            columns |= _kept(chunk, pictures, studio, part)
            columns |= _kept(chunk, references, studio, None)
            features = judged(pictures, studio.judge)
            columns["caption_cosine"] = _caption_cosines(chunk, features, studio.judge)
            columns["features"] = _lists(chunk, features)
            columns["reference_features"] = _lists(chunk, reference_features)
            yield Predictions({name: values[wanted] for name, values in columns.items()})


def judged(pictures: Mapping[str, Picture], judge: Judge, /) -> dict[str, np.ndarray]:
    """What the judge sees in each picture, rounded to 1e-5."""
    if not pictures:
        return {}
    rows = judge.image_features([as_image(picture) for picture in pictures.values()])
    return dict(zip(pictures, rows.astype(np.float64).round(DIGITS), strict=True))


def _compared(
    samples: Sequence[Sample], pictures: Mapping[str, Picture], references: Mapping[str, Picture]
) -> dict[str, np.ndarray]:
    values = [
        likeness(references[s.id], pictures[s.id]) if s.id in pictures else MISSING for s in samples
    ]
    columns = {name: np.array([value[name] for value in values]) for name in MISSING}
    return columns | {"answered": np.array([s.id in pictures for s in samples], dtype=np.bool_)}


def _kept(
    samples: Sequence[Sample], pictures: Mapping[str, Picture], studio: Studio, part: Part | None
) -> dict[str, np.ndarray]:
    """Files of generated pictures, or without a part of those they are compared with."""
    column = "reference" if part is None else "image"
    folder = f"{studio.kind}/{part.prefix}image" if part else f"{studio.kind}/reference"
    paths = [
        studio.view.store.keep(folder, pictures[s.id], s) if s.id in pictures else ""
        for s in samples
    ]
    return {column: np.array(paths, dtype=np.str_), "kind": np.full(len(samples), studio.kind)}


def _caption_cosines(
    samples: Sequence[Sample], features: Mapping[str, np.ndarray], judge: Judge
) -> Float[np.ndarray, " n"]:
    """Cosine of picture and caption by the judge; 0 without a picture, NaN without a caption.

    All NaN by a judge that knows no texts.
    """
    if judge.text_features is None:
        return np.full(len(samples), np.nan)
    values = np.array([0.0 if s.caption else np.nan for s in samples])
    places = [i for i, s in enumerate(samples) if s.caption and s.id in features]
    if places:
        texts = judge.text_features([samples[i].caption or "" for i in places])
        images = np.stack([features[samples[i].id] for i in places])
        values[places] = row_cosines(images, texts).round(DIGITS)
    return values


def _lists(samples: Sequence[Sample], features: Mapping[str, np.ndarray]) -> np.ndarray:
    column = np.empty(len(samples), dtype=object)
    for row, sample in enumerate(samples):
        column[row] = features[sample.id].tolist() if sample.id in features else []
    return column
