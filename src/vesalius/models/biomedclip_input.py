"""What BiomedCLIP sees of an image, and what it reads of a text.

The pixels are those that open_clip's preprocessing makes with Pillow: shorter side resized, centre
cut out, channels normalised.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import PIL.Image
import torch
from jaxtyping import Float

from vesalius.errors import ModelError
from vesalius.models.biomedclip_sizes import FILE
from vesalius.models.checkpoint import Checkpoint
from vesalius.models.preprocessing import (
    Fit,
    InputFrame,
    as_pil,
    input_geometry,
    pad_to_square,
)
from vesalius.records import Geometry, Image, Json

_FORM = {"interpolation": "bicubic", "resize_mode": "shortest", "mode": "RGB"}


@dataclass(frozen=True, slots=True)
class Framing:
    """Side of the square input in pixels; mean and deviation of the channels in [0, 1]."""

    side: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    fit: Fit

    @property
    def frame(self) -> InputFrame:
        """The same in the terms of the other adapters."""
        red, green, blue = (round(255 * value) for value in self.mean)
        return InputFrame(self.side, None, (self.side, self.side), (red, green, blue))


def read_settings(checkpoint: Checkpoint, /) -> dict[str, Json]:
    """The object in ``open_clip_config.json``, also where a ``config.json`` lies beside it.

    Raises:
        ModelError: if the file is missing or is not a JSON object.
    """
    path = checkpoint.folder / FILE
    if FILE not in checkpoint.files:
        raise ModelError(f"{checkpoint.folder}: without {FILE}, which this adapter reads")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: expected JSON, {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: expected a JSON object, got {type(value).__name__}")
    return value


def framing_of(config: Mapping[str, Json], /, *, side: int, fit: Fit) -> Framing:
    """Mean and deviation of ``preprocess_cfg``.

    Raises:
        ModelError: if they are not three numbers each, or another way of resizing is asked for.
    """
    settings = config.get("preprocess_cfg")
    if not isinstance(settings, Mapping):
        raise ModelError(f"{FILE}: expected a section preprocess_cfg, got {settings!r}")
    for name, known in _FORM.items():
        if settings.get(name, known) != known:
            raise ModelError(
                f"{FILE}: {name} is {settings[name]!r}; this adapter computes {known!r} only"
            )
    return Framing(side, _channels(settings, "mean"), _channels(settings, "std"), fit)


def _channels(settings: Mapping[str, Json], name: str) -> tuple[float, float, float]:
    given = settings.get(name)
    least = 1e-6 if name == "std" else 0.0
    values = given if isinstance(given, list) else []
    numbers = all(type(value) in (int, float) for value in values)
    if not (numbers and len(values) == 3 and min(values) >= least):
        raise ModelError(f"{FILE}: {name}: expected three numbers >= {least}, got {given!r}")
    red, green, blue = map(float, values)
    return red, green, blue


def model_input(
    images: Sequence[Image], framing: Framing, /
) -> Float[torch.Tensor, "n 3 side side"]:
    """Normalised channels of the input squares."""
    squares = np.stack([_square(as_pil(image), framing) for image in images])
    pixels = torch.from_numpy(squares).permute(0, 3, 1, 2).float().div(255)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (framing.mean, framing.std))
    return (pixels - mean) / std


def _square(picture: PIL.Image.Image, framing: Framing) -> np.ndarray:
    if framing.fit == "pad":
        picture = pad_to_square(picture, colour=framing.frame.mean_colour)
    rows, columns = framing.frame.resized(picture.height, picture.width)
    if picture.size != (columns, rows):
        picture = picture.resize((columns, rows), PIL.Image.Resampling.BICUBIC)
    top, left = _offset(rows, framing.side), _offset(columns, framing.side)
    return np.asarray(picture)[top : top + framing.side, left : left + framing.side]


def _offset(length: int, crop: int) -> int:
    """Pixels before the crop; half a pixel goes to the even side, as in torchvision."""
    return round((length - crop) / 2)


def geometry(image: Image, framing: Framing, /) -> Geometry:
    """Where the model's input lies in the original image, in original pixels."""
    place = input_geometry(image, framing.frame, fit=framing.fit)
    if framing.fit == "pad":  # a square has no half pixels
        return place
    rows, columns = image.size[:2]
    new_rows, new_columns = framing.frame.resized(rows, columns)
    return replace(
        place,
        top=_offset(new_rows, framing.side) * rows / new_rows,
        left=_offset(new_columns, framing.side) * columns / new_columns,
    )


def token_ids(texts: Sequence[str], tokenizer: Any, /, *, length: int) -> torch.Tensor:
    """Token ids padded with 0 to the longest; a text beyond `length` tokens is cut off."""
    tokens = tokenizer(
        list(texts), padding=True, truncation=True, max_length=length, return_tensors="pt"
    )
    ids: torch.Tensor = tokens["input_ids"]
    return ids
