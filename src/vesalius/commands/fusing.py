"""The command ``fuse``: a fusion study, as a table and as files."""

import csv
import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from vesalius.api import user_cache
from vesalius.catalog import describe, open_model, parse_model
from vesalius.commands.terminal import console, progress_bars
from vesalius.data.opening import load_dataset
from vesalius.engine.fusing import Kitchen, fusion_cohort
from vesalius.engine.sources import ModelSource
from vesalius.errors import UsageError, did_you_mean
from vesalius.fusion.heads import HEADS
from vesalius.fusion.slots import Head
from vesalius.fusion.study import Row, Settings, Study, fusion_study
from vesalius.records import Resampling
from vesalius.store.files import make_folder, write_atomic

COLUMNS = (
    "head", "variant", "slot", "auroc", "low", "high", "n_patients", "difference",
    "difference_low", "difference_high", "p", "p_holm", "parameters", "fit_s",
)  # fmt: skip


def choose_heads(names: Sequence[str], /) -> dict[str, Head]:
    """Heads by name; all of them for none.

    Raises:
        UsageError: for an unknown one.
    """
    for name in names:
        if name not in HEADS:
            hint = did_you_mean(name, HEADS)
            raise UsageError(f"unknown head {name!r}{hint}; there are: {', '.join(HEADS)}")
    return {name: HEADS[name] for name in names or HEADS}


def fuse_command(
    data: str, features: Sequence[str], heads: Sequence[str], *, target: str | None, out: Path,
    settings: Settings,
) -> None:  # fmt: skip
    """Make the study, print it, and write ``fusion.csv`` and ``contributions.csv``."""
    chosen = choose_heads(heads)
    with progress_bars() as progress:
        kitchen = Kitchen(_source, user_cache(), progress)
        cohort = fusion_cohort(load_dataset(data), features, kitchen, target=target)
        study = fusion_study(cohort, chosen, settings=settings)
    make_folder(out)
    write_atomic(out / "fusion.csv", table_of(study).encode())
    write_atomic(out / "contributions.csv", contributions_of(study).encode())
    console.print(*_shown(study), sep="\n")
    console.print(f"tables: {out}", highlight=False, markup=False, soft_wrap=True)


def settings_of(*, seeds: int, resamples: int, seed: int) -> Settings:
    """Seeds in a row from the first one."""
    return Settings(tuple(range(seed, seed + seeds)), resampling=Resampling(seed, resamples))


def _source(name: str) -> ModelSource:
    request = parse_model(name)
    return ModelSource(describe(request), partial(open_model, request))


def table_of(study: Study, /) -> str:
    """All rows as CSV; empty where there is no number."""
    return _csv(COLUMNS, [_cells(row) for row in study.rows])


def contributions_of(study: Study, /) -> str:
    """Shapley values as CSV."""
    cells = [
        (study.best_head, slot, one.value, one.low, one.high)
        for slot, one in study.contributions.items()
    ]
    return _csv(("head", "slot", "shapley", "low", "high"), cells)


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([["" if v is None or v != v else v for v in row] for row in rows])  # noqa: PLR0124 - NaN
    return text.getvalue()


def _cells(row: Row) -> tuple[object, ...]:
    one, other = row.estimate, row.difference
    apart: tuple[float | None, ...] = (None,) * 4
    if other is not None:
        apart = (other.estimate.value, other.estimate.low, other.estimate.high, other.p_value)
    return (
        row.head, row.variant, row.slot, one.value, one.low, one.high, one.n_patients, *apart,
        row.p_holm, row.n_parameters, round(row.fit_s, 3),
    )  # fmt: skip


def _shown(study: Study) -> tuple[Table, Table, Text]:
    """Singles and heads against the best single slot, contributions, and a sentence."""
    first = _empty(f"Fusion · AUROC, difference from {study.best_single}")
    for name in ("Input", "AUROC", "Interval", "Diff.", "Interval", "Holm p"):
        first.add_column(name, justify="left" if name == "Input" else "right", overflow="fold")
    for row in study.rows:
        if row.variant in {"single", "fused"}:
            first.add_row(*(Text(word) for word in _words(row)))
    second = _empty(f"Contribution of each input to {study.best_head} (Shapley)")
    for name in ("Input", "AUROC", "Interval"):
        second.add_column(name, justify="left" if name == "Input" else "right", overflow="fold")
    for slot, one in study.contributions.items():
        second.add_row(
            slot, f"{one.value:+.3f}", f"[{one.low:+.3f}, {one.high:+.3f}]".replace("[", r"\[")
        )
    return first, second, Text(_sentence(study), style="bold")


def _words(row: Row) -> tuple[str, ...]:
    one = row.estimate
    own = (row.head, f"{one.value:.3f}", f"[{one.low:.3f}, {one.high:.3f}]")
    if row.difference is None:
        return (*own, "best single", "", "")
    apart = row.difference.estimate
    p = "" if row.p_holm != row.p_holm else f"{row.p_holm:.4f}"
    return (*own, f"{apart.value:+.3f}", f"[{apart.low:+.3f}, {apart.high:+.3f}]", p)


def _sentence(study: Study) -> str:
    better = [
        row.head
        for row in study.rows
        if row.variant == "fused"
        and row.difference is not None
        and row.difference.estimate.value > 0
        and row.p_holm < 0.05
    ]
    if not better:
        return f"No head is better than {study.best_single} alone (Holm, 5 %)."
    return f"Better than {study.best_single} alone (Holm, 5 %): {', '.join(better)}."


def _empty(title: str) -> Table:
    return Table(
        title=Text(title, style="bold cyan"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        header_style="bold",
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
