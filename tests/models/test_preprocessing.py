"""What the model sees, and where that lies in the original image."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vesalius.errors import InputError, ModelError
from vesalius.models.checkpoint import FilePolicy, open_folder
from vesalius.models.loading import load_image_processor
from vesalius.models.preprocessing import (
    Fit,
    InputFrame,
    as_pil,
    frame_of,
    input_geometry,
    model_input,
    pad_to_square,
)
from vesalius.records import Geometry, Image

CLIP_FRAME = InputFrame(shortest_edge=64, size=None, crop=(64, 64), mean_colour=(123, 117, 104))


def grey(pixels: np.ndarray, **settings: object) -> Image:
    return replace(Image(pixels, "yx", "display", (0.0, 255.0)), **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def processor(checkpoints: Path) -> object:
    """The tiny CLIP's image processor: shortest edge 64, centre crop 64."""
    return load_image_processor(
        open_folder(checkpoints / "clip", policy=FilePolicy(allow_pickles=True))
    )


def test_the_frame_is_read_from_the_processor(processor: object) -> None:
    """Geometry must follow the very settings that the pixels follow."""
    assert frame_of(processor) == CLIP_FRAME


@pytest.mark.parametrize("shape", [(120, 70), (70, 120), (64, 64), (33, 200), (200, 199)])
@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_a_bright_square_maps_back_to_where_it_was(
    shape: tuple[int, int], fit: Fit, processor: object
) -> None:
    """Boxes and maps land in original pixels: the input's bright centre returns to its place."""
    rows, columns = shape
    centre = (rows / 2 + 6, columns / 2 - 4)
    pixels = np.zeros(shape, np.uint8)
    half = min(shape) // 8
    top, left = int(centre[0]) - half, int(centre[1]) - half
    pixels[top : top + 2 * half, left : left + 2 * half] = 255
    image = grey(pixels)
    seen = model_input([image], processor, fit=fit)["pixel_values"][0, 0].numpy()
    place = input_geometry(image, frame_of(processor), fit=fit)
    bright = seen > seen.max() / 2  # zero is the mean colour, as in the padding
    y, x = ((indices + 0.5).mean() for indices in np.nonzero(bright))
    back = place.top + y * place.height / 64, place.left + x * place.width / 64
    pixel = max(place.height, place.width) / 64
    assert back == pytest.approx((top + half, left + half), abs=pixel)


def test_crop_and_pad_geometry_by_hand() -> None:
    """A 128 × 64 picture: the crop keeps the middle square, the pad adds 32 columns each side."""
    image = grey(np.zeros((128, 64), np.uint8))
    assert input_geometry(image, CLIP_FRAME, fit="crop") == Geometry(32, 0, 64, 64)
    assert input_geometry(image, CLIP_FRAME, fit="pad") == Geometry(0, -32, 128, 128)
    squash = InputFrame(shortest_edge=None, size=(64, 64), crop=None, mean_colour=(0, 0, 0))
    assert input_geometry(image, squash, fit="crop") == Geometry(0, 0, 128, 64)
    nothing = InputFrame(shortest_edge=None, size=None, crop=(32, 32), mean_colour=(0, 0, 0))
    assert input_geometry(image, nothing, fit="crop") == Geometry(48, 16, 32, 32)


@settings(max_examples=50, deadline=None)
@given(rows=st.integers(1, 400), columns=st.integers(1, 400))
def test_geometry_keeps_its_centre_and_bounds(rows: int, columns: int) -> None:
    """A crop stays inside the picture and a pad covers all of it, both about its centre."""
    image = grey(np.zeros((rows, columns), np.uint8))
    crop = input_geometry(image, CLIP_FRAME, fit="crop")
    pad = input_geometry(image, CLIP_FRAME, fit="pad")
    slack = max(rows, columns) / 64 + 1
    for place in (crop, pad):
        assert place.top + place.height / 2 == pytest.approx(rows / 2, abs=slack)
        assert place.left + place.width / 2 == pytest.approx(columns / 2, abs=slack)
    assert crop.top >= 0
    assert crop.top + crop.height <= rows + 1e-9
    assert pad.top <= 0
    assert pad.height == pad.width == max(rows, columns)


def test_the_border_outside_a_picture_is_the_mean_colour(processor: object) -> None:
    """Padding must look like nothing to the model: zero after normalisation."""
    seen = model_input([grey(np.full((128, 64), 255, np.uint8))], processor, fit="pad")
    border = seen["pixel_values"][0, :, :, :14]
    assert border.abs().max() < 0.5 / 255 / 0.26 + 1e-6
    assert seen["pixel_values"][0, :, :, 24:40].min() > 1


def test_sixteen_bit_grey_is_shown_by_its_display_range(processor: object) -> None:
    """A radiograph's stored numbers reach the model as the picture that a reader sees."""
    ramp = np.tile(np.linspace(0, 255, 80).round(), (80, 1))
    shown = grey(ramp.astype(np.uint8))
    stored = grey((ramp * 100 + 2000).astype(np.uint16), display_range=(2000.0, 27500.0))
    colour = grey(np.stack([ramp] * 3, axis=-1).astype(np.uint8), axes="yxc")
    same = (shown, stored, colour)
    inputs = [model_input([image], processor, fit="crop")["pixel_values"] for image in same]
    assert torch.equal(inputs[0], inputs[1])
    assert torch.equal(inputs[0], inputs[2])


@pytest.mark.parametrize("shape", [(3, 200, 3), (1, 50, 3), (200, 3, 3), (1, 1, 3)])
def test_thin_pictures_are_not_taken_for_channels(
    shape: tuple[int, ...], processor: object
) -> None:
    """Three rows of pixels are rows, whatever a library guesses from the shape."""
    pixels = np.zeros(shape, np.uint8)
    pixels[..., 0] = 255
    seen = model_input([grey(pixels, axes="yxc")], processor, fit="pad")["pixel_values"][0]
    middle = seen[:, 32, 32]
    assert seen.shape == (3, 64, 64)
    assert middle[0] > middle[1]


def test_a_volume_is_refused() -> None:
    """A 2D encoder must not guess a slice."""
    volume = Image(np.zeros((4, 4, 4)), "xyz", "hu", (-160.0, 240.0), source="scan")
    with pytest.raises(InputError, match="scan: expected a 2D image"):
        as_pil(volume)


def test_an_empty_picture_is_refused() -> None:
    """Resizing nothing would fail deep inside a library."""
    with pytest.raises(InputError, match="expected pixels"):
        as_pil(grey(np.zeros((0, 5), np.uint8)))


def test_pad_to_square_centres_the_picture() -> None:
    """An odd remainder goes below and to the right, as the geometry says."""
    picture = as_pil(grey(np.full((2, 5), 9, np.uint8)))
    square = np.asarray(pad_to_square(picture, colour=(1, 2, 3)))
    assert square.shape == (5, 5, 3)
    assert (square[1:3] == 9).all()
    assert (square[[0, 3, 4]] == (1, 2, 3)).all()


def test_a_processor_without_a_fixed_input_is_refused(processor: object) -> None:
    """Geometry by a rule that is not implemented would be wrong in silence."""
    from transformers import CLIPImageProcessorPil

    loose = CLIPImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 128})
    with pytest.raises(ModelError, match="no fixed input size"):
        frame_of(loose)
