"""What was computed of the image that was asked about last."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vesalius.records import Image


@dataclass(slots=True, eq=False)
class LastImage:
    """One image and what a model saw in it: several questions in a row encode it once.

    The image is known by identity, so equal pictures from different calls are encoded each; it
    is kept alive, so that its identity cannot pass on to another one.
    """

    image: Image | None = None
    seen: Any = None

    def of(self, image: Image, compute: Callable[[], Any], /) -> Any:
        """What `compute` gives for `image`, computed only if another image came before."""
        if self.image is not image:
            self.seen = compute()
            self.image = image
        return self.seen
