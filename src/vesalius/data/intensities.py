"""Which values are shown black and white: Hounsfield windows and robust ranges."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Shaped

from vesalius.data.reading import Reading
from vesalius.records import Intensity, Window

WINDOWS: Mapping[str, Window] = MappingProxyType(
    {
        "lung": Window(center=-600, width=1500),
        "soft-tissue": Window(center=40, width=400),
        "bone": Window(center=400, width=1800),
        "brain": Window(center=40, width=80),
    }
)
"""Windows in common radiological use, in Hounsfield units."""

AIR_HU = -1000.0
_PERCENTILES = (0.5, 99.5)
_MOST_SAMPLED = 2_000_000


def robust_range(values: Shaped[np.ndarray, "..."], /) -> tuple[float, float]:
    """The 0.5th and 99.5th percentile of the finite values; lowest and highest if these are equal.

    Of more than two million values an even subset is taken. A constant array at `v` gives
    (v, v + 1), so that it is shown black; so does one without any finite value, at 0.
    """
    flat = values.reshape(-1)[:: max(1, values.size // _MOST_SAMPLED)].astype(np.float64)
    flat = flat[np.isfinite(flat)]
    if flat.size == 0:
        return (0.0, 1.0)
    low, high = (float(value) for value in np.percentile(flat, _PERCENTILES))
    if high <= low:
        low, high = float(flat.min()), float(flat.max())
    return (low, high) if high > low else (low, low + 1.0)


def display_of(
    values: Shaped[np.ndarray, "..."], intensity: Intensity, window: Window | None
) -> tuple[float, float]:
    """`display_range` by the window for Hounsfield units (default soft-tissue), else robust."""
    if intensity == "hu":
        return (window or WINDOWS["soft-tissue"]).range
    return robust_range(values)


def intensity_of(modality: str | None, *, lowest: float) -> Intensity:
    """``hu`` for CT whose storage can hold air at −1000 HU, else ``arbitrary``.

    `lowest` is the lowest value that the stored type and rescaling can express: a property of the
    header, not of the pixels. A CT mask or an 8-bit rendering cannot be Hounsfield units.
    """
    return "hu" if modality == "ct" and lowest <= AIR_HU else "arbitrary"


def require_finite(values: Shaped[np.ndarray, "..."], reading: Reading, /) -> None:
    """Raise ``not_finite`` if more than the allowed share of the values is NaN or infinite."""
    if values.dtype.kind != "f":
        return
    share = float(np.isfinite(values).mean())
    if share < reading.limits.min_finite:
        raise reading.error(
            "not_finite",
            f"only {share:.2%} of the values are finite, expected at least "
            f"{reading.limits.min_finite:.1%}; the export probably failed",
        )
