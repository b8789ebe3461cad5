"""How long a run may take and how large it may get, from runs that lie beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vesalius.engine.rehearsal import PlannedCell
from vesalius.records import Cell, Done
from vesalius.store.outcomes import read_outcomes

_DEMO_BYTES_A_ROW = 1_200
"""Predictions, journal and maps of a row in the demo; more where images are larger."""
_BULKY = ("predictions", "journal", "maps")
_MOST_RUNS = 20

Kind = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Prospect:
    """An estimate and what it rests on.

    Attributes:
        n_timed: how many of the `n_to_do` cells an earlier run has a duration of.
        duration_s: of those, one after the other.
        source: the runs that were looked at.
    """

    n_to_do: int
    n_timed: int
    duration_s: float
    n_bytes: int
    source: str
    bytes_source: str


def earlier_runs(out: Path, /) -> tuple[Path, ...]:
    """The run folder itself and those beside it, the newest first."""
    beside = [p.parent for p in out.absolute().parent.glob("*/run.json")]
    newest = sorted(beside, key=lambda run: -(run / "run.json").stat().st_mtime)
    return tuple(newest[:_MOST_RUNS])


def prospect(cells: Sequence[PlannedCell], runs: Sequence[Path], /) -> Prospect:
    """Time and size of the cells to do, at the rates of earlier runs."""
    rates, used = _rates(runs)
    to_do = [one for one in cells if one.state == "to do"]
    timed = [one for one in to_do if _kind(one.cell) in rates]
    n_rows = sum(one.n_rows for one in to_do)
    a_row, bytes_source = _bytes_a_row(used)
    return Prospect(
        n_to_do=len(to_do),
        n_timed=len(timed),
        duration_s=sum(rates[_kind(one.cell)] * one.n_rows for one in timed),
        n_bytes=round(a_row * n_rows),
        source=", ".join(run.name for run in used),
        bytes_source=bytes_source,
    )


def _kind(cell: Cell) -> Kind:
    """What has a rate of its own, whatever the dataset."""
    return (cell.model, cell.task, cell.protocol)


def _rates(runs: Sequence[Path]) -> tuple[dict[Kind, float], list[Path]]:
    """Seconds a row, of each kind of cell in the newest run that has it; and the runs used."""
    rates: dict[Kind, float] = {}
    used = []
    for run in runs:
        found = {
            _kind(one.cell): one.duration_s / one.n_expected
            for one in read_outcomes(run).values()
            if isinstance(one, Done) and one.n_expected
        }
        if found.keys() - rates.keys():
            used.append(run)
        rates = found | rates
    return rates, used


def _bytes_a_row(runs: Sequence[Path]) -> tuple[float, str]:
    n_rows = n_bytes = 0
    for run in runs:
        done = [one for one in read_outcomes(run).values() if isinstance(one, Done)]
        n_rows += sum(one.n_expected for one in done)
        files = (file for folder in _BULKY for file in (run / folder).rglob("*"))
        n_bytes += sum(file.stat().st_size for file in files if file.is_file())
    if not n_rows:
        return _DEMO_BYTES_A_ROW, f"{_DEMO_BYTES_A_ROW} bytes a row, as in the demo"
    a_row = n_bytes / n_rows
    return a_row, f"{a_row:,.0f} bytes a row in {', '.join(run.name for run in runs)}"
