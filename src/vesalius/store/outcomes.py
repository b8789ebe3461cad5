"""Outcomes of cells as lines: ``outcomes.jsonl`` has them in the order in which they were known."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from vesalius.records import Cell, Done, Failed, Json, NotApplicable, Outcome

_KINDS: dict[str, type[Outcome]] = {"done": Done, "n/a": NotApplicable, "failed": Failed}


def outcome_record(outcome: Outcome, /) -> dict[str, Json]:
    """An outcome as flat JSON; `outcome_of` reads it back."""
    kind = next(name for name, record in _KINDS.items() if isinstance(outcome, record))
    return {"outcome": kind, **asdict(outcome)}


def outcome_of(record: Mapping[str, Json], /) -> Outcome:
    """The inverse of `outcome_record`."""
    fields = dict(record)
    kind = _KINDS[fields.pop("outcome")]
    cell = Cell(**fields.pop("cell"))
    if kind is Done:
        fields["notes"] = tuple(fields["notes"])
    return kind(cell=cell, **fields)


def outcome_line(outcome: Outcome, /) -> bytes:
    """The line of an outcome, without its end."""
    return json.dumps(outcome_record(outcome), allow_nan=False).encode()


def outcome_lines(run: Path, /) -> list[bytes]:
    """Every line of ``outcomes.jsonl``, torn ones too."""
    path = run / "outcomes.jsonl"
    return path.read_bytes().split(b"\n") if path.exists() else []


def read_outcomes(run: Path, /) -> dict[Cell, Outcome]:
    """The latest outcome of every cell, in order of first appearance."""
    outcomes: dict[Cell, Outcome] = {}
    for line in outcome_lines(run):
        try:
            record: dict[str, Json] = json.loads(line)
        except ValueError:
            continue  # an empty line, or the torn one of a killed process
        outcome = outcome_of(record)
        outcomes[outcome.cell] = outcome
    return outcomes
