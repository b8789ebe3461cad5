"""What a run was asked for: options over specification, names written out, files looked for.

Light on purpose: a model whose weights are missing is refused before anything heavy is imported.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from vesalius.catalog import MODELS, describe, miniatures, parse_model
from vesalius.errors import DataError, InputError, UsageError, did_you_mean
from vesalius.records import ENGINES, Json
from vesalius.spec_file import SpecFile, place_in_spec, read_spec


def settle(spec: Path | None, given: Mapping[str, Json], *, needs_weights: bool = True) -> SpecFile:
    """The specification with the options that were given, after a look at all that is named.

    Args:
        spec: a file; None for options alone.
        given: what the command line says; None where it says nothing.
        needs_weights: whether the files of every model must be on disk.

    Raises:
        UsageError: if models, data or the run folder are not named; for a name that is unknown,
            with the line of the specification that it stands in.
        InputError: for an unknown model or option.
        ModelError: if a model's files are missing or not allowed.
        DataError: for data that is neither a folder nor a name.
    """
    wanted = _merge(read_spec(spec) if spec else SpecFile(), given)
    for field in ("model", "data"):
        if not getattr(wanted, field):
            raise UsageError(f"nothing to run: name at least one --{field}")
    if wanted.out is None:
        raise UsageError("name a run folder with --out; an existing one is continued")
    _check_spreading(wanted)
    needs_weights = needs_weights and not wanted.online  # which come later
    looks = _LOOKS if needs_weights else {**_LOOKS, "model": _look_at_name}
    for field, look in looks.items():
        values = [wanted.device] if field == "device" else getattr(wanted, field)
        for index, value in enumerate(values):
            try:
                look(value, wanted)
            except (UsageError, InputError) as error:
                if spec is None or given.get(field) is not None:
                    raise
                raise UsageError(f"{place_in_spec(spec, field, index)}: {error}") from error
    return wanted.model_copy(update={"model": tuple(expand_models(wanted.model))})


def look_for_models(wanted: SpecFile) -> None:
    """Look at every model's files, after they were downloaded.

    Raises:
        InputError: for an unknown option.
        ModelError: if files are missing or not allowed.
    """
    for name in wanted.model:
        _look_at_model(name, wanted)


def _check_spreading(wanted: SpecFile) -> None:
    if wanted.engine == "ray" and wanted.shard is not None:
        raise UsageError("--shard and --engine ray are two ways to spread a run; choose one")
    if wanted.ray_address and wanted.engine != "ray":
        raise UsageError("--ray-address belongs to --engine ray")


def _look_at_device(name: str, wanted: SpecFile) -> None:  # noqa: ARG001 - one form for all looks
    if name.partition(":")[0] not in _DEVICES:
        hint = did_you_mean(name, _DEVICES)
        raise UsageError(f"unknown device {name!r}{hint}; expected auto, cpu, cuda or cuda:N")


def _look_at_name(name: str, wanted: SpecFile) -> None:
    for one in expand_models([name]):
        parse_model(one, allow_pickle_weights=wanted.allow_pickle_weights)


def _look_at_model(name: str, wanted: SpecFile) -> None:
    for one in expand_models([name]):
        describe(parse_model(one, allow_pickle_weights=wanted.allow_pickle_weights))


def _look_at_task(name: str, wanted: SpecFile) -> None:  # noqa: ARG001
    from vesalius.api import choose_tasks  # takes seconds, and the models are in order by now

    choose_tasks(name)


def _look_at_protocol(name: str, wanted: SpecFile) -> None:
    from vesalius.api import choose_tasks

    choose_tasks(wanted.task or "all", (name,))


def _look_at_data(name: str, wanted: SpecFile) -> None:  # noqa: ARG001
    from vesalius.data.opening import recipe_of

    try:
        recipe_of(name)
    except DataError as error:
        raise UsageError(str(error)) from error


_DEVICES = ("auto", "cpu", "cuda")
_LOOKS: Mapping[str, Callable[[str, SpecFile], None]] = {
    "device": _look_at_device,
    "model": _look_at_model,
    "task": _look_at_task,
    "protocol": _look_at_protocol,
    "data": _look_at_data,
}


def _merge(spec: SpecFile, given: Mapping[str, Json]) -> SpecFile:
    named = {key: value for key, value in given.items() if value is not None}
    if "out" in named:
        named["out"] = str(named["out"])
    if "batch_size" in named:
        named["batch_size"] = _batch_size(str(named["batch_size"]))
    if named.get("engine", ENGINES[0]) not in ENGINES:
        hint = did_you_mean(named["engine"], ENGINES)
        raise UsageError(f"--engine {named['engine']!r}{hint}: expected {' or '.join(ENGINES)}")
    return SpecFile.model_validate(spec.model_dump() | named)


def _batch_size(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--batch-size: expected auto or a positive number, got {text!r}")
    return int(text)


def expand_models(names: Sequence[str]) -> list[str]:
    """Write ``all`` and ``mini:all`` out."""
    every = {"all": list(MODELS), "mini:all": list(miniatures())}
    return list(dict.fromkeys(n for name in names for n in every.get(name, [name])))
