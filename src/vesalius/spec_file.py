"""A run specification in YAML: the same words as on the command line."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from vesalius.errors import UsageError, did_you_mean, did_you_mean_path
from vesalius.yaml_lines import YamlError, YamlText, line_of, read_yaml


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _auto(value: Any) -> Any:
    return None if value == "auto" else value


Names = Annotated[tuple[str, ...], BeforeValidator(_as_list)]


class SpecFile(BaseModel):
    """Contents of ``SPEC.yaml``; a single name may stand where a list is expected."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Names = ()
    data: Names = ()
    task: Names = ()
    protocol: Names = ()
    out: str | None = None
    device: str = "auto"
    engine: Literal["local", "ray"] = "local"
    ray_address: str = ""
    shard: str | None = None
    online: bool = False
    batch_size: Annotated[int, Field(ge=1)] | Annotated[None, BeforeValidator(_auto)] = None
    limit: Annotated[int, Field(ge=1)] | None = None
    workers: Annotated[int, Field(ge=1)] = 1
    resamples: Annotated[int, Field(ge=1)] = 2000
    seed: Annotated[int, Field(ge=0)] = 0
    controls: bool = True
    out_of_domain: bool = False
    allow_pickle_weights: bool = False
    allow_partial: bool = False


def read_spec(path: Path, /) -> SpecFile:
    """Read a specification; dataset paths stay relative to the current folder.

    Raises:
        UsageError: naming file, line and key, if it is not YAML, or has an unknown key or a wrong
            value.
    """
    text = _text(path)
    if not isinstance(text.content, dict):
        raise UsageError(f"{path}: expected keys such as model, data and out, got {text.content!r}")
    try:
        return SpecFile.model_validate(text.content)
    except ValidationError as error:
        # a union is tried one kind after the other; its first complaint says it all
        found = {_place(e): e for e in reversed(error.errors())}
        lines = [f"{path} line {line_of(text, at)}: {_explain(at, e)}" for at, e in found.items()]
        raise UsageError("\n".join(reversed(lines))) from None


def place_in_spec(path: Path, key: str, index: int, /) -> str:
    """Where a value of a specification that was read stands, for messages about what it names."""
    return f"{path} line {line_of(_text(path), (key, index))}"


def _text(path: Path) -> YamlText:
    try:
        return read_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file{did_you_mean_path(path)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: expected a YAML file, {error}") from error
    except YamlError as error:
        raise UsageError(f"{path}: expected a YAML file, {error}") from error


def _place(problem: ErrorDetails) -> tuple[str | int, ...]:
    """Key and index; what follows them in a place only says which kind was tried."""
    key, *rest = problem["loc"]
    return (key, *(part for part in rest[:1] if isinstance(part, int)))


def _explain(at: tuple[str | int, ...], problem: ErrorDetails) -> str:
    key = ".".join(str(part) for part in at)
    if problem["type"] == "extra_forbidden":
        known = list(SpecFile.model_fields)
        return f"unknown key {key!r}{did_you_mean(key, known)}; known: {', '.join(known)}"
    hint = ""
    if problem["type"] == "literal_error":
        hint = did_you_mean(
            str(problem["input"]), re.findall("'(.+?)'", problem["ctx"]["expected"])
        )
    if problem["type"] == "string_type" and isinstance(problem["input"], bool | int | float):
        hint = "; put it in quotes"  # YAML reads no, yes, on and 12 as booleans and numbers
    return f"{key}: {problem['msg'].lower()}, got {problem['input']!r}{hint}"
