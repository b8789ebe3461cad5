"""What a run would do, told without loading a model or writing a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np

from vesalius.capabilities import CAPABILITIES, LanguageEncoder
from vesalius.data.manifest import Dataset
from vesalius.engine.cells import Job, plan
from vesalius.engine.domain import refused
from vesalius.engine.progress import Progress
from vesalius.engine.session import limited
from vesalius.engine.sources import hash_dataset
from vesalius.errors import InputError
from vesalius.records import Cell, Done, ModelCard, NotApplicable, Outcome, RunSpec, Sample
from vesalius.store.outcomes import read_outcomes
from vesalius.store.runs import predictions_path
from vesalius.tasks import Task, TaskData
from vesalius.tasks.controls import MODEL_FREE, control_view
from vesalius.views import ModelView, no_weights

State = Literal["to do", "n/a", "done already"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model as the catalog describes it.

    Attributes:
        capabilities: keys of `CAPABILITIES` that its adapter declares.
        has_weights: whether they are on this machine, so that they could be shuffled.
    """

    card: ModelCard
    capabilities: tuple[str, ...]
    has_weights: bool = True


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """A cell of the grid and what would become of it; `n_rows` is how many rows it must answer."""

    cell: Cell
    state: State
    reason: str = ""
    n_rows: int = 0


def rehearse(
    models: Sequence[Candidate],
    datasets: Sequence[Dataset],
    tasks: Sequence[Task],
    /,
    *,
    spec: RunSpec,
    out: Path,
    progress: Progress,
) -> tuple[PlannedCell, ...]:
    """Every cell of the grid with its state.

    Images are hashed only where `out` has outcomes that they could be compared with. Whether a
    model suits a protocol is judged by what its adapter declares; the loaded model has the last
    word.
    """
    before = read_outcomes(out)
    stand_ins = {one.card.name: one for one in models}
    planned = []
    for dataset in datasets:
        samples = limited(dataset, spec)
        data = TaskData(
            dataset.card, samples, spec.seed, questions=dataset.questions, phrases=dataset.phrases
        )
        print_ = hash_dataset(dataset, samples, progress=progress).fingerprint if before else ""
        jobs = plan(
            [one.card for one in models],
            data,
            tasks,
            data_fingerprint=print_,
            controls=spec.controls,
            force=spec.out_of_domain,
        )
        planned += [_planned(job, stand_ins, before, out) for job in jobs]
    return tuple(planned)


def _planned(
    job: Job, models: Mapping[str, Candidate], before: Mapping[Cell, Outcome], out: Path
) -> PlannedCell:
    known = before.get(job.cell)
    if known is not None and known.fingerprint == job.fingerprint:
        if isinstance(known, NotApplicable):
            return PlannedCell(job.cell, "n/a", known.reason)
        if isinstance(known, Done) and predictions_path(out, job.cell).exists():
            return PlannedCell(job.cell, "done already", n_rows=known.n_expected)
    reason = _unsuitable(job, models)
    if reason is not None:
        return PlannedCell(job.cell, "n/a", reason)
    return PlannedCell(job.cell, "to do", n_rows=len(job.task.expected(job.data)))


def _unsuitable(job: Job, models: Mapping[str, Candidate]) -> str | None:
    """The same questions in the same order as when the cell is worked on."""
    if job.outside and not job.is_forced:
        return refused(job.outside)
    view = _view(None if job.model is None else models[job.model.name])
    if job.control not in MODEL_FREE:
        reason = job.task.unsuitable(view, job.data)
        if reason is not None or not job.control:
            return reason
    try:
        view = control_view(job.control, view, job.data)
    except InputError as error:  # the dataset is too small for this control
        return str(error)
    return job.task.unsuitable(view, job.data)


def _view(model: Candidate | None) -> ModelView:
    """A view of something that has the methods of a model, none of which may be called."""
    names = () if model is None else model.capabilities
    has_weights = model is not None and model.has_weights
    return ModelView(
        name="" if model is None else model.card.name,
        model=_stand_in(names),
        image_features=_never,
        text_features=_never,
        read=_never,
        untrained_features=_shuffled if has_weights else no_weights,
    )


def _stand_in(capabilities: Sequence[str]) -> object:
    """An object that `isinstance` takes for each of the capabilities."""
    protocols = [CAPABILITIES[name] for name in capabilities]
    if {"generate", "encode_words"} <= set(capabilities):
        protocols.append(LanguageEncoder)  # every generator of whose words there are states
    methods = {name: _never for one in protocols for name in dir(one) if not name.startswith("_")}
    aligned = {"dense_text_aligned": "dual_encoder" in capabilities}
    return SimpleNamespace(**(methods | aligned if "encode_dense" in capabilities else methods))


def _never(*asked: object) -> Any:
    raise AssertionError(f"nothing is asked of a model before it is loaded: {asked}")


def _shuffled(samples: Sequence[Sample], seed: int, /) -> np.ndarray:
    del seed
    return np.zeros((len(samples), 0), dtype=np.float32)
