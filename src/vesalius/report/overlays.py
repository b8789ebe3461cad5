"""What a model drew, over the picture it was shown: masks, boxes, maps.

The reference is a whole cyan line, the answer an orange tint with a broken orange line: they can
be told apart without colour. A map is an orange glow, brighter where it is higher.
"""

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image as Pillow
from PIL import ImageOps
from scipy import ndimage

SIDE = 224  # pixels of the longer side
_QUALITY = 82
_REFERENCE = np.array([0.0, 229.0, 255.0])
_ANSWER = np.array([255.0, 145.0, 0.0])
_TINT = 0.3
_GLOW = 0.65
_DASH = 4  # pixels

Picture = UInt8[np.ndarray, "rows cols rgb=3"]
Region = Bool[np.ndarray, "rows cols"]


def enlarged(picture: Pillow.Image, /) -> Picture:
    """A picture in colour with `SIDE` pixels along its longer side."""
    return np.array(ImageOps.contain(picture.convert("RGB"), (SIDE, SIDE)))


def fitted(
    values: np.ndarray, shape: tuple[int, int], /, *, smooth: bool = False
) -> Float[np.ndarray, "rows cols"]:
    """A grid brought to the shape of a picture, by the nearest value or smoothly."""
    how = Pillow.Resampling.BILINEAR if smooth else Pillow.Resampling.NEAREST
    grid = Pillow.fromarray(values.astype(np.float32))
    return np.array(grid.resize(shape[::-1], how), dtype=np.float64)


def overlay(
    picture: Picture,
    /,
    *,
    reference: Region | None = None,
    answer: Region | None = None,
    heat: Float[np.ndarray, "rows cols"] | None = None,
) -> Picture:
    """Draw into a picture.

    Args:
        picture: grey or colour, uint8.
        reference: drawn as a line just inside its border.
        answer: drawn as a tint, with a broken line; with a map as the line only.
        heat: 0 to 1; drawn by its square, so that what is high stands out.
    """
    drawn = picture.astype(np.float64)
    if heat is not None:
        drawn = _blend(drawn, _ANSWER, _GLOW * heat.clip(0, 1) ** 2)
    elif answer is not None:
        drawn = _blend(drawn, _ANSWER, _TINT * answer)
    if reference is not None:
        drawn[_border(reference)] = _REFERENCE
    if answer is not None:
        rows, columns = np.indices(answer.shape)
        dashes = ((rows + columns) // _DASH) % 2 == 0
        drawn[_border(answer) & dashes] = _ANSWER
    return drawn.round().astype(np.uint8)


def _blend(
    drawn: Float[np.ndarray, "rows cols rgb"],
    colour: Float[np.ndarray, " rgb"],
    share: Float[np.ndarray, "rows cols"],
) -> Float[np.ndarray, "rows cols rgb"]:
    blended: np.ndarray = drawn + share[..., None] * (colour - drawn)
    return blended


def _border(region: Region) -> Region:
    inside: Region = ndimage.binary_erosion(region)
    border: Region = region & ~inside
    return border


def side_by_side(pictures: Sequence[Pillow.Image], /) -> Picture:
    """Pictures of one height in a row, with a black line between them."""
    height = SIDE // 2
    columns: list[np.ndarray] = []
    for one in pictures:
        width = max(1, round(height * one.width / one.height))
        shown = one.convert("RGB").resize((width, height), Pillow.Resampling.BICUBIC)
        columns += [np.array(shown), np.zeros((height, 2, 3), dtype=np.uint8)]
    return np.concatenate(columns[:-1], axis=1)


def jpeg(picture: Picture, /) -> bytes:
    """The bytes of a picture; equal arrays give equal bytes."""
    stream = io.BytesIO()
    Pillow.fromarray(picture).save(stream, format="JPEG", quality=_QUALITY)
    return stream.getvalue()
