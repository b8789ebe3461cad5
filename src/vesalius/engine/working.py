"""Cells are worked on model by model, here or in processes of their own.

A worker needs nothing from the others: it reads the same files, journals into a file of its own
and appends outcomes. What a worker did not finish is done by the process that began the run.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from vesalius.engine.cells import Job, run_cell
from vesalius.engine.features import FeatureReader
from vesalius.engine.info import model_info
from vesalius.engine.judges import Judges
from vesalius.engine.processes import processes
from vesalius.engine.progress import Progress, no_progress
from vesalius.engine.sources import DataSource, LazyModel, ModelSource
from vesalius.records import Json
from vesalius.store.features import FeatureStore
from vesalius.store.runs import RunFolder


@dataclass(frozen=True, slots=True)
class Share:
    """The pending cells of one model, or those that need none."""

    model: ModelSource
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker finds and leaves things.

    Attributes:
        cache: folder of the feature cache; None keeps features in memory.
        is_shared: whether workers on other machines write into the run folder, too.
    """

    out: Path
    sources: Mapping[str, DataSource]
    cache: Path | None
    batch_size: int | None
    is_shared: bool = False


class Desk:
    """One model at work: loaded when a cell needs it, what it says kept for the cells to come."""

    def __init__(
        self,
        model: ModelSource,
        place: Place,
        /,
        *,
        judges: Judges,
        progress: Progress = no_progress,
    ) -> None:
        self._card = model.card
        self._lazy = LazyModel(model.load)
        self._readers = _readers(model, self._lazy, place, judges=judges, progress=progress)

    def work(self, job: Job, folder: RunFolder, /) -> None:
        """Evaluate one cell into the run folder."""
        folder.write_outcome(run_cell(job, folder, self._readers[job.cell.dataset]))

    @property
    def info(self) -> Json:
        """What is known of the model by now."""
        return model_info(self._card, self._lazy.loaded)


def work(
    share: Share,
    place: Place,
    folder: RunFolder,
    /,
    *,
    judges: Judges,
    progress: Progress = no_progress,
) -> Json:
    """Work on every cell of a share, in order; gives what is known of the model afterwards."""
    desk = Desk(share.model, place, judges=judges, progress=progress)
    name = "controls" if share.model.is_none else share.model.card.name
    advance = progress(f"{name}: cells", len(share.jobs))
    for job in share.jobs:
        desk.work(job, folder)
        advance(1)
    return desk.info


def work_apart(
    shares: Sequence[Share], place: Place, /, *, n_workers: int, progress: Progress
) -> dict[str, Json]:
    """Work on shares in processes, the largest first; gives what is known of each model.

    A process that dies takes its share with it, and nothing else: the caller finds those cells
    without an outcome.
    """
    advance = progress(f"cells of {len(shares)} models", sum(len(s.jobs) for s in shares))
    infos: dict[str, Json] = {}
    with processes(n_workers) as pool:
        order = sorted(shares, key=lambda share: -len(share.jobs))
        pending: dict[Future[Json], Share] = {
            pool.submit(_in_process, share, place): share for share in order
        }
        for future in as_completed(pending):
            share = pending[future]
            try:
                infos[share.model.card.name] = future.result()
            except BrokenProcessPool:
                continue  # its cells have no outcome, so they are worked on again
            advance(len(share.jobs))
    return infos


def _in_process(share: Share, place: Place) -> Json:
    folder = RunFolder(place.out, shared=place.is_shared)
    try:
        return work(share, place, folder, judges=Judges())
    finally:
        folder.close()


def _readers(
    model: ModelSource, lazy: LazyModel, place: Place, *, judges: Judges, progress: Progress
) -> dict[str, FeatureReader]:
    store = FeatureStore(None if model.is_ephemeral else place.cache)
    return {
        name: FeatureReader(
            lazy=lazy,
            card=model.card,
            source=source,
            store=store,
            batch_size=place.batch_size,
            progress=progress,
            judges=judges,
        )
        for name, source in place.sources.items()
    }
