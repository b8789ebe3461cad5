"""YAML read strictly, with the line of every part, so that a complaint can say where.

Plain data only. Keys are text and stand once, instead of overwriting in silence.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]
"""Keys and indices from the top of the file, such as ``("classes", "normal", 0)``."""


class YamlError(ValueError):
    """A text is no YAML; the message begins with the line."""


@dataclass(frozen=True, slots=True, eq=False)
class YamlText:
    """What a text says, and where each part of it stands."""

    content: object
    _root: Any = field(repr=False)


def read_yaml(text: str, /) -> YamlText:
    """Read a text; an empty one says ``{}``.

    Raises:
        YamlError: if it is no YAML, or has a key twice or one that is not text.
    """
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        content = loader.construct_document(root) if root is not None else {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise YamlError(_in_one_line(error)) from error
    return YamlText(content, root)


def line_of(text: YamlText, at: Path, /) -> int:
    """Line, counted from 1, of the deepest part of the path that the text has."""
    node = text._root
    if node is None:
        return 1
    line = int(node.start_mark.line) + 1
    for part in at:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:
                break
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.tag != "tag:yaml.org,2002:str":
                # YAML 1.1 reads no, yes, on and 12 as booleans and numbers
                shown = repr(key.value) if isinstance(key.value, str) else "of several parts"
                raise YamlError(f"line {line}: key {shown} is not text; put it in quotes")
            if key.value in seen:
                raise YamlError(f"line {line}: key {key.value!r} stands twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _in_one_line(error: Exception) -> str:
    """Line and problem of an error of the parser, which itself speaks over several lines."""
    if isinstance(error, YamlError):
        return str(error)
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        context = f"{error.context}, " if error.context else ""
        return f"line {error.problem_mark.line + 1}: not YAML: {context}{error.problem}"
    if isinstance(error, RecursionError):
        return "not YAML: nested too deeply"
    return f"not YAML: {error}"
