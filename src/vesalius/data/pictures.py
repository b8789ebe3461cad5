"""PNG, JPEG, TIFF, BMP and WebP, by Pillow.

What becomes of a picture:

* 8 bits a channel: as they are; palettes become RGB; transparency is put on black.
* 16-bit grey: uint16, shown from 0 to 65535 as the formats define it; WhiteIsZero is turned
  round. A file that uses only 12 of the 16 bits is dark in every viewer, and here; rescale it
  when writing it.
* 32-bit integers and floats (TIFF only): intensity ``arbitrary``, shown from the 0.5th to the
  99.5th percentile.
* EXIF orientation is applied. Colour profiles are ignored, as models' own pipelines do.
* Several pages or animation frames are refused (``multi_page``): which one is meant is unknown.
  The previews that phones append to JPEG files do not count.
"""

import io
from typing import cast

import numpy as np
from jaxtyping import Shaped
from PIL import Image as PillowImage
from PIL import ImageOps, TiffImagePlugin

from vesalius.data.intensities import require_finite, robust_range
from vesalius.data.reading import Reading, contained
from vesalius.records import Image

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
_BYTES_PER_PIXEL = 4
_PHOTOMETRIC = 262  # TIFF tag; 0: WhiteIsZero
_PALETTE_LIKE = ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV", "RGBX")
_TRANSPARENT = ("RGBA", "LA", "RGBa", "La")


def decode_picture(raw: bytes, reading: Reading) -> Image:
    """Decode a picture to grey (``yx``) or colour (``yxc``)."""
    with contained(reading, PillowImage.DecompressionBombError):
        picture = _opened(raw, reading)
        inverted = _is_deep_white_is_zero(picture)
        pixels = np.asarray(_opaque(ImageOps.exif_transpose(picture)))
    if inverted:
        pixels = np.iinfo(pixels.dtype).max - pixels
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype.byteorder == ">":
        pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    return picture_image(pixels, reading)


def picture_image(pixels: Shaped[np.ndarray, "rows cols *channels"], reading: Reading) -> Image:
    """An `Image` of a 2D array: its full range for unsigned integers, percentiles otherwise."""
    if pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2:
        return Image(
            pixels=pixels,
            axes="yx" if pixels.ndim == 2 else "yxc",
            intensity="display",
            display_range=(0.0, float(np.iinfo(pixels.dtype).max)),
            digest=reading.digest,
            source=reading.source,
        )
    require_finite(pixels, reading)
    return Image(
        pixels=pixels,
        axes="yx",
        intensity="arbitrary",
        display_range=robust_range(pixels),
        digest=reading.digest,
        source=reading.source,
    )


def decode_picture_labels(raw: bytes, reading: Reading) -> Shaped[np.ndarray, "rows cols"]:
    """Decode a label map: grey values or palette indices as numbers, bilevel as 0 and 1."""
    with contained(reading, PillowImage.DecompressionBombError):
        picture = ImageOps.exif_transpose(_opened(raw, reading))
        labels = np.asarray(picture)
    step = _png_grey_step(raw)
    labels = labels // step if step > 1 else labels  # a floor would hide broken floats
    if labels.ndim != 2:
        raise reading.error(
            "mask_shape",
            f"expected one channel of label numbers, got mode {picture.mode}; save the mask as "
            "8-bit grey or with a palette",
        )
    return labels


def _opened(raw: bytes, reading: Reading) -> PillowImage.Image:
    picture = PillowImage.open(io.BytesIO(raw), formats=FORMATS)
    columns, rows = picture.size
    if rows * columns > reading.limits.max_pixels:
        raise reading.error(
            "too_large",
            f"{columns} × {rows} pixels, the limit is {reading.limits.max_pixels:,}; reduce the "
            "image or raise Limits.max_pixels",
        )
    reading.gate((rows, columns), _BYTES_PER_PIXEL)
    # a phone's JPEG is an "MPO" of the picture and its previews; the picture comes first
    n_pages = cast("int", getattr(picture, "n_frames", 1))
    if picture.format != "MPO" and n_pages > 1:
        raise reading.error("multi_page", f"{n_pages} pages or frames; save the one that is meant")
    picture.load()
    return picture


def _png_grey_step(raw: bytes) -> int:
    """How far apart Pillow puts the grey values of a PNG: it stretches 2 and 4 bits to 8."""
    is_grey_png = raw.startswith(b"\x89PNG\r\n") and raw[25:26] == b"\0"
    return {2: 85, 4: 17}.get(raw[24], 1) if is_grey_png else 1


def _is_deep_white_is_zero(picture: PillowImage.Image) -> bool:
    """Whether 0 means white in a 16-bit grey TIFF; Pillow turns only up to 8 bits round."""
    if not isinstance(picture, TiffImagePlugin.TiffImageFile):
        return False
    return picture.mode.startswith("I;16") and picture.tag_v2.get(_PHOTOMETRIC) == 0


def _opaque(picture: PillowImage.Image) -> PillowImage.Image:
    if picture.mode in _TRANSPARENT or "transparency" in picture.info:
        black = PillowImage.new("RGBA", picture.size, (0, 0, 0, 255))
        target = "L" if picture.mode in ("L", "LA", "La", "1") else "RGB"
        return PillowImage.alpha_composite(black, picture.convert("RGBA")).convert(target)
    return picture.convert("RGB") if picture.mode in _PALETTE_LIKE else picture
