"""Where cells get their models and images from: loaded on first use, known by content."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vesalius.data.manifest import Dataset
from vesalius.data.slices import slice_positions, slices_at
from vesalius.engine.progress import Progress
from vesalius.errors import DataError, ModelError
from vesalius.records import Image, ModelCard, Sample, Window, digest_json


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model to evaluate: its identity now, the model itself when a cell needs it.

    Attributes:
        is_ephemeral: whether its identity ends with the process, so that nothing is cached.
        is_here: whether it is an object of this process, which no other process can load.
        is_none: stands for the controls that need no model.
    """

    card: ModelCard
    load: Callable[[], object]
    is_ephemeral: bool = False
    is_here: bool = False
    is_none: bool = False


def no_model() -> object:
    """What controls that need no model are given."""
    return None


NO_MODEL = ModelSource(ModelCard(name="control", adapter="none"), no_model, is_none=True)


@dataclass(frozen=True, slots=True)
class SlicePolicy:
    """How a 2D encoder sees a volume: `n` evenly spaced slices along `axis`, mean-pooled."""

    n: int = 16
    axis: Literal["axial", "coronal", "sagittal"] = "axial"
    pool: Literal["mean"] = "mean"


@dataclass(frozen=True, slots=True)
class DataSource:
    """A dataset whose image bytes have been hashed.

    Attributes:
        samples: the rows that take part.
        digests: sample id → content hash of its image; absent when the file cannot be read.
        unreadable: sample id → reason.
        fingerprint: identity of tables, card and image bytes together.
    """

    dataset: Dataset
    samples: tuple[Sample, ...]
    digests: Mapping[str, str]
    unreadable: Mapping[str, str]
    fingerprint: str


@dataclass(slots=True)
class RecentImages:
    """Reads images of a dataset; those read last stay decoded.

    Attributes:
        most_bytes: of pixels that are kept; the latest image is kept whatever its size.
    """

    dataset: Dataset
    most_bytes: int = 2**28
    _kept: OrderedDict[Path, Image] = field(default_factory=OrderedDict)
    _n_bytes: int = 0

    def __call__(self, sample: Sample, /) -> Image:
        """The image of a sample.

        Raises:
            DataError: if it cannot be used.
        """
        if sample.image in self._kept:
            self._kept.move_to_end(sample.image)
            return self._kept[sample.image]
        image = self.dataset.read(sample)
        self._kept[sample.image] = image
        self._n_bytes += image.pixels.nbytes
        while self._n_bytes > self.most_bytes and len(self._kept) > 1:
            self._n_bytes -= self._kept.popitem(last=False)[1].pixels.nbytes
        return image


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """One sample as 2D models see it.

    Attributes:
        images: the image itself, or slices of the volume in ascending order.
        positions: indices of the slices; empty for an image.
        size: of the sample's own grid.
    """

    images: tuple[Image, ...]
    positions: tuple[int, ...]
    size: tuple[int, ...]


def pictures_of(image: Image, policy: SlicePolicy, /, *, window: Window | None) -> Pictures:
    """An image as it is, a volume as slices; Hounsfield units are shown through the window."""
    if not image.is_volume:
        return Pictures((image,), (), image.size)
    positions = slice_positions(image, n=policy.n, axis=policy.axis)
    shown = slices_at(image, positions, window=window, axis=policy.axis)
    return Pictures(tuple(shown), positions, image.size)


def hash_dataset(
    dataset: Dataset, samples: Sequence[Sample], /, *, progress: Progress
) -> DataSource:
    """Hash the images of `samples`; files that cannot be read are named, not raised."""
    advance = progress(f"hashing {dataset.card.name}", len(samples))
    digests: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    for sample in samples:
        try:
            digests[sample.id] = dataset.digest(sample)
        except DataError as error:
            unreadable[sample.id] = error.reason
        advance(1)
    identity = {"card": dataset.card.digest, "images": digests, "unreadable": unreadable}
    return DataSource(dataset, tuple(samples), digests, unreadable, digest_json(identity))


class LazyModel:
    """A model that is loaded when it is first needed; a failure to load is remembered."""

    def __init__(self, load: Callable[[], object], /) -> None:
        self._load = load
        self._loaded: list[object] = []
        self._error = ""

    def get(self) -> object:
        """The model.

        Raises:
            ModelError: if it could not be loaded before; the first failure is raised as it is.
        """
        if self._error:
            raise ModelError(self._error)
        if not self._loaded:
            self._error = "the model could not be loaded; its first cell has the error"
            self._loaded.append(self._load())
            self._error = ""
        return self._loaded[0]

    @property
    def loaded(self) -> object | None:
        """The model if it has been loaded."""
        return self._loaded[0] if self._loaded else None
