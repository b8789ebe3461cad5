"""A small fusion study, made by hand: two inputs, four heads, one of which cannot join them."""

import math

from vesalius.fusion.results import Place, Row, Settings, Study
from vesalius.records import Estimate, ModelCard, Resampling
from vesalius.report.fusion_about import About
from vesalius.stats import Difference

TAUGHT = "gated[dropout=0.3]"
WHY = "no two inputs lie in one space"
SETTINGS = Settings(seeds=(4, 5), width=7, shares=(0.5,), resampling=Resampling(9, 300, 0.95))


def estimate(value: float, low: float, high: float, metric: str = "auroc") -> Estimate:
    return Estimate(metric, value, low, high, n=40, n_patients=30, n_resamples=300)


def line(place: Place, score: tuple, apart: tuple | None, *, p=math.nan, holm=math.nan, n=10):
    """A row from (value, low, high) of the score and of the difference."""
    gap = None if apart is None else Difference(estimate(*apart, "Δauroc"), p)
    return Row(place, estimate(*score), gap, p_holm=holm, n_parameters=n, fit_s=0.25)


def off(head: str, variant: str, slot: str, value: float, share: float = 1.0) -> Row:
    """A head with an input shuffled or missing; the single input scores 0.75."""
    gap = round(value - 0.75, 6)
    apart = (gap, gap - 0.05, gap + 0.05)
    score = (value, round(value - 0.05, 6), round(value + 0.05, 6))
    return line(Place(head, variant, slot, share), score, apart, p=0.31)


def study(image: str = "mini:clip:image", lab: str = "tabular") -> Study:
    """`gated` is better than the image alone, its taught copy worse, `concat` neither."""
    rows = [
        line(Place(image, "single", image), (0.75, 0.66, 0.84), None, n=33),
        line(Place(lab, "single", lab), (0.6, 0.52, 0.7), (-0.15, -0.25, -0.04), p=0.011),
        line(Place("concat", "fused"), (0.8, 0.72, 0.87), (0.05, -0.02, 0.1), p=0.21, holm=0.42),
        off("concat", "shuffled", image, 0.62), off("concat", "missing", image, 0.61),
        off("concat", "shuffled", lab, 0.74), off("concat", "missing", lab, 0.73),
        line(Place("gated", "fused"), (0.85, 0.78, 0.92), (0.1, 0.04, 0.16), p=0.0002,
             holm=0.0006, n=1234),
        off("gated", "shuffled", image, 0.58), off("gated", "missing", image, 0.6),
        off("gated", "shuffled", lab, 0.77), off("gated", "missing", lab, 0.76),
        line(Place(TAUGHT, "fused"), (0.63, 0.55, 0.71), (-0.12, -0.2, -0.05), p=0.004, holm=0.012),
        off(TAUGHT, "shuffled", image, 0.59), off(TAUGHT, "missing", image, 0.64),
        off(TAUGHT, "shuffled", lab, 0.65), off(TAUGHT, "missing", lab, 0.66),
        Row(Place("gap-shift", "fused"), Estimate("auroc", math.nan, reason=WHY)),
    ]  # fmt: skip
    curves = [
        off("gated", "missing", image, 0.7, 0.5), off("gated", "missing", lab, 0.8, 0.5),
        off(TAUGHT, "missing", image, 0.67, 0.5), off(TAUGHT, "missing", lab, 0.68, 0.5),
    ]  # fmt: skip
    return Study(
        metric="auroc",
        n_rows={"train": 100, "val": 20, "test": 40},
        floor=estimate(0.5, 0.5, 0.5),
        rows=tuple(rows),
        curves=tuple(curves),
        best_single=image,
        best_head="gated",
        contributions={image: estimate(0.25, 0.2, 0.3), lab: estimate(0.1, 0.02, 0.18)},
    )


def about(image: str = "mini:clip:image", lab: str = "tabular", **changed) -> About:
    fields = {
        "dataset": "phantom",
        "digest": "ab" * 32,
        "task": "classification",
        "target": "effusion",
        "features": (image, lab),
        "settings": SETTINGS,
        "n_patients": {"train": 70, "val": 15, "test": 30},
        "models": {image: ModelCard("mini:clip", "clip", miniature=True)},
        "problems": {image: {"secret-7": "missing_file", "secret-8": "missing_file"}},
    }
    return About(**(fields | changed))
