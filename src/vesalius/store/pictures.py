"""Small pictures of samples inside a run, and where their pixels lie in the image itself.

A picture is a JPEG whose comment says how large the image is and which slice of a volume is shown,
so that masks, boxes and maps of the whole image can be drawn into it. A label map beside it, a PNG
of the same slice, is the reference.
"""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Shaped, UInt8, UInt16
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from vesalius.placement import cut
from vesalius.store.files import hidden_name, safe_name

EDGE = 112  # pixels of the longer side
_QUALITY = 80
_MOST_LABEL = np.iinfo(np.uint16).max


@dataclass(frozen=True, slots=True)
class Frame:
    """What a picture shows of its image.

    Attributes:
        size: spatial extent of the image, (rows, columns) or (x, y, z).
        index: of the axial slice shown; None for a 2D image.
    """

    size: tuple[int, ...]
    index: int | None = None

    def plane(self, array: Shaped[np.ndarray, "*grid"], /) -> Shaped[np.ndarray, "rows cols"]:
        """The part of an array over the whole image that is shown; its grid may be coarser."""
        if self.index is None:
            return array
        share = (self.index + 0.5) / self.size[2]
        return cut(array, min(int(share * array.shape[2]), array.shape[2] - 1))

    def region(
        self, box: tuple[float, ...], /, *, shape: tuple[int, int]
    ) -> Bool[np.ndarray, "rows cols"]:
        """Where a box lies in a picture of `shape`; nowhere if it misses the slice.

        Args:
            box: ``x0, y0, x1, y1``, or ``x0, y0, z0, x1, y1, z1`` of a volume, in pixels, end
                exclusive.
            shape: rows and columns of the picture.
        """
        found = np.zeros(shape, dtype=np.bool_)
        sides = self.rectangle(box)
        if sides is not None:
            left, top, right, bottom = sides
            columns = _span((left, right), shape[1], shape[1])
            found[_span((top, bottom), shape[0], shape[0]), columns] = True
        return found

    @property
    def shown(self) -> tuple[int, int]:
        """Rows and columns of what the picture shows, in pixels of the image."""
        return (self.size[0], self.size[1]) if self.index is None else (self.size[1], self.size[0])

    def rectangle(self, box: tuple[float, ...], /) -> tuple[float, float, float, float] | None:
        """Left, top, right and bottom of a box as shares of the picture; None if it misses it."""
        half = len(box) // 2
        low, high = box[:half], box[half:]
        rows, columns = self.shown
        if self.index is None:
            return low[0] / columns, low[1] / rows, high[0] / columns, high[1] / rows
        if not low[2] <= self.index < high[2]:
            return None
        return 1 - high[0] / columns, 1 - high[1] / rows, 1 - low[0] / columns, 1 - low[1] / rows


def _span(ends: tuple[float, float], scale: float, length: int) -> slice:
    """At least one pixel, within the picture."""
    first = min(max(0, round(ends[0] * scale)), length - 1)
    return slice(first, max(first + 1, min(length, round(ends[1] * scale))))


def picture_path(run: Path, dataset: str, sample_id: str, /) -> Path:
    """Where the small picture of a sample lies; the name does not show the id."""
    return run / "images" / safe_name(dataset) / f"{hidden_name(sample_id)}.jpg"


def labels_path(run: Path, dataset: str, sample_id: str, /) -> Path:
    """Where its reference label map lies, in the same slice."""
    return picture_path(run, dataset, sample_id).with_suffix(".labels.png")


def encode_picture(pixels: UInt8[np.ndarray, "rows cols *c"], frame: Frame, /) -> bytes:
    """A JPEG of at most `EDGE` pixels that remembers its frame."""
    picture = Pillow.fromarray(pixels)
    picture.thumbnail((EDGE, EDGE), Pillow.Resampling.BICUBIC)
    stream = io.BytesIO()
    comment = json.dumps({"size": frame.size, "index": frame.index})
    picture.save(stream, format="JPEG", quality=_QUALITY, comment=comment)
    return stream.getvalue()


def encode_labels(labels: Shaped[np.ndarray, "rows cols"], /) -> bytes:
    """A PNG of labels up to 65535 in full resolution."""
    kind = np.uint8 if labels.max(initial=0) <= np.iinfo(np.uint8).max else np.uint16
    stream = io.BytesIO()
    Pillow.fromarray(labels.astype(np.int64).clip(max=_MOST_LABEL).astype(kind)).save(
        stream, format="PNG", optimize=True
    )
    return stream.getvalue()


def read_frame(path: Path, /) -> Frame | None:
    """Frame of a picture; None for a file that is missing, broken or does not say."""
    try:
        with Pillow.open(path) as picture:
            said = json.loads(picture.info.get("comment", b""))
        size, index = tuple(int(n) for n in said["size"]), said["index"]
    except (OSError, UnidentifiedImageError, ValueError, KeyError, TypeError):
        return None
    flat = len(size) == 2 and index is None
    deep = len(size) == 3 and isinstance(index, int) and 0 <= index < size[2]
    return Frame(size, index) if min(size, default=0) > 0 and (flat or deep) else None


def read_labels(path: Path, /) -> UInt16[np.ndarray, "rows cols"] | None:
    """A stored label map; None for a file that is missing or broken."""
    try:
        with Pillow.open(path) as picture:
            labels = np.array(picture)
    except (OSError, UnidentifiedImageError):
        return None
    return labels.astype(np.uint16) if labels.ndim == 2 else None
