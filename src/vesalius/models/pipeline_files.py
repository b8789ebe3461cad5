"""The files of a text-to-image pipeline: one folder a part, listed in ``model_index.json``.

Nothing here imports torch or diffusers. Weights are safetensors only, and every part must be a
class of diffusers or transformers: a part of any other origin would be code from the folder.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from vesalius.errors import ModelError, WeightsMissingError
from vesalius.models.checkpoint import (
    CONFIGS,
    PATTERNS,
    PICKLES,
    Checkpoint,
    choose_files,
    complete_files,
    sha256,
)
from vesalius.models.checkpoint import (
    PIPELINE_INDEX as INDEX,
)

LIBRARIES = ("diffusers", "transformers")
# It blackens pictures that it takes for nude, which medical pictures easily are.
LEFT_OUT = ("safety_checker",)
_PATTERNS = (*PATTERNS, "*.txt", "*.jinja", "*.bin")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a pipeline.

    Attributes:
        name: of its folder, such as ``unet``.
        library: ``diffusers`` or ``transformers``.
        kind: its class there.
    """

    name: str
    library: str
    kind: str


def is_pipeline(folder: Path, /) -> bool:
    """Whether a folder says of itself that it is one."""
    return (folder / INDEX).is_file()


def read_index(folder: Path, /) -> dict[str, object]:
    """``model_index.json``: parts and settings by name.

    Raises:
        WeightsMissingError: if there is none.
        ModelError: if it is no JSON object or does not name the pipeline's class.
    """
    path = folder / INDEX
    if not path.is_file():
        raise WeightsMissingError(f"{folder}: without {INDEX}; not a pipeline of diffusers")
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: expected JSON, {error}") from error
    if not isinstance(index, dict) or not isinstance(index.get("_class_name"), str):
        raise ModelError(f"{path}: expected a JSON object with the pipeline's class, _class_name")
    return index


def parts_of(folder: Path, /) -> tuple[Part, ...]:
    """The parts that will be loaded.

    Raises:
        WeightsMissingError: as `read_index`.
        ModelError: as `read_index`, or for a part that is neither of diffusers nor of transformers.
    """
    return tuple(_parts(read_index(folder), folder / INDEX))


def _parts(index: Mapping[str, object], path: Path) -> Iterator[Part]:
    for name, value in sorted(index.items()):
        if not isinstance(value, list) or name in LEFT_OUT or value == [None, None]:
            continue  # settings, and parts that are not there
        match value:
            case [str(library), str(kind)] if library in LIBRARIES:
                yield Part(name, library, kind)
            case _:
                raise ModelError(
                    f"{path}: {name}: expected a class of {' or '.join(LIBRARIES)}, got {value!r}; "
                    "code that comes with weights is never run"
                )


def open_pipeline(folder: Path, /, *, source: str = "local", revision: str = "") -> Checkpoint:
    """Identify a pipeline by all files of its parts.

    Raises:
        WeightsMissingError: if the index, a part or a file of it is missing.
        ModelError: if a part is of another library or has weights in pickle form only.
    """
    names = complete_pipeline(folder)
    return Checkpoint(folder, source, revision, {name: sha256(folder / name) for name in names})


def complete_pipeline(folder: Path, /) -> list[str]:
    """Names such as ``unet/config.json`` of all files that loading reads; hashes none.

    Raises:
        WeightsMissingError, ModelError: as `open_pipeline`.
    """
    if not folder.is_dir():
        raise WeightsMissingError(f"{folder}: no such folder; copy the missing files there")
    files = {part.name: _files(folder / part.name) for part in parts_of(folder)}
    pickles = [
        f"{part}/{name}"
        for part, names in files.items()
        for name in names
        if Path(name).suffix in PICKLES
    ]
    if pickles:
        raise ModelError(
            f"{folder}: {', '.join(pickles)}: weights in pickle form; a pipeline is loaded from "
            "safetensors only. Save it again with diffusers: `save_pretrained(…)`"
        )
    return [INDEX, *(f"{part}/{name}" for part, names in files.items() for name in names)]


def _files(folder: Path) -> list[str]:
    """The files of one part: a network with its weights, or a scheduler or tokenizer."""
    if not folder.is_dir():
        raise WeightsMissingError(
            f"{folder.parent}: without the folder {folder.name}; copy the missing files there"
        )
    if any((folder / config).is_file() for config in CONFIGS):
        found = complete_files(folder, patterns=_PATTERNS)
        is_safe = any(name.endswith(".safetensors") for name in found)
        return [n for n in found if not (is_safe and Path(n).suffix in PICKLES)]
    names = choose_files((path.name for path in folder.iterdir()), _PATTERNS)
    if not names:
        raise WeightsMissingError(f"{folder}: is empty; copy the missing files there")
    return names


def check_library() -> None:
    """Refuse to go on without diffusers.

    Raises:
        ModelError: with the command that installs it.
    """
    if find_spec("diffusers") is None:
        raise ModelError(
            "a text-to-image pipeline needs the library diffusers; "
            "run `pip install 'vesalius[diffusers]'`"
        )
