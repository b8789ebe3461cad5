"""What BioViL-T sees of an image: grey values stretched, resized, the centre cut out.

Nothing is normalised by mean and deviation. The stretch takes the darkest and the brightest value
of the whole image, so what lies outside the crop matters through these two alone.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import PIL.Image
import torch
from jaxtyping import Float, UInt8

from vesalius.errors import InputError, ModelError
from vesalius.imaging import display_pixels
from vesalius.models.biovilt_image import STRIDE
from vesalius.models.checkpoint import Checkpoint
from vesalius.models.preprocessing import Fit, InputFrame, input_geometry, pad_to_square
from vesalius.records import Geometry, Image

SETTINGS = "preprocessor_config.json"
BLACK = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Framing:
    """Length of the shorter side after resizing, and side of the central square; in pixels."""

    resize: int = 512
    crop: int = 448

    @property
    def frame(self) -> InputFrame:
        """The same in the terms of the other adapters."""
        return InputFrame(self.resize, None, (self.crop, self.crop), mean_colour=BLACK)


def read_framing(checkpoint: Checkpoint, /) -> Framing:
    """The genuine sizes, or those that ``preprocessor_config.json`` of a smaller model gives.

    The genuine repository has no such file. It holds ``{"resize": …, "crop": …}`` and nothing
    else; the crop is a multiple of 32, so that it makes whole patches.

    Raises:
        ModelError: if it says anything else.
    """
    if SETTINGS not in checkpoint.files:
        return Framing()
    path = checkpoint.folder / SETTINGS
    expected = f'{path}: expected {{"resize": …, "crop": …}}, two whole numbers'
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{expected}; {error}") from error
    if not isinstance(settings, dict) or settings.keys() != {"resize", "crop"}:
        raise ModelError(f"{expected}, got {settings!r}")
    resize, crop = settings["resize"], settings["crop"]
    if not (type(resize) is int and type(crop) is int and 0 < crop <= resize) or crop % STRIDE:
        raise ModelError(
            f"{expected} with crop a multiple of {STRIDE} and at most resize, got {settings!r}"
        )
    return Framing(resize, crop)


def stretched(pixels: UInt8[np.ndarray, "..."], /) -> UInt8[np.ndarray, "..."]:
    """Values mapped linearly so that the least becomes 0 and the greatest 255, rounded down.

    A colour image is stretched as one, before it becomes grey. A constant image becomes black;
    the published code divides by zero there.

    >>> stretched(np.array([10, 11, 20], np.uint8)).tolist()
    [0, 25, 255]
    """
    values = pixels.astype(np.float64)
    values -= values.min()
    # in this order, and cut off: the published rounding errors are part of the input
    return (values / (values.max() or 1.0) * 255).astype(np.uint8)


def as_grey(image: Image, /) -> PIL.Image.Image:
    """The image as shown (a window is applied first), stretched, in 8-bit grey.

    The published code stretches the stored values. Where an image has a display range, as from a
    DICOM window, values beyond it are black or white here, whatever their distance.

    Raises:
        InputError: for a volume or an empty image.
    """
    pixels = display_pixels(image)
    if pixels.size == 0:
        raise InputError(f"{image.source or 'image'}: expected pixels, got shape {pixels.shape}")
    return PIL.Image.fromarray(stretched(pixels)).convert("L")


def model_input(
    images: Sequence[Image], framing: Framing, /, *, fit: Fit
) -> Float[torch.Tensor, "n 3 side side"]:
    """Three equal channels in [0, 1]."""
    squares = np.stack([_square(as_grey(image), framing, fit) for image in images])
    grey = torch.from_numpy(squares).float().div(255)
    return grey[:, None].expand(-1, 3, -1, -1)


def _square(picture: PIL.Image.Image, framing: Framing, fit: Fit) -> UInt8[np.ndarray, "side side"]:
    if fit == "pad":
        picture = pad_to_square(picture.convert("RGB"), colour=BLACK).convert("L")
    rows, columns = framing.frame.resized(picture.height, picture.width)
    if picture.size != (columns, rows):
        picture = picture.resize((columns, rows), PIL.Image.Resampling.BILINEAR)
    top, left = _offset(rows, framing.crop), _offset(columns, framing.crop)
    return np.asarray(picture)[top : top + framing.crop, left : left + framing.crop]


def _offset(length: int, crop: int) -> int:
    """Pixels before the crop; half a pixel goes to the even side, as in torchvision."""
    return round((length - crop) / 2)


def geometry(image: Image, framing: Framing, /, *, fit: Fit) -> Geometry:
    """Where the model's input lies in the original image, in original pixels."""
    place = input_geometry(image, framing.frame, fit=fit)
    if fit == "pad":
        return place
    rows, columns = image.size[:2]
    new_rows, new_columns = framing.frame.resized(rows, columns)
    return replace(
        place,
        top=_offset(new_rows, framing.crop) * rows / new_rows,
        left=_offset(new_columns, framing.crop) * columns / new_columns,
    )
