"""PNG, JPEG, TIFF and their kin: values, colour, orientation, refusals."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from imagefiles import write_png
from PIL import Image as PillowImage

from vesalius.data.pictures import decode_picture_labels
from vesalius.data.readers import content_digest, read_image
from vesalius.data.reading import Limits, Reading
from vesalius.errors import DataError, InputError

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4)
RED_LEFT = np.zeros((2, 4, 3), np.uint8)
RED_LEFT[:, :2, 0] = 255


def test_grey_png_keeps_its_values(tmp_path: Path) -> None:
    """8-bit grey comes back as it was, with rows first and the whole range shown."""
    image = read_image(write_png(tmp_path / "a.png", GREY))
    np.testing.assert_array_equal(image.pixels, GREY)
    assert (image.axes, image.intensity, image.display_range) == ("yx", "display", (0.0, 255.0))
    assert (image.size, image.spacing_mm) == ((3, 4), None)
    assert image.digest == content_digest(tmp_path / "a.png")


@pytest.mark.parametrize("ending", ["png", "tiff"])
def test_16_bit_grey_keeps_its_depth(tmp_path: Path, ending: str) -> None:
    """16-bit values are neither cut to 8 bits nor stretched to their own range."""
    deep = (GREY.astype(np.uint16) + 1) * 300
    image = read_image(write_png(tmp_path / f"a.{ending}", deep))
    np.testing.assert_array_equal(image.pixels, deep)
    assert image.pixels.dtype == np.uint16
    assert image.display_range == (0.0, 65535.0)


def test_colour_is_rgb(tmp_path: Path) -> None:
    """Channels come in the order red, green, blue, last."""
    image = read_image(write_png(tmp_path / "a.png", RED_LEFT))
    assert image.axes == "yxc"
    assert image.size == (2, 4)
    np.testing.assert_array_equal(image.pixels, RED_LEFT)


def test_content_goes_before_ending(tmp_path: Path) -> None:
    """A PNG that is called .dcm is still a PNG."""
    np.testing.assert_array_equal(
        read_image(write_png(tmp_path / "a.png", GREY).rename(tmp_path / "a.dcm")).pixels, GREY
    )


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    """A photograph turned by its EXIF tag arrives upright: 6 means turn right by 90 degrees."""
    picture = PillowImage.fromarray(RED_LEFT)
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").pixels, np.rot90(RED_LEFT, k=-1))


def test_palette_becomes_rgb_and_transparency_black(tmp_path: Path) -> None:
    """A palette image shows its colours; what is transparent is black, not white."""
    palette = PillowImage.fromarray(RED_LEFT).quantize(4)
    palette.save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_image(tmp_path / "p.png").pixels, RED_LEFT)
    clear = np.full((2, 2, 4), 255, np.uint8)
    clear[0, 0, 3] = 0
    seen = read_image(write_png(tmp_path / "t.png", clear)).pixels
    assert seen[0, 0].tolist() == [0, 0, 0]
    assert seen[1, 1].tolist() == [255, 255, 255]
    PillowImage.fromarray(GREY).convert("LA").save(tmp_path / "la.png")
    assert read_image(tmp_path / "la.png").axes == "yx"


def test_bilevel_is_black_and_white(tmp_path: Path) -> None:
    """One-bit pictures are shown as 0 and 255."""
    PillowImage.fromarray(GREY > 5).save(tmp_path / "a.png")
    assert set(np.unique(read_image(tmp_path / "a.png").pixels)) == {0, 255}


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_labels_of_few_bits_are_not_stretched(bits: int) -> None:
    """A grey PNG of 2 or 4 bits holds the labels 0 to 3 as such, whatever Pillow makes of it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + kind + content + check

    packed = {2: b"\x1b", 4: b"\x01\x23", 8: b"\0\1\2\3"}[bits]
    header = struct.pack(">IIBBBBB", 4, 1, bits, 0, 0, 0, 0)
    raw = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    raw += chunk(b"IDAT", zlib.compress(b"\0" + packed)) + chunk(b"IEND", b"")
    labels = decode_picture_labels(raw, Reading(source="a"))
    assert labels.tolist() == [[0, 1, 2, 3]]


def test_broken_float_labels_stay_visible(tmp_path: Path) -> None:
    """Half labels of a resampled float mask are not floored to whole ones in silence."""
    PillowImage.fromarray(np.array([[0.0, 1.5]], np.float32)).save(tmp_path / "a.tiff")
    labels = decode_picture_labels((tmp_path / "a.tiff").read_bytes(), Reading(source="a"))
    assert labels.tolist() == [[0.0, 1.5]]


@pytest.mark.parametrize(("photometric", "first"), [(0, 65535), (1, 0)])
def test_white_is_zero_is_turned_round(tmp_path: Path, photometric: int, first: int) -> None:
    """In a 16-bit TIFF with WhiteIsZero the value 0 is shown white."""
    deep = np.array([[0, 1000]], np.uint16)
    PillowImage.fromarray(deep).save(tmp_path / "a.tiff", tiffinfo={262: photometric})
    pixels = read_image(tmp_path / "a.tiff").pixels
    assert pixels.dtype == np.uint16
    assert pixels.tolist() == [[first, abs(first - 1000)]]


def test_jpeg_cmyk_and_bmp_and_webp(tmp_path: Path) -> None:
    """The other formats of the list open too."""
    PillowImage.fromarray(RED_LEFT).convert("CMYK").save(tmp_path / "a.jpg")
    PillowImage.fromarray(GREY).save(tmp_path / "a.bmp")
    PillowImage.fromarray(RED_LEFT).save(tmp_path / "a.webp", lossless=True)
    assert read_image(tmp_path / "a.jpg").axes == "yxc"
    np.testing.assert_array_equal(read_image(tmp_path / "a.bmp").pixels, GREY)
    np.testing.assert_array_equal(read_image(tmp_path / "a.webp").pixels, RED_LEFT)


def test_float_tiff_is_arbitrary(tmp_path: Path) -> None:
    """Floats have no meaning of their own and are shown by percentiles."""
    values = np.linspace(-3, 7, 12, dtype=np.float32).reshape(3, 4)
    PillowImage.fromarray(values).save(tmp_path / "a.tiff")
    image = read_image(tmp_path / "a.tiff")
    assert image.intensity == "arbitrary"
    assert -3 <= image.display_range[0] < image.display_range[1] <= 7


def test_several_pages_are_refused(tmp_path: Path) -> None:
    """Nobody knows which page of a TIFF is meant, so none is taken."""
    page = PillowImage.fromarray(GREY)
    page.save(tmp_path / "a.tiff", save_all=True, append_images=[page])
    with pytest.raises(DataError, match="2 pages") as caught:
        read_image(tmp_path / "a.tiff")
    assert caught.value.reason == "multi_page"


def test_pixel_limit_is_checked_before_decoding(tmp_path: Path) -> None:
    """A picture over the limit is refused by its header."""
    write_png(tmp_path / "a.png", GREY)
    with pytest.raises(DataError, match="4 × 3 pixels") as caught:
        read_image(tmp_path / "a.png", limits=Limits(max_pixels=11))
    assert caught.value.reason == "too_large"


def test_unknown_modality_is_an_argument_error(tmp_path: Path) -> None:
    """A typo in the modality is the caller's mistake, not the file's."""
    with pytest.raises(InputError, match="modality must be one of"):
        read_image(write_png(tmp_path / "a.png", GREY), modality="CT")
