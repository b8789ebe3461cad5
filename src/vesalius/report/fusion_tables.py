"""A fusion study as tables: lines, curves and contributions in CSV."""

import csv
import io
from collections.abc import Sequence

from vesalius.fusion.results import Row, Study

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


def better_than_single(study: Study, /, *, level: float = 0.05) -> tuple[str, ...]:
    """Heads whose difference from the best single slot is positive and significant (Holm)."""
    return tuple(
        row.place.head
        for row in study.rows
        if row.place.variant == "fused"
        and row.difference is not None
        and row.difference.estimate.value > 0
        and row.p_holm < level
    )


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
