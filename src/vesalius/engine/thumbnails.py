"""Small pictures and volumes of test samples for the report; they stay inside the run folder."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from vesalius.data.manifest import Dataset
from vesalius.data.slices import slice_positions, slices_at
from vesalius.engine.sources import DataSource
from vesalius.errors import DataError
from vesalius.imaging import display_pixels, to_uint8
from vesalius.records import Image, Sample
from vesalius.store.files import update
from vesalius.store.pictures import (
    Frame,
    encode_labels,
    encode_picture,
    labels_path,
    picture_path,
)
from vesalius.store.volumes import (
    coarse_affine,
    encode_volume,
    mean_of_blocks,
    middle_of_blocks,
    steps,
    volume_labels_path,
    volume_path,
)

MAX_THUMBNAILS = 256
MAX_VOLUMES = 24  # of a dataset


def write_thumbnails(run: Path, source: DataSource, /) -> None:
    """Write what is missing or has changed for the first test samples.

    A volume is shown by the slice with most of its reference, or by the middle one of its body;
    the first `MAX_VOLUMES` of them are kept whole as well, on a coarse grid.
    """
    dataset = source.dataset
    n_volumes = 0
    for sample in [s for s in source.samples if s.split == "test"][:MAX_THUMBNAILS]:
        try:
            image = dataset.read(sample)
        except DataError:
            continue  # the cell has named this file already
        labels = _labels(dataset, sample, image)
        frame = Frame(image.size, _index(image, labels))
        shown = _shown(image, frame, dataset)
        picture = encode_picture(display_pixels(shown), frame)
        update(picture_path(run, dataset.card.name, sample.id), picture)
        if labels is not None:
            path = labels_path(run, dataset.card.name, sample.id)
            update(path, encode_labels(frame.plane(labels)))
        if image.is_volume and n_volumes < MAX_VOLUMES:
            path = volume_path(run, dataset.card.name, sample.id)
            update(path, _grey(image, shown.display_range))
            if labels is not None:
                path = volume_labels_path(run, dataset.card.name, sample.id)
                update(path, encode_volume(*_coarse(labels, image)))
            n_volumes += 1


def _grey(volume: Image, display_range: tuple[float, float]) -> bytes:
    step = steps(volume.size)
    grey = mean_of_blocks(to_uint8(volume.pixels, display_range=display_range), step)
    return encode_volume(grey, _affine(volume))


def _coarse(labels: np.ndarray, like: Image) -> tuple[np.ndarray, np.ndarray]:
    return middle_of_blocks(labels, steps(like.size)), _affine(like)


def _affine(volume: Image) -> np.ndarray:
    affine = np.eye(4) if volume.affine is None else volume.affine.astype(np.float64)
    return coarse_affine(affine, steps(volume.size))


def whole_picture(dataset: Dataset, sample: Sample, /) -> UInt8[np.ndarray, "rows cols *c"]:
    """A sample in full size as its thumbnail shows it: of a volume, the slice described above.

    Raises:
        DataError: if its image cannot be read.
    """
    image = dataset.read(sample)
    frame = Frame(image.size, _index(image, _labels(dataset, sample, image)))
    return display_pixels(_shown(image, frame, dataset))


def _labels(dataset: Dataset, sample: Sample, image: Image) -> np.ndarray | None:
    try:
        return dataset.read_mask(sample, like=image)
    except DataError:
        return None  # the cell has named this file already


def _index(image: Image, labels: np.ndarray | None) -> int | None:
    if not image.is_volume:
        return None
    if labels is not None and labels.any():
        return int(np.count_nonzero(labels, axis=(0, 1)).argmax())
    (middle,) = slice_positions(image, n=1)
    return middle


def _shown(image: Image, frame: Frame, dataset: Dataset) -> Image:
    if frame.index is None:
        return image
    (shown,) = slices_at(image, [frame.index], window=dataset.card.window_hu)
    return shown
