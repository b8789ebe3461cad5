"""Likeness of one image to the image it should be, in 2D or 3D: PSNR, SSIM, MS-SSIM.

Conventions. Images are finite grids of one channel; `data_range` is the distance between the
smallest and the largest value that the scale allows, and is never guessed from the image. A
volume is compared with a window in three dimensions, not slice by slice.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Shaped
from scipy import ndimage

from vesalius.errors import InputError

Picture = Shaped[np.ndarray, "..."]
NAN = float("nan")
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

_SIGMA = 1.5
_TAPS = 11
_K1, _K2 = 0.01, 0.03


def psnr(reference: Picture, image: Picture, *, data_range: float) -> float:
    """Peak signal-to-noise ratio: 10 · log10(data_range² / mean squared difference), in dB.

    Higher is better; infinite for equal images.

    Raises:
        InputError: if the images are not finite grids of one shape in 2D or 3D, or `data_range` is
            not positive.

    Source: Huynh-Thu and Ghanbari (2008), doi:10.1049/el:20080522.
    """
    x, y = _pair(reference, image, data_range)
    error = float(((x - y) ** 2).mean())
    return float(10 * np.log10(data_range**2 / error)) if error else float("inf")


def ssim(reference: Picture, image: Picture, *, data_range: float) -> float:
    """Mean structural similarity under a Gaussian window of 11 taps, σ = 1.5 cells.

    Weighted moments of the population, constants 0.01 and 0.03, and only windows that lie in the
    image. In [-1, 1], higher is better. Symmetric. NaN when a side is shorter than the window.

    Raises:
        InputError: as `psnr`.

    Source: Wang et al. (2004), doi:10.1109/TIP.2003.819861.
    """
    x, y = _pair(reference, image, data_range)
    if min(x.shape) < _TAPS:
        return NAN
    similarity, _ = _moments(x, y, data_range)
    return similarity


def ms_ssim(reference: Picture, image: Picture, *, data_range: float, n_scales: int = 5) -> float:
    """Structural similarity over `n_scales` scales, each half as fine as the one before.

    Contrast and structure at every scale and luminance at the coarsest are multiplied, each to the
    power of its published weight. With fewer than five scales the first weights are used, brought
    to the sum 1, and the result is another metric (`ms_ssim[3-scale]`). A scale is the mean of
    2 × 2 (× 2) cells; a last odd one is left out. A scale that is negatively correlated counts 0.
    In [0, 1], higher is better. NaN when a side of the coarsest scale is shorter than the window:
    176 cells are needed for five scales, 44 for three.

    Raises:
        InputError: as `psnr`, or if `n_scales` is not 1 to 5.

    Source: Wang, Simoncelli and Bovik (2003), doi:10.1109/ACSSC.2003.1292216.
    """
    x, y = _pair(reference, image, data_range)
    if not 1 <= n_scales <= len(SCALE_WEIGHTS):
        raise InputError(f"n_scales must be 1 to {len(SCALE_WEIGHTS)}, got {n_scales}")
    if min(x.shape) // 2 ** (n_scales - 1) < _TAPS:
        return NAN
    factors = []
    for scale in range(n_scales):
        similarity, contrast = _moments(x, y, data_range)
        factors.append(max(0.0, similarity if scale == n_scales - 1 else contrast))
        x, y = _halved(x), _halved(y)
    weights = np.array(SCALE_WEIGHTS[:n_scales])
    if n_scales < len(SCALE_WEIGHTS):
        weights /= weights.sum()
    return float(np.prod(np.array(factors) ** weights))


def image_values(reference: Picture, image: Picture, *, data_range: float) -> Mapping[str, float]:
    """All values of one pair of images, under the names of the aggregates in `METRICS`.

    Raises:
        InputError: as `psnr`.
    """
    return {
        "psnr": psnr(reference, image, data_range=data_range),
        "ssim": ssim(reference, image, data_range=data_range),
        "ms_ssim": ms_ssim(reference, image, data_range=data_range),
        "ms_ssim[3-scale]": ms_ssim(reference, image, data_range=data_range, n_scales=3),
    }


def _moments(
    x: Float[np.ndarray, "*grid"], y: Float[np.ndarray, "*grid"], data_range: float
) -> tuple[float, float]:
    """Mean similarity and its contrast–structure part alone."""
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    mean_x, mean_y = _windowed(x), _windowed(y)
    # two sums instead of three: the variances are only ever needed together
    both = _windowed(x * x + y * y) - mean_x**2 - mean_y**2
    shared = _windowed(x * y) - mean_x * mean_y
    contrast = (2 * shared + c2) / (both + c2)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return float((luminance * contrast).mean()), float(contrast.mean())


def _windowed(values: Float[np.ndarray, "*grid"]) -> Float[np.ndarray, "*valid"]:
    offsets = np.arange(_TAPS) - _TAPS // 2
    taps = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    taps /= taps.sum()
    for axis in range(values.ndim):
        values = ndimage.correlate1d(values, taps, axis=axis, mode="constant")
        # what reaches over the edge goes at once: the next axis has less to do
        inner = slice(_TAPS // 2, values.shape[axis] - _TAPS // 2)
        values = values[(*(slice(None) for _ in range(axis)), inner)]
    return values


def _halved(values: Float[np.ndarray, "*grid"]) -> Float[np.ndarray, "*half"]:
    for axis in range(values.ndim):
        ahead = (slice(None),) * axis
        n = values.shape[axis] // 2 * 2
        values = (values[(*ahead, slice(0, n, 2))] + values[(*ahead, slice(1, n, 2))]) / 2
    return values


def _pair(
    reference: np.ndarray, image: np.ndarray, data_range: float
) -> tuple[Float[np.ndarray, "*grid"], Float[np.ndarray, "*grid"]]:
    if not 0 < data_range < np.inf:
        raise InputError(f"data_range must be positive, got {data_range}")
    x, y = (np.asarray(a, dtype=np.float64) for a in (reference, image))
    if x.shape != y.shape or x.ndim not in (2, 3) or not x.size:
        raise InputError(f"expected two grids of one shape in 2D or 3D, got {x.shape}, {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError("images must be finite; look for NaN or infinite values")
    return x, y
