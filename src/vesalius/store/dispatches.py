"""What workers elsewhere tell whoever merges the run: outcomes of cells, and notes.

Shards and Ray's actors may run on several machines over one network folder, where two writers of
one file lose lines. So each has a file of its own below ``journal/dispatches``, with checksummed
lines as in the journals of batches. `undelivered` is what ``outcomes.jsonl`` has not got yet.
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from vesalius.records import Cell, Done, Failed, Json, Outcome
from vesalius.store.journal import Journal, read_journal
from vesalius.store.outcomes import (
    outcome_line,
    outcome_lines,
    outcome_of,
    outcome_record,
    read_outcomes,
)

_FOLDER = Path("journal", "dispatches")


class Dispatches:
    """The one writer of one file of dispatches; the file appears with the first one."""

    def __init__(self, run: Path, /) -> None:
        self._journal = Journal(run / _FOLDER)

    def send_outcome(self, outcome: Outcome, /) -> None:
        """Tell what became of a cell; on return it is on disk."""
        self._journal.append({"at": time.time(), "outcome": outcome_record(outcome)})

    def send_note(self, note: Mapping[str, Json], /) -> None:
        """Tell something else; on return it is on disk."""
        self._journal.append({"note": dict(note)})

    def close(self) -> None:
        """Close the file if it was opened."""
        self._journal.close()


def read_notes(run: Path, /) -> Iterator[dict[str, Json]]:
    """Every note that was sent."""
    yield from (record["note"] for record in _records(run) if "note" in record)


def undelivered(run: Path, /) -> list[Outcome]:
    """Outcomes that were sent and stand in no line of ``outcomes.jsonl``, the latest last.

    A failure is left out where the same cell was done by somebody else.
    """
    known = frozenset(outcome_lines(run))
    sent = sorted((r for r in _records(run) if "outcome" in r), key=lambda record: record["at"])
    fresh = [o for o in (outcome_of(r["outcome"]) for r in sent) if outcome_line(o) not in known]
    settled = [*read_outcomes(run).values(), *fresh]
    done = {_identity(outcome) for outcome in settled if isinstance(outcome, Done)}
    return [o for o in fresh if not (isinstance(o, Failed) and _identity(o) in done)]


def _identity(outcome: Outcome) -> tuple[Cell, str]:
    return outcome.cell, outcome.fingerprint


def _records(run: Path) -> Iterator[dict[str, Json]]:
    for path in sorted((run / _FOLDER).glob("*.jsonl")):
        yield from read_journal(path)
