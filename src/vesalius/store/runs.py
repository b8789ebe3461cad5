"""The run folder of the contract: written by one worker object, read as one frozen record."""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vesalius.errors import RunError, did_you_mean_path
from vesalius.records import Cell, Json, MetricRow, Outcome, Predictions
from vesalius.store.dispatches import Dispatches, undelivered
from vesalius.store.files import (
    append_durably,
    make_folder,
    remove_leftovers,
    safe_name,
    write_atomic,
)
from vesalius.store.journal import Journal, read_journal, truncate_torn_tail
from vesalius.store.outcomes import outcome_line, read_outcomes
from vesalius.store.tables import (
    METRIC_COLUMNS,
    decode_columns,
    encode_columns,
    metric_record,
    metrics_from_parquet,
    metrics_to_parquet,
    predictions_from_parquet,
    predictions_to_parquet,
    records_to_csv,
)

FORMAT = 1
QUIET_S = 60


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder as read: its identity, the latest outcome of every cell, and the metrics."""

    path: Path
    info: Mapping[str, Json]
    outcomes: tuple[Outcome, ...]
    metrics: tuple[MetricRow, ...]


def predictions_path(run: Path, cell: Cell, /) -> Path:
    """Where the merged predictions of a cell lie."""
    folder = run / "predictions" / safe_name(cell.model) / safe_name(cell.dataset)
    return folder / f"{cell.task}.{safe_name(cell.protocol)}.parquet"


def read_run(path: str | Path, /) -> Run:
    """Read a run folder.

    Raises:
        RunError: if it is not one, or was written by a newer format.
    """
    path = Path(path)
    info = read_info(path)
    metrics_file = path / "metrics.parquet"
    rows: tuple[MetricRow, ...] = ()
    if metrics_file.exists():
        rows, _ = metrics_from_parquet(metrics_file.read_bytes())
    return Run(path, info, tuple(read_outcomes(path).values()), rows)


def read_predictions(run: Path, cell: Cell, /) -> Predictions:
    """The merged predictions of a cell.

    Raises:
        RunError: if the cell has none.
    """
    path = predictions_path(run, cell)
    if not path.exists():
        raise RunError(
            f"{path.relative_to(run)} is missing; run the same command again to remake it"
        )
    return predictions_from_parquet(path.read_bytes())


def read_info(path: Path, /) -> dict[str, Json]:
    """``run.json`` of a run folder.

    Raises:
        RunError: if it is not one, or was written by a newer format.
    """
    file = path / "run.json"
    if not file.exists():
        raise RunError(
            f"{path} is not a run folder: run.json is missing; expected the --out of a run"
            f"{'' if path.exists() else did_you_mean_path(path)}"
        )
    try:
        info: dict[str, Json] = json.loads(file.read_bytes())
    except ValueError as error:
        raise RunError(f"{file}: expected JSON, {error}") from error
    if not isinstance(info, dict) or "format" not in info:
        raise RunError(f"{file}: no format number; this is not the run.json of a Vesalius run")
    if info["format"] != FORMAT:
        raise RunError(
            f"{file}: format {info['format']}, this version reads {FORMAT}; upgrade vesalius"
        )
    return info


class RunFolder:
    """A writer of one run folder; safe to kill at any point, safe to open again.

    Args:
        path: the run folder; made where it is missing.
        shared: whether writers on other machines may be at work in it. Outcomes are then sent
            (`store.dispatches`) and no file of another writer is touched.
    """

    def __init__(self, path: Path, /, *, shared: bool = False) -> None:
        self.path = make_folder(path)
        self._journal = Journal(path / "journal")
        self._dispatches = Dispatches(path)
        self._is_shared = shared
        self._batches: dict[str, list[Predictions]] | None = None
        if not shared:
            self._tidy()

    def _tidy(self) -> None:
        for folder in ("predictions", "images", "maps", "volumes"):
            remove_leftovers(self.path / folder)
        for journal in sorted((self.path / "journal").glob("*.jsonl")):
            # one that was just written may belong to a process at work; readers skip torn lines
            if time.time() - journal.stat().st_mtime > QUIET_S:
                truncate_torn_tail(journal)

    def close(self) -> None:
        """Release the journals."""
        self._journal.close()
        self._dispatches.close()

    def info(self) -> dict[str, Json] | None:
        """``run.json`` as it is, None before the first write."""
        return read_info(self.path) if (self.path / "run.json").exists() else None

    def write_info(self, info: Mapping[str, Json], /) -> None:
        """Replace ``run.json``."""
        write_atomic(self.path / "run.json", _pretty(info))

    def acknowledged(self, fingerprint: str, /) -> list[Predictions]:
        """Every batch that any worker has journaled for the cell of that fingerprint."""
        if self._batches is None:
            self._batches = self._read_journals()
        return self._batches.get(fingerprint, [])

    def acknowledge(self, fingerprint: str, batch: Predictions, /) -> None:
        """Journal one batch; on return it is on disk."""
        self._journal.append({"cell": fingerprint, "columns": encode_columns(batch)})
        if self._batches is not None:
            self._batches.setdefault(fingerprint, []).append(batch)

    def forget_batches(self) -> None:
        """Read the journals anew when next asked: another worker may have written since."""
        self._batches = None

    def outcomes(self) -> dict[Cell, Outcome]:
        """The latest outcome of every cell, those that were sent among them."""
        sent = undelivered(self.path)
        return read_outcomes(self.path) | {outcome.cell: outcome for outcome in sent}

    def deliver(self) -> None:
        """Bring into ``outcomes.jsonl`` what shards and actors have sent."""
        for outcome in undelivered(self.path):
            self._append(outcome)

    def write_outcome(self, outcome: Outcome, /) -> None:
        """Append one outcome; on disk on return."""
        if self._is_shared:
            self._dispatches.send_outcome(outcome)
        else:
            self._append(outcome)

    def send_note(self, note: Mapping[str, Json], /) -> None:
        """Tell whoever merges the run something; on disk on return."""
        self._dispatches.send_note(note)

    def _append(self, outcome: Outcome) -> None:
        line = outcome_line(outcome) + b"\n"
        path = self.path / "outcomes.jsonl"
        is_torn = path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")
        try:
            append_durably(path, b"\n" * is_torn + line)
        except OSError as error:
            raise RunError(
                f"could not append to {path.name}: {error.strerror}; free space or check "
                "permissions, then run the same command again to continue"
            ) from error

    def write_predictions(self, cell: Cell, predictions: Predictions, /) -> None:
        """Replace the merged predictions of a cell."""
        write_atomic(predictions_path(self.path, cell), predictions_to_parquet(predictions))

    def predictions_hash(self, cell: Cell, /) -> str | None:
        """SHA-256 of the merged predictions, None when there are none."""
        path = predictions_path(self.path, cell)
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None

    def metrics(self) -> tuple[tuple[MetricRow, ...], dict[str, str]]:
        """The metric rows and the hashes they were computed from."""
        path = self.path / "metrics.parquet"
        return metrics_from_parquet(path.read_bytes()) if path.exists() else ((), {})

    def write_metrics(self, rows: Sequence[MetricRow], /, *, sources: Mapping[str, str]) -> None:
        """Replace ``metrics.parquet`` and ``metrics.csv``."""
        write_atomic(self.path / "metrics.csv", metrics_csv(rows))
        write_atomic(self.path / "metrics.parquet", metrics_to_parquet(rows, sources=sources))

    def _read_journals(self) -> dict[str, list[Predictions]]:
        batches: dict[str, list[Predictions]] = {}
        for path in sorted((self.path / "journal").glob("*.jsonl")):
            for record in read_journal(path):
                batches.setdefault(record["cell"], []).append(decode_columns(record["columns"]))
        return batches


def metrics_csv(rows: Iterable[MetricRow], /) -> bytes:
    """The metrics table as CSV; undefined values are empty, text cannot start a formula."""
    return records_to_csv([metric_record(row) for row in rows], columns=METRIC_COLUMNS)


def _pretty(value: Mapping[str, Json]) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()
