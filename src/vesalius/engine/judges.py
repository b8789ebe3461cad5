"""Fixed encoders that compare pictures: loaded once in a run, whatever model is evaluated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from vesalius.capabilities import DualEncoder, ImageEncoder
from vesalius.catalog import open_model, parse_model
from vesalius.errors import ModelError
from vesalius.records import Image
from vesalius.tasks.generation_scores import INCEPTION
from vesalius.views import Judge

BATCH = 32


def load_judge(name: str, /) -> Judge:
    """The judge of that name, on the processor: it must not change with the machine.

    Args:
        name: ``inception-v3``, or what `parse_model` reads.

    Raises:
        InputError: for an unknown name.
        ModelError: if its files are missing, or it does not embed images.
    """
    if name == INCEPTION:
        from vesalius.models import inception  # torch is loaded only where it is needed

        return Judge(name, inception.load(inception.find_weights()).features)
    return judge_of(name, open_model(parse_model(name), device="cpu"))


@dataclass(slots=True)
class Judges:
    """Judges by name."""

    load: Callable[[str], Judge] = load_judge
    _loaded: dict[str, Judge] = field(default_factory=dict)

    def get(self, name: str, /) -> Judge:
        """The judge of that name; errors as of `load_judge`."""
        if name not in self._loaded:
            self._loaded[name] = self.load(name)
        return self._loaded[name]


def judge_of(name: str, model: object, /) -> Judge:
    """An encoder as a judge; of captions too if it is a dual encoder.

    Raises:
        ModelError: if it is none.
    """
    if not isinstance(model, ImageEncoder):
        raise ModelError(f"judge {name!r}: expected a model that embeds images")

    def image_features(images: Sequence[Image]) -> np.ndarray:
        starts = range(0, len(images), BATCH)
        return np.concatenate([model.encode_images(images[i : i + BATCH]) for i in starts])

    texts = model.encode_texts if isinstance(model, DualEncoder) else None
    return Judge(name, image_features, texts)
