"""Patches of samples: computed once, of the whole picture, slice by slice."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from vesalius.engine.patches import PatchMemory
from vesalius.engine.sources import Pictures
from vesalius.records import Geometry, Image


@dataclass
class Means:
    """Mean grey of the four quarters; relevance is that mean times the length of the text."""

    fit: str = "crop"
    calls: list[int] = field(default_factory=list)
    dense_text_aligned: bool = False

    def with_fit(self, fit: str, /) -> "Means":
        """As asked."""
        return replace(self, fit=fit)

    def geometry(self, image: Image, /) -> Geometry:
        """The whole picture if padded, else its inner half."""
        rows, columns = image.size
        if self.fit == "pad":
            return Geometry(0.0, 0.0, rows, columns)
        return Geometry(rows / 4, columns / 4, rows / 2, columns / 2)

    def encode_dense(self, images, /) -> np.ndarray:
        """Means of the quarters."""
        self.calls.append(len(images))
        return np.stack([self._quarters(i.pixels) for i in images])[..., None]

    def attribute(self, image: Image, text: str, /) -> np.ndarray:
        """See the class."""
        self.calls.append(1)
        return self._quarters(image.pixels) * len(text)

    @staticmethod
    def _quarters(pixels: np.ndarray) -> np.ndarray:
        rows, columns = pixels.shape
        return pixels.reshape(2, rows // 2, 2, columns // 2).mean(axis=(1, 3)).astype(np.float32)


class Plain(Means):
    """Without a word on what it sees."""

    with_fit = None
    geometry = None


def _picture(value: int, size: tuple[int, int] = (4, 8)) -> Image:
    return Image(np.full(size, value, np.uint8), "yx", "display", (0.0, 255.0))


def _volume(n: int) -> Pictures:
    return Pictures(tuple(_picture(i) for i in range(n)), tuple(range(n)), (8, 4, n))


def test_the_whole_picture_is_seen_and_asked_once() -> None:
    """A crop would put maps at the wrong place; asking twice would double the time."""
    memory, model = PatchMemory(), Means()
    reads = []

    def read() -> Pictures:
        reads.append(1)
        return Pictures((_picture(7),), (), (4, 8))

    first = memory.dense(model, "a", read)
    again = memory.dense(model, "a", read)
    assert again is first
    assert reads == [1]
    assert first.placement.frames == (Geometry(0.0, 0.0, 4, 8),)
    assert first.placement.size == (4, 8)
    np.testing.assert_array_equal(first.values, np.full((1, 2, 2, 1), 7.0))


def test_slices_of_a_volume_keep_their_order_across_batches() -> None:
    """Twenty slices take two batches; slice i has the value i."""
    memory, model = PatchMemory(), Means()
    found = memory.dense(model, "v", lambda: _volume(20))
    assert found.placement.positions == tuple(range(20))
    np.testing.assert_array_equal(found.values[:, 0, 0, 0], np.arange(20))


def test_maps_are_kept_per_text_and_share_the_decoded_picture() -> None:
    """Two texts about one image read it once and give two maps."""
    memory, model = PatchMemory(), Means()
    reads = []

    def read() -> Pictures:
        reads.append(1)
        return _volume(3)

    short = memory.attribution(model, ("v", "a"), read)
    long = memory.attribution(model, ("v", "abc"), read)
    np.testing.assert_array_equal(long.values, 3 * short.values)
    assert reads == [1]


def test_two_models_do_not_share_patches() -> None:
    """The same content means other patches to another model."""
    memory = PatchMemory()
    one = memory.dense(Means(), "a", lambda: Pictures((_picture(7),), (), (4, 8)))
    other = memory.dense(Means(), "a", lambda: Pictures((_picture(9),), (), (4, 8)))
    assert one.values[0, 0, 0, 0] == 7
    assert other is not one


def test_memory_is_bounded() -> None:
    """Of three samples that fill the budget twice, the oldest is computed again."""
    model = Means()
    memory = PatchMemory(budget_bytes=2 * 4 * 4)
    for name in ("a", "b", "c", "a"):
        memory.dense(model, name, lambda: Pictures((_picture(1),), (), (4, 8)))
        assert memory._n_bytes <= 2 * 4 * 4
    assert len(memory._kept) == 2


def test_a_model_that_does_not_say_what_it_sees_is_taken_to_see_all() -> None:
    """A user's own model needs no geometry."""
    found = PatchMemory().dense(
        Plain(), "a", lambda: Pictures((_picture(1, (6, 10)),), (), (6, 10))
    )
    assert found.placement.frames == (Geometry(0.0, 0.0, 6.0, 10.0),)


@pytest.mark.parametrize("n", [1, 5])
def test_one_value_grid_per_slice(n: int) -> None:
    """Frames, positions and grids are equally many."""
    found = PatchMemory().attribution(Means(), ("v", "x"), lambda: _volume(n))
    assert len(found.values) == len(found.placement.frames) == len(found.placement.positions) == n
