"""From stored predictions to metric rows: needs no model and no image."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from vesalius.engine.gaps import gaps
from vesalius.engine.processes import processes
from vesalius.engine.progress import Progress
from vesalius.errors import VesaliusError
from vesalius.records import (
    TASKS,
    Cell,
    DatasetCard,
    Done,
    Estimate,
    Failed,
    Json,
    MetricRow,
    Predictions,
    Resampling,
    TaskCard,
    Window,
    digest_json,
)
from vesalius.stats import bootstrap_many
from vesalius.store.runs import RunFolder, read_predictions
from vesalius.tasks import Scored, Task, task_from_card

MIN_SUBGROUP_PATIENTS = 20
SUBGROUP_PREFIX = "subgroup:"
SCORING_VERSION = 2
WORTH_A_PROCESS = 32  # cells; fewer are scored before a process has started


def score_run(
    folder: RunFolder, /, *, progress: Progress, fresh: bool = False, n_workers: int = 1
) -> None:
    """Bring the metrics up to date; a cell whose predictions are unchanged keeps its rows.

    Rows stand in the order of dataset, task, protocol and model, whoever finished first.

    Args:
        folder: the run.
        progress: told of every cell.
        fresh: recompute all rows, whatever is there.
        n_workers: processes to score in.
    """
    info = folder.info() or {}
    done = sorted((o for o in folder.outcomes().values() if isinstance(o, Done)), key=_place)
    kept_rows, kept_sources = ((), {}) if fresh else folder.metrics()
    kept: dict[str, list[MetricRow]] = {}
    for row in kept_rows:
        kept.setdefault(_key(row.cell), []).append(row)
    sources = {_key(o.cell): _source(folder, o, info) for o in done}
    changed = [o for o in done if kept_sources.get(_key(o.cell)) != sources[_key(o.cell)]]
    advance = progress("scoring cells", len(changed))
    for outcome, found in _scored(folder.path, changed, info, n_workers):
        if isinstance(found, str):
            folder.write_outcome(Failed(outcome.cell, outcome.fingerprint, found))
        kept[_key(outcome.cell)] = [] if isinstance(found, str) else list(found)
        advance(1)
    if fresh or sources != kept_sources:
        rows = [row for outcome in done for row in kept.get(_key(outcome.cell), [])]
        folder.write_metrics(rows, sources=sources)


def _key(cell: Cell) -> str:
    return json.dumps(dataclasses.astuple(cell))


def _place(outcome: Done) -> tuple[str, int, str, str]:
    cell = outcome.cell
    return (cell.dataset, TASKS.index(cell.task), cell.protocol, cell.model)


def _scored(
    run: Path, outcomes: Sequence[Done], info: Mapping[str, Json], n_workers: int
) -> Iterator[tuple[Done, tuple[MetricRow, ...] | str]]:
    score = partial(_score_or_explain, run, info)
    if n_workers == 1 or len(outcomes) < WORTH_A_PROCESS:
        yield from zip(outcomes, map(score, outcomes), strict=True)
        return
    with processes(n_workers) as pool:
        found = pool.map(score, outcomes, chunksize=4)
        yield from zip(outcomes, found, strict=True)


def _score_or_explain(
    run: Path, info: Mapping[str, Json], outcome: Done
) -> tuple[MetricRow, ...] | str:
    """The cell's rows, or why its predictions cannot be scored."""
    try:
        return _score_done(run, outcome, info)
    except VesaliusError as error:
        return f"scoring: {type(error).__name__}: {error}"


def _source(folder: RunFolder, outcome: Done, info: Mapping[str, Json]) -> str:
    """Identity of all that a cell's metric rows depend on."""
    dataset = info["datasets"][outcome.cell.dataset]
    return digest_json(
        [
            SCORING_VERSION,
            folder.predictions_hash(outcome.cell),
            outcome.task_card,
            dataset["digest"],
            dataclasses.asdict(_resampling(info)),
            info["versions"]["vesalius"],
        ]
    )


def _score_done(run: Path, outcome: Done, info: Mapping[str, Json]) -> tuple[MetricRow, ...]:
    task, card = task_and_card(info, outcome)
    predictions = read_predictions(run, outcome.cell)
    return score_cell(outcome.cell, task, predictions, card, resampling=_resampling(info))


def task_and_card(info: Mapping[str, Json], outcome: Done, /) -> tuple[Task, DatasetCard]:
    """The task and the dataset card of a finished cell, as ``run.json`` has them."""
    task = task_from_card(TaskCard(**info["task_cards"][outcome.task_card]))
    return task, _dataset_card(info["datasets"][outcome.cell.dataset])


def _resampling(info: Mapping[str, Json]) -> Resampling:
    spec = info["spec"]
    return Resampling(seed=spec["seed"], n_resamples=spec["n_resamples"], level=spec["level"])


