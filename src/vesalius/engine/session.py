"""One call of the engine: the plan of its grid, what of it is open, and work on that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

from vesalius.data.manifest import Dataset
from vesalius.engine.cells import Job, plan
from vesalius.engine.judges import Judges
from vesalius.engine.progress import Progress
from vesalius.engine.sharding import Shard
from vesalius.engine.sources import NO_MODEL, DataSource, ModelSource, hash_dataset
from vesalius.engine.working import Place, Share, work, work_apart
from vesalius.errors import UsageError, did_you_mean
from vesalius.records import (
    ENGINES,
    SPLITS,
    Done,
    Json,
    NotApplicable,
    RunSpec,
    Sample,
    digest_json,
)
from vesalius.store.runs import RunFolder
from vesalius.tasks import Task, TaskData
from vesalius.tasks.controls import PREFIX


@dataclass(frozen=True, slots=True)
class Grid:
    """What is evaluated: every model on every dataset at every task protocol."""

    models: Sequence[ModelSource]
    datasets: Sequence[Dataset]
    tasks: Sequence[Task]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What changes no number and is no part of what was asked for.

    Attributes:
        shard: the part of the cells that this call works on; None for all.
        ray_address: of a Ray cluster; empty for one of this machine's own.
        fetched: names of models and data sets that were downloaded for this call.
    """

    shard: Shard | None = None
    ray_address: str = ""
    fetched: tuple[str, ...] = ()


@dataclass(slots=True)
class Session:
    """What one call works with."""

    grid: Grid
    folder: RunFolder
    spec: RunSpec
    place: Place
    progress: Progress
    data: dict[str, TaskData]
    circumstances: Circumstances
    model_infos: dict[str, Json] = field(default_factory=dict)
    judges: Judges = field(default_factory=Judges)

    @property
    def sources(self) -> Mapping[str, DataSource]:
        """The datasets by name, hashed."""
        return self.place.sources


def open_session(
    grid: Grid,
    spec: RunSpec,
    /,
    *,
    place: tuple[Path, Path | None],
    progress: Progress,
    circumstances: Circumstances,
) -> Session:
    """Hash the datasets and open the run folder.

    Args:
        grid: models, datasets and tasks.
        spec: settings.
        place: run folder and folder of the feature cache.
        progress: told how far long work is.
        circumstances: everything else.

    Raises:
        UsageError: if two models or two datasets have the same name, or the engine is
            unknown or not installed.
    """
    if spec.engine not in ENGINES:
        hint = did_you_mean(spec.engine, ENGINES)
        raise UsageError(f"engine {spec.engine!r}{hint}: expected {' or '.join(ENGINES)}")
    if spec.engine == "ray" and find_spec("ray") is None:
        raise UsageError(
            "engine ray: the package ray is missing; install the extra: pip install 'vesalius[ray]'"
        )
    _require_distinct("model", [source.card.name for source in grid.models])
    _require_distinct("dataset", [dataset.card.name for dataset in grid.datasets])
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
    (out, cache), is_shared = place, circumstances.shard is not None
    return Session(
        grid=grid,
        folder=RunFolder(out, shared=is_shared),
        spec=spec,
        place=Place(out, sources, cache, spec.batch_size, is_shared),
        progress=progress,
        data=data,
        circumstances=circumstances,
    )


def planned(session: Session, /) -> list[Job]:
    """Every cell of the grid, in an order that depends on nothing else."""
    cards = [source.card for source in session.grid.models]
    return [
        job
        for name, data in session.data.items()
        for job in plan(
            cards,
            data,
            session.grid.tasks,
            data_fingerprint=session.sources[name].fingerprint,
            controls=session.spec.controls,
            force=session.spec.out_of_domain,
        )
    ]


def still_open(jobs: Sequence[Job], folder: RunFolder, /) -> list[Job]:
    """The cells without a result of their fingerprint; a failed one is open."""
    outcomes = folder.outcomes()

    def is_settled(job: Job) -> bool:
        outcome = outcomes.get(job.cell)
        if outcome is None or outcome.fingerprint != job.fingerprint:
            return False
        if isinstance(outcome, Done):
            return folder.predictions_hash(job.cell) is not None
        return isinstance(outcome, NotApplicable)

    return [job for job in jobs if not is_settled(job)]


def work_on(session: Session, jobs: Sequence[Job], /) -> None:
    """Work on open cells: of models that other processes can load there, if asked for."""
    models = {source.card.name: source for source in session.grid.models}
    apart = [share for share in _shares(jobs, models) if not share.model.is_here]
    if session.spec.engine == "ray":
        _work_on_ray(session, apart)
        done_there = {job.cell for share in apart for job in share.jobs}
        jobs = [job for job in jobs if job.cell not in done_there]
    elif session.spec.workers > 1:
        session.model_infos |= work_apart(
            apart, session.place, n_workers=session.spec.workers, progress=session.progress
        )
        jobs = still_open(jobs, session.folder)
    for share in _shares(jobs, models):
        info = work(
            share,
            session.place,
            session.folder,
            judges=session.judges,
            progress=session.progress,
        )
        session.model_infos[share.model.card.name] = info


def _work_on_ray(session: Session, shares: Sequence[Share]) -> None:
    from vesalius.engine.ray import RayPlan, work_on_ray  # ray is an extra

    plan = RayPlan(
        n_workers=session.spec.workers,
        address=session.circumstances.ray_address,
        may_use_gpu=session.spec.device != "cpu",
    )
    work_on_ray(shares, session.place, session.folder, plan=plan, progress=session.progress)


def _shares(jobs: Sequence[Job], models: Mapping[str, ModelSource]) -> list[Share]:
    by_model: dict[str, list[Job]] = {}
    for job in jobs:
        by_model.setdefault("" if job.model is None else job.model.name, []).append(job)
    return [Share(models.get(name, NO_MODEL), tuple(own)) for name, own in by_model.items()]


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
