"""Masks, maps and pictures that predictions refer to, as files that any viewer opens."""

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image as Pillow

from vesalius.errors import InputError
from vesalius.records import Cell, Image, Sample
from vesalius.store.files import hidden_name, safe_name, update


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the arrays of one cell are kept: below ``maps`` of its run folder."""

    run: Path
    cell: Cell
    read: Callable[[Sample], Image]

    def keep(self, name: str, array: np.ndarray, sample: Sample, /) -> str:
        """Store an array of a sample; equal content is not written again.

        Two axes become a PNG (booleans as 0 and 255), three a NIfTI in the place of the volume.

        Args:
            name: of the array, slashes make folders.
            array: booleans or uint8.
            sample: what it belongs to; the file name does not show the id.

        Returns:
            Path inside the run folder.

        Raises:
            InputError: for other numbers or axes.
        """
        if array.dtype not in (np.bool_, np.uint8) or array.ndim not in (2, 3):
            raise InputError(
                f"{name}: expected 2D or 3D booleans or uint8, got {array.dtype}, {array.shape}"
            )
        if array.ndim == 2:
            ending, payload = "png", _png(array)
        else:
            ending, payload = "nii.gz", _nifti(array.astype(np.uint8), self.read(sample).affine)
        place = Path("maps", safe_name(self.cell.model), safe_name(self.cell.dataset))
        place = place.joinpath(self.cell.task, *map(safe_name, name.split("/")))
        place /= f"{hidden_name(sample.id)}.{ending}"
        update(self.run / place, payload)
        return place.as_posix()


def _png(array: np.ndarray) -> bytes:
    values = array.astype(np.uint8) * np.uint8(255) if array.dtype == np.bool_ else array
    stream = io.BytesIO()
    Pillow.fromarray(values).save(stream, format="PNG", compress_level=6)
    return stream.getvalue()


def _nifti(values: np.ndarray, affine: np.ndarray | None) -> bytes:
    image = nib.Nifti1Image(values, np.eye(4) if affine is None else affine)
    image.header.set_xyzt_units("mm")
    return gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)
