"""The engine: grid → cells → outcomes → metric rows, resumable at every step."""

from dataclasses import dataclass
from pathlib import Path

from vesalius.engine.progress import Progress, no_progress
from vesalius.engine.recording import refresh_info, refuse_mixture, write_info
from vesalius.engine.scoring import score_run
from vesalius.engine.session import (
    Circumstances,
    Grid,
    open_session,
    planned,
    still_open,
    work_on,
)
from vesalius.engine.sharding import part_of
from vesalius.engine.sources import ModelSource
from vesalius.engine.thumbnails import write_thumbnails
from vesalius.records import Failed, RunSpec
from vesalius.store.runs import Run, RunFolder, read_run

__all__ = ["Circumstances", "Grid", "ModelSource", "ShardEnd", "run", "run_shard", "score"]

_ALL_OF_IT = Circumstances()


def run(
    grid: Grid,
    spec: RunSpec,
    /,
    *,
    out: Path,
    cache: Path | None = None,
    progress: Progress = no_progress,
    circumstances: Circumstances = _ALL_OF_IT,
) -> Run:
    """Evaluate the grid into `out`, doing only what is not there yet, by whomever.

    Args:
        grid: models, datasets and tasks; names must differ.
        spec: settings, recorded in the run.
        out: run folder, new or to be continued.
        cache: folder of the feature cache; None keeps features in memory only.
        progress: told how far long work is.
        circumstances: what else is recorded; without a shard.

    Raises:
        UsageError: if two models or two datasets have the same name.
        RunError: if the folder cannot be written, or Ray's actors are lost for good.
    """
    session = open_session(
        grid, spec, place=(out, cache), progress=progress, circumstances=circumstances
    )
    try:
        session.folder.deliver()
        jobs = planned(session)
        refuse_mixture(session, jobs)
        write_info(session)
        pending = still_open(jobs, session.folder)
        if pending:
            work_on(session, pending)
            session.folder.deliver()
            write_info(session)
        if pending or not (out / "images").exists():
            for source in session.sources.values():
                write_thumbnails(out, source)
        score_run(session.folder, progress=session.progress, n_workers=spec.workers)
    finally:
        session.folder.close()
    return read_run(out)


@dataclass(frozen=True, slots=True)
class ShardEnd:
    """How a run stands when one of its shards has ended.

    Attributes:
        n_own: cells of the shard, of which `n_failed` failed.
        n_cells: cells of the whole run, of which `n_left` have no result yet.
    """

    n_own: int
    n_failed: int
    n_cells: int
    n_left: int


def run_shard(
    grid: Grid,
    spec: RunSpec,
    /,
    *,
    out: Path,
    circumstances: Circumstances,
    cache: Path | None = None,
    progress: Progress = no_progress,
) -> ShardEnd:
    """Work on a shard of the grid's cells; metrics are computed by a later `run` or `score`.

    Any number of shards may be at work in one folder, on any number of machines.

    Args:
        grid: models, datasets and tasks, the same for all shards.
        spec: settings, the same for all shards.
        out: run folder that all shards see.
        circumstances: which shard, and what else is recorded.
        cache: as for `run`.
        progress: as for `run`.

    Raises:
        UsageError: if the run was begun with other data, seed or limit.
        RunError: if the folder cannot be written.
    """
    shard = circumstances.shard
    assert shard is not None
    session = open_session(
        grid, spec, place=(out, cache), progress=progress, circumstances=circumstances
    )
    try:
        jobs = planned(session)
        refuse_mixture(session, jobs)
        write_info(session)
        told = {"shard": shard.name, "fetched": list(circumstances.fetched)}
        session.folder.send_note(told)
        own = part_of(jobs, shard)
        work_on(session, still_open(own, session.folder))
        for name, info in session.model_infos.items():
            session.folder.send_note({"model": name, "info": info})
        outcomes = session.folder.outcomes()
        n_failed = sum(isinstance(outcomes.get(job.cell), Failed) for job in own)
        return ShardEnd(len(own), n_failed, len(jobs), len(still_open(jobs, session.folder)))
    finally:
        session.folder.close()


def score(out: Path, /, *, progress: Progress = no_progress) -> Run:
    """Recompute every metric of a run from its stored predictions.

    Raises:
        RunError: if `out` is not a run folder.
    """
    read_run(out)
    folder = RunFolder(out)
    folder.deliver()
    refresh_info(folder)
    score_run(folder, progress=progress, fresh=True)
    return read_run(out)
