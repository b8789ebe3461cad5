"""Metric rows as a table that people look at, filter, and hand to other programs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import overload

from markupsafe import Markup

from vesalius.errors import InputError, did_you_mean
from vesalius.markup import MINIATURE_NOTE, lines, named, range_of, shown, table, text_of
from vesalius.records import MetricRow
from vesalius.store.tables import metrics_to_arrow

MOST_SHOWN = 40
_COLUMNS = ("model", "dataset", "task", "protocol", "metric", "value", "interval", "patients")


@dataclass(frozen=True)
class MetricTable(Sequence[MetricRow]):
    """Metric rows: a sequence that shows itself in notebooks and filters by name.

    ``pandas.DataFrame.from_arrow``, ``polars.DataFrame`` and ``pyarrow.table`` take it as it is,
    by the Arrow C stream interface; the columns are those of ``metrics.csv``.

    Attributes:
        rows: in the order of dataset, task, protocol and model.
        miniatures: names of the models that are miniatures, marked wherever they are shown.
    """

    rows: tuple[MetricRow, ...]
    miniatures: frozenset[str] = field(default=frozenset(), repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> MetricRow: ...

    @overload
    def __getitem__(self, index: slice) -> "MetricTable": ...

    def __getitem__(self, index: int | slice) -> "MetricRow | MetricTable":
        if isinstance(index, slice):
            return MetricTable(self.rows[index], self.miniatures)
        return self.rows[index]

    def filter(
        self,
        *,
        model: str | None = None,
        task: str | None = None,
        protocol: str | None = None,
        metric: str | None = None,
    ) -> "MetricTable":
        """The rows of one model, task, protocol or metric, or of several of these together.

        >>> len(MetricTable(()).filter())
        0

        Raises:
            InputError: for a name that no row has.
        """
        wanted = {"model": model, "task": task, "protocol": protocol, "metric": metric}
        asked = {kind: name for kind, name in wanted.items() if name is not None}
        for kind, name in asked.items():
            self._require(kind, name)
        kept = (row for row in self.rows if _names(row) | asked == _names(row))
        return MetricTable(tuple(kept), self.miniatures)

    def _require(self, kind: str, name: str) -> None:
        known = dict.fromkeys(_names(row)[kind] for row in self.rows)
        if name not in known:
            hint = did_you_mean(name, known)
            raise InputError(f"no row of {kind} {name!r}{hint}; there are: {', '.join(known)}")

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The table for pandas, polars, pyarrow and others."""
        stream: object = metrics_to_arrow(self.rows).__arrow_c_stream__(requested_schema)
        return stream

    def _repr_html_(self) -> str:
        """The first rows, for notebooks."""
        left_out = len(self.rows) - MOST_SHOWN
        notes = [f"{len(self.rows)} rows"]
        if left_out > 0:
            notes[0] += f", of which {left_out} are not shown: narrow them down with filter()"
        if any(row.cell.model in self.miniatures for row in self.rows[:MOST_SHOWN]):
            notes.append(MINIATURE_NOTE)
        rows = [self._line(row) for row in self.rows[:MOST_SHOWN]]
        return str(table(_COLUMNS, rows, numeric=("value", "interval", "patients"), notes=notes))

    def _line(self, row: MetricRow) -> tuple[object, ...]:
        cell, one = row.cell, row.estimate
        model = named(cell.model, miniature=cell.model in self.miniatures)
        scope = [part for part in (row.class_name, row.subgroup) if part]
        metric = lines([one.metric, *(Markup("<small>{}</small>").format(shown(s)) for s in scope)])
        interval = one.reason if text_of(one.value) == "n/a" else range_of(one.low, one.high)
        place = (model, cell.dataset, cell.task, cell.protocol, metric)
        return (*place, text_of(one.value), interval, str(one.n_patients))


def _names(row: MetricRow) -> dict[str, str]:
    cell = row.cell
    return {
        "model": cell.model,
        "task": cell.task,
        "protocol": cell.protocol,
        "metric": row.estimate.metric,
    }
