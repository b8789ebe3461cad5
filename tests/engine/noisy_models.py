"""Models that differ in how much noise is in their sight, and runs of them."""

import numpy as np
from small_world import Brightness, squares

from vesalius.engine import Grid, ModelSource, run
from vesalius.records import RunSpec
from vesalius.tasks import make_task

TASKS = (
    make_task("classification", "zero-shot"),
    make_task("classification", "few-shot"),
    make_task("retrieval", "embedding"),
)


class Noisy(Brightness):
    """Its angle is off by seeded noise that depends on the picture alone."""

    def __init__(self, name: str, noise: float, *, miniature: bool = False) -> None:
        super().__init__(name, weights=str(noise), miniature=miniature)
        self._noise = noise

    def encode_images(self, images):
        """The vector of `Brightness`, turned."""
        vectors = super().encode_images(images).astype(np.float64)
        angles = np.arctan2(vectors[:, 1], vectors[:, 0])
        for row, image in enumerate(images):
            angles[row] += self._noise * np.random.default_rng(_seed(image.digest)).normal()
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def _seed(digest: str) -> int:
    return int(digest[:8], 16)


def run_of(out, data, *models, tasks=TASKS, **options):
    """A run with few resamples, without controls unless asked for."""
    spec = RunSpec(
        models=tuple(model.card.name for model in models),
        datasets=(data.card.name,),
        **{"n_resamples": 100, "controls": False, **options},
    )
    sources = [ModelSource(model.card, lambda model=model: model) for model in models]
    return run(Grid(sources, [data], tasks), spec, out=out, cache=None)


__all__ = ["TASKS", "Noisy", "run_of", "squares"]
