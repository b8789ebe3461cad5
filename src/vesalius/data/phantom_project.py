"""The radiograph of a volume: Beer–Lambert attenuation along parallel rays, then a detector.

Rays run from back to front (PA view). Image rows run from head to foot, columns from the patient's
right to the left, so the patient's right is on the image's left. The field of view is that of the
volume; pixel (r, c) of an n-pixel image sees the voxel column ``(floor((c + ½)·96/n), :, …)``.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Num, Shaped, UInt8
from scipy import ndimage

WATER_PER_MM = 0.0195  # linear attenuation of water near 65 keV, where chests are imaged
RADIOGRAPH = 256


@dataclass(frozen=True, slots=True)
class Exposure:
    """How one radiograph was taken and displayed.

    Attributes:
        photons: mean count of an unattenuated detector pixel.
        center: optical depth shown as mid-grey.
        width: optical depth from black to white.
        gamma: curve of the display.
        edge: strength of edge enhancement.
        tilt: grey gradient across the image, (rows, columns).
        marker: whether a lead "R" lies beside the patient's right shoulder.
    """

    photons: float
    center: float
    width: float
    gamma: float
    edge: float
    tilt: tuple[float, float]
    marker: bool


def sample_exposure(rng: np.random.Generator, *, site: str) -> Exposure:
    """Draw an exposure; the coast site images with a portable unit: grainy, flat, no marker."""
    portable = site == "coast"
    return Exposure(
        photons=float(rng.uniform(2.0e3, 5.0e3) if portable else rng.uniform(1.2e4, 4.0e4)),
        center=float(rng.normal(0, 0.13)),
        width=float(rng.uniform(1.06, 1.22) if portable else rng.uniform(0.92, 1.1)),
        gamma=float(rng.uniform(0.85, 1.15)),
        edge=float(rng.uniform(0.3, 0.6) if portable else rng.uniform(0.6, 1.1)),
        tilt=(float(rng.normal(0, 0.04)), float(rng.normal(0, 0.04))),
        marker=site == "north",
    )


def attenuation(hu: Num[np.ndarray, "x y z"]) -> Float[np.ndarray, "x y z"]:
    """Linear attenuation per mm: ``μ_water · (1 + HU / 1000)``, never below 0."""
    relative: np.ndarray = 1 + np.asarray(hu, np.float32) / np.float32(1000)
    return np.maximum(0.0, WATER_PER_MM * relative)


def to_view(frontal: Shaped[np.ndarray, "x z"]) -> Shaped[np.ndarray, "z x"]:
    """Turn an (x, z) array into image rows (head first) and columns (patient's right first)."""
    return frontal.T[::-1, ::-1]


def optical_depth(
    hu: Num[np.ndarray, "x y z"], *, spacing_mm: float
) -> Float[np.ndarray, "rows cols"]:
    """Integral of the attenuation along y: ``-ln(transmitted / incident)`` of each ray.

    >>> slab = np.full((1, 10, 1), 0.0)                       # 100 mm of water
    >>> round(float(optical_depth(slab, spacing_mm=10.0)[0, 0]), 4)
    1.95
    """
    return to_view(attenuation(hu).sum(axis=1) * np.float32(spacing_mm)).astype(np.float64)


def project_mask(
    mask: Bool[np.ndarray, "x y z"], *, size: int = RADIOGRAPH
) -> Bool[np.ndarray, "rows cols"]:
    """Pixels whose ray meets the mask."""
    met: np.ndarray = mask.max(axis=1)
    return enlarge(to_view(met), size=size)


def project_labels(
    labels: UInt8[np.ndarray, "x y z"], *, size: int = RADIOGRAPH
) -> UInt8[np.ndarray, "rows cols"]:
    """Label map of the radiograph: the highest label that each ray meets."""
    return enlarge(to_view(labels.max(axis=1)), size=size)


def enlarge(small: np.ndarray, *, size: int) -> np.ndarray:
    """Nearest-neighbour copy at `size` × `size`, by the ray rule of this module."""
    rows = (np.arange(size) * 2 + 1) * small.shape[0] // (2 * size)
    cols = (np.arange(size) * 2 + 1) * small.shape[1] // (2 * size)
    return small[np.ix_(rows, cols)]


_LETTER_R = ("#### ", "#   #", "#   #", "#### ", "# #  ", "#  # ", "#   #")


def _lead_marker(depth: Float[np.ndarray, "rows cols"]) -> None:
    """Add the lead letter at the image's upper left, in place."""
    letter = np.array([[c == "#" for c in row] for row in _LETTER_R]).repeat(2, 0).repeat(2, 1)
    depth[14 : 14 + letter.shape[0], 14 : 14 + letter.shape[1]] += 2.6 * letter


def radiograph(
    hu: Num[np.ndarray, "x y z"],
    exposure: Exposure,
    rng: np.random.Generator,
    *,
    spacing_mm: float,
    size: int = RADIOGRAPH,
) -> Float[np.ndarray, "rows cols"]:
    """Radiograph as displayed, in [0, 1], dense tissue bright."""
    depth = optical_depth(hu, spacing_mm=spacing_mm)
    depth = ndimage.zoom(depth, size / depth.shape[0], order=3, grid_mode=True, mode="nearest")
    if exposure.marker:
        _lead_marker(depth)
    expected = exposure.photons * np.exp(-depth)
    counts = expected + np.sqrt(expected) * rng.standard_normal(depth.shape)
    seen = -np.log(np.maximum(counts, 1.0) / exposure.photons)
    seen = ndimage.gaussian_filter(seen, 0.7)
    return _display(seen, exposure)


def _display(
    depth: Float[np.ndarray, "rows cols"], exposure: Exposure
) -> Float[np.ndarray, "rows cols"]:
    """Local contrast, edges and the display curve, as the console of the unit applies them."""
    broad = ndimage.gaussian_filter(depth, 22, truncate=2.5)
    flat = depth - 0.42 * (broad - broad.mean())
    sharp = flat + exposure.edge * (flat - ndimage.gaussian_filter(flat, 2.2))
    inner = sharp[40:216, 32:224] if sharp.shape[0] == RADIOGRAPH else sharp
    low, high = np.percentile(inner, (4, 97))
    middle = (low + high) / 2 + exposure.center * (high - low) * 0.5
    grey = (sharp - middle) / ((high - low) * exposure.width * 1.05)
    rows, cols = np.mgrid[-0.5 : 0.5 : depth.shape[0] * 1j, -0.5 : 0.5 : depth.shape[1] * 1j]
    grey = grey + exposure.tilt[0] * rows + exposure.tilt[1] * cols
    bright = 1 / (1 + np.exp(-4.2 * grey))
    curved = bright**exposure.gamma
    full: np.ndarray = (curved - curved.min()) / (curved.max() - curved.min())
    return full
