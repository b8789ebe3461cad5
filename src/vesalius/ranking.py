"""From run folders to rankings: every model's value, its controls, and who it ties with."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vesalius.engine.comparison import compare
from vesalius.engine.contestants import Contestant, Metric, contestants
from vesalius.engine.progress import Progress, no_progress
from vesalius.errors import RunError, UsageError, did_you_mean
from vesalius.records import TASKS, Done, Estimate, Failed, NotApplicable, Resampling
from vesalius.report.boards import Board, Facts
from vesalius.report.controls import is_control
from vesalius.report.sources import Results, read_results
from vesalius.report.tables import Entry, entries, task_rank
from vesalius.stats import Comparison, standings


@dataclass(frozen=True, slots=True)
class Choice:
    """What is ranked, and how sure one must be.

    Attributes:
        tasks: names to keep; empty for all, as for `datasets` and `protocols`.
        metric: name of the metric; empty for the headline of each column.
        alpha: family-wise error of a column.
    """

    tasks: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    metric: str = ""
    alpha: float = 0.05
    resampling: Resampling = field(default_factory=Resampling)


def choice_of(  # noqa: PLR0913 - one parameter per option of the command line
    tasks: Sequence[str] | None,
    datasets: Sequence[str] | None,
    protocols: Sequence[str] | None,
    *,
    metric: str,
    alpha: float,
    resamples: int,
    seed: int,
) -> Choice:
    """A choice from plain values.

    Raises:
        UsageError: for an unknown task; what else the runs do not have, `rank_runs` tells.
    """
    for name in tasks or ():
        if name not in TASKS:
            hint = did_you_mean(name, TASKS)
            raise UsageError(f"unknown task {name!r}{hint}; there are: {', '.join(TASKS)}")
    resampling = Resampling(seed=seed, n_resamples=resamples)
    names = (tuple(tasks or ()), tuple(datasets or ()), tuple(protocols or ()))
    return Choice(*names, metric=metric, alpha=alpha, resampling=resampling)


def rank_runs(
    runs: Sequence[Path], /, choice: Choice | None = None, *, progress: Progress = no_progress
) -> tuple[Board, ...]:
    """One ranking for each data set, task, protocol and metric, over all runs.

    Models are compared on identical rows of the same data at the same settings; what is named
    alike but differs is another column, see `vesalius.engine.contestants`. A column has the
    metric that is the headline of most of its models. Controls take no part.

    Raises:
        RunError: if a path is not a run folder, or predictions are missing.
        UsageError: if nothing is left to rank.
    """
    choice = choice or Choice()
    results = read_results(runs)
    columns = _columns(results, choice)
    comparisons = compare(
        [one for column in columns for one in column.who],
        resampling=choice.resampling,
        progress=progress,
    )
    return tuple(_board(column, results, comparisons, choice.alpha) for column in columns)


@dataclass(frozen=True, slots=True)
class _Column:
    """Who is ranked by which metric: contestants, and their entries in the report."""

    who: tuple[Contestant, ...]
    entries: tuple[Entry, ...]
    metric: Metric


def _columns(results: Results, choice: Choice) -> list[_Column]:
    rows = results.metrics
    if choice.metric:
        rows = tuple(
            row for row in rows if row.estimate.metric == choice.metric and not row.class_name
        )
    shown = {(origin.run.path, origin.cell): cell for cell, origin in results.origins.items()}
    made = {entry.cell: entry for entry in entries(results.outcomes, rows)}
    places: dict[tuple[str, str, str], list[Contestant]] = {}
    for one in sorted(_chosen(contestants(results.runs), choice), key=_order):
        places.setdefault((one.cell.dataset, one.cell.task, one.cell.protocol), []).append(one)
    columns = []
    for who in places.values():
        theirs = tuple(made[shown[one.run.path, one.outcome.cell]] for one in who)
        metrics = Counter(metric for entry in theirs if (metric := _metric(entry)) is not None)
        for metric, _ in metrics.most_common(1):
            same = tuple(replace(one, metric=metric) for one in who)
            columns.append(_Column(same, theirs, metric))
    if not columns:
        known = {row.estimate.metric for row in results.metrics if not row.class_name}
        hint = did_you_mean(choice.metric, known) if choice.metric else ""
        raise UsageError(
            f"nothing to rank: expected models with a value of {choice.metric or 'any metric'}"
            f"{hint}"
        )
    return columns


def _metric(entry: Entry) -> Metric | None:
    row = entry.headline
    return None if row is None else (row.estimate.metric, row.class_name)


def _order(one: Contestant) -> tuple[str, int, str, str]:
    cell = one.cell
    return (cell.dataset, task_rank(cell.task), cell.protocol, cell.model)


def _chosen(who: Sequence[Contestant], choice: Choice) -> list[Contestant]:
    """Those whose own data set, task and protocol are asked for; each of these must be there."""
    wanted = {"dataset": choice.datasets, "task": choice.tasks, "protocol": choice.protocols}
    for what, names in wanted.items():
        known = {getattr(one.outcome.cell, what) for one in who}
        for name in names:
            if name not in known:
                raise UsageError(
                    f"no model has predictions for {what} {name!r}{did_you_mean(name, known)}; "
                    f"there are: {', '.join(sorted(known)) or 'none'}"
                )
    return [
        one
        for one in who
        if all(not names or getattr(one.outcome.cell, what) in names
               for what, names in wanted.items())
    ]  # fmt: skip


def _board(
    column: _Column, results: Results, comparisons: Iterable[Comparison], alpha: float
) -> Board:
    estimates = {
        one.cell: _estimate(entry, column.metric)
        for one, entry in zip(column.who, column.entries, strict=True)
    }
    pairs = tuple(one for one in comparisons if one.first in estimates)
    (standing,) = standings(pairs, estimates, alpha=alpha)
    facts = {
        one.cell.model: _facts(one, entry, column.metric)
        for one, entry in zip(column.who, column.entries, strict=True)
    }
    place = column.who[0].place
    return Board(standing, pairs, facts, place.digest, place.task_card, _absent(column, results))


def _estimate(entry: Entry, metric: Metric) -> Estimate:
    """Of the column's metric; undefined, with its reason, where the model has another headline."""
    name, _ = metric
    if entry.headline is None:
        return Estimate(name, float("nan"), reason=f"{name} was not computed")
    if _metric(entry) != metric:
        other = entry.headline.estimate.metric
        return Estimate(name, float("nan"), reason=f"no value of {name}, its headline is {other}")
    return entry.headline.estimate


