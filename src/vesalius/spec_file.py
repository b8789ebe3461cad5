"""A run specification in YAML: the same words as on the command line."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from vesalius.errors import UsageError, did_you_mean


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
        UsageError: naming file and key, if it is not YAML, or has an unknown key or a wrong value.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: expected a YAML file, {error}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: expected keys such as model, data and out, got {content!r}")
    try:
        return SpecFile.model_validate(content)
    except ValidationError as error:
        raise UsageError(
            "\n".join(f"{path}: {_explain(dict(e))}" for e in error.errors())
        ) from None


def _explain(problem: dict[str, Any]) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = list(SpecFile.model_fields)
        return f"unknown key {key!r}{did_you_mean(key, known)}; known: {', '.join(known)}"
    return f"{key}: {problem['msg'].lower()}, got {problem['input']!r}"
