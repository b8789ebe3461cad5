"""Fusion studies for Python and the shell: a dataset's frozen features in, a page out."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from vesalius.api import Settings, model_sources, usable_cache, user_cache
from vesalius.data.manifest import Dataset
from vesalius.data.opening import load_dataset
from vesalius.engine import ModelSource
from vesalius.engine.fusing import Prepared, prepare_cohort
from vesalius.engine.fusion_slots import Encoders
from vesalius.engine.progress import Progress, no_progress
from vesalius.fusion.results import Study
from vesalius.records import SPLITS
from vesalius.report.fusion_about import About
from vesalius.report.fusion_page import write_fusion_page


def fusion_cohort(
    data: str | Path | Dataset,
    features: Sequence[str],
    /,
    *,
    task: str = "classification",
    target: str | None = None,
    cache: Path | None = None,
    progress: Progress = no_progress,
) -> Prepared:
    """Frozen features of a dataset for `vesalius.fusion_study`, see docs/fusion.md.

    Args:
        data: dataset folder, name of a public data set, or a loaded dataset.
        features: such as ``mini:clip:image``, ``mini:clip:text[column=history]``, ``tabular``.
        task: ``classification``, ``vqa``, ``retrieval`` or ``generation``.
        target: a class or column (classification); ``closed`` or ``open`` questions (vqa); the
            feature that is to be found (retrieval).
        cache: folder of the feature cache; by default that of the user.
        progress: told how far long work is.

    Raises:
        UsageError: for unknown names, or features that the dataset or a model has not.
        ModelError: if a model cannot be loaded.
        DataError: if the dataset cannot be read at all.
    """
    dataset = data if isinstance(data, Dataset) else load_dataset(data)
    encoders = Encoders(_found, usable_cache(cache or user_cache()), progress)
    return prepare_cohort(dataset, features, encoders, task=task, target=target)


def about_study(study: Study, prepared: Prepared, /) -> About:
    """What a study was made of, for its page."""
    cohort = prepared.cohort
    pairs = set(zip(cohort.split.tolist(), cohort.patients.tolist(), strict=True))
    n_patients = Counter(split for split, _ in pairs)
    return About(
        dataset=prepared.card.name,
        digest=prepared.card.digest,
        task=prepared.task,
        target=prepared.target,
        features=tuple(slot.name for slot in cohort.slots),
        settings=study.settings,
        n_patients={split: n_patients[split] for split in SPLITS},
        models=prepared.models,
        problems=prepared.problems,
    )


def fusion_report(study: Study, prepared: Prepared, path: str | Path, /) -> Path:
    """Write the page of a fusion study: one self-contained HTML file."""
    return write_fusion_page(study, about_study(study, prepared), Path(path))


def _found(name: str) -> ModelSource:
    (source,) = model_sources([name], Settings())
    return source
