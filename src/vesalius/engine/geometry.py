"""Where models put the samples of a dataset, and how alike they do it."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from vesalius.capabilities import DualEncoder
from vesalius.engine.features import FeatureReader
from vesalius.metrics.geometry import (
    alignment,
    effective_rank,
    linear_cka_unbiased,
    mean_cosine,
    modality_gap,
    uniformity,
)
from vesalius.models.architecture import Geometry, Similarity
from vesalius.records import Estimate, Sample

Rows = Float[np.ndarray, "n dim"]

_TOO_FEW = "needs at least two samples"
_NO_SPREAD = "all embeddings are equal"
_NO_SPACE = "the model has no text embedding in the space of its images"
_NO_PAIRS = "no sample has both a readable image and a caption"


def geometry_of(
    reader: FeatureReader, samples: Sequence[Sample], /, *, dataset: str
) -> tuple[Geometry, Rows]:
    """Geometry of one model's embeddings, and the image rows; unreadable images are NaN rows.

    Raises:
        ModelError: if the model has no image encoder, or no image could be embedded.
    """
    images = reader.image_features(samples)
    seen = np.isfinite(images).all(axis=1)
    paired = seen & np.array([bool(sample.caption) for sample in samples])
    estimates = _of_one("image", images[seen])
    if isinstance(reader.model, DualEncoder) and paired.any():
        captions = [s.caption or "" for s, used in zip(samples, paired, strict=True) if used]
        estimates += _of_both(images[paired], reader.text_features(captions))
    else:
        is_dual = isinstance(reader.model, DualEncoder)
        estimates += _undefined(_NO_PAIRS if is_dual else _NO_SPACE)
    found = Geometry(dataset, int(seen.sum()), int(paired.sum()), tuple(estimates))
    return found, images


def _of_one(modality: str, rows: Rows) -> list[Estimate]:
    n = len(rows)
    few = _TOO_FEW if n < 2 else ""
    return [
        _estimate(f"uniformity[{modality}]", uniformity(rows), n, few),
        _estimate(f"mean_cosine[{modality}]", mean_cosine(rows), n, few),
        _estimate(f"effective_rank[{modality}]", effective_rank(rows), n, few or _NO_SPREAD),
    ]


def _of_both(images: Rows, texts: Rows) -> list[Estimate]:
    n = len(images)
    return [
        *_of_one("text", texts),
        _estimate("modality_gap", modality_gap(images, texts), n, _NO_PAIRS),
        _estimate("alignment", alignment(images, texts), n, _NO_PAIRS),
    ]


def _undefined(reason: str) -> list[Estimate]:
    names = (
        "uniformity[text]", "mean_cosine[text]", "effective_rank[text]", "modality_gap",
        "alignment",
    )  # fmt: skip
    return [_estimate(name, math.nan, 0, reason) for name in names]


def _estimate(metric: str, value: float, n: int, reason: str) -> Estimate:
    """An estimate without interval: it describes these samples and infers nothing."""
    return Estimate(
        metric=metric,
        value=value,
        n=n,
        higher_is_better=False,
        reason=reason if math.isnan(value) else "",
    )


def similarity_of(images: Mapping[str, Rows], /, *, dataset: str) -> Similarity:
    """Unbiased linear CKA between the image embeddings of every two models.

    All pairs are compared on the same samples: those that every model could embed.

    Source: see `vesalius.metrics.linear_cka_unbiased`.
    """
    names = tuple(images)
    used = np.all([np.isfinite(rows).all(axis=1) for rows in images.values()], axis=0)
    table = [[linear_cka_unbiased(images[a][used], images[b][used]) for b in names] for a in names]
    undefined = any(math.isnan(value) for row in table for value in row)
    return Similarity(
        metric="linear_cka_unbiased[image]",
        dataset=dataset,
        n_samples=int(used.sum()),
        models=names,
        values=tuple(tuple(row) for row in table),
        reason="fewer than four samples, or embeddings without spread" if undefined else "",
    )
