"""From an `Image` to the model's input square, and the way back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import PIL.Image
import torch

from vesalius.errors import InputError, ModelError
from vesalius.imaging import display_pixels
from vesalius.records import Geometry, Image

Fit = Literal["crop", "pad"]


@dataclass(frozen=True, slots=True)
class InputFrame:
    """How an image processor frames a picture: resize, then crop the centre.

    Attributes:
        shortest_edge: length of the shorter side after resizing, or None when `size` says both.
        size: (rows, columns) after resizing, or None.
        crop: (rows, columns) of the central crop, or None.
        mean_colour: the colour that becomes zero, as 8-bit RGB.
    """

    shortest_edge: int | None
    size: tuple[int, int] | None
    crop: tuple[int, int] | None
    mean_colour: tuple[int, int, int]

    def resized(self, rows: int, columns: int) -> tuple[int, int]:
        """(rows, columns) after resizing; the longer side is rounded down, as in the libraries."""
        if self.size is not None:
            return self.size
        if self.shortest_edge is None:
            return rows, columns
        longer = int(self.shortest_edge * max(rows, columns) / min(rows, columns))
        return (longer, self.shortest_edge) if columns <= rows else (self.shortest_edge, longer)


def frame_of(processor: Any, /) -> InputFrame:
    """The frame of a Pillow image processor.

    Raises:
        ModelError: if it resizes by a rule that has no single input rectangle.
    """
    size, crop = processor.size, processor.crop_size
    both = (int(size.height), int(size.width)) if size and size.height and size.width else None
    shortest = int(size.shortest_edge) if size and size.shortest_edge else None
    if processor.do_resize and both is None and (shortest is None or size.longest_edge):
        raise ModelError(f"{type(processor).__name__}: no fixed input size in {size}")
    red, green, blue = (round(255 * value) for value in processor.image_mean)
    return InputFrame(
        shortest_edge=shortest if processor.do_resize else None,
        size=both if processor.do_resize else None,
        crop=(int(crop.height), int(crop.width)) if processor.do_center_crop else None,
        mean_colour=(red, green, blue),
    )


def as_pil(image: Image, /) -> PIL.Image.Image:
    """The image as shown, 8-bit RGB; grey becomes three equal channels.

    Raises:
        InputError: for a volume or an empty image.
    """
    pixels = display_pixels(image)
    if pixels.size == 0:
        raise InputError(f"{image.source or 'image'}: expected pixels, got shape {pixels.shape}")
    return PIL.Image.fromarray(pixels).convert("RGB")


def pad_to_square(picture: PIL.Image.Image, /, *, colour: tuple[int, int, int]) -> PIL.Image.Image:
    """The picture in the middle of the smallest square, the rest filled with `colour`."""
    side = max(picture.size)
    left, top = _margins(picture.height, picture.width)
    square = PIL.Image.new("RGB", (side, side), colour)
    square.paste(picture, (left, top))
    return square


def _margins(rows: int, columns: int) -> tuple[int, int]:
    """Columns to the left and rows above a picture in its square."""
    side = max(rows, columns)
    return (side - columns) // 2, (side - rows) // 2


def input_geometry(image: Image, frame: InputFrame, /, *, fit: Fit) -> Geometry:
    """Where the model's input lies in the original image, in original pixels."""
    rows, columns = image.size[:2]
    if fit == "pad":
        left, top = _margins(rows, columns)
        side = max(rows, columns)
        inner = _framed(side, side, frame)
        return replace(inner, top=inner.top - top, left=inner.left - left)
    return _framed(rows, columns, frame)


def _framed(rows: int, columns: int, frame: InputFrame) -> Geometry:
    new_rows, new_columns = frame.resized(rows, columns)
    crop_rows, crop_columns = frame.crop or (new_rows, new_columns)
    row_step, column_step = rows / new_rows, columns / new_columns
    return Geometry(
        top=(new_rows - crop_rows) // 2 * row_step,
        left=(new_columns - crop_columns) // 2 * column_step,
        height=crop_rows * row_step,
        width=crop_columns * column_step,
    )


def model_input(images: Sequence[Image], processor: Any, /, *, fit: Fit) -> dict[str, torch.Tensor]:
    """What the vision tower takes, as the checkpoint's own processor makes it, after `fit`."""
    pictures = [as_pil(image) for image in images]
    if fit == "pad":
        colour = frame_of(processor).mean_colour
        pictures = [pad_to_square(picture, colour=colour) for picture in pictures]
    return dict(processor(images=pictures, return_tensors="pt"))
