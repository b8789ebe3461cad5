"""The embedded default: miniature checkpoints on the synthetic cohort."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from vesalius.api import Request, Settings, choose_tasks, evaluate_sources, model_sources
from vesalius.catalog import miniatures
from vesalius.commands.evaluation import show
from vesalius.commands.fusing import shown, write_study
from vesalius.commands.interruption import said_what_is_kept
from vesalius.commands.terminal import console, counting, progress_bars
from vesalius.data.manifest import load_dataset
from vesalius.data.phantom import write_phantom
from vesalius.engine.progress import Progress
from vesalius.fusion.results import Settings as FusionSettings
from vesalius.fusion.results import Study
from vesalius.fusion.study import fusion_study
from vesalius.records import Resampling
from vesalius.studies import fusion_cohort

SEED = 0
MAX_WORKERS = 4
FEATURES = ("mini:clip:image", "mini:clip:question", "tabular")


def run_demo(out: Path, *, n_patients: int, device: str, models: Sequence[str] = ()) -> bool:
    """Make the cohort where it is missing, run miniatures at every task, write the report.

    Args:
        out: run folder.
        n_patients: size of the cohort.
        device: as for `vesalius run`.
        models: some of the miniatures; all by default.
    """
    began_s, cohort = time.monotonic(), out / "cohort"
    console.print(
        "Miniature checkpoints on a synthetic cohort: this shows how Vesalius works, not how good "
        "the genuine models are.",
        highlight=False,
    )
    with said_what_is_kept(out), progress_bars() as progress:
        if not (cohort / "dataset.yaml").exists():
            write_phantom(
                cohort,
                n_patients=n_patients,
                seed=SEED,
                progress=counting(progress, "synthetic patients"),
            )
        settings = Settings(device=device, cache=out / "features", workers=_n_workers())
        result = evaluate_sources(
            model_sources(models or list(miniatures()), settings),
            [load_dataset(cohort)],
            choose_tasks("all"),
            Request(out, SEED, settings, progress),
        )
        report = result.report()
        study, page = _fuse(cohort, out, progress)
    done = show(result, report, began_s=began_s)
    console.print(*shown(study), sep="\n")
    console.print(f"fusion: {page}", highlight=False, markup=False, soft_wrap=True)
    return done


def _fuse(cohort: Path, out: Path, progress: Progress) -> tuple[Study, Path]:
    """Does joining image and question beat the better of the two? One seed, for time."""
    prepared = fusion_cohort(
        cohort, FEATURES, task="vqa", cache=out / "features", progress=progress
    )
    settings = FusionSettings(seeds=(SEED,), resampling=Resampling(SEED, 1000))
    study = fusion_study(prepared.cohort, settings=settings, watch=counting(progress, "fits"))
    return study, write_study(study, prepared, out / "fusion")


def _n_workers() -> int:
    """Miniatures gain nothing from several threads, so each processor gets models of its own."""
    return min(MAX_WORKERS, os.cpu_count() or 1)
