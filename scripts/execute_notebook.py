"""Execute a notebook from a clean kernel and write it back with outputs; or check those it has.

The kernel starts in an empty folder, so nothing of an earlier execution is met and nothing is left
beside the notebook. What goes in is cleaned of everything that only says when and where it ran,
and stamped with the identity of what its numbers come from.
"""

import argparse
import hashlib
import json
import math
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import nbformat
import numpy as np
from nbclient import NotebookClient

import vesalius as vs
from vesalius.api import choose_tasks
from vesalius.catalog import describe, miniatures, parse_model
from vesalius.imaging import display_pixels
from vesalius.records import digest_json
from vesalius.report.display import HEADLINES

STAMP = "vesalius"
# Other processors round differently, and an answer near a threshold may fall to its other side.
MOST_ONE = 0.15  # that any headline may move by
MOST_MEDIAN = 0.01  # that half of them may move by
Headlines = list[dict[str, object]]
Place = tuple[object, ...]


def main() -> int:
    """Execute, then write or compare; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebook", type=Path)
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; fail if the headlines differ from those of the outputs it has",
    )
    asked = parser.parse_args()
    before = nbformat.read(asked.notebook, as_version=4)
    after = executed(nbformat.from_dict(before))
    if not asked.check:
        nbformat.write(after, asked.notebook)
        return 0
    problems = list(differences(headlines(before), headlines(after)))
    sys.stdout.write("\n".join([*problems, f"{len(problems)} problems"]) + "\n")
    return int(bool(problems))


def executed(notebook: nbformat.NotebookNode, /) -> nbformat.NotebookNode:
    """The notebook after every cell has run, cleaned and stamped."""
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(
            notebook,
            timeout=1800,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            record_timing=False,
        ).execute()
    for cell in notebook.cells:
        clean(cell)
    places = [Path(folder), Path.cwd(), Path.home(), Path(sys.prefix)]
    text = words(notebook)
    named = [str(place) for place in places if len(place.parts) > 1 and str(place) in text]
    if named:
        raise SystemExit(f"the outputs name {named}; mend the cell that prints them")
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": kernel,
            "language_info": {"name": "python"},
            STAMP: identity(notebook),
        }
    )
    return notebook


def words(notebook: nbformat.NotebookNode, /) -> str:
    """All texts of the outputs; pictures left out."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    texts = [output.get("text", "") for output in outputs]
    for output in outputs:
        texts += [v for k, v in output.get("data", {}).items() if not k.startswith("image/")]
    return json.dumps(texts, ensure_ascii=False)


def clean(cell: nbformat.NotebookNode, /) -> None:
    """Leave what is shown: HTML says more than its texts, which name times and addresses."""
    cell.metadata = nbformat.NotebookNode()
    for output in cell.get("outputs", ()):
        shown = output.get("data", {})
        if shown.keys() & {"text/html", "image/jpeg"}:
            for kind in ("text/plain", "text/markdown"):
                shown.pop(kind, None)


def identity(notebook: nbformat.NotebookNode, /) -> dict[str, str]:
    """What the numbers in the outputs depend on, each as a digest."""
    tasks = sorted(task.card.digest for task in choose_tasks("all"))
    weights = {name: describe(parse_model(name)).fingerprint for name in miniatures()}
    return {
        "version": vs.__version__,
        "cells": digest_json([cell.source for cell in notebook.cells if cell.cell_type == "code"]),
        "task_cards": digest_json(tasks),
        "miniatures": digest_json(weights),
        "phantom": _phantom(),
    }


def _phantom() -> str:
    """The tables of a small cohort, and the mean grey of its radiographs in whole steps."""
    with tempfile.TemporaryDirectory() as folder:
        data = vs.load_dataset(vs.write_phantom(Path(folder) / "cohort", n_patients=2, seed=0))
        greys = [round(float(np.mean(display_pixels(data.read(sample))))) for sample in data]
    return hashlib.sha256(json.dumps([data.card.digest, greys]).encode()).hexdigest()


def headlines(notebook: nbformat.NotebookNode, /) -> Headlines:
    """The numbers that a result left in its output."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if HEADLINES in output.get("data", {}):
                found: Headlines = output["data"][HEADLINES]
                return found
    return []


def differences(before: Headlines, after: Headlines, /) -> Iterator[str]:
    """What differs by more than rounding can explain, one sentence each."""
    old, new = _by_place(before), _by_place(after)
    if not old:
        yield "the notebook has no headlines: run make notebook"
        return
    for place in old.keys() ^ new.keys():
        yield f"{place} stands in only one of both"
    both = [(place, old[place], new[place]) for place in old if place in new]
    moved = []
    for place, one, other in both:
        if _words(one) != _words(other):
            yield f"{place}: was {_words(one)}, is {_words(other)}"
        elif one["value"] is not None:
            moved.append(_change(one["value"], other["value"]))
            if moved[-1] > MOST_ONE:
                yield f"{place}: was {one['value']}, is {other['value']}"
    median = statistics.median(moved) if moved else 0.0
    if median > MOST_MEDIAN:
        yield f"half of the headlines moved by {median:.3f} or more, expected {MOST_MEDIAN} at most"


def _by_place(found: Headlines) -> Mapping[Place, dict[str, object]]:
    return {tuple(one[name] for name in ("model", "task", "protocol")): one for one in found}


def _words(one: Mapping[str, object]) -> tuple[object, ...]:
    return one["status"], one["metric"], one["value"] is None


def _change(one: object, other: object) -> float:
    """Absolute, and relative for values above 1."""
    assert isinstance(one, int | float)
    assert isinstance(other, int | float)
    return math.fabs(other - one) / max(1.0, math.fabs(one))


if __name__ == "__main__":
    sys.exit(main())
