"""The small grey pictures that generation is judged by, and how like one is to another."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float, UInt8

from vesalius.errors import DataError
from vesalius.imaging import display_pixels, to_uint8
from vesalius.metrics import ms_ssim, psnr, ssim
from vesalius.placement import cut
from vesalius.records import Image, Sample
from vesalius.tasks import TaskData
from vesalius.tasks.controls import PREFIX, donors, gibberish
from vesalius.views import ModelView

Picture = UInt8[np.ndarray, "side side"]
WHITE = 255.0
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
FIVE_SCALES, THREE_SCALES = 176, 44  # least side that multi-scale SSIM needs
PSNR_LIMIT = float(10 * np.log10(WHITE**2 * 12))  # the error of rounding to whole grey levels
MISSING = {"ssim": 0.0, "ms_ssim": 0.0, "psnr": 0.0}


def picture_of(image: Image, /, *, side: int) -> Picture:
    """The image as shown, grey, squashed to a square; each pixel is the mean of what it covers.

    A volume is represented by its middle axial slice.
    """
    if image.is_volume:
        middle = cut(image.pixels, image.size[2] // 2)
        grey = to_uint8(middle, display_range=image.display_range).astype(np.float64)
    else:
        shown = display_pixels(image).astype(np.float64)
        grey = shown @ np.array(LUMA) if shown.ndim == 3 else shown
    rows, columns = (_coverage(n, side) for n in grey.shape)
    return to_picture(rows @ grey @ columns.T, side=side)


def to_picture(values: Float[np.ndarray, "..."], /, *, side: int) -> Picture:
    """Grey levels rounded and clipped to what can be shown."""
    levels: np.ndarray = np.clip(np.floor(values + 0.5), 0, WHITE).astype(np.uint8)
    return levels.reshape(side, side)


def as_image(picture: Picture, /) -> Image:
    """A picture in the form that encoders take."""
    return Image(picture, "yx", "display", (0.0, WHITE), source="small grey picture")


def n_scales(side: int, /) -> int:
    """Scales of multi-scale SSIM at this size: five, three, or none."""
    return 5 if side >= FIVE_SCALES else 3 if side >= THREE_SCALES else 0


def likeness(reference: Picture, picture: Picture, /) -> dict[str, float]:
    """SSIM, multi-scale SSIM (see `n_scales`) and PSNR, by column.

    PSNR is limited to that of rounding to whole grey levels, 58.9 dB: equal pictures would
    otherwise make every mean infinite.
    """
    scales = n_scales(len(reference))
    return {
        "ssim": ssim(reference, picture, data_range=WHITE),
        "ms_ssim": ms_ssim(reference, picture, data_range=WHITE, n_scales=scales)
        if scales
        else float("nan"),
        "psnr": min(psnr(reference, picture, data_range=WHITE), PSNR_LIMIT),
    }


def read_picture(view: ModelView, sample: Sample, /, *, side: int) -> Picture | None:
    """The picture of a sample as the view shows it; None if the image cannot be read."""
    try:
        return picture_of(view.read(sample), side=side)
    except DataError:  # the engine has named the file already
        return None


def true_samples(view: ModelView, data: TaskData, /) -> dict[str, Sample]:
    """Sample id → the sample to read for its own image.

    In the control ``shuffled-images`` another sample shows it; what is compared with must stay
    true. A sample that nobody shows, the only one of its split, is left out.
    """
    if control_of(view) != "shuffled-images":
        return {sample.id: sample for sample in data.samples}
    donor = donors(data)
    return {donor[sample.id].id: sample for sample in data.samples}


def shown_texts(view: ModelView, texts: list[str], /, *, seed: int) -> list[str]:
    """The texts that a model is to be given directly: nonsense in ``gibberish-prompt``."""
    if control_of(view) != "gibberish-prompt":
        return texts
    return [gibberish(text, seed=seed) for text in texts]


def control_of(view: ModelView, /) -> str:
    """Name of the control that a view is, without its model; empty for a model."""
    prefix, _, rest = view.name.partition(":")
    return rest.partition("(")[0] if f"{prefix}:" == PREFIX else ""


@lru_cache(maxsize=64)
def _coverage(n_pixels: int, side: int) -> Float[np.ndarray, "side pixels"]:
    """Share of each source pixel in each target pixel; rows sum to 1."""
    borders = np.arange(side + 1) * n_pixels / side
    starts = np.arange(n_pixels)
    upper = np.minimum(borders[1:, None], starts + 1)
    lower = np.maximum(borders[:-1, None], starts)
    shares: np.ndarray = np.clip(upper - lower, 0, None)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares
