"""Every check can fail: for each promise there is a fake that breaks only this one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest

from vesalius.errors import InputError, ModelError
from vesalius.imaging import display_pixels
from vesalius.models.conformance import check_adapter
from vesalius.records import Geometry, Image, ModelCard

Rows = Callable[[np.ndarray], np.ndarray]
GRID = 8
TEXTS = ("a large nodule in the lung", "normal", "effusion")


def unit(vectors: np.ndarray) -> np.ndarray:
    values = vectors.astype(np.float64)
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


def cells(image: Image) -> np.ndarray:
    """Mean brightness of a grid over the central square, as (GRID, GRID)."""
    pixels = display_pixels(image).astype(np.float64)
    grey = pixels.mean(axis=2) if pixels.ndim == 3 else pixels
    side = min(grey.shape)
    top, left = (grey.shape[0] - side) // 2, (grey.shape[1] - side) // 2
    square = grey[top : top + side, left : left + side]
    edges = np.linspace(0, side, GRID + 1).astype(int)
    return np.array(
        [[square[a:b, c:d].mean() for c, d in pairwise(edges)] for a, b in pairwise(edges)]
    )


@dataclass
class Faithful:
    """A brightness model that keeps all promises; one hook a promise lets a test break it."""

    rows: Rows = lambda rows: rows
    words: Rows = lambda rows: rows
    grid: Rows = lambda grid: grid
    scores: Rows = lambda scores: scores
    frame: Callable[[Geometry], Geometry] = lambda frame: frame
    card: object = field(default_factory=lambda: ModelCard("fake", "fake"))
    logit_scale: float = 10.0
    dense_text_aligned: bool = True

    def encode_images(self, images: Sequence[Image], /) -> np.ndarray:
        """One row an image: brightness of the cells, and a constant."""
        codes = [np.append(cells(image).ravel(), 64.0) for image in images]
        return self.rows(unit(np.stack(codes)))

    def encode_texts(self, texts: Sequence[str], /) -> np.ndarray:
        """One row a text: counts of its letters."""
        counts = [np.bincount([ord(c) % 65 for c in text], minlength=65) for text in texts]
        return self.words(unit(np.stack(counts)))

    def encode_dense(self, images: Sequence[Image], /) -> np.ndarray:
        """One vector a cell, by its brightness."""
        ramp = np.linspace(0, 1, 65)
        return self.grid(
            unit(np.stack([cells(image)[..., None] / 255 * ramp + 1 - ramp for image in images]))
        )

    def score_texts(self, images: Sequence[Image], texts: Sequence[str], /) -> np.ndarray:
        """Scaled cosine."""
        cosine = unit(self.encode_images(images)) @ unit(self.encode_texts(texts)).T
        return self.scores(np.asarray(self.logit_scale * cosine, np.float32))

    def geometry(self, image: Image, /) -> Geometry:
        """The central square."""
        rows, columns = image.size[:2]
        side = min(rows, columns)
        return self.frame(
            Geometry((rows - side) // 2, (columns - side) // 2, float(side), float(side))
        )


def flickering() -> Rows:
    """Other numbers at every call."""
    rng = np.random.default_rng(0)
    return lambda rows: unit(rows + rng.normal(0, 0.1, rows.shape))


def smeared(rows: np.ndarray) -> np.ndarray:
    """Every row takes some of its right neighbour."""
    return unit(rows + 0.3 * np.roll(rows, 1, axis=0))


def by_size(rows: np.ndarray) -> np.ndarray:
    """A constant that depends on the number of rows only."""
    return unit(rows + 0.01 * len(rows))


def by_order() -> Rows:
    """Rows mix when a batch begins with what was once its last row."""
    seen: list[np.ndarray] = []

    def mix(rows: np.ndarray) -> np.ndarray:
        seen.append(rows)
        return smeared(rows) if np.array_equal(rows[0], seen[0][-1]) else rows

    return mix


def in_large_batches(rows: np.ndarray) -> np.ndarray:
    """Rows mix when one more is added."""
    return smeared(rows) if len(rows) > 3 else rows


def with_nan(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values.flat[0] = np.nan
    return values


def same(rows: np.ndarray) -> np.ndarray:
    return unit(np.ones_like(rows))


def test_a_faithful_model_passes(pictures: list[Image]) -> None:
    """The checks do not cry wolf."""
    check_adapter(Faithful(), pictures, TEXTS)


BROKEN: dict[str, tuple[dict[str, object], str]] = {
    "card": ({"card": {"name": "x"}}, "card: expected a ModelCard, got dict"),
    "list": ({"rows": lambda r: r.tolist()}, "encode_images: expected a numpy array, got list"),
    "double": ({"rows": lambda r: r.astype(float)}, "encode_images: expected float32, got float64"),
    "shape": ({"rows": lambda r: r[None]}, r"encode_images: expected shape \(3, any\), got \(1, 3"),
    "lost row": ({"rows": lambda r: r[1:]}, r"encode_images: expected shape \(3, any\)"),
    "nan": ({"rows": with_nan}, "encode_images: 1 values are not finite"),
    "length": ({"rows": lambda r: 2 * r}, "encode_images: vectors are not of unit length"),
    "random": ({"rows": flickering()}, "encode_images: a second call gives other numbers"),
    "batch": ({"rows": by_size}, "encode_images: a row depends on the batch size"),
    "order": ({"rows": by_order()}, "encode_images: a row depends on its neighbours"),
    "added": ({"rows": in_large_batches}, "encode_images: a row depends on its neighbours"),
    "empty": ({"rows": lambda r: r[:, :0]}, "encode_images: the array is empty"),
    "neighbour": ({"rows": smeared}, "encode_images: a row depends on its neighbours"),
    "blind": ({"rows": same}, "encode_images: different inputs give the same row"),
    "text length": ({"words": lambda r: r / 2}, "encode_texts: vectors are not of unit length"),
    "deaf": ({"words": same}, "encode_texts: different inputs give the same row"),
    "space": ({"words": lambda r: unit(r[:, :30] + 1e-9)}, "images have 65 dimensions, texts 30"),
    "scale": ({"logit_scale": -1.0}, "logit_scale: expected a positive number, got -1.0"),
    "dense axes": ({"grid": lambda g: g[0]}, r"encode_dense: expected shape \(3, any, any, any\)"),
    "dense length": ({"grid": lambda g: 3 * g}, "encode_dense: vectors are not of unit length"),
    "dense space": ({"grid": lambda g: unit(g[..., 20:])}, "45 dimensions, but texts have 65"),
    "transposed": ({"grid": lambda g: g.swapaxes(1, 2)}, "not row-major"),
    "upside down": ({"grid": lambda g: g[:, ::-1]}, "not row-major"),
    "mirrored": ({"grid": lambda g: g[:, :, ::-1]}, "not row-major"),
    "dense neighbour": ({"grid": smeared}, "encode_dense: a row depends on its neighbours"),
    "scores axes": ({"scores": lambda s: s[:, :2]}, r"score_texts: expected shape \(3, 3\)"),
    "image ignored": (
        {"scores": lambda s: np.repeat(s[:1], len(s), 0)},
        "score_texts: the image does not matter",
    ),
    "text ignored": (
        {"scores": lambda s: np.repeat(s[:, :1], s.shape[1], 1)},
        "score_texts: the text does not matter",
    ),
    "softmax": (
        {"scores": lambda s: (np.exp(s) / np.exp(s).sum(1, keepdims=True)).astype(np.float32)},
        "score_texts: a score depends on the other texts",
    ),
    "frame swapped": (
        {"frame": lambda g: Geometry(g.left, g.top, g.height / 2, g.width / 2)},
        "geometry: pixels of images.0. outside .* change its row",
    ),
    "frame elsewhere": (
        {"frame": lambda g: Geometry(-500, -500, g.height, g.width)},
        "geometry: images.0. of .* is nowhere in",
    ),
}


@pytest.mark.parametrize(("hooks", "message"), BROKEN.values(), ids=list(BROKEN))
def test_each_broken_promise_is_found(
    hooks: dict[str, object], message: str, pictures: list[Image]
) -> None:
    """One fault, planted in an otherwise faithful model, is named."""
    with pytest.raises(ModelError, match=message):
        check_adapter(Faithful(**hooks), pictures, TEXTS)  # type: ignore[arg-type]


def test_a_frame_that_does_not_see_its_inside_is_found(pictures: list[Image]) -> None:
    """A rectangle in a blind corner is as wrong as one that is too small."""

    @dataclass
    class Blind:
        """Sees the left half and claims to see the right."""

        def encode_images(self, images: Sequence[Image], /) -> np.ndarray:
            """Brightness of the left half."""
            half = [display_pixels(i)[:, : i.size[1] // 2].astype(float).mean() for i in images]
            return unit(np.stack([[value, 100.0] for value in half]))

        def geometry(self, image: Image, /) -> Geometry:
            """The right part."""
            rows, columns = image.size[:2]
            return Geometry(0.0, columns * 0.6, float(rows), columns * 0.4)

    with pytest.raises(ModelError, match=r"inside .* do not change its row"):
        check_adapter(Blind(), pictures, TEXTS)


def test_all_faults_are_listed_at_once(pictures: list[Image]) -> None:
    """A developer mends an adapter in one round, not in ten."""
    broken = Faithful(rows=lambda r: 2 * r, words=lambda r: 3 * r, logit_scale=0.0)
    with pytest.raises(ModelError) as caught:
        check_adapter(broken, pictures, TEXTS)
    for part in ("encode_images: vectors", "encode_texts: vectors", "logit_scale"):
        assert part in str(caught.value)


def test_dense_vectors_without_text_need_no_unit_length(pictures: list[Image]) -> None:
    """Only a grid that claims the text space is held to it."""
    check_adapter(Faithful(grid=lambda g: 3 * g, dense_text_aligned=False), pictures, TEXTS)


def test_too_little_to_check_is_refused(pictures: list[Image]) -> None:
    """A check that cannot see a fault must not pass in silence."""
    with pytest.raises(InputError, match="expected two images and texts, got 1 and 3"):
        check_adapter(Faithful(), pictures[:1], TEXTS)
    with pytest.raises(InputError, match="str has none of the capabilities"):
        check_adapter("model", pictures, TEXTS)
