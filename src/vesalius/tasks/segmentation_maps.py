"""Where a structure may be: values of patches, and the map over the sample that they draw."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from vesalius.placement import NORMAL, Patches, Placement, spread
from vesalius.records import DatasetCard, Geometry, Sample
from vesalius.tasks.segmentation_cases import names_of
from vesalius.views import ModelView

DIGITS = 6  # float32 networks repeat their cosines to about 1e-7
SLICES = 32  # that stand for a volume where there is no model

Look = Callable[[Sample, int], Patches | None]
"""Values of the patches of a sample, higher where the structure with this number is; None without
an answer. NaN stands where the structure is never seen."""

Heads = Float[np.ndarray, "structures dim"]
Heat = Float[np.ndarray, "*grid"]


def heat_of(patches: Patches, /) -> Heat:
    """The map over the sample's own grid, NaN outside what the model saw."""
    return spread(patches.values, patches.placement)


def by_heads(view: ModelView, heads: Heads, /, *, offsets: Sequence[float] = ()) -> Look:
    """Inner products of local embeddings with one vector per structure, plus an offset.

    Those of the sample asked about last are kept: all structures cost one product.
    """
    latest: dict[str, Patches | None] = {}
    columns = heads.T.astype(np.float64)
    constant = np.array(offsets, dtype=np.float64) if len(offsets) else np.zeros(len(heads))

    def look(sample: Sample, structure: int) -> Patches | None:
        if sample.id not in latest:
            latest.clear()
            latest[sample.id] = _products(view.dense(sample), columns, constant)
        found = latest[sample.id]
        return None if found is None else Patches(found.values[..., structure], found.placement)

    return look


def shifted(look: Look, start: int, /) -> Look:
    """The structures from number `start` on, counted from 0."""
    return lambda sample, structure: look(sample, start + structure)


def _products(patches: Patches | None, columns: np.ndarray, constant: np.ndarray) -> Patches | None:
    if patches is None or not np.isfinite(patches.values).all():
        return None
    values = patches.values.astype(np.float64) @ columns + constant
    return Patches(values.round(DIGITS), patches.placement)


def by_attribution(view: ModelView, card: DatasetCard, /) -> Look:
    """What the first name of a structure rests on, with the scale that the model gives it.

    Held against its own peak, the map of a structure that is not there would always reach it.
    """
    texts = [names[0] for names in names_of(card).values()]

    def look(sample: Sample, structure: int) -> Patches | None:
        patches = view.attribution(sample, texts[structure])
        if patches is None or not np.isfinite(patches.values).all():
            return None
        return patches

    return look


def whole(size: tuple[int, ...], /) -> Placement:
    """Grids over all of a sample: one over an image, one over each of some slices of a volume."""
    plain = Placement(size, (Geometry(0.0, 0.0, float(size[0]), float(size[1])),))
    if len(size) == 2:
        return plain
    depth = size[NORMAL["axial"]]
    positions = np.unique(np.linspace(0, depth - 1, min(SLICES, depth)).round().astype(np.int64))
    frame = Geometry(0.0, 0.0, float(size[1]), float(size[0]))  # pictures have y downwards
    return Placement(size, (frame,) * len(positions), tuple(positions.tolist()))
