"""Arithmetic on pixels that both readers and adapters need; numpy in, numpy out."""

import numpy as np
from jaxtyping import Num, UInt8

from vesalius.errors import InputError
from vesalius.records import Image


def to_uint8(
    pixels: Num[np.ndarray, "..."], *, display_range: tuple[float, float]
) -> UInt8[np.ndarray, "..."]:
    """Map values linearly so that `display_range` becomes 0 to 255; outside values are clipped.

    Rounds to nearest, half up. NaN becomes 0 (black).

    Raises:
        InputError: if the range is not finite or its end is not above its start.

    >>> to_uint8(np.array([-160.0, 40.0, 999.0]), display_range=(-160.0, 240.0)).tolist()
    [0, 128, 255]
    """
    low, high = display_range
    if not (np.isfinite(low) and np.isfinite(high) and high > low):
        raise InputError(f"display_range must be two finite increasing values, got {display_range}")
    if pixels.dtype == np.uint8 and (low, high) == (0, 255):
        return pixels
    scaled = (pixels.astype(np.float64) - low) * 255.0 / (high - low)
    return np.floor(np.clip(np.nan_to_num(scaled), 0.0, 255.0) + 0.5).clip(0, 255).astype(np.uint8)


def display_pixels(image: Image, /) -> UInt8[np.ndarray, "..."]:
    """The image as shown: uint8, (rows, columns) or (rows, columns, 3).

    Raises:
        InputError: for a volume, which has to be cut into slices first.
    """
    if image.is_volume:
        raise InputError(
            f"{image.source or 'image'}: expected a 2D image, got a volume of {image.size} voxels; "
            "take slices first (vesalius.data.slices.slices)"
        )
    if image.axes == "yxc":
        return image.pixels
    return to_uint8(image.pixels, display_range=image.display_range)
