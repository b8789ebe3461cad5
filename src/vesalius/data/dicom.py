"""One DICOM file as an `Image`: rescale, VOI LUT or window, MONOCHROME1, colour, frames.

Grey images are shown as the file asks: by its VOI LUT, else by its first window (so that
`display_range` is exactly what the standard's formula maps to black and white), else 8-bit data
from 0 to their highest code. Deeper data without a window are ``arbitrary``, shown from the 0.5th
to the 99.5th percentile. MONOCHROME1 is mirrored within its range, so that higher is always
brighter. CT with a rescale is ``hu`` and keeps its numbers; the caller's window goes before the
file's own. Spacing is PixelSpacing; a 0 there, or only ImagerPixelSpacing (measured at the
detector, hence magnified), gives None.

Several frames with positions in space become a volume; without (cine) they are refused.
"""

import numpy as np
import pydicom
from jaxtyping import Shaped
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi

from vesalius.data.dicom_header import Header, read_dicom
from vesalius.data.dicom_pixels import decode_frames
from vesalius.data.intensities import WINDOWS, require_finite, robust_range
from vesalius.data.reading import Reading, contained
from vesalius.data.stacking import stack
from vesalius.data.volumes import rescaled, volume_image
from vesalius.records import Image, Intensity

_COLOUR = "PALETTE COLOR"
_Range = tuple[float, float]


def decode_dicom(raw: bytes, reading: Reading) -> Image:
    """Decode a file to grey, colour or a volume.

    Raises:
        DataError: as `read_dicom` and `decode_frames`; ``multi_frame``, ``unsupported``, and as
            `stack` for several frames.
    """
    dataset, header = read_dicom(raw, reading, with_pixels=True)
    frames = decode_frames(dataset, header, raw, reading)
    if header.n_frames > 1:
        return _volume(frames, header, reading)
    if header.n_channels == 3 or header.photometric == _COLOUR:
        return _colour_image(frames[0], dataset, header, reading)
    return _grey_image(frames[0], dataset, header, reading)


def _volume(frames: np.ndarray, header: Header, reading: Reading) -> Image:
    placed = len(header.planes) == header.n_frames and header.n_channels == 1
    if not placed or header.planes[0].position is None:
        raise reading.error(
            "multi_frame",
            f"{header.n_frames} frames without positions in space (a film?); export the one frame "
            "that is meant",
        )
    names = [f"frame {index + 1}" for index in range(header.n_frames)]
    return volume_image(stack(frames, [header] * len(names), names, reading), reading)


def _colour_image(
    pixels: np.ndarray, dataset: pydicom.Dataset, header: Header, reading: Reading
) -> Image:
    if header.photometric == _COLOUR:
        with contained(reading):
            pixels = apply_color_lut(pixels, dataset)
        if pixels.dtype == np.uint16:
            pixels = (pixels >> 8).astype(np.uint8)
    if pixels.dtype != np.uint8 or pixels.shape[2:] != (3,):
        raise reading.error("unsupported", f"expected 8-bit RGB, got {pixels.dtype}")
    return Image(
        pixels=pixels,
        axes="yxc",
        intensity="display",
        display_range=(0.0, 255.0),
        spacing_mm=header.planes[0].spacing_mm,
        digest=reading.digest,
        source=reading.source,
    )


def _grey_image(
    stored: np.ndarray, dataset: pydicom.Dataset, header: Header, reading: Reading
) -> Image:
    with contained(reading):
        values = _rescaled(stored, dataset, header)
        values, shown, intensity = _shown(values, dataset, header, reading)
    require_finite(values, reading)
    if header.photometric == "MONOCHROME1" and intensity != "hu":
        values = np.float32(shown[0] + shown[1]) - values.astype(np.float32)
    return Image(
        pixels=values,
        axes="yx",
        intensity=intensity,
        display_range=shown,
        spacing_mm=header.planes[0].spacing_mm,
        digest=reading.digest,
        source=reading.source,
    )


def _rescaled(
    stored: Shaped[np.ndarray, "rows columns"], dataset: pydicom.Dataset, header: Header
) -> Shaped[np.ndarray, "rows columns"]:
    if dataset.get("ModalityLUTSequence"):
        return apply_modality_lut(stored, dataset)
    plane = header.planes[0]
    slope = 1.0 if plane.slope is None else plane.slope
    return rescaled(stored, slope=slope, intercept=plane.intercept)


def _shown(
    values: np.ndarray, dataset: pydicom.Dataset, header: Header, reading: Reading
) -> tuple[np.ndarray, _Range, Intensity]:
    """Values, the range that shows them, and what they are."""
    if header.is_hu:
        return values, _hu_range(header, reading), "hu"
    if dataset.get("VOILUTSequence"):
        n_bits = int(dataset["VOILUTSequence"].value[0].LUTDescriptor[2])
        looked_up = apply_voi(np.rint(values).astype(np.int32), dataset)
        return looked_up, (0.0, float(2**n_bits - 1)), "display"
    if header.window is not None:
        if header.voi_function == "SIGMOID":
            return _sigmoid(values, *header.window), (0.0, 1.0), "display"
        return values, window_range(*header.window, function=header.voi_function), "display"
    if header.bits_stored <= 8 and values.dtype.kind == "u":
        return values, (0.0, float(2**header.bits_stored - 1)), "display"
    return values, robust_range(values), "arbitrary"


def _hu_range(header: Header, reading: Reading) -> _Range:
    if reading.window is None and header.window is not None:
        return window_range(*header.window, function=header.voi_function)
    return (reading.window or WINDOWS["soft-tissue"]).range


def _sigmoid(values: np.ndarray, center: float, width: float) -> np.ndarray:
    # beyond ±700 the exponential overflows, and the result is 0 or 1 anyway
    steep = np.clip(-4.0 * (values.astype(np.float64) - center) / width, -700, 700)
    return (1.0 / (1.0 + np.exp(steep))).astype(np.float32)


def window_range(center: float, width: float, *, function: str) -> _Range:
    """The values that DICOM's window formula maps to black and to white.

    ``LINEAR`` is half a step narrower than centre ± width / 2, for historical reasons; at width 1
    it is a threshold. Source: DICOM PS3.3 C.11.2.1.2.

    >>> window_range(2048, 4096, function="LINEAR")
    (0.0, 4095.0)
    """
    if function == "LINEAR_EXACT":
        return center - width / 2, center + width / 2
    half = max(width - 1, 1.0) / 2
    return center - 0.5 - half, center - 0.5 + half
