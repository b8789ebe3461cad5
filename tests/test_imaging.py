"""From numbers to what is shown: one linear map, one rounding rule."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vesalius.errors import InputError
from vesalius.imaging import display_pixels, to_uint8
from vesalius.records import Image


@given(
    low=st.floats(-1e4, 1e4),
    width=st.floats(1e-2, 1e4),
    values=st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=8),
)
def test_the_map_is_monotone_and_within_half_a_step(low, width, values):
    """Order is kept, the ends are black and white, the error is at most half a grey level."""
    pixels = np.sort(np.array(values))
    shown = to_uint8(pixels, display_range=(low, low + width)).astype(float)
    assert (np.diff(shown) >= 0).all()
    exact = np.clip((pixels - low) / width, 0, 1) * 255
    assert np.abs(shown - exact).max() <= 0.5 + 1e-6


def test_eight_bit_pixels_are_left_as_they_are():
    """A picture that is display-ready already is not touched, not even copied."""
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert to_uint8(pixels, display_range=(0.0, 255.0)) is pixels


def test_undefined_pixels_are_black():
    """NaN in a volume's margin does not become a warning or a random grey."""
    assert to_uint8(np.array([np.nan, 1.0]), display_range=(0.0, 1.0)).tolist() == [0, 255]


@pytest.mark.parametrize("limits", [(1.0, 1.0), (2.0, 1.0), (0.0, float("inf"))])
def test_a_range_that_is_none_is_refused(limits):
    """Empty, reversed and infinite ranges are named."""
    with pytest.raises(InputError, match="two finite increasing values"):
        to_uint8(np.zeros(3), display_range=limits)


def test_a_volume_has_no_single_picture():
    """The message says what to do."""
    volume = Image(np.zeros((4, 4, 4)), "xyz", "hu", (-1.0, 1.0), source="ct.nii")
    with pytest.raises(InputError, match=r"ct\.nii: expected a 2D image.*take slices first"):
        display_pixels(volume)
    assert volume.size == (4, 4, 4)


def test_colour_is_shown_as_it_is():
    """Three channels pass unchanged, and the size is that of the picture."""
    pixels = np.zeros((2, 3, 3), dtype=np.uint8)
    image = Image(pixels, "yxc", "display", (0.0, 255.0))
    assert display_pixels(image) is pixels
    assert image.size == (2, 3)
