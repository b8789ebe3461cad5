"""Two sets of pictures from anywhere, compared as the task of generation compares them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from vesalius.errors import InputError
from vesalius.records import Estimate, Image, Predictions, Resampling
from vesalius.stats import bootstrap
from vesalius.tasks import Scored
from vesalius.tasks.generation_pictures import Picture, as_image, likeness, picture_of
from vesalius.tasks.generation_scores import distances, score_pictures
from vesalius.tasks.generation_table import DIGITS
from vesalius.views import Judge


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two sets are compared.

    Attributes:
        side: to which all images are brought, in pixels; see `picture_of`.
        paired: whether each image has its own reference, at the same place of the list.
        resampling: of the images, for intervals.
    """

    side: int = 64
    paired: bool = True
    resampling: Resampling = field(default_factory=Resampling)


def compare_images(
    references: Sequence[Image],
    generated: Sequence[Image],
    judge: Judge,
    /,
    *,
    how: Comparison | None = None,
) -> tuple[Estimate, ...]:
    """Likeness of pairs and distances of the sets, under the names of the task; SSIM first.

    Unpaired sets, which may differ in size, have distances only, and these no intervals.

    Raises:
        InputError: if a set is empty, or pairs are not equally many.
    """
    how = how or Comparison()
    if not (references and generated) or (how.paired and len(references) != len(generated)):
        raise InputError(
            f"expected images and as many references for pairs, got {len(generated)} images and "
            f"{len(references)} references"
        )
    true, made = ([picture_of(i, side=how.side) for i in s] for s in (references, generated))
    columns = {"reference_features": _features(true, judge), "features": _features(made, judge)}
    if not how.paired:
        return tuple(_unpaired(columns, judge.name, how))
    values = [likeness(x, y) for x, y in zip(true, made, strict=True)]
    columns |= {name: np.array([value[name] for value in values]) for name in values[0]}
    rows = np.arange(len(made))
    scored = score_pictures(Predictions(columns), rows, judge=judge.name, side=how.side)
    return tuple(_estimate(one, rows, how.resampling) for one in scored)


def _features(pictures: Sequence[Picture], judge: Judge) -> np.ndarray:
    rows = judge.image_features([as_image(picture) for picture in pictures])
    column = np.empty(len(rows), dtype=object)
    column[:] = rows.astype(np.float64).round(DIGITS).tolist()
    return column


def _unpaired(columns: Mapping[str, np.ndarray], judge: str, how: Comparison) -> list[Estimate]:
    """Distances over all rows; the shorter set is filled up with rows that do not count."""
    n = max(len(values) for values in columns.values())
    filled = {}
    for name, values in columns.items():
        filled[name] = np.empty(n, dtype=object)
        filled[name][:] = [*values, *([] for _ in range(n - len(values)))]
    rows = np.arange(n)
    return [
        Estimate(
            metric=one.metric,
            value=float(one.statistic(rows)),
            level=how.resampling.level,
            n=len(columns["features"]),
            higher_is_better=one.higher_is_better,
            reason=f"no interval for unpaired sets of {len(columns['features'])} images and "
            f"{len(columns['reference_features'])} references",
        )
        for one in distances(Predictions(filled), rows, judge=judge, suffix="")
    ]


def _estimate(one: Scored, rows: np.ndarray, resampling: Resampling) -> Estimate:
    found = bootstrap(
        one.statistic,
        groups=rows,
        metric=one.metric,
        higher_is_better=one.higher_is_better,
        **asdict(resampling),
    )
    return replace(found, reason=one.reason or found.reason)