def _facts(one: Contestant, entry: Entry, metric: Metric) -> Facts:
    card = one.run.info["models"][one.outcome.cell.model]
    return Facts(entry.clearance if _metric(entry) == metric else "undefined", card["miniature"])


def _absent(column: _Column, results: Results) -> dict[str, str]:
    """Models that were tried here without a number, and why."""
    place = column.who[0].place
    here = {one.outcome.cell.model for one in column.who}
    absent = {}
    for run in results.runs:
        for outcome in run.outcomes:
            cell = outcome.cell
            if isinstance(outcome, Done) or is_control(cell.model) or cell.model in here:
                continue
            digest = run.info["datasets"][cell.dataset]["digest"]
            if (cell.dataset, digest, cell.task, cell.protocol) == (
                place.dataset, place.digest, place.task, place.protocol,
            ):  # fmt: skip
                absent[cell.model] = _why(outcome)
    return absent


def _why(outcome: NotApplicable | Failed) -> str:
    return outcome.reason if isinstance(outcome, NotApplicable) else f"failed: {outcome.error}"


def paired_differences(
    runs: Sequence[Path], /, *, progress: Progress = no_progress
) -> tuple[Comparison, ...]:
    """Every pair of models of run folders, compared on the same rows, by their names in the report.

    With the resampling of the first run. None at all when predictions are missing, which the
    report says of the cells that lack them.

    Raises:
        RunError: if a path is not a run folder.
    """
    results = read_results(runs)
    spec = results.runs[0].info["spec"]
    resampling = Resampling(seed=spec["seed"], n_resamples=spec["n_resamples"], level=spec["level"])
    known = {id(run): {o.cell: o for o in run.outcomes} for run in results.runs}
    outcomes = {c: known[id(o.run)][o.cell] for c, o in results.origins.items()}
    who = [
        Contestant(cell, results.origins[cell].run, outcome)
        for cell, outcome in outcomes.items()
        if isinstance(outcome, Done) and not is_control(cell.model)
    ]
    try:
        return compare(who, resampling=resampling, progress=progress)
    except RunError:
        return ()
