"""A fusion study as tables and words: lines, curves and contributions in CSV, the answer."""

import csv
import io
import math
from collections.abc import Sequence
from typing import Literal

from vesalius.fusion.results import Row, Study
from vesalius.records import Estimate
from vesalius.report.tables import interval_text

LEVEL = 0.05
COLUMNS = (
    "head", "variant", "slot", "share_missing", "metric", "value", "low", "high", "n_patients",
    "difference", "difference_low", "difference_high", "p", "p_holm", "parameters", "fit_s",
    "reason",
)  # fmt: skip


def lines_of(rows: Sequence[Row], /) -> str:
    """Lines of a study, or of its curves; empty where there is no number."""
    return _csv(COLUMNS, [_cells(row) for row in rows])


def contributions_of(study: Study, /) -> str:
    """Shapley values, and the score without any input that they add up from."""
    cells: list[Sequence[object]] = [
        (study.best_head, slot, study.metric, one.value, one.low, one.high)
        for slot, one in study.contributions.items()
    ]
    none = study.floor
    cells.append((study.best_head, "nothing", study.metric, none.value, none.low, none.high))
    return _csv(("head", "slot", "metric", "shapley", "low", "high"), cells)


def better_than_single(study: Study, /) -> tuple[str, ...]:
    """Heads whose difference from the best single slot is positive and significant (Holm)."""
    return tuple(row.place.head for row in study.rows if verdict(row) == "better")


def verdict(row: Row, /) -> Literal["better", "worse", "same"]:
    """Of a head against the best single slot at 5 % after Holm; ``same`` where nobody asked."""
    if row.place.variant != "fused" or row.difference is None or not row.p_holm < LEVEL:
        return "same"
    return "better" if row.difference.estimate.value > 0 else "worse"


def sentence(study: Study, /) -> str:
    """The answer to the question of the study; says when no resample could have given another."""
    better = better_than_single(study)
    if better:
        return f"Better than {study.best_single} alone (Holm, 5 %): {', '.join(better)}."
    answer = f"No head is shown to be better than {study.best_single} alone (Holm, 5 %)."
    n_compared = sum(not math.isnan(row.p_holm) for row in study.rows)
    needed = math.ceil(2 * n_compared / LEVEL) - 1  # the smallest two-sided p is 2 / (n + 1)
    drawn = study.settings.resampling.n_resamples
    if drawn >= needed:
        return answer
    return (
        f"{answer} {drawn} resamples are too few for {n_compared} comparisons: none could reach "
        f"5 %; draw at least {needed}."
    )


def score_name(metric: str, /) -> str:
    """The name of a score for reading.

    >>> score_name("auroc")
    'AUROC'
    """
    return metric.upper() if metric in ("auroc", "ssim") else metric


def signed_text(value: float, /) -> str:
    """A difference for reading: sign and three decimals, ``n/a`` for NaN."""
    return "n/a" if math.isnan(value) else f"{value:+.3f}"


def interval_of(one: Estimate, /, *, signed: bool = False) -> str:
    """``[low, high]``, empty when there is no interval."""
    if not signed:
        return interval_text(one)
    if math.isnan(one.low) or math.isnan(one.high):
        return ""
    return f"[{signed_text(one.low)}, {signed_text(one.high)}]"


def p_text(value: float, /) -> str:
    """A p-value for reading; empty for NaN."""
    if math.isnan(value):
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([["" if v is None or v != v else v for v in row] for row in rows])  # noqa: PLR0124 - NaN
    return text.getvalue()


def _cells(row: Row) -> tuple[object, ...]:
    one, other, place = row.estimate, row.difference, row.place
    apart: tuple[float | None, ...] = (None,) * 4
    if other is not None:
        apart = (other.estimate.value, other.estimate.low, other.estimate.high, other.p_value)
    share = {"missing": place.share}.get(place.variant)
    return (
        place.head, place.variant, place.slot, share, one.metric, one.value, one.low, one.high,
        one.n_patients, *apart, row.p_holm, row.n_parameters, round(row.fit_s, 3), one.reason,
    )  # fmt: skip
