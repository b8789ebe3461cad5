"""The synthetic cohort: chests whose every truth is known, as an ordinary dataset folder.

``volume → radiograph``: a radiograph is the Beer–Lambert projection of its own volume, and masks
and boxes of the radiograph are projections of those of the volume, so nothing is annotated.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from vesalius.data.phantom_study import Study, make_patient
from vesalius.data.phantom_write import (
    PHRASE_COLUMNS,
    QUESTION_COLUMNS,
    SAMPLE_COLUMNS,
    Row,
    phrase_row,
    question_row,
    sample_row,
    write_card,
    write_study,
    write_table,
)
from vesalius.errors import InputError

__all__ = ["Study", "make_patient", "write_phantom"]

ARMS = {"xray": Path(), "ct": Path("ct")}


@dataclass(frozen=True, slots=True)
class _Rows:
    """Table rows of one patient, keyed by arm."""

    samples: dict[str, list[Row]]
    questions: list[Row]
    phrases: dict[str, list[Row]]


def write_phantom(
    out: str | Path,
    *,
    n_patients: int = 300,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a cohort: `out` is the radiograph arm, ``out/ct`` the same studies as volumes.

    The folder appears complete or not at all, and equal arguments give equal bytes.

    Args:
        out: folder to make; its parent must be writable.
        n_patients: at least 1. Of every 20, 12 are train, 3 val and 5 test.
        seed: non-negative; patient `i` of a seed does not depend on `n_patients`.
        progress: called with (patients done, patients in all), from the calling thread.

    Returns:
        `out`.

    Raises:
        InputError: if `n_patients` or `seed` is out of range, or `out` exists and is not empty.
    """
    if n_patients < 1 or seed < 0:
        raise InputError(
            f"expected n_patients >= 1 and seed >= 0, got n_patients={n_patients}, seed={seed}"
        )
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists and is not an empty folder; name a new one or remove it")
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        _write_into(partial, n_patients=n_patients, seed=seed, progress=progress)
        partial.chmod(0o755)  # mkdtemp makes it private
        if out.exists():
            out.rmdir()
        partial.replace(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out


def _write_into(
    out: Path, *, n_patients: int, seed: int, progress: Callable[[int, int], None] | None
) -> None:
    """Write images from several threads (numpy and zlib release the lock), tables at the end."""
    for folder in ("images", "masks", "ct/images", "ct/masks"):
        (out / folder).mkdir(parents=True)
    collected: list[_Rows] = []
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for rows in pool.map(lambda index: _write_patient(out, seed, index), range(n_patients)):
            collected.append(rows)
            if progress is not None:
                progress(len(collected), n_patients)
    for arm, place in ARMS.items():
        write_card(out / place / "dataset.yaml", arm=arm, seed=seed)
        samples = [row for rows in collected for row in rows.samples[arm]]
        phrases = [row for rows in collected for row in rows.phrases[arm]]
        questions = [row for rows in collected for row in rows.questions]
        write_table(out / place / "samples.csv", SAMPLE_COLUMNS[arm], samples)
        write_table(out / place / "questions.csv", QUESTION_COLUMNS, questions)
        write_table(out / place / "phrases.csv", PHRASE_COLUMNS[arm], phrases)


def _write_patient(out: Path, seed: int, index: int) -> _Rows:
    """Files of one patient; returns the rows that describe them."""
    studies = make_patient(seed, index)
    for study in studies:
        write_study(out, study)
    return _Rows(
        samples={arm: [sample_row(study, arm=arm) for study in studies] for arm in ARMS},
        questions=[question_row(q) for study in studies for q in study.questions],
        phrases={
            "xray": [phrase_row(p) for study in studies for p in study.phrases],
            "ct": [phrase_row(p) for study in studies for p in study.phrases_3d],
        },
    )
