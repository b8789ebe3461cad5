"""A run folder for the report's tests: made with the real store, filled with invented numbers."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from vesalius.records import (
    Cell,
    DatasetCard,
    Done,
    Estimate,
    Failed,
    MetricRow,
    ModelCard,
    NotApplicable,
    Outcome,
    Predictions,
    RunSpec,
    TaskCard,
)
from vesalius.store.pictures import picture_path
from vesalius.store.runs import FORMAT, RunFolder

NAN = float("nan")
CLASSIFICATION = TaskCard(
    "classification", "zero-shot", {"templates": ["x-ray of {}"], "pad": True}
)
RETRIEVAL = TaskCard("retrieval", "embedding", {"gallery": "all test rows", "cutoffs": [1, 5, 10]})


@dataclass(frozen=True)
class Names:
    """Every free text of a run, so that a test can replace them all."""

    models: tuple[str, str, str] = ("mini:clip", "pubmedclip", "clipmd")
    dataset: str = "phantom-cxr"
    classes: tuple[str, str] = ("normal", "pneumonia")
    sample: str = "p{:04d}"
    subgroup: str = "sex={}"
    reason: str = "model has no text encoder, and this protocol compares images with class names"
    error: str = "ModelError: vision_model.embeddings.position_embedding.weight: expected shape "
    traceback: str = "Traceback (most recent call last):\n  …\nModelError: position_embedding"
    problem: str = "image/p0007.png"
    note: str = "17 texts were longer than 77 tokens and were cut"
    citation: str = "Synthetic cohort"


def build_run(path: Path, names: Names = Names(), *, n: int = 160, seed: int = 0) -> Path:
    """Write a run: 3 models, 2 tasks, controls, an n/a and a failed cell, pictures."""
    folder = RunFolder(path)
    folder.write_info(_info(names, n))
    rows: list[MetricRow] = []
    for outcome in _outcomes(names, n):
        folder.write_outcome(outcome)
    strengths = {names.models[0]: 2.2, names.models[1]: 0.25, "control:random": 0.0}
    for number, (model, strength) in enumerate(strengths.items()):
        rng = np.random.default_rng([seed, number])
        cells = [Cell(model, names.dataset, "classification", p) for p in ("zero-shot", "knn")]
        for cell in cells:
            predictions = classification_predictions(names, n, strength, rng)
            folder.write_predictions(cell, predictions)
            rows += _classification_rows(cell, names, 0.5 + 0.2 * strength, n)
        cell = Cell(model, names.dataset, "retrieval", "embedding")
        folder.write_predictions(cell, retrieval_predictions(names, n, strength, rng))
        rows += _retrieval_rows(cell, 0.05 + 0.2 * strength, n)
    rows += _shuffled_rows(names, n)
    folder.write_metrics(rows, sources={})
    folder.close()
    write_pictures(path, names, n, seed)
    return path


def _info(names: Names, n: int) -> dict[str, object]:
    card = DatasetCard(
        names.dataset, "xray", "CC0-1.0", names.citation,
        classes={c: (c,) for c in names.classes}, positive=names.classes[1], subgroups=("sex",),
    )  # fmt: skip
    extra = {
        "n_samples": {"train": 200, "val": 80, "test": n},
        "n_patients": 300,
        "problems": [{"where": names.problem, "reason": "lfs_pointer", "message": names.reason}],
        "unreadable": {names.problem: names.error},
        "duplicates_across_splits": [[names.sample.format(1), names.sample.format(2)]],
    }
    models = [
        ModelCard(name, "clip", "local", "a" * 40, "MIT", miniature=i == 0, weights={"w": "0" * 64})
        for i, name in enumerate(names.models)
    ]
    spec = RunSpec(names.models, (names.dataset,), ("classification", "retrieval"))
    return {
        "format": FORMAT,
        "spec": asdict(spec),
        "seed": 0,
        "versions": {"python": "3.11.7", "vesalius": "0.1.0", "numpy": "2.4.6", "torch": "2.13.0"},
        "git_commit": "0123456789abcdef0123456789abcdef01234567",
        "device": {"requested": "cpu", "machine": "x86_64"},
        "models": {m.name: asdict(m) | {"fingerprint": m.fingerprint} for m in models},
        "datasets": {names.dataset: asdict(card) | extra},
        "task_cards": {c.digest: asdict(c) for c in (CLASSIFICATION, RETRIEVAL)},
        "timings": {},
    }


def _outcomes(names: Names, n: int) -> Iterator[Outcome]:
    protocols = [
        ("classification", "zero-shot"),
        ("classification", "knn"),
        ("retrieval", "embedding"),
    ]
    tested = (*names.models[:2], "control:random", f"control:shuffled-images({names.models[0]})")
    for model in tested:
        for task, protocol in protocols:
            cell = Cell(model, names.dataset, task, protocol)
            digest = (CLASSIFICATION if task == "classification" else RETRIEVAL).digest
            yield Done(cell, "f" * 64, digest, n, 2, 3.21, (names.note,))
    last = names.models[2]
    yield NotApplicable(Cell(last, names.dataset, "classification", "zero-shot"), "f", names.reason)
    failed = Cell(last, names.dataset, "retrieval", "embedding")
    yield Failed(failed, "f", names.error, names.traceback)


def _estimate(metric: str, value: float, n: int, **changes: object) -> Estimate:
    base = Estimate(
        metric, value, value - 0.05, min(value + 0.04, 1.0), n=n, n_patients=n * 3 // 4,
        n_resamples=2000,
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def _classification_rows(cell: Cell, names: Names, value: float, n: int) -> list[MetricRow]:
    def row(metric: str, shift: float, **place: str) -> MetricRow:
        return MetricRow(cell, _estimate(metric, value + shift, n), CLASSIFICATION.digest, **place)

    rows = [
        row(m, s) for m, s in (("f1", -0.06), ("precision", -0.1), ("recall", 0.02), ("auroc", 0.0))
    ]
    brier = _estimate("brier", 0.2, n, higher_is_better=False, n_undefined=3)
    rows.append(MetricRow(cell, brier, CLASSIFICATION.digest))
    rows += [row(f"auroc[template {i}]", -0.01 * i) for i in (1, 2)]
    undefined = _estimate("mcc", NAN, n, low=NAN, high=NAN, reason=names.reason)
    rows.append(MetricRow(cell, undefined, CLASSIFICATION.digest))
    rows += [
        row(m, 0.01, class_name=c) for c in names.classes for m in ("f1", "precision", "recall")
    ]
    if not cell.model.startswith("control:"):
        for group in ("F", "M"):
            rows += [row(m, 0.0, subgroup=names.subgroup.format(group)) for m in ("f1", "auroc")]
        few = replace(undefined, metric="f1", n_patients=7)
        place = names.subgroup.format("other")
        rows.append(MetricRow(cell, few, CLASSIFICATION.digest, subgroup=place))
    return rows


def _retrieval_rows(cell: Cell, value: float, n: int) -> list[MetricRow]:
    rows = []
    for place in ("", "image→text, pair", "text→image, pair", "image→image, label"):
        rows.append(
            MetricRow(cell, _estimate("recall@5", value, n), RETRIEVAL.digest, class_name=place)
        )
        chance = _estimate("recall@5[chance]", 5 / n, n, low=5 / n, high=5 / n)
        rows.append(MetricRow(cell, chance, RETRIEVAL.digest, class_name=place))
        rank = _estimate("median_rank", 12.0, n, higher_is_better=False)
        rows.append(MetricRow(cell, rank, RETRIEVAL.digest, class_name=place))
    return rows


def _shuffled_rows(names: Names, n: int) -> list[MetricRow]:
    model = f"control:shuffled-images({names.models[0]})"
    cells = [Cell(model, names.dataset, "classification", p) for p in ("zero-shot", "knn")]
    rows = [row for cell in cells for row in _classification_rows(cell, names, 0.52, n)]
    return rows + _retrieval_rows(Cell(model, names.dataset, "retrieval", "embedding"), 0.06, n)


def classification_predictions(
    names: Names, n: int, strength: float, rng: np.random.Generator
) -> Predictions:
    """Scores of a model of that strength; the last two rows have no answer."""
    sick = rng.random(n) < 0.35
    logit = rng.normal(size=n) + strength * sick - strength / 2
    score = 1 / (1 + np.exp(-logit))
    score[-2:] = NAN
    ids = [names.sample.format(i) for i in range(n)]
    normal, positive = names.classes
    return Predictions(
        {
            "id": np.array(ids),
            "patient": np.array([names.sample.format(i * 3 // 4) for i in range(n)]),
            "split": np.full(n, "test"),
            "key": np.array(ids),
            "label": np.where(sick, positive, normal),
            f"score:{normal}": 1 - score,
            f"score:{positive}": score,
            "threshold": np.full(n, 0.5),
        }
    )


def retrieval_predictions(
    names: Names, n: int, strength: float, rng: np.random.Generator
) -> Predictions:
    """Three searches over one gallery of n."""
    parts = [("image→text", "pair"), ("text→image", "pair"), ("image→image", "label")]
    columns: dict[str, list[object]] = {}
    for direction, relevance in parts:
        for i in range(n):
            for name, value in _query(names, n, i, strength, rng).items():
                columns.setdefault(name, []).append(value)
            columns.setdefault("direction", []).append(direction)
            columns.setdefault("relevance", []).append(relevance)
    return Predictions({name: _column(values) for name, values in columns.items()})


def _query(
    names: Names, n: int, i: int, strength: float, rng: np.random.Generator
) -> dict[str, object]:
    rank = int(min(n, 1 + rng.exponential(n / (1 + 12 * strength))))
    top = rng.choice(n, size=min(10, n), replace=False)
    if rank <= len(top):
        top[rank - 1] = i
    return {
        "id": names.sample.format(i), "patient": names.sample.format(i), "split": "test",
        "key": f"{i}-{len(names.sample)}", "gallery": n, "n_positive": 1, "rank_first": rank,
        "average_precision": 1 / rank, "ranks": [rank],
        "top": [names.sample.format(int(j)) for j in top],
        "top_correct": [bool(j == i) for j in top],
    }  # fmt: skip


def _column(values: Sequence[object]) -> np.ndarray:
    if isinstance(values[0], list):
        column = np.empty(len(values), dtype=object)
        column[:] = values
        return column
    return np.array(values)


def write_pictures(path: Path, names: Names, n: int, seed: int) -> None:
    """Smooth grey pictures, one per sample."""
    rng = np.random.default_rng([seed, 99])
    y, x = np.mgrid[-1:1:112j, -1:1:112j]
    for i in range(n):
        side, size = rng.uniform(-0.3, 0.3), rng.uniform(0.3, 0.6)
        lungs = np.exp(-(((abs(x) - 0.45) / 0.3) ** 2) - (y / 0.7) ** 2)
        spot = np.exp(-(((x - side) ** 2 + (y - side) ** 2) / size**2 * 6))
        grey = np.clip(150 - 110 * lungs + 70 * spot + rng.normal(0, 3, x.shape), 0, 255)
        stream = io.BytesIO()
        Pillow.fromarray(grey.astype(np.uint8)).save(stream, format="JPEG", quality=80)
        picture = picture_path(path, names.dataset, names.sample.format(i))
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(stream.getvalue())
