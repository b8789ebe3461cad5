"""Predictions and metric rows as JSON (journals) and Parquet (merged), without loss.

Floats keep every bit. NaN is ``null`` in JSON, because browsers and strict parsers refuse the
bare word; infinities are the strings ``inf`` and ``-inf``.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vesalius.errors import InputError
from vesalius.records import Cell, Estimate, Json, MetricRow, Predictions

METRIC_COLUMNS = (
    "model", "dataset", "task", "protocol", "split", "subgroup", "class", "metric", "value", "low",
    "high", "level", "n", "n_patients", "n_resamples", "n_undefined", "higher_is_better", "seed",
    "task_card", "reason",
)  # fmt: skip


def encode_columns(predictions: Predictions, /) -> dict[str, Json]:
    """Columns as JSON: kind (one of ``f i b s l``) and values."""
    return {name: _encode_column(name, values) for name, values in predictions.columns.items()}


def _encode_column(name: str, values: np.ndarray) -> Json:
    kinds = {"f": "f", "i": "i", "u": "i", "b": "b", "U": "s"}
    kind = kinds.get(values.dtype.kind)
    if kind is not None:
        plain = values.tolist()
        return [kind, [_encode_float(v) for v in plain] if kind == "f" else plain]
    if values.dtype == object and all(isinstance(v, (list, tuple, np.ndarray)) for v in values):
        return ["l", [np.asarray(v).tolist() for v in values]]
    if values.dtype == object and all(isinstance(v, str) for v in values):
        return ["s", values.tolist()]
    raise InputError(
        f"prediction column {name!r}: expected numbers, booleans, strings or lists, "
        f"got {values.dtype}"
    )


def _encode_float(value: float) -> Json:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")


def decode_columns(columns: Mapping[str, Json], /) -> Predictions:
    """The inverse of `encode_columns`."""
    return Predictions({name: _decode_column(kind, v) for name, (kind, v) in columns.items()})


def _decode_column(kind: str, values: list[Json]) -> np.ndarray:
    if kind == "f":
        return np.array([math.nan if v is None else float(v) for v in values], dtype=np.float64)
    if kind == "l":
        return _object_array(values)
    return np.array(values, dtype={"i": np.int64, "b": np.bool_, "s": np.str_}[kind])


def _object_array(values: Sequence[object]) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def merge_predictions(
    batches: Iterable[Predictions], /, *, expected: Sequence[str]
) -> tuple[Predictions | None, int]:
    """Union of batches by ``key`` in the order of `expected`, and how many keys have no row.

    The first row of a key wins. Keys that are not expected are left out. None when no expected
    key has a row.
    """
    found: dict[str, tuple[Predictions, int]] = {}
    for batch in batches:
        for row, key in enumerate(batch["key"].tolist()):
            found.setdefault(key, (batch, row))
    picked = [found[key] for key in expected if key in found]
    if not picked:
        return None, len(expected)
    names = list(picked[0][0].columns)
    columns = {}
    for name in names:
        values = [batch[name][row] for batch, row in picked]
        is_object = picked[0][0][name].dtype == object
        columns[name] = _object_array(values) if is_object else np.array(values)
    return Predictions(columns), len(expected) - len(picked)


def predictions_to_parquet(predictions: Predictions, /) -> bytes:
    """Parquet bytes; the same table always gives the same bytes."""
    arrays = {
        name: pa.array([np.asarray(v).tolist() for v in values])
        if values.dtype == object and not all(isinstance(v, str) for v in values)
        else pa.array(values.tolist() if values.dtype.kind in "UO" else values)
        for name, values in predictions.columns.items()
    }
    return _to_parquet(pa.table(arrays))


def predictions_from_parquet(payload: bytes, /) -> Predictions:
    """The inverse of `predictions_to_parquet`."""
    table = pq.read_table(io.BytesIO(payload))
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_list(column.type):
            columns[name] = _object_array(column.to_pylist())
        elif pa.types.is_string(column.type):
            columns[name] = np.array(column.to_pylist(), dtype=np.str_)
        else:
            columns[name] = column.to_numpy()
    return Predictions(columns)


def _to_parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def metric_record(row: MetricRow, /) -> dict[str, Json]:
    """One metric row as the flat record of the contract."""
    cell, estimate = row.cell, row.estimate
    return {
        "model": cell.model, "dataset": cell.dataset, "task": cell.task,
        "protocol": cell.protocol, "split": row.split, "subgroup": row.subgroup,
        "class": row.class_name, "metric": estimate.metric, "value": estimate.value,
        "low": estimate.low, "high": estimate.high, "level": estimate.level, "n": estimate.n,
        "n_patients": estimate.n_patients, "n_resamples": estimate.n_resamples,
        "n_undefined": estimate.n_undefined, "higher_is_better": estimate.higher_is_better,
        "seed": estimate.seed, "task_card": row.task_card, "reason": estimate.reason,
    }  # fmt: skip


def metrics_to_parquet(rows: Sequence[MetricRow], /, *, sources: Mapping[str, str]) -> bytes:
    """Parquet bytes of the metrics table; `sources` go into the file's metadata."""
    records = [metric_record(row) for row in rows]
    kinds = {"higher_is_better": pa.bool_()}
    kinds |= dict.fromkeys(("n", "n_patients", "n_resamples", "n_undefined", "seed"), pa.int64())
    kinds |= dict.fromkeys(("value", "low", "high", "level"), pa.float64())
    columns = {
        name: pa.array([record[name] for record in records], type=kinds.get(name, pa.string()))
        for name in METRIC_COLUMNS
    }
    metadata = {f"vesalius:{key}": value for key, value in sources.items()}
    return _to_parquet(pa.table(columns).replace_schema_metadata(metadata))


def records_to_csv(records: Iterable[Mapping[str, Json]], /, *, columns: Sequence[str]) -> bytes:
    """Flat records as CSV: floats to the last bit, None and NaN empty, no text a formula."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for record in records:
        writer.writerow([_csv_cell(record[name]) for name in columns])
    return stream.getvalue().encode()


def _csv_cell(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    text = str(value)
    is_formula = isinstance(value, str) and text.startswith(("=", "+", "-", "@", "\t", "\r"))
    # the writer does not quote a lone carriage return, which readers take for the end of a row
    return ("'" if is_formula else "") + text.replace("\r", " ")


def records_to_parquet(
    records: Sequence[Mapping[str, Json]], /, *, columns: Mapping[str, type]
) -> bytes:
    """Flat records as Parquet; None is null, and NaN stays NaN.

    Args:
        records: of one table.
        columns: name → ``str``, ``int``, ``float`` or ``bool``.
    """
    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    arrays = {
        name: pa.array([record[name] for record in records], type=kinds[kind])
        for name, kind in columns.items()
    }
    return _to_parquet(pa.table(arrays))


def metrics_from_parquet(payload: bytes, /) -> tuple[tuple[MetricRow, ...], dict[str, str]]:
    """The rows and the `sources` of `metrics_to_parquet`."""
    table = pq.read_table(io.BytesIO(payload))
    rows = tuple(_metric_row(record) for record in table.to_pylist())
    metadata = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    prefix = "vesalius:"
    return rows, {k[len(prefix) :]: v for k, v in metadata.items() if k.startswith(prefix)}


def _metric_row(record: dict[str, Json]) -> MetricRow:
    cell = Cell(*(record.pop(name) for name in ("model", "dataset", "task", "protocol")))
    place = {name: record.pop(name) for name in ("split", "subgroup", "task_card")}
    class_name = record.pop("class")
    return MetricRow(cell=cell, estimate=Estimate(**record), class_name=class_name, **place)
