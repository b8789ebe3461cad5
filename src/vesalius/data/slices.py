"""Volumes seen by 2D models: evenly spaced slices, and the way back.

Slices are shown as radiologists see them, the patient facing the viewer:

=========  ====================  =====================
axis       up                    left edge of the image
=========  ====================  =====================
axial      anterior              patient's right
coronal    superior              patient's right
sagittal   superior              anterior
=========  ====================  =====================
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from vesalius.data.intensities import display_of
from vesalius.errors import InputError
from vesalius.placement import NORMAL, Plane, cut
from vesalius.records import Image, Window, digest_json

_BODY_HU = -500.0
_LEAST_AREA = 0.05
_BINS = 256


def foreground(volume: Image) -> Bool[np.ndarray, "x y z"]:
    """Where there is something to see, without any mask.

    Hounsfield units: above −500, the patient and not the air. Other intensities: above Otsu's
    threshold, which parts the values into two groups with the largest variance between them.

    Source: Otsu (1979), doi:10.1109/TSMC.1979.4310076.
    """
    _require_volume(volume)
    if volume.intensity == "hu":
        return volume.pixels > _BODY_HU
    return volume.pixels > _otsu(volume)


def body_range(volume: Image, *, axis: Plane = "axial") -> tuple[int, int]:
    """First and one past the last slice with foreground, as indices of the ``xyz`` array.

    A slice counts when its foreground is at least 5 % of that of the fullest slice. Without any
    foreground, all slices count.
    """
    normal = NORMAL[axis]
    others = tuple(other for other in range(3) if other != normal)
    area = np.count_nonzero(foreground(volume), axis=others)
    inside = np.flatnonzero(area >= max(1.0, _LEAST_AREA * area.max()))
    if inside.size == 0:
        return 0, len(area)
    return int(inside[0]), int(inside[-1]) + 1


def slice_positions(volume: Image, *, n: int = 16, axis: Plane = "axial") -> tuple[int, ...]:
    """Indices of `n` evenly spaced slices inside `body_range`, ascending.

    The range is cut into `n` equal parts and the middle of each is taken; a range of at most `n`
    slices gives all of them.

    Raises:
        InputError: for a 2D image or `n` below 1.
    """
    if n < 1:
        raise InputError(f"n must be at least 1, got {n}")
    start, stop = body_range(volume, axis=axis)
    if stop - start <= n:
        return tuple(range(start, stop))
    return tuple(int(start + (part + 0.5) * (stop - start) / n) for part in range(n))


def slices(
    image: Image, *, n: int = 16, window: Window | None = None, axis: Plane = "axial"
) -> list[Image]:
    """Cut `n` evenly spaced slices out of a volume, as 2D images (``yx``).

    Display orientation as in the table of this module; spacing is that within the slice, so
    unequal when the voxels are. Hounsfield units are shown through `window` (default: as the
    volume is), other intensities by the range of the whole volume. The digest is derived from
    that of the volume, the slice and the range shown.

    Raises:
        InputError: for a 2D image or `n` below 1.
    """
    return slices_at(image, slice_positions(image, n=n, axis=axis), window=window, axis=axis)


def slices_at(
    image: Image,
    positions: Sequence[int],
    *,
    window: Window | None = None,
    axis: Plane = "axial",
) -> list[Image]:
    """The slices at `positions`, shown as by `slices`."""
    shown = image.display_range
    if image.intensity == "hu" and window is not None:
        shown = display_of(image.pixels, "hu", window)
    return [_slice_image(image, index, axis, shown) for index in positions]


def _slice_image(volume: Image, index: int, axis: Plane, shown: tuple[float, float]) -> Image:
    spacing_mm = None
    if volume.spacing_mm is not None:
        column, row = (
            length for other, length in enumerate(volume.spacing_mm) if other != NORMAL[axis]
        )
        spacing_mm = (row, column)
    policy = {"of": volume.digest, "axis": axis, "index": index, "range": list(shown)}
    return Image(
        pixels=np.ascontiguousarray(cut(volume.pixels, index, axis=axis)),
        axes="yx",
        intensity=volume.intensity,
        display_range=shown,
        spacing_mm=spacing_mm,
        digest=digest_json(policy),
        source=f"{volume.source} [{axis} {index}]",
    )


def _require_volume(volume: Image) -> None:
    if not volume.is_volume:
        raise InputError(
            f"{volume.source or 'image'}: expected a volume, got a 2D image of {volume.size}"
        )


def _otsu(volume: Image) -> float:
    """The upper edge of the histogram bin that ends the lower group; over the display range."""
    low, high = volume.display_range
    counts, edges = np.histogram(np.clip(volume.pixels, low, high), bins=_BINS, range=(low, high))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    moment = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (moment / below - (moment[-1] - moment) / above) ** 2
    if not np.isfinite(between).any():
        return float(high)
    return float(edges[int(np.nanargmax(between)) + 1])
