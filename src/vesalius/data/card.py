"""``dataset.yaml``: read safely, checked field by field, every complaint with its line."""

import re
import reprlib
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)

from vesalius.data.intensities import WINDOWS
from vesalius.data.reading import Limits, Reading, read_bytes
from vesalius.errors import did_you_mean
from vesalius.records import MODALITIES, DatasetCard, Window
from vesalius.yaml_lines import YamlError, YamlText, line_of, read_yaml

FILE_NAME = "dataset.yaml"
_MOST_BYTES = 1 << 20
_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2  # a few lines of YAML aliases can stand for gigabytes

_Text = Annotated[str, StringConstraints(min_length=1, strict=True)]
_Name = Annotated[str, StringConstraints(min_length=1, strict=True, pattern=r"^[^|\n]+$")]
_Prompts = Annotated[tuple[_Text, ...], Field(min_length=1)]


class _WindowFile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    center: Annotated[float, Field(allow_inf_nan=False)]
    width: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _CardFile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    format: Literal[1]
    name: _Name
    license: _Text = ""
    citation: _Text = ""
    modality: str = "other"
    classes: dict[_Name, _Prompts] = {}
    positive: _Name | None = None
    multilabel: Annotated[bool, Field(strict=True)] = False
    templates: _Prompts = ("{}",)
    structures: dict[_Name, Annotated[int, Field(ge=1, strict=True)]] = {}
    structure_prompts: dict[_Name, _Prompts] = {}
    window_hu: _WindowFile | None = None
    tabular: dict[_Name, Literal["numeric", "categorical"]] = {}
    subgroups: tuple[_Name, ...] = ()

    @field_validator("window_hu", mode="before")
    @classmethod
    def _named_window(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value not in WINDOWS:
            raise ValueError(f"unknown window{choices(value, WINDOWS)}")
        return {"center": WINDOWS[value].center, "width": WINDOWS[value].width}


_Complaint = tuple[tuple[str | int, ...], str]


def read_card(root: Path) -> DatasetCard:
    """Read ``dataset.yaml`` of a dataset folder; `digest` is left empty.

    Raises:
        DataError: ``bad_card``, naming line, field, what was expected and a likely meaning.
    """
    reading = Reading(source=FILE_NAME, limits=Limits(max_file_bytes=_MOST_BYTES))
    if not (root / FILE_NAME).is_file():
        raise reading.error("bad_card", f"a dataset folder has a {FILE_NAME}, {root} has none")
    text = _text(root, reading)
    complaints, card = _validated(text.content)
    if card is None:
        lines = [f"line {line_of(text, at)}: {message}" for at, message in complaints]
        raise reading.error("bad_card", "; ".join(lines))
    return card


def place_in_card(root: Path, at: tuple[str | int, ...], /) -> str:
    """Where a part of a card that was read stands, for messages about what it names."""
    return f"{FILE_NAME} line {line_of(_text(root, Reading(source=FILE_NAME)), at)}"


def _text(root: Path, reading: Reading) -> YamlText:
    text = read_bytes(root / FILE_NAME, reading).decode("utf-8-sig", errors="replace")
    try:
        return read_yaml(text)
    except YamlError as error:
        raise reading.error("bad_card", str(error)) from error


def choices(word: object, known: Iterable[str]) -> str:
    """What may stand instead of `word`: the closest known word, else all of them."""
    options = list(known)
    every = f"; expected one of {', '.join(options)}" if options else ""
    return did_you_mean(str(word), options) or every


def _validated(content: object) -> tuple[list[_Complaint], DatasetCard | None]:
    if not isinstance(content, dict):
        return [((), f"expected fields such as 'format: 1', got {type(content).__name__}")], None
    try:
        file = _CardFile.model_validate(content)
    except ValidationError as error:
        return [_complaint(detail) for detail in error.errors()], None
    complaints = [*_name_complaints(file), *_value_complaints(file)]
    return complaints, None if complaints else _card(file)


def _complaint(detail: Any) -> _Complaint:
    at = tuple(detail["loc"])
    field = ".".join(str(part) for part in at if part != "[key]")
    if detail["type"] == "extra_forbidden":
        known = _CardFile.model_fields if len(at) == 1 else _WindowFile.model_fields
        return at, f"unknown field {field!r}{choices(at[-1], known)}"
    if detail["type"] == "missing":
        return at[:-1], f"{field} is required{' (format: 1)' if field == 'format' else ''}"
    hint = ""
    if isinstance(detail["input"], bool | int | float) and "string" in detail["type"]:
        # YAML reads no, yes, on and 12 as booleans and numbers
        hint = "; put it in quotes"
    elif detail["type"] == "literal_error" and isinstance(detail["input"], str):
        hint = did_you_mean(detail["input"], _words(detail["ctx"]["expected"]))
    return at, f"{field}: {detail['msg']}, got {_SHORT.repr(detail['input'])}{hint}"


def _words(expected: str) -> list[str]:
    """The words of a complaint such as ``'numeric' or 'categorical'``."""
    return re.findall(r"'([^']*)'", expected)


def _name_complaints(file: _CardFile) -> list[_Complaint]:
    """Names that must be among others."""
    checks: list[tuple[tuple[str | int, ...], str, Collection[str]]] = [
        (("modality",), file.modality, MODALITIES),
        *((("structure_prompts", name), name, file.structures) for name in file.structure_prompts),
    ]
    if file.positive is not None:
        checks.append((("positive",), file.positive, file.classes))
    return [
        (at, f"{'.'.join(map(str, at))}: unknown {name!r}{choices(name, known)}")
        for at, name, known in checks
        if name not in known
    ]


def _value_complaints(file: _CardFile) -> list[_Complaint]:
    complaints: list[_Complaint] = [
        (("templates", index), f"templates: {text!r} must hold {{}} once, for the class name")
        for index, text in enumerate(file.templates)
        if text.count("{}") != 1
    ]
    if len(set(file.structures.values())) != len(file.structures):
        complaints.append((("structures",), "structures: two structures have the same value"))
    if len(file.classes) == 1:
        complaints.append((("classes",), "classes: expected at least two, or none"))
    return complaints


def _card(file: _CardFile) -> DatasetCard:
    window = None
    if file.window_hu is not None:
        window = Window(center=file.window_hu.center, width=file.window_hu.width)
    return DatasetCard(
        name=file.name,
        modality=file.modality,
        license=file.license,
        citation=file.citation,
        classes=file.classes,
        positive=file.positive,
        multilabel=file.multilabel,
        templates=file.templates,
        structures=file.structures,
        structure_prompts=file.structure_prompts,
        window_hu=window,
        tabular=file.tabular,
        subgroups=file.subgroups,
    )
