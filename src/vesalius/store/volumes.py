"""Small volumes of samples inside a run, on a coarse grid that a page can hold.

A small volume is a NIfTI of 8-bit grey values as shown; a label map beside it is the reference.
Every `steps` voxels of the volume itself make one: grey values by their mean, labels and masks by
the voxel in the middle, so that reference and answer are looked at in the same places.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from jaxtyping import Float, Shaped, UInt8
from nibabel.filebasedimages import ImageFileError

from vesalius.store.files import hidden_name, safe_name

MOST_VOXELS = 96  # along each axis
_MOST_LABEL = np.iinfo(np.uint16).max

Steps = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class SmallVolume:
    """A stored volume: its voxels, and where they lie in RAS+ millimetres."""

    voxels: np.ndarray
    affine: np.ndarray


def volume_path(run: Path, dataset: str, sample_id: str, /) -> Path:
    """Where the small volume of a sample lies; the name does not show the id."""
    return run / "volumes" / safe_name(dataset) / f"{hidden_name(sample_id)}.nii.gz"


def volume_labels_path(run: Path, dataset: str, sample_id: str, /) -> Path:
    """Where its reference label map lies, on the same grid."""
    path = volume_path(run, dataset, sample_id)
    return path.with_name(path.name.replace(".nii.gz", ".labels.nii.gz"))


def steps(size: tuple[int, ...], /) -> Steps:
    """How many voxels along each axis become one, so that no axis has more than `MOST_VOXELS`.

    >>> steps((512, 97, 40))
    (6, 2, 1)
    """
    x, y, z = (-(-n // MOST_VOXELS) for n in size)
    return x, y, z


def mean_of_blocks(voxels: UInt8[np.ndarray, "x y z"], step: Steps, /) -> UInt8[np.ndarray, "..."]:
    """Mean of each block, rounded; the last block of an axis may be shorter."""
    total, counts = voxels, []
    for axis, n in enumerate(step):
        starts = np.arange(0, voxels.shape[axis], n)
        total = np.add.reduceat(total, starts, axis=axis, dtype=np.uint32)
        counts.append(np.diff(starts, append=voxels.shape[axis]))
    count = counts[0][:, None, None] * counts[1][:, None] * counts[2]
    mean: np.ndarray = np.floor(total / count + 0.5).astype(np.uint8)
    return mean


def middle_of_blocks(
    voxels: Shaped[np.ndarray, "x y z"], step: Steps, /
) -> Shaped[np.ndarray, "..."]:
    """The voxel in the middle of each block, the upper one of two."""
    places = [
        np.minimum(np.arange(0, n, s) + s // 2, n - 1)
        for n, s in zip(voxels.shape, step, strict=True)
    ]
    found: np.ndarray = voxels[np.ix_(*places)]
    return found


def coarse_affine(affine: Float[np.ndarray, "4 4"], step: Steps, /) -> Float[np.ndarray, "4 4"]:
    """Voxel index on the coarse grid → millimetres: a block lies where its middle does."""
    scale = np.diag([*map(float, step), 1.0])
    scale[:3, 3] = (np.array(step) - 1) / 2
    made: np.ndarray = affine @ scale
    return made


def encode_volume(voxels: Shaped[np.ndarray, "x y z"], affine: np.ndarray, /) -> bytes:
    """A NIfTI in RAS+ order; integers up to 65535, equal volumes give equal bytes."""
    small = voxels.max(initial=0) <= np.iinfo(np.uint8).max
    values = voxels.astype(np.int64).clip(0, _MOST_LABEL).astype(np.uint8 if small else np.uint16)
    image = nib.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm")
    return gzip.compress(image.to_bytes(), compresslevel=9, mtime=0)


def read_volume(path: Path, /) -> SmallVolume | None:
    """A stored volume; None for a file that is missing, broken or not a volume."""
    try:
        image = nib.load(path)
        voxels = np.asarray(image.dataobj)
    except (OSError, EOFError, ValueError, ImageFileError):
        return None
    return SmallVolume(voxels, image.affine) if voxels.ndim == 3 else None
