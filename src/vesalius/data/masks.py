"""`read_mask`: a label map in the grid of its image."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Integer, Shaped

from vesalius.data.arrays import decode_npy, decode_npz, npz_affine
from vesalius.data.pictures import decode_picture_labels
from vesalius.data.readers import read_grid
from vesalius.data.reading import DEFAULT, Limits, Reading
from vesalius.data.volumes import Grid, spacing_of, to_ras
from vesalius.records import Image

_TOLERANCE_VOXELS = 0.1


def read_mask(
    path: str | Path, *, like: Image, limits: Limits = DEFAULT, name: str = ""
) -> Integer[np.ndarray, "*grid"]:
    """Read a label map and bring it to the axis order of its image.

    A picture gives rows and columns; its grey values or palette indices are the labels. A volume
    is reoriented by its own affine, exactly as images are, and must then lie where `like` lies
    (corners within a tenth of a voxel). Where mask or image has no affine (``.npy``), only the
    shape is compared.

    Returns:
        Whole non-negative numbers, shape `like.size`, smallest unsigned type that holds them.

    Raises:
        DataError: ``mask_shape``, ``mask_grid``, ``mask_values``, or why the file cannot be read.
    """
    reading = Reading(source=name or str(path), limits=limits)
    kind, raw, grid = read_grid(Path(path), reading)
    if kind == "picture":
        return _labels(decode_picture_labels(raw, reading), like, reading)
    if kind in ("npy", "npz"):
        arrays = decode_npz(raw, reading) if kind == "npz" else {"image": decode_npy(raw, reading)}
        grid = Grid(arrays["image"], npz_affine(arrays, reading))
    if grid is None:
        raise reading.error(
            "unsupported", f"a mask cannot be {kind}; use PNG, NIfTI, MetaImage, NRRD or .npy"
        )
    voxels = grid.voxels
    if grid.affine is not None and voxels.ndim == 3:
        voxels, affine = to_ras(voxels, grid.affine)
        grid = replace(grid, affine=affine)
    labels = _labels(voxels, like, reading)
    if grid.affine is not None and like.affine is not None:
        _require_same_place(grid.affine, like.affine, labels.shape, reading)
    return labels


def _labels(
    values: Shaped[np.ndarray, "..."], like: Image, reading: Reading
) -> Integer[np.ndarray, "*grid"]:
    if values.shape != like.size:
        raise reading.error(
            "mask_shape",
            f"expected {like.size} like its image {like.source}, got {values.shape}",
        )
    if values.dtype.kind not in "biuf":
        raise reading.error("mask_values", f"expected whole label numbers, got {values.dtype}")
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    whole = values.dtype.kind in "iu" or bool((values == np.floor(values)).all())
    low, high = values.min(), values.max()
    # the comparison is false for NaN as well
    if not whole or not (low >= 0 and high < 2**32):
        raise reading.error(
            "mask_values",
            f"expected whole label numbers from 0, got values from {low} to {high}; a resampled "
            "mask needs nearest-neighbour interpolation",
        )
    return values.astype(np.min_scalar_type(int(high)))


def _require_same_place(
    mask: Float[np.ndarray, "4 4"],
    image: Float[np.ndarray, "4 4"],
    shape: tuple[int, ...],
    reading: Reading,
) -> None:
    corners = np.array(np.meshgrid(*[(0, extent - 1) for extent in shape])).reshape(3, -1)
    corners = np.vstack([corners, np.ones(corners.shape[1])])
    away_mm = float(np.linalg.norm(((mask - image) @ corners)[:3], axis=0).max())
    allowed_mm = _TOLERANCE_VOXELS * min(spacing_of(image))
    if away_mm > allowed_mm:
        raise reading.error(
            "mask_grid",
            f"lies up to {away_mm:.3g} mm away from its image ({allowed_mm:.3g} mm allowed); "
            "resample it to the image's grid",
        )
