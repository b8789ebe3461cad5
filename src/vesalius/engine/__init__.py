"""The engine: grid → cells → outcomes → metric rows, resumable at every step."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path

from vesalius.data.manifest import Dataset
from vesalius.engine.cells import Job, plan, run_cell
from vesalius.engine.features import (
    DataSource,
    FeatureReader,
    hash_dataset,
)
from vesalius.engine.info import dataset_info, model_info, run_info
from vesalius.engine.progress import Progress, no_progress
from vesalius.engine.scoring import score_run
from vesalius.engine.thumbnails import write_thumbnails
from vesalius.errors import UsageError
from vesalius.records import (
    Done,
    Json,
    ModelCard,
    NotApplicable,
    RunSpec,
    Sample,
    digest_json,
)
from vesalius.store.features import FeatureStore
from vesalius.store.runs import Run, RunFolder, read_run
from vesalius.tasks import Task, TaskData


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model to evaluate: its identity now, the model itself when a cell needs it."""

    card: ModelCard
    load: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Grid:
    """What is evaluated: every model on every dataset at every task protocol."""

    models: Sequence[ModelSource]
    datasets: Sequence[Dataset]
    tasks: Sequence[Task]


@dataclass(slots=True)
class _Session:
    """What one call of `run` works with."""

    folder: RunFolder
    spec: RunSpec
    store: FeatureStore
    progress: Progress
    sources: dict[str, DataSource]
    data: dict[str, TaskData]
    model_infos: dict[str, Json] = field(default_factory=dict)


def run(
    grid: Grid,
    spec: RunSpec,
    /,
    *,
    out: Path,
    cache: Path | None = None,
    progress: Progress = no_progress,
) -> Run:
    """Evaluate the grid into `out`, doing only what is not there yet.

    Args:
        grid: models, datasets and tasks; names must differ.
        spec: settings, recorded in the run.
        out: run folder, new or to be continued.
        cache: folder of the feature cache; None keeps features in memory only.
        progress: told how far long work is.

    Raises:
        UsageError: if two models or two datasets have the same name.
    """
    _require_distinct("model", [source.card.name for source in grid.models])
    _require_distinct("dataset", [dataset.card.name for dataset in grid.datasets])
    session = _session(grid, spec, out=out, cache=cache, progress=progress)
    try:
        _write_info(session, grid)
        pending = _pending(_jobs(session, grid), session.folder)
        if pending:
            _run_pending(session, pending, {s.card.name: s for s in grid.models})
            for name, source in session.sources.items():
                write_thumbnails(out, source.dataset, session.data[name].samples)
            _write_info(session, grid)
        score_run(session.folder, progress=session.progress)
    finally:
        session.folder.close()
    return read_run(out)


def _session(
    grid: Grid, spec: RunSpec, *, out: Path, cache: Path | None, progress: Progress
) -> _Session:
    sources = {d.card.name: hash_dataset(d, progress=progress) for d in grid.datasets}
    data = {
        d.card.name: TaskData(
            card=d.card,
            samples=_limited(d, spec),
            seed=spec.seed,
            questions=d.questions,
            phrases=d.phrases,
        )
        for d in grid.datasets
    }
    return _Session(RunFolder(out), spec, FeatureStore(cache), progress, sources, data)


def _jobs(session: _Session, grid: Grid) -> list[Job]:
    cards = [source.card for source in grid.models]
    return [
        job
        for name, data in session.data.items()
        for job in plan(
            cards,
            data,
            grid.tasks,
            data_fingerprint=session.sources[name].fingerprint,
            controls=session.spec.controls,
        )
    ]


def score(out: Path, /, *, progress: Progress = no_progress) -> Run:
    """Recompute every metric of a run from its stored predictions.

    Raises:
        RunError: if `out` is not a run folder.
    """
    read_run(out)
    score_run(RunFolder(out), progress=progress, fresh=True)
    return read_run(out)


def _require_distinct(what: str, names: Sequence[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UsageError(
            f"{what} names must differ, these come more than once: {', '.join(repeated)}"
        )


def _limited(dataset: Dataset, spec: RunSpec) -> tuple[Sample, ...]:
    """At most `spec.limit` samples per split, whole patients in a seeded order."""
    samples = tuple(dataset)
    if spec.limit is None:
        return samples
    order = sorted({s.patient for s in samples}, key=lambda p: digest_json([spec.seed, p]))
    rank = {patient: i for i, patient in enumerate(order)}
    chosen: set[str] = set()
    for split in ("train", "val", "test"):
        here = sorted((s for s in samples if s.split == split), key=lambda s: rank[s.patient])
        chosen.update(s.id for s in here[: spec.limit])
    return tuple(s for s in samples if s.id in chosen)


def _pending(jobs: Sequence[Job], folder: RunFolder) -> list[Job]:
    outcomes = folder.outcomes()

    def is_settled(job: Job) -> bool:
        outcome = outcomes.get(job.cell)
        if outcome is None or outcome.fingerprint != job.fingerprint:
            return False
        if isinstance(outcome, Done):
            return folder.predictions_hash(job.cell) is not None
        return isinstance(outcome, NotApplicable)

    return [job for job in jobs if not is_settled(job)]


def _run_pending(
    session: _Session, pending: Sequence[Job], models: Mapping[str, ModelSource]
) -> None:
    by_model: dict[str, list[Job]] = {}
    for job in pending:
        by_model.setdefault("" if job.model is None else job.model.name, []).append(job)
    for name, jobs in by_model.items():
        model = models[name].load() if name else None
        if name:
            session.model_infos[name] = model_info(models[name].card, model)
        readers = _readers(session, model, models[name].card if name else None)
        advance = session.progress(f"{name or 'controls'}: cells", len(jobs))
        for job in jobs:
            reader = readers[job.cell.dataset]
            outcome = run_cell(job, session.folder, reader)
            session.folder.write_outcome(outcome)
            advance(1)


def _readers(
    session: _Session, model: object | None, card: ModelCard | None
) -> dict[str, FeatureReader]:
    return {
        name: FeatureReader(
            model=model,
            card=card or ModelCard(name="control", adapter="none"),
            source=source,
            store=session.store,
            batch_size=session.spec.batch_size,
            progress=session.progress,
        )
        for name, source in session.sources.items()
    }


def _write_info(session: _Session, grid: Grid) -> None:
    """Write ``run.json`` if it would change; a repeated run leaves the file untouched."""
    before = session.folder.info() or {}
    kept: dict[str, Json] = before.get("models", {})
    infos = {s.card.name: session.model_infos.get(s.card.name) for s in grid.models}
    for source in grid.models:
        name = source.card.name
        fresh = model_info(source.card, None)
        same = kept.get(name, {}).get("fingerprint") == fresh["fingerprint"]
        infos[name] = infos[name] or (kept[name] if same else fresh)
    datasets = {
        name: dataset_info(source, session.data[name].samples)
        for name, source in session.sources.items()
    }
    done = [o for o in session.folder.outcomes().values() if isinstance(o, Done)]
    info = run_info(
        session.spec,
        models=kept | infos,
        datasets=before.get("datasets", {}) | datasets,
        task_cards=before.get("task_cards", {})
        | {t.card.digest: asdict(t.card) for t in grid.tasks},
        timings={"/".join(astuple(o.cell)): o.duration_s for o in done},
    )
    if info != before:
        session.folder.write_info(info)
