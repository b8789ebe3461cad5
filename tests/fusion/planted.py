"""Cohorts whose right conclusion is known: which slot holds what is planted."""

from collections.abc import Mapping

import numpy as np

from vesalius.fusion.cohort import Cohort
from vesalius.fusion.goals import Classes
from vesalius.fusion.slots import Slot

N, N_TRAIN, N_VAL = 900, 500, 150


def rotated(rng: np.random.Generator, signal: np.ndarray, *, dim: int = 20) -> np.ndarray:
    """Noise with the signal along one direction that is no axis."""
    values = rng.normal(size=(len(signal), dim))
    values[:, 0] = 3 * signal
    return values @ np.linalg.qr(rng.normal(size=(dim, dim)))[0]


def cohort(kind: str, *, seed: int = 0) -> Cohort:
    """Slots ``a``, ``b`` and ``noise``.

    ``one``: the label is the sign of a; ``sum``: of a + b; ``xor``: of a times b.
    """
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, N))
    truth: Mapping[str, np.ndarray] = {"one": a, "sum": a + b, "xor": a * b}
    split = np.repeat(["train", "val", "test"], [N_TRAIN, N_VAL, N - N_TRAIN - N_VAL])
    return Cohort(
        slots=(
            Slot("a", rotated(rng, a)),
            Slot("b", rotated(rng, b)),
            Slot("noise", rng.normal(size=(N, 5))),
        ),
        goal=Classes((truth[kind] > 0).astype(np.int64), ("no", "yes")),
        patients=np.array([f"p{i}" for i in range(N)]),
        split=split,
    )
