"""Fixed encoders that compare pictures: loaded once in a run, whatever model is evaluated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from vesalius.capabilities import DualEncoder
from vesalius.catalog import open_model, parse_model
from vesalius.errors import ModelError
from vesalius.records import Image
from vesalius.views import Judge

BATCH = 32


def from_catalog(name: str, /) -> object:
    """The model of that name, on the processor: a judge must not change with the machine."""
    return open_model(parse_model(name), device="cpu")


@dataclass(slots=True)
class Judges:
    """Judges by name."""

    load: Callable[[str], object] = from_catalog
    _loaded: dict[str, Judge] = field(default_factory=dict)

    def get(self, name: str, /) -> Judge:
        """The judge of that name.

        Raises:
            InputError: for an unknown name.
            ModelError: if its files are missing, or it does not embed images and texts together.
        """
        if name not in self._loaded:
            self._loaded[name] = judge_of(name, self.load(name))
        return self._loaded[name]


def judge_of(name: str, model: object, /) -> Judge:
    """A dual encoder as a judge.

    Raises:
        ModelError: if it is none.
    """
    if not isinstance(model, DualEncoder):
        raise ModelError(f"judge {name!r}: expected an encoder of images and texts in one space")

    def image_features(images: Sequence[Image]) -> np.ndarray:
        starts = range(0, len(images), BATCH)
        return np.concatenate([model.encode_images(images[i : i + BATCH]) for i in starts])

    return Judge(name, image_features, model.encode_texts)
