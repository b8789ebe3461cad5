"""Training material: small radiographs, patch-wise masks and plans of synthetic patients."""

import hashlib
import inspect
import math
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image as Picture

from vesalius.data.phantom import Study, make_patient
from vesalius.data.phantom_plan import PatientPlan, StudyPlan, plan_patient, split_of
from vesalius.data.phantom_project import project_mask
from vesalius.data.phantom_study import STRUCTURES
from vesalius.records import Split

PIXELS, PATCH = 128, 16
GRID = PIXELS // PATCH
DEMO_SEED = 0  # the cohort of the demonstration; training never sees it
N_UNSEEN_PATIENTS = 165


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """Studies of one or more splits, row by row.

    Attributes:
        images: display images as the checkpoint's processor resizes them.
        coverage: share of every cell of a square grid that each structure of the cohort covers.
        plans: patient and visit of every row.
    """

    images: UInt8[np.ndarray, "n side side"]
    coverage: Float[np.ndarray, "n cells structures"]
    plans: tuple[tuple[PatientPlan, StudyPlan], ...]

    @property
    def grid(self) -> int:
        """Cells along each side of the image."""
        return math.isqrt(self.coverage.shape[1])


def small_image(study: Study, *, pixels: int = PIXELS) -> UInt8[np.ndarray, "side side"]:
    """The 8-bit display image, resized as the processor does it (Pillow, bicubic)."""
    shown = np.floor(study.radiograph * 255 + 0.5).astype(np.uint8)
    return np.asarray(Picture.fromarray(shown).resize((pixels, pixels), Picture.Resampling.BICUBIC))


def patch_coverage(study: Study, *, grid: int = GRID) -> Float[np.ndarray, "cells structures"]:
    """Share of each patch under every structure; findings may overlap, unlike in a label map."""
    full = np.zeros((len(STRUCTURES), *study.labels_2d.shape), np.float32)
    for value in (STRUCTURES["lung"], STRUCTURES["heart"]):
        full[value - 1] = project_mask(study.labels == value)
    for truth in study.truths:
        if truth.finding.kind in STRUCTURES:
            layer = full[STRUCTURES[truth.finding.kind] - 1]
            np.maximum(layer, project_mask(truth.mask), out=layer)
    side = full.shape[1] // grid
    cells = full.reshape(len(STRUCTURES), grid, side, grid, side).mean(axis=(2, 4))
    return cells.reshape(len(STRUCTURES), -1).T.astype(np.float32)


def indices(seed: int, splits: tuple[Split, ...], n_patients: int) -> Iterator[int]:
    """The first `n_patients` patients of some splits."""
    index = 0
    while n_patients:
        if split_of(seed, index) in splits:
            n_patients -= 1
            yield index
        index += 1


def _rows(seed: int, index: int, pixels: int, grid: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return [
        (small_image(study, pixels=pixels), patch_coverage(study, grid=grid))
        for study in make_patient(seed, index)
    ]


def version() -> str:
    """Digest of the code that draws patients, so that a cache never outlives it."""
    folder = Path(inspect.getfile(make_patient)).parent
    code = b"".join(path.read_bytes() for path in sorted(folder.glob("phantom*.py")))
    return hashlib.sha256(code).hexdigest()[:12]


def build_cohort(
    seed: int,
    *,
    splits: tuple[Split, ...],
    n_patients: int,
    pixels: int = PIXELS,
    grid: int = GRID,
) -> Cohort:
    """Draw the first `n_patients` patients of these splits, or read them from the cache.

    `grid` must divide the 256 pixels of a radiograph.
    """
    chosen = list(indices(seed, splits, n_patients))
    name = f"{version()}-{seed}-{'-'.join(splits)}-{n_patients}-{pixels}-{grid}.npz"
    cache = Path(tempfile.gettempdir()) / f"vesalius-minis-{name}"
    if not cache.exists():
        with ThreadPoolExecutor(2) as pool:
            drawn = pool.map(lambda index: _rows(seed, index, pixels, grid), chosen)
            rows = [row for patient in drawn for row in patient]
        partial = cache.with_name(f"partial-{name}")
        np.savez(
            partial, images=np.stack([r[0] for r in rows]), coverage=np.stack([r[1] for r in rows])
        )
        partial.replace(cache)
    with np.load(cache) as stored:
        images, coverage = stored["images"], stored["coverage"]
    patients = [plan_patient(seed, index) for index in chosen]
    plans = tuple((patient, plan) for patient in patients for plan in patient.studies)
    return Cohort(images, coverage, plans)


def unseen_studies() -> list[Study]:
    """Studies of test patients of the demonstration's cohort, a little over 200."""
    chosen = indices(DEMO_SEED, ("test",), N_UNSEEN_PATIENTS)
    return list(chain.from_iterable(make_patient(DEMO_SEED, index) for index in chosen))
