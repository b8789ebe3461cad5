"""Adapter options in a model's name: ``smolvlm[image_splitting=true]``.

The name keeps its bracket wherever it is shown, so two variants of a model are two rows.
"""

import json
import re
from collections.abc import Mapping

from vesalius.errors import InputError
from vesalius.records import Json

_SUFFIX = re.compile(r"(?P<name>.+)\[(?P<options>[^\[\]]*)\]")
_PAIR = re.compile(r"\s*(?P<option>\w+)\s*=\s*(?P<value>[\w.:+-]+)\s*")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


def split_options(text: str, /) -> tuple[str, dict[str, Json]]:
    """The name, and the options in brackets after it; without brackets there are none.

    Values are ``true``, ``false``, numbers or words.

    Raises:
        InputError: if a bracket holds anything but ``option=value``, or an option twice.

    >>> split_options("smolvlm[image_splitting=true, fit=pad]")
    ('smolvlm', {'image_splitting': True, 'fit': 'pad'})
    """
    found = _SUFFIX.fullmatch(text)
    if found is None or _is_address(text, found["options"]):
        return text, {}
    given: dict[str, Json] = {}
    for part in found["options"].split(","):
        pair = _PAIR.fullmatch(part)
        if pair is None or pair["option"] in given:
            raise InputError(
                f"{text}: expected options as in {found['name']}[fit=pad], each once; got {part!r}"
            )
        given[pair["option"]] = _value(pair["value"])
    return found["name"], given


def _is_address(text: str, inside: str) -> bool:
    """Whether the bracket is part of an URL such as ``http://[::1]``."""
    return "://" in text and "=" not in inside


def _value(text: str) -> Json:
    if text in {"true", "false"} or (_NUMBER.fullmatch(text) and text[0] != "+"):
        try:
            return json.loads(text)
        except ValueError:  # such as 007
            return text
    return text


def join_options(name: str, given: Mapping[str, Json], /) -> str:
    """The name with its options in brackets, the inverse of `split_options`.

    >>> join_options("clip", {"fit": "pad"})
    'clip[fit=pad]'
    """
    if not given:
        return name
    words = (f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in given.items())
    return f"{name}[{','.join(words)}]"
