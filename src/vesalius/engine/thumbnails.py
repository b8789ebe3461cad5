"""Small pictures of test samples for the report; they stay inside the run folder."""

import io
from pathlib import Path

from PIL import Image as Pillow

from vesalius.data.manifest import Dataset
from vesalius.data.slices import slices
from vesalius.engine.sources import DataSource
from vesalius.errors import DataError
from vesalius.imaging import display_pixels
from vesalius.records import Image
from vesalius.store.files import write_atomic
from vesalius.store.runs import thumbnail_path

MAX_THUMBNAILS = 256
_EDGE = 112


def write_thumbnails(run: Path, source: DataSource, /) -> None:
    """Write what is missing or has changed for the first test samples."""
    dataset = source.dataset
    for sample in [s for s in source.samples if s.split == "test"][:MAX_THUMBNAILS]:
        path = thumbnail_path(run, dataset.card.name, sample.id)
        try:
            picture = _jpeg(dataset.read(sample), dataset)
        except DataError:
            continue  # the cell has named this file already
        if not path.exists() or path.read_bytes() != picture:
            write_atomic(path, picture)


def _jpeg(image: Image, dataset: Dataset) -> bytes:
    if image.is_volume:
        (image,) = slices(image, n=1, window=dataset.card.window_hu)
    picture = Pillow.fromarray(display_pixels(image))
    picture.thumbnail((_EDGE, _EDGE), Pillow.Resampling.BICUBIC)
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=80)
    return stream.getvalue()
