"""Small pictures of test samples for the report; they stay inside the run folder."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image as Pillow

from vesalius.data.manifest import Dataset
from vesalius.data.slices import slices
from vesalius.errors import DataError
from vesalius.imaging import display_pixels
from vesalius.records import Image, Sample
from vesalius.store.files import write_atomic
from vesalius.store.runs import thumbnail_path

MAX_THUMBNAILS = 256
_EDGE = 112


def write_thumbnails(run: Path, dataset: Dataset, samples: Sequence[Sample], /) -> int:
    """Write what is missing for the first test samples; the number written."""
    written = 0
    for sample in [s for s in samples if s.split == "test"][:MAX_THUMBNAILS]:
        path = thumbnail_path(run, dataset.card.name, sample.id)
        if path.exists():
            continue
        try:
            image = dataset.read(sample)
        except DataError:
            continue  # the cell has named this file already
        write_atomic(path, _jpeg(image, dataset))
        written += 1
    return written


def _jpeg(image: Image, dataset: Dataset) -> bytes:
    if image.is_volume:
        (image,) = slices(image, n=1, window=dataset.card.window_hu)
    picture = Pillow.fromarray(display_pixels(image))
    picture.thumbnail((_EDGE, _EDGE), Pillow.Resampling.BICUBIC)
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=80)
    return stream.getvalue()
