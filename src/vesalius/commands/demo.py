"""The embedded default: miniature checkpoints on the synthetic cohort."""

import os
from pathlib import Path

from vesalius.api import Request, Settings, choose_tasks, evaluate_sources, model_sources
from vesalius.catalog import miniatures
from vesalius.commands.evaluation import show
from vesalius.commands.terminal import console, counting, progress_bars
from vesalius.data.manifest import load_dataset
from vesalius.data.phantom import write_phantom

SEED = 0
MAX_WORKERS = 4


def run_demo(out: Path, *, n_patients: int, device: str) -> bool:
    """Make the cohort where it is missing, run every miniature at every task, write the report."""
    cohort = out / "cohort"
    console.print(
        "Miniature checkpoints on a synthetic cohort: this shows how Vesalius works, not how good "
        "the genuine models are.",
        highlight=False,
    )
    with progress_bars() as progress:
        if not (cohort / "dataset.yaml").exists():
            write_phantom(
                cohort,
                n_patients=n_patients,
                seed=SEED,
                progress=counting(progress, "synthetic patients"),
            )
        settings = Settings(device=device, cache=out / "features", workers=_n_workers())
        result = evaluate_sources(
            model_sources(list(miniatures()), settings),
            [load_dataset(cohort)],
            choose_tasks("all"),
            Request(out, SEED, settings, progress),
        )
        report = result.report()
    return show(result, report)


def _n_workers() -> int:
    """Miniatures gain nothing from several threads, so each processor gets models of its own."""
    return min(MAX_WORKERS, os.cpu_count() or 1)
