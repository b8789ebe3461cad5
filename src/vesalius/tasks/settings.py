"""Settings of a task as plain JSON, and back, with nothing dropped in silence.

Rules that leave no choice (how ties are broken, which rule sets a threshold) are settings with
one allowed value: they stand in the task card, and a card that says otherwise is refused.
"""

from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from vesalius.errors import InputError, did_you_mean
from vesalius.records import Json

R = TypeVar("R")


def settings_of(task: object, /) -> dict[str, Json]:
    """All fields of a task's record as JSON values; tuples become lists."""
    return {f.name: _plain(getattr(task, f.name)) for f in _fields(task)}


def from_settings(record: type[R], settings: Mapping[str, Json], /) -> R:
    """Build a task's record; what `settings` leaves out keeps its default.

    One value may stand where several are expected.

    Raises:
        InputError: for an unknown name, or a value that the field cannot have.
    """
    hints = get_type_hints(record)
    known = {f.name: hints[f.name] for f in _fields(record)}
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise InputError(
            f"unknown setting {unknown[0]!r}{did_you_mean(unknown[0], known)}; "
            f"there are: {', '.join(known)}"
        )
    return record(**{name: _typed(name, known[name], value) for name, value in settings.items()})


def _fields(record: object) -> tuple[Field[Any], ...]:
    return fields(cast(Any, record))  # the type of "any dataclass" has no name


def _plain(value: object) -> Json:
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _typed(name: str, hint: Any, value: Json) -> object:
    origin = get_origin(hint)
    if origin is Literal:
        if value not in get_args(hint):
            allowed = ", ".join(map(repr, get_args(hint)))
            words = [one for one in get_args(hint) if isinstance(one, str)]
            raise InputError(
                f"setting {name!r}: expected one of {allowed}, got {value!r}"
                f"{did_you_mean(str(value), words)}"
            )
        return value
    if origin is tuple:
        items = value if isinstance(value, (list, tuple)) else [value]
        return tuple(_typed(name, get_args(hint)[0], item) for item in items)
    return _scalar(name, hint, value)


def _scalar(name: str, hint: type, value: Json) -> object:
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:  # bool is an int to isinstance, but "true" is no number of shots
        raise InputError(f"setting {name!r}: expected {hint.__name__}, got {value!r}")
    return value
