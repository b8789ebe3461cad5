"""Grids of patches that were computed before: each picture is put to a model once."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import numpy as np

from vesalius.capabilities import Attributor, DenseEncoder, Fitted, Framed
from vesalius.engine.sources import Pictures
from vesalius.placement import Patches, Placement
from vesalius.records import Geometry, Image

BUDGET_BYTES = 1 << 29
BATCH = 16


@dataclass(slots=True)
class PatchMemory:
    """Patches by content of the sample while a run lasts, the latest up to `budget_bytes`.

    The model sees the whole of each picture, padded to a square: what is found has to land in the
    original pixels, the borders included.
    """

    budget_bytes: int = BUDGET_BYTES
    _kept: OrderedDict[Hashable, Patches] = field(default_factory=OrderedDict)
    _n_bytes: int = 0
    _padded: dict[int, tuple[object, object]] = field(default_factory=dict)
    _last: tuple[str, Pictures] | None = None

    def dense(
        self, model: DenseEncoder, digest: str, pictures: Callable[[], Pictures], /
    ) -> Patches:
        """Local embeddings of every picture of a sample."""

        def compute() -> Patches:
            shown, seeing = self._pictures(digest, pictures), self._whole(model)
            assert isinstance(seeing, DenseEncoder)
            starts = range(0, len(shown.images), BATCH)
            values = [seeing.encode_dense(shown.images[i : i + BATCH]) for i in starts]
            return Patches(np.concatenate(values), _placement(seeing, shown))

        return self._remember((id(model), digest), compute)

    def attribution(
        self, model: Attributor, asked: tuple[str, str], pictures: Callable[[], Pictures], /
    ) -> Patches:
        """Relevance of a text over every picture of a sample; `asked` is content and text."""
        digest, text = asked

        def compute() -> Patches:
            shown, seeing = self._pictures(digest, pictures), self._whole(model)
            assert isinstance(seeing, Attributor)
            values = np.stack([seeing.attribute(one, text) for one in shown.images])
            return Patches(values, _placement(seeing, shown))

        return self._remember((id(model), *asked), compute)

    def _pictures(self, digest: str, read: Callable[[], Pictures]) -> Pictures:
        """Those of the sample asked about last stay decoded."""
        if self._last is None or self._last[0] != digest:
            self._last = (digest, read())
        return self._last[1]

    def _whole(self, model: object) -> object:
        if id(model) not in self._padded:
            self._padded[id(model)] = (model, whole_image(model))
        return self._padded[id(model)][1]

    def _remember(self, key: Hashable, compute: Callable[[], Patches]) -> Patches:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        found = compute()
        self._kept[key] = found
        self._n_bytes += found.values.nbytes
        while self._n_bytes > self.budget_bytes and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._n_bytes -= oldest.values.nbytes
        return found


def whole_image(model: object, /) -> object:
    """The model as it sees all of an image; itself if it offers no choice."""
    return model.with_fit("pad") if isinstance(model, Fitted) else model


def _placement(model: object, shown: Pictures) -> Placement:
    frames = tuple(frame_of(model, one) for one in shown.images)
    return Placement(shown.size, frames, shown.positions)


def frame_of(model: object, image: Image, /) -> Geometry:
    """Rectangle that a model's input covers; all of the image if the model does not say."""
    if isinstance(model, Framed):
        return model.geometry(image)
    rows, columns = image.size
    return Geometry(0.0, 0.0, float(rows), float(columns))