def _dataset_card(record: Mapping[str, Json]) -> DatasetCard:
    """The card as it was when the run was made."""
    names = {field.name for field in dataclasses.fields(DatasetCard)}
    card = {name: value for name, value in record.items() if name in names}
    for name in ("templates", "subgroups", "notes"):  # a run made before notes has none
        card[name] = tuple(card.get(name, ()))
    for name in ("classes", "structure_prompts"):
        card[name] = {key: tuple(texts) for key, texts in card[name].items()}
    if card["window_hu"] is not None:
        card["window_hu"] = Window(**card["window_hu"])
    return DatasetCard(**card)


def score_cell(
    cell: Cell,
    task: Task,
    predictions: Predictions,
    card: DatasetCard,
    /,
    *,
    resampling: Resampling,
) -> tuple[MetricRow, ...]:
    """Every metric of one cell, over all rows and, for models, per declared subgroup.

    A model's headline and the metric after it also get their gap between the best and the worst
    group, under the name of the subgroup column. The same patients are drawn in each resample for
    every metric, model and control, so that differences between cells of one dataset are paired.
    """
    scored = task.score(predictions, card)
    digest = task.card.digest
    patients = predictions["patient"]
    everyone = np.arange(predictions.n_rows)
    rows = [
        MetricRow(cell, estimate, digest, class_name=one.class_name)
        for one, estimate in _estimates(scored, patients, everyone, resampling)
    ]
    if not cell.model.startswith("control:"):
        overall = [one for one in scored if not one.class_name]
        for label, members in _subgroups(predictions):
            rows += [
                MetricRow(cell, estimate, digest, subgroup=label)
                for _, estimate in _subgroup_estimates(overall, patients, members, resampling)
            ]
        rows += _gap_rows(cell, digest, overall, predictions, resampling)
    return tuple(rows)


def _gap_rows(
    cell: Cell,
    digest: str,
    scored: Sequence[Scored],
    predictions: Predictions,
    resampling: Resampling,
) -> Iterator[MetricRow]:
    patients = predictions["patient"]
    columns = _subgroup_columns(predictions)
    named = list(gaps(scored, columns, patients, least=MIN_SUBGROUP_PATIENTS))
    everyone = np.arange(predictions.n_rows)
    found = _estimates([one for _, one in named], patients, everyone, resampling)
    for (name, _), (_, estimate) in zip(named, found, strict=True):
        yield MetricRow(cell, estimate, digest, subgroup=name)


def _estimates(
    scored: Sequence[Scored], patients: np.ndarray, members: np.ndarray, resampling: Resampling
) -> Iterator[tuple[Scored, Estimate]]:
    """Bootstrap together what is computed on the same rows, then give back the original order."""
    together: dict[bytes, list[int]] = {}
    picked = [members if s.rows is None else np.intersect1d(s.rows, members) for s in scored]
    for index, rows in enumerate(picked):
        together.setdefault(rows.tobytes(), []).append(index)
    found: dict[int, Estimate] = {}
    for indices in together.values():
        rows = picked[indices[0]]
        if not len(rows):
            found |= {i: _undefined(scored[i], "no rows", resampling) for i in indices}
            continue
        statistics = {str(i): scored[i].statistic for i in indices}
        estimates = bootstrap_many(
            statistics, groups=patients, rows=rows, **dataclasses.asdict(resampling)
        )
        found |= {i: estimates[str(i)] for i in indices}
    for index, one in enumerate(scored):
        estimate = dataclasses.replace(
            found[index],
            metric=one.metric,
            higher_is_better=one.higher_is_better,
            reason=one.reason or found[index].reason,
        )
        yield one, estimate


def _subgroup_estimates(
    scored: Sequence[Scored], patients: np.ndarray, members: np.ndarray, resampling: Resampling
) -> Iterator[tuple[Scored, Estimate]]:
    n_patients = len(np.unique(patients[members]))
    if n_patients >= MIN_SUBGROUP_PATIENTS:
        yield from _estimates(scored, patients, members, resampling)
        return
    reason = f"{n_patients} patients, fewer than {MIN_SUBGROUP_PATIENTS}"
    for one in scored:
        undefined = _undefined(one, reason, resampling)
        yield one, dataclasses.replace(undefined, n=len(members), n_patients=n_patients)


def _undefined(one: Scored, reason: str, resampling: Resampling) -> Estimate:
    return Estimate(
        metric=one.metric,
        value=float("nan"),
        level=resampling.level,
        higher_is_better=one.higher_is_better,
        seed=resampling.seed,
        reason=reason,
    )


def _subgroup_columns(predictions: Predictions) -> dict[str, np.ndarray]:
    """Name of every declared subgroup column → the group of every row."""
    return {
        name.removeprefix(SUBGROUP_PREFIX): column
        for name, column in predictions.columns.items()
        if name.startswith(SUBGROUP_PREFIX)
    }


def _subgroups(predictions: Predictions) -> Iterator[tuple[str, np.ndarray]]:
    """Name and row indices of every value of every declared subgroup column."""
    for name, column in _subgroup_columns(predictions).items():
        for value in (v for v in np.unique(column) if v):  # empty: not recorded
            yield f"{name}={value}", np.flatnonzero(column == value)
