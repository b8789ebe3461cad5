"""The whole path for Python: models and datasets in, a result that can be looked at out."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from secrets import token_hex

from vesalius.capabilities import Model
from vesalius.catalog import describe, open_model, parse_model
from vesalius.data.manifest import Dataset
from vesalius.data.opening import load_dataset
from vesalius.engine import Grid, ModelSource, run
from vesalius.engine.progress import Progress, no_progress
from vesalius.errors import UsageError, did_you_mean
from vesalius.models.naming import split_options
from vesalius.ranking import paired_differences
from vesalius.records import Json, MetricRow, ModelCard, Outcome, RunSpec
from vesalius.report.exports import to_markdown
from vesalius.report.page import write_report
from vesalius.store.files import make_folder
from vesalius.store.runs import Run
from vesalius.tasks import TASKS, Task, default_protocols, make_task


@dataclass(frozen=True, slots=True)
class Settings:
    """How to evaluate; the defaults are what a paper would want.

    Attributes:
        protocols: names of protocols to keep, see `choose_tasks`; empty for all of each task.
        device: ``auto``, ``cpu`` or ``cuda``.
        batch_size: images encoded at once; None lets Vesalius choose. Never changes a result.
        workers: processes that models are spread over; an object passed as a model stays in this
            one. A script that asks for more than one needs ``if __name__ == "__main__":``.
        limit: at most this many samples per split, whole patients in a seeded order.
        n_resamples: bootstrap resamples of patients.
        level: of the intervals.
        controls: run the controls beside every model.
        out_of_domain: evaluate a model also where it was made for another modality; such cells
            say so. Otherwise they are n/a.
        allow_pickle_weights: load ``.bin`` weights whose hash is not known beforehand.
        allow_partial: take a public data set with fewer or more rows than its publisher states.
        cache: folder of the feature cache; None for the user's cache folder.
    """

    protocols: tuple[str, ...] = ()
    device: str = "auto"
    batch_size: int | None = None
    limit: int | None = None
    workers: int = 1
    n_resamples: int = 2000
    level: float = 0.95
    controls: bool = True
    out_of_domain: bool = False
    allow_pickle_weights: bool = False
    allow_partial: bool = False
    cache: Path | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A finished run; shows itself as a table in a notebook."""

    run: Run = field(repr=False)

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.run.path

    @property
    def metrics(self) -> tuple[MetricRow, ...]:
        """Every estimate: value [low, high], n patients, and where it belongs."""
        return self.run.metrics

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What became of every cell: done, n/a with its reason, or failed with its error."""
        return self.run.outcomes

    def report(self, path: str | Path | None = None, /, *, thumbnails: bool = True) -> Path:
        """Write the HTML report, by default into the run folder, with its models compared."""
        out = Path(path) if path is not None else self.path / "report.html"
        compared = paired_differences([self.path])
        return write_report([self.path], out, thumbnails=thumbnails, comparisons=compared)

    def _repr_markdown_(self) -> str:
        return to_markdown(self.run.metrics, self.run.outcomes)


def evaluate(
    *,
    models: Sequence[object],
    datasets: Sequence[str | Path | Dataset],
    out: str | Path,
    tasks: str | Sequence[str] = "all",
    seed: int = 0,
    settings: Settings | None = None,
) -> Result:
    """Evaluate every model on every dataset at every task; calling it again continues.

    Args:
        models: names (see `vesalius models`), or any objects with the methods of
            `vesalius.capabilities`. An object without a ``card`` has no identity that survives
            the process, so its cells are computed anew by every call.
        datasets: dataset folders, or loaded datasets.
        out: run folder.
        tasks: ``all`` or names of tasks.
        seed: of every random choice: resamples, draws, permutations.
        settings: everything else.

    Raises:
        UsageError: for unknown tasks and protocols, or names that are not distinct.
        InputError: for an unknown model.
        DataError: if a dataset cannot be read at all.
        ModelError: if a model's files are missing or not what they should be.
    """
    settings = settings or Settings()
    return evaluate_sources(
        model_sources(models, settings),
        [
            d if isinstance(d, Dataset) else load_dataset(d, allow_partial=settings.allow_partial)
            for d in datasets
        ],
        choose_tasks(tasks, settings.protocols),
        Request(out=Path(out), seed=seed, settings=settings),
    )


@dataclass(frozen=True, slots=True)
class Request:
    """Where a run goes and how it is made; `progress` is told how far long work is."""

    out: Path
    seed: int = 0
    settings: Settings = field(default_factory=Settings)
    progress: Progress = no_progress


def evaluate_sources(
    models: Sequence[ModelSource],
    datasets: Sequence[Dataset],
    tasks: Sequence[Task],
    request: Request,
    /,
) -> Result:
    """`evaluate` after every name has been resolved."""
    settings = request.settings
    spec = RunSpec(
        models=tuple(source.card.name for source in models),
        datasets=tuple(dataset.card.name for dataset in datasets),
        tasks=tuple(dict.fromkeys(task.card.task for task in tasks)),
        protocols=settings.protocols,
        device=settings.device,
        batch_size=settings.batch_size,
        limit=settings.limit,
        workers=settings.workers,
        n_resamples=settings.n_resamples,
        level=settings.level,
        seed=request.seed,
        controls=settings.controls,
        out_of_domain=settings.out_of_domain,
    )
    cache = usable_cache(settings.cache or user_cache())
    grid = Grid(models, datasets, tasks)
    return Result(run(grid, spec, out=request.out, cache=cache, progress=request.progress))


def user_cache() -> Path:
    """Folder of the feature cache: ``$XDG_CACHE_HOME/vesalius``, by default below ``~/.cache``."""
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(root).expanduser() / "vesalius" / "features"


def usable_cache(cache: Path, /) -> Path:
    """The folder, made where it is missing.

    Raises:
        UsageError: if it cannot be written.
    """
    try:
        return make_folder(cache)
    except OSError as error:
        raise UsageError(
            f"the feature cache {cache} cannot be written: {error.strerror}; set XDG_CACHE_HOME "
            "to a folder that can"
        ) from error


def choose_tasks(names: str | Sequence[str], protocols: Sequence[str] = (), /) -> tuple[Task, ...]:
    """The task protocols that are asked for, in the order of the catalog.

    Args:
        names: ``all`` or names of tasks.
        protocols: those to keep, with settings in brackets as in
            ``inversion[judge=inception-v3]``; empty for all that run by default.

    Raises:
        UsageError: for an unknown task, a protocol that none of the tasks has, or one twice.
        InputError: for an unknown setting or a value it cannot have.
    """
    wanted = tuple(TASKS) if names == "all" else (names,) if isinstance(names, str) else names
    wanted = tuple(dict.fromkeys(wanted))
    for name in wanted:
        if name not in TASKS:
            hint = did_you_mean(name, TASKS)
            raise UsageError(f"unknown task {name!r}{hint}; there are: {', '.join(TASKS)}")
    if not protocols:
        return tuple(make_task(t, protocol) for t in wanted for protocol in default_protocols(t))
    kept = _settings_by_protocol(protocols, wanted)
    return tuple(
        make_task(task, protocol, kept[protocol])
        for task in wanted
        for protocol in TASKS[task]
        if protocol in kept
    )


def _settings_by_protocol(
    protocols: Sequence[str], tasks: Sequence[str]
) -> dict[str, dict[str, Json]]:
    known = {protocol for task in tasks for protocol in TASKS[task]}
    found: dict[str, dict[str, Json]] = {}
    for text in protocols:
        protocol, settings = split_options(text)
        if protocol not in known:
            hint = did_you_mean(protocol, known)
            raise UsageError(
                f"unknown protocol {protocol!r}{hint}; {', '.join(tasks)} have: "
                f"{', '.join(sorted(known))}"
            )
        if found.get(protocol, settings) != settings:
            raise UsageError(f"protocol {protocol!r} is asked for twice, with different settings")
        found[protocol] = settings
    return found


def model_sources(models: Sequence[object], settings: Settings, /) -> list[ModelSource]:
    """Models to evaluate, from names and from any objects.

    Raises:
        InputError: for an unknown name.
        ModelError: if the files behind a name are missing.
    """
    anonymous: Counter[str] = Counter()
    return [
        _named(model, settings) if isinstance(model, str) else _object(model, anonymous)
        for model in models
    ]


def _named(name: str, settings: Settings) -> ModelSource:
    request = parse_model(name, allow_pickle_weights=settings.allow_pickle_weights)
    return ModelSource(describe(request), partial(open_model, request, device=settings.device))


def _object(model: object, anonymous: Counter[str]) -> ModelSource:
    """An object; one whose card names no weights has no identity beyond this call."""
    name = type(model).__name__
    if isinstance(model, Model):
        if model.card.weights:
            return ModelSource(model.card, lambda: model, is_here=True)
        card = model.card
    else:
        anonymous[name] += 1
        number = f"-{anonymous[name]}" if anonymous[name] > 1 else ""
        card = ModelCard(name=name + number, adapter="user")
    card = replace(card, weights={"object": token_hex(16)})
    return ModelSource(card, lambda: model, is_ephemeral=True, is_here=True)
