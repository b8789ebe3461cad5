"""What was computed of the image, or images, that were asked about last."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vesalius.records import Image


@dataclass(slots=True, eq=False)
class LastImage:
    """What a model saw in one image, or in several: more questions in a row encode them once.

    Images are known by identity, so equal pictures from different calls are encoded each; they
    are kept alive, so that their identity cannot pass on to others.
    """

    images: tuple[Image, ...] = ()
    seen: Any = None

    def of(self, shown: Image | Sequence[Image], compute: Callable[[], Any], /) -> Any:
        """What `compute` gives for the images, computed only if others came before."""
        images = (shown,) if isinstance(shown, Image) else tuple(shown)
        if [id(image) for image in self.images] != [id(image) for image in images]:
            self.seen = compute()
            self.images = images
        return self.seen
