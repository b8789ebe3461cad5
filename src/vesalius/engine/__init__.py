"""The engine: grid → cells → outcomes → metric rows, resumable at every step."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from itertools import groupby
from pathlib import Path

from vesalius.data.manifest import Dataset
from vesalius.engine.cells import Job, plan
from vesalius.engine.info import dataset_info, model_info, run_info
from vesalius.engine.judges import Judges
from vesalius.engine.progress import Progress, no_progress
from vesalius.engine.scoring import score_run
from vesalius.engine.sources import NO_MODEL, DataSource, ModelSource, hash_dataset
from vesalius.engine.thumbnails import write_thumbnails
from vesalius.engine.working import Place, Share, work, work_apart
from vesalius.errors import UsageError
from vesalius.records import (
    SPLITS,
    Done,
    Json,
    NotApplicable,
    RunSpec,
    Sample,
    digest_json,
)
from vesalius.store.runs import Run, RunFolder, read_run
from vesalius.tasks import Task, TaskData
from vesalius.tasks.controls import PREFIX

__all__ = ["Grid", "ModelSource", "run", "score"]


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
    place: Place
    progress: Progress
    sources: dict[str, DataSource]
    data: dict[str, TaskData]
    model_infos: dict[str, Json] = field(default_factory=dict)
    judges: Judges = field(default_factory=Judges)


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
        jobs = _jobs(session, grid)
        _refuse_mixture(session, jobs)
        _write_info(session, grid)
        pending = _pending(jobs, session.folder)
        if pending:
            _run_pending(session, pending, grid)
            _write_info(session, grid)
        if pending or not (out / "images").exists():
            for source in session.sources.values():
                write_thumbnails(out, source)
        score_run(session.folder, progress=session.progress, n_workers=spec.workers)
    finally:
        session.folder.close()
    return read_run(out)


def _session(
    grid: Grid, spec: RunSpec, *, out: Path, cache: Path | None, progress: Progress
) -> _Session:
    sources = {
        d.card.name: hash_dataset(d, limited(d, spec), progress=progress) for d in grid.datasets
    }
    data = {
        d.card.name: TaskData(
            card=d.card,
            samples=sources[d.card.name].samples,
            seed=spec.seed,
            questions=d.questions,
            phrases=d.phrases,
        )
        for d in grid.datasets
    }
    place = Place(out, sources, cache, spec.batch_size)
    return _Session(RunFolder(out), spec, place, progress, sources, data)


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
            force=session.spec.out_of_domain,
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
            f"{what} names must differ, these come more than once: {', '.join(repeated)}; "
            "rename a folder, or give the object's card another name"
        )
    reserved = [name for name in names if name.startswith(PREFIX)]
    if reserved:
        raise UsageError(f"{what} names may not begin with {PREFIX!r}: {', '.join(reserved)}")


def limited(dataset: Dataset, spec: RunSpec) -> tuple[Sample, ...]:
    """At most `spec.limit` samples per split: whole patients in a seeded order, at least one."""
    samples = tuple(dataset)
    if spec.limit is None:
        return samples
    order = sorted({s.patient for s in samples}, key=lambda p: digest_json([spec.seed, p]))
    rank = {patient: i for i, patient in enumerate(order)}
    chosen: set[str] = set()
    for split in SPLITS:
        here = sorted((s for s in samples if s.split == split), key=lambda s: rank[s.patient])
        n_chosen = 0
        for _, own in groupby(here, key=lambda s: s.patient):
            ids = [sample.id for sample in own]
            if n_chosen and n_chosen + len(ids) > spec.limit:
                break
            chosen.update(ids)
            n_chosen += len(ids)
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


def _run_pending(session: _Session, pending: Sequence[Job], grid: Grid) -> None:
    """Work on what is pending: models that other processes can load there, if asked for."""
    n_workers, models = session.spec.workers, {s.card.name: s for s in grid.models}
    if n_workers > 1:
        apart = [s for s in _shares(pending, models) if not s.model.is_here]
        session.model_infos |= work_apart(
            apart, session.place, n_workers=n_workers, progress=session.progress
        )
        pending = _pending(pending, session.folder)
    for share in _shares(pending, models):
        info = work(
            share,
            session.place,
            session.folder,
            judges=session.judges,
            progress=session.progress,
        )
        session.model_infos[share.model.card.name] = info


def _shares(jobs: Sequence[Job], models: Mapping[str, ModelSource]) -> list[Share]:
    by_model: dict[str, list[Job]] = {}
    for job in jobs:
        by_model.setdefault("" if job.model is None else job.model.name, []).append(job)
    return [Share(models.get(name, NO_MODEL), tuple(own)) for name, own in by_model.items()]


def _refuse_mixture(session: _Session, jobs: Sequence[Job]) -> None:
    """A folder never holds cells of one dataset that were made under different conditions.

    Raises:
        UsageError: if cells outside this grid were made from other data, seed or limit.
    """
    before = session.folder.info()
    if before is None:
        return
    planned = {job.cell for job in jobs}
    others = {c.dataset for c in session.folder.outcomes() if c not in planned}
    then = before["spec"]
    for name in sorted(others & set(before["datasets"])):
        reasons = [key for key in ("seed", "limit") if then[key] != getattr(session.spec, key)]
        known = session.sources.get(name)
        if known and before["datasets"][name]["fingerprint"] != known.fingerprint:
            reasons.append("dataset")
        if reasons:
            raise UsageError(
                f"{session.folder.path} holds cells of {name} made with another "
                f"{' and '.join(reasons)}; name a new --out, or run all of its models and tasks"
            )


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
    known: dict[str, Json] = before.get("datasets", {})
    datasets = {
        name: dataset_info(source, session.data[name].samples, known.get(name))
        for name, source in session.sources.items()
    }
    done = [o for o in session.folder.outcomes().values() if isinstance(o, Done)]
    info = run_info(
        session.spec,
        models=kept | infos,
        datasets=known | datasets,
        task_cards=before.get("task_cards", {})
        | {t.card.digest: asdict(t.card) for t in grid.tasks},
        timings={"/".join(astuple(o.cell)): o.duration_s for o in done},
    )
    if info != before:
        session.folder.write_info(info)
