"""What ``run.json`` says about the circumstances of a run; nothing that names a host or a path."""

import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from vesalius.capabilities import CAPABILITIES
from vesalius.engine.duplicates import near_duplicates
from vesalius.engine.leakage import ledger_rows
from vesalius.engine.sources import DataSource
from vesalius.models.architecture import Measured
from vesalius.records import SPLITS, Json, ModelCard, RunSpec, Sample
from vesalius.store.runs import FORMAT

_PACKAGES = (
    "numpy", "scipy", "scikit-learn", "pyarrow", "pillow", "torch", "transformers", "tokenizers",
    "safetensors", "pydicom", "nibabel",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of Python, Vesalius and every package that can change a number."""
    found = {
        "python": platform.python_version(),
        "vesalius": importlib.metadata.version("vesalius"),
    }
    return found | {name: importlib.metadata.version(name) for name in _PACKAGES}


def git_commit() -> str | None:
    """Commit of the checkout that this package runs from; None when installed from a wheel."""
    root = Path(__file__).resolve().parents[3]
    if not (root / "src" / "vesalius").is_dir() or not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def model_info(card: ModelCard, model: object | None) -> dict[str, Json]:
    """A model card as JSON, with capabilities and parameters of the model where it was loaded."""
    record: dict[str, Json] = asdict(card) | {"fingerprint": card.fingerprint}
    if model is not None:
        record["capabilities"] = [n for n, kind in CAPABILITIES.items() if isinstance(model, kind)]
    if isinstance(model, Measured):
        record["n_parameters"] = model.n_parameters
    return record


def dataset_info(
    source: DataSource, samples: Sequence[Sample], before: Mapping[str, Json] | None = None
) -> dict[str, Json]:
    """A dataset card as JSON with counts, refused rows and duplicates across splits.

    What takes time is taken over from `before`, an earlier record of the same dataset.
    """
    card = source.dataset.card
    counts = {split: sum(s.split == split for s in samples) for split in SPLITS}
    return asdict(card) | {
        "fingerprint": source.fingerprint,
        "n_samples": counts,
        "n_patients": len({s.patient for s in samples}),
        "problems": [asdict(problem) for problem in source.dataset.problems],
        "unreadable": dict(source.unreadable),
        "duplicates_across_splits": duplicates_across_splits(source, samples),
        "near_duplicates": near_duplicates(source, samples, before),
    }


def duplicates_across_splits(source: DataSource, samples: Sequence[Sample]) -> list[list[str]]:
    """Groups of samples with the same image bytes in more than one split."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.id in source.digests:
            groups.setdefault(source.digests[sample.id], []).append(sample)
    return [[s.id for s in g] for g in groups.values() if len({s.split for s in g}) > 1]


def run_info(
    spec: RunSpec,
    *,
    models: Mapping[str, Json],
    datasets: Mapping[str, Json],
    task_cards: Mapping[str, Json],
    timings: Mapping[str, float],
) -> dict[str, Json]:
    """``run.json``, with tuples as lists so that it equals what is read back."""
    info = {
        "format": FORMAT,
        "spec": asdict(spec),
        "seed": spec.seed,
        "versions": versions(),
        "git_commit": git_commit(),
        "device": {"requested": spec.device, "machine": platform.machine()},
        "models": dict(models),
        "datasets": dict(datasets),
        "ledger": ledger_rows(models, datasets),
        "task_cards": dict(task_cards),
        "timings": dict(timings),
    }
    plain: dict[str, Json] = json.loads(json.dumps(info, allow_nan=False))
    return plain
