"""Metrics of a table of generated pictures; no model, no image.

A row without a picture counts 0 in the means: no shared structure, and the least PSNR that pictures
of a limited range can have. A distance between sets can only be one of the pictures there are, and
says how many are missing.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vesalius.metrics import frechet_distance, kernel_distance
from vesalius.metrics.distances import frechet_caveat
from vesalius.records import Predictions
from vesalius.stats import statistic
from vesalius.tasks import Scored
from vesalius.tasks.generation_pictures import n_scales
from vesalius.tasks.row_subset import OnRows

INCEPTION = "inception-v3"


@dataclass(frozen=True, slots=True, eq=False)
class FrechetOf:
    """Fréchet distance of the pictures from the references, both of the same rows.

    There is no batched value: a resample repeats pictures, which biases the distance upwards by
    more than it varies, so that its interval would not hold the value.

    Attributes:
        reference: features of the references, shape (n, dim); NaN rows are left out.
        images: features of the pictures.
    """

    reference: np.ndarray
    images: np.ndarray

    def __call__(self, rows: np.ndarray, /) -> float:
        """Distance over these rows."""
        return frechet_distance(_complete(self.reference[rows]), _complete(self.images[rows]))

    def batched(self, weights: Float[np.ndarray, "b n"], /) -> Float[np.ndarray, " b"]:
        """NaN, see the class."""
        return np.full(len(weights), np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class KernelOf:
    """Kernel distance of the pictures from the references, both of the same rows.

    In a resample, pairs of one picture with its own copy are left out like those with itself: with
    them every resample would be further from the references than the set is.

    Attributes:
        reference: features of the references, shape (n, dim); NaN rows are left out.
        images: features of the pictures.
    """

    reference: np.ndarray
    images: np.ndarray

    def __call__(self, rows: np.ndarray, /) -> float:
        """Distance over these rows."""
        return kernel_distance(_complete(self.reference[rows]), _complete(self.images[rows]))

    def batched(self, weights: Float[np.ndarray, "b n"], /) -> Float[np.ndarray, " b"]:
        """Distance per resample."""
        x, y = (np.isfinite(rows).all(axis=1) for rows in (self.reference, self.images))
        first, second = self.reference[x], self.images[y]
        u, v = weights[:, x].astype(np.float64), weights[:, y].astype(np.float64)
        across = ((u @ _kernel(first, second)) * v).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            shared = across / (u.sum(axis=1) * v.sum(axis=1))
            found: np.ndarray = _within(first, u) + _within(second, v) - 2 * shared
        return found


def score_pictures(
    table: Predictions, rows: np.ndarray, /, *, judge: str, side: int, suffix: str = ""
) -> list[Scored]:
    """Every metric of the pictures in `rows`; the headline, SSIM, comes first."""
    scales = n_scales(side)
    names = {"ssim": "ssim", "psnr": "psnr"}
    if scales:
        names["ms_ssim"] = "ms_ssim" if scales == 5 else f"ms_ssim[{scales}-scale]"
    scored = []
    for column, name in names.items():
        found = statistic(name, table[column][rows].astype(np.float64))
        scored.append(Scored(name + suffix, OnRows(found, rows), rows=rows))
    return [*scored, *distances(table, rows, judge=judge, suffix=suffix)]


def agreement(table: Predictions, rows: np.ndarray, /, *, judge: str) -> Scored:
    """Cosine of picture and caption in the judge's space; rows without a caption are left out."""
    values = table["caption_cosine"][rows].astype(np.float64)
    known = np.isfinite(values).any()
    return Scored(
        f"caption_cosine[{judge}]",
        OnRows(statistic("caption_cosine", values), rows),
        rows=rows,
        reason="" if known else "no caption, or a judge that knows no texts",
    )


def distances(table: Predictions, rows: np.ndarray, /, *, judge: str, suffix: str) -> list[Scored]:
    """Fréchet and kernel distance, named after the judge; plain ``fid`` for Inception-v3 only."""
    reference, images = (feature_rows(table[c][rows]) for c in ("reference_features", "features"))
    n_reference, n_images = (int(np.isfinite(f).all(axis=1).sum()) for f in (reference, images))
    caveat = frechet_caveat(n_reference=n_reference, n_images=n_images, dim=reference.shape[1])
    missing = f"; {len(rows) - n_images} of {len(rows)} pictures missing"
    missing = missing if n_images < len(rows) else ""
    why = f"no interval, resamples repeat pictures{'; ' * bool(caveat)}{caveat}{missing}"
    frechet = "fid" if judge == INCEPTION else f"fd[{judge}]"
    kernel = "kid" if judge == INCEPTION else f"kid[{judge}]"
    both = (
        (frechet, FrechetOf(reference, images), why),
        (kernel, KernelOf(reference, images), caveat + missing if n_images < 2 else missing[2:]),
    )
    return [
        Scored(n + suffix, OnRows(s, rows), rows=rows, higher_is_better=False, reason=reason)
        for n, s, reason in both
    ]


def feature_rows(column: np.ndarray, /) -> Float[np.ndarray, "n dim"]:
    """Lists of equal length as rows; NaN rows for empty ones."""
    width = max((len(values) for values in column), default=0) or 1
    rows = np.full((len(column), width), np.nan)
    for row, values in enumerate(column):
        if len(values):
            rows[row] = values
    return rows


def _complete(rows: Float[np.ndarray, "n dim"]) -> Float[np.ndarray, "m dim"]:
    kept: np.ndarray = rows[np.isfinite(rows).all(axis=1)]
    return kept


def _kernel(x: np.ndarray, y: np.ndarray) -> Float[np.ndarray, "n m"]:
    found: np.ndarray = (x @ y.T / x.shape[1] + 1) ** 3
    return found


def _within(rows: np.ndarray, weights: Float[np.ndarray, "b n"]) -> Float[np.ndarray, " b"]:
    """Mean kernel over pairs of different pictures."""
    kernel = _kernel(rows, rows)
    np.fill_diagonal(kernel, 0.0)
    total = ((weights @ kernel) * weights).sum(axis=1)
    n_pairs = weights.sum(axis=1) ** 2 - (weights**2).sum(axis=1)
    found: np.ndarray = total / n_pairs
    return found
