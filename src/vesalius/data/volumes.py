"""Volumes: from a grid of voxels with an affine to an `Image` in RAS+ order."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped
from nibabel import orientations

from vesalius.data.intensities import display_of, intensity_of, require_finite
from vesalius.data.reading import Reading
from vesalius.records import Image, Intensity

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SMALLEST_DETERMINANT = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Voxels as a file stores them.

    Attributes:
        voxels: shape (i, j, k), in the file's own axis order.
        affine: index → RAS+ millimetres; None if the file does not say, and then the axes are
            taken to be x, y, z in RAS+ order.
        spacing_mm: used when there is no affine.
        lowest: the lowest value that the stored type and rescaling can express.
        intensity: what the numbers are, if the file says so itself.
    """

    voxels: np.ndarray
    affine: np.ndarray | None
    spacing_mm: tuple[float, ...] | None = None
    lowest: float = 0.0
    intensity: Intensity | None = None


def require_affine(affine: Float[np.ndarray, "4 4"], reading: Reading, /) -> None:
    """Raise ``bad_affine`` unless the matrix is finite and invertible, and its voxels not flat."""
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < _SMALLEST_DETERMINANT:
        raise reading.error(
            "bad_affine",
            f"orientation and spacing must form an invertible matrix, got {affine.tolist()}; "
            "write the file again with its geometry",
        )


def to_ras(
    voxels: Shaped[np.ndarray, "i j k"], affine: Float[np.ndarray, "4 4"], /
) -> tuple[Shaped[np.ndarray, "x y z"], Float[np.ndarray, "4 4"]]:
    """Swap and flip the axes so that they grow towards right, anterior, superior.

    Voxels keep their values and their place in space; nothing is resampled. An oblique volume
    takes the nearest axis order.
    """
    change = orientations.io_orientation(affine)
    moved = orientations.apply_orientation(voxels, change)
    return moved, affine @ orientations.inv_ornt_aff(change, voxels.shape)


def spacing_of(affine: Float[np.ndarray, "4 4"], /) -> tuple[float, float, float]:
    """Distance of neighbouring voxels along each axis, in millimetres."""
    x, y, z = (float(length) for length in np.linalg.norm(affine[:3, :3], axis=0))
    return (x, y, z)


def volume_image(grid: Grid, reading: Reading, /) -> Image:
    """The `Image` of a grid, in RAS+ order, finite, with a range to show it by.

    Intensity is what the file says; else ``hu`` for modality ``ct`` when the stored type can hold
    Hounsfield units; else ``arbitrary``, shown from the 0.5th to the 99.5th percentile.
    """
    require_finite(grid.voxels, reading)
    voxels, affine, spacing_mm = grid.voxels, grid.affine, grid.spacing_mm
    if affine is not None:
        voxels, affine = to_ras(voxels, affine)
        spacing_mm = spacing_of(affine)
    intensity = grid.intensity or intensity_of(reading.modality, lowest=grid.lowest)
    return Image(
        pixels=voxels,
        axes="xyz",
        intensity=intensity,
        display_range=display_of(voxels, intensity, reading.window),
        spacing_mm=spacing_mm,
        affine=affine,
        digest=reading.digest,
        source=reading.source,
    )


def rescaled(
    stored: Shaped[np.ndarray, "*shape"], *, slope: float, intercept: float
) -> Shaped[np.ndarray, "*shape"]:
    """`stored` · slope + intercept: unchanged when that is the identity, else float32."""
    if slope == 1 and intercept == 0:
        return stored
    return stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)


def lowest_of(dtype: np.dtype, *, slope: float = 1.0, intercept: float = 0.0) -> float:
    """The lowest value that `dtype` can express after rescaling."""
    if dtype.kind == "b":
        return min(intercept, slope + intercept)
    bounds = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    return min(float(bounds.min) * slope, float(bounds.max) * slope) + intercept
