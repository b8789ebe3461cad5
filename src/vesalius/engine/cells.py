"""The grid: which cells there are, and the evaluation of one of them."""

import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from vesalius.engine.domain import forced, out_of_domain, refused
from vesalius.engine.features import CODE_VERSION, FeatureReader
from vesalius.engine.flows import flow_beside
from vesalius.engine.keeping import Shelf
from vesalius.errors import InputError, RunError
from vesalius.records import (
    Cell,
    Done,
    Failed,
    ModelCard,
    NotApplicable,
    Outcome,
    digest_json,
)
from vesalius.store.runs import RunFolder
from vesalius.store.tables import merge_predictions
from vesalius.tasks import Task, TaskData, n_unanswered
from vesalius.tasks.controls import MODEL_FREE, PREFIX, control_view, per_model_controls
from vesalius.views import ModelView


@dataclass(frozen=True, slots=True)
class Job:
    """One cell with all that its result depends on.

    Attributes:
        control: name of the control that is applied, empty for the model itself.
        outside: why the dataset is none that the model was made for, empty if it is.
        is_forced: whether it is evaluated nevertheless.
        model: card of the model, None for controls that need none.
    """

    cell: Cell
    task: Task
    data: TaskData
    model: ModelCard | None
    control: str
    fingerprint: str
    outside: str = ""
    is_forced: bool = False


def plan(
    models: Sequence[ModelCard],
    data: TaskData,
    tasks: Sequence[Task],
    /,
    *,
    data_fingerprint: str,
    controls: bool,
    force: bool = False,
) -> tuple[Job, ...]:
    """Every cell of the grid on one dataset, controls beside the models they control.

    Args:
        models: their cards.
        data: the dataset.
        tasks: their protocols.
        data_fingerprint: of tables and image bytes.
        controls: whether there are any.
        force: evaluate models on modalities that they were not made for, too.
    """

    def job(task: Task, model: ModelCard | None, control: str) -> Job:
        made = _job(task, data, model=model, control=control, data_fingerprint=data_fingerprint)
        outside = out_of_domain(model, data.card) if model is not None else None
        if outside is None:
            return made
        identity = digest_json([made.fingerprint, outside, force])
        return replace(made, fingerprint=identity, outside=outside, is_forced=force)

    jobs = []
    for task in tasks:
        if controls:
            jobs += [job(task, None, name) for name in task.controls if name in MODEL_FREE]
        for model in models:
            jobs.append(job(task, model, ""))
            if controls:
                jobs += [job(task, model, name) for name in per_model_controls(task)]
    return tuple(jobs)


def _job(
    task: Task, data: TaskData, *, model: ModelCard | None, control: str, data_fingerprint: str
) -> Job:
    identity = {
        "model": None if model is None else model.fingerprint,
        "control": control,
        "data": data_fingerprint,
        "rows": sorted(sample.id for sample in data.samples),
        "task": task.card.digest,
        "seed": data.seed,
        "code": CODE_VERSION,
    }
    name = _name(model, control)
    cell = Cell(name, data.card.name, task.card.task, task.card.protocol)
    return Job(cell, task, data, model, control, digest_json(identity))


def _name(model: ModelCard | None, control: str) -> str:
    if model is None:
        return f"{PREFIX}{control}"
    return f"{PREFIX}{control}({model.name})" if control else model.name


def run_cell(job: Job, folder: RunFolder, reader: FeatureReader, /) -> Outcome:
    """Evaluate one cell into the run folder; whatever happens, an outcome comes back."""
    started = time.monotonic()
    try:
        return _evaluate(job, folder, reader, started)
    except Exception as error:  # noqa: BLE001 - the cell boundary: one bad cell never ends a run
        trace = traceback.format_exc(limit=-8)
        return Failed(job.cell, job.fingerprint, f"{type(error).__name__}: {error}", trace)


def _evaluate(job: Job, folder: RunFolder, reader: FeatureReader, started: float) -> Outcome:
    if job.outside and not job.is_forced:
        return NotApplicable(job.cell, job.fingerprint, refused(job.outside))
    try:
        view, reason = _view(job, folder, reader)
    except InputError as error:  # the dataset is too small for this control
        return NotApplicable(job.cell, job.fingerprint, str(error))
    if reason is not None:
        return NotApplicable(job.cell, job.fingerprint, reason)
    expected = job.task.expected(job.data)
    done = frozenset(key for b in folder.acknowledged(job.fingerprint) for key in b["key"].tolist())
    for batch in job.task.predict(view, job.data, done):
        folder.acknowledge(job.fingerprint, batch)
    merged, n_absent = merge_predictions(folder.acknowledged(job.fingerprint), expected=expected)
    if merged is None or n_absent:
        raise RunError(f"{n_absent} of {len(expected)} expected rows have no prediction")
    folder.write_predictions(job.cell, merged)
    lost = {s.id: reader.problems[s.id] for s in job.data.samples if s.id in reader.problems}
    notes = (forced(job.outside),) if job.outside else ()
    return Done(
        cell=job.cell,
        fingerprint=job.fingerprint,
        task_card=job.task.card.digest,
        n_expected=len(expected),
        n_missing=n_unanswered(merged),
        duration_s=round(time.monotonic() - started, 3),
        notes=notes + tuple(f"no feature for {name}: {why}" for name, why in lost.items()),
    )


def _view(job: Job, folder: RunFolder, reader: FeatureReader) -> tuple[ModelView, str | None]:
    """The model or control as the task sees it, and why it cannot be asked."""
    view = reader.view()
    shelf = Shelf(folder.path, job.cell, view.read)
    drawing = partial(reader.progress, f"{job.cell.model}: learning to draw")
    flow = flow_beside(view.model, drawing)
    view = replace(view, store=replace(view.store, keep=shelf.keep, flow=flow))
    reason = None
    if job.control not in MODEL_FREE:
        reason = job.task.unsuitable(view, job.data)
    if reason is not None or not job.control:
        return view, reason
    view = control_view(job.control, view, job.data)
    return view, job.task.unsuitable(view, job.data)
