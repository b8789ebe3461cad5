"""What a run was asked for: options over specification, names written out, files looked for.

Light on purpose: a model whose weights are missing is refused before anything heavy is imported.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from vesalius.catalog import MODELS, describe, miniatures, parse_model
from vesalius.errors import UsageError, did_you_mean
from vesalius.records import ENGINES, Json
from vesalius.spec_file import SpecFile, read_spec


def settle(spec: Path | None, given: Mapping[str, Json]) -> SpecFile:
    """The specification with the options that were given.

    Raises:
        UsageError: if models, data or the run folder are not named, or options exclude each
            other.
    """
    wanted = _merge(read_spec(spec) if spec else SpecFile(), given)
    for field in ("model", "data"):
        if not getattr(wanted, field):
            raise UsageError(f"nothing to run: name at least one --{field}")
    if wanted.out is None:
        raise UsageError("name a run folder with --out; an existing one is continued")
    _check_spreading(wanted)
    return wanted.model_copy(update={"model": tuple(expand_models(wanted.model))})


def look_for_models(wanted: SpecFile) -> None:
    """Look at every model's files.

    Raises:
        InputError: for an unknown model or option.
        ModelError: if a model's files are missing or not allowed.
    """
    for name in wanted.model:
        describe(parse_model(name, allow_pickle_weights=wanted.allow_pickle_weights))


def _check_spreading(wanted: SpecFile) -> None:
    if wanted.engine == "ray" and wanted.shard is not None:
        raise UsageError("--shard and --engine ray are two ways to spread a run; choose one")
    if wanted.ray_address and wanted.engine != "ray":
        raise UsageError("--ray-address belongs to --engine ray")


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
