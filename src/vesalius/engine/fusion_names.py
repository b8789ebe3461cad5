"""Names of the inputs of a fusion study, such as ``tabular`` and ``MODEL:image``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vesalius.errors import UsageError, did_you_mean
from vesalius.models.naming import split_options
from vesalius.records import Json

TABULAR = "tabular"
KINDS: Mapping[str, tuple[str, ...]] = {
    "image": ("column", "window"),
    "volume": ("column", "window"),
    "prior": (),
    "with-prior": (),
    "patches": (),
    "text": ("column",),
    "words": ("column",),
    "question": (),
}
"""What a model can embed, and the options of each."""


@dataclass(frozen=True, slots=True)
class SlotName:
    """A slot as it was asked for.

    Attributes:
        text: the whole name.
        model: name of a model, empty for ``tabular``.
        kind: one of `KINDS`, or ``tabular``.
    """

    text: str
    model: str
    kind: str
    options: Mapping[str, Json] = field(default_factory=dict)


def split_slot(text: str, /) -> SlotName:
    """Model, kind and options of a slot.

    Raises:
        UsageError: if it is none.
        InputError: for options that cannot be read.

    >>> split_slot("mini:clip:text[column=history]").kind
    'text'
    """
    name, options = split_options(text)
    if name == TABULAR:
        return SlotName(text, "", TABULAR, _known(text, options, ("columns",)))
    model, _, kind = name.rpartition(":")
    if not model or kind not in KINDS:
        raise UsageError(
            f"features {text!r}: expected {TABULAR} or MODEL:{', MODEL:'.join(KINDS)}"
            f"{did_you_mean(kind, KINDS)}"
        )
    return SlotName(text, model, kind, _known(text, options, KINDS[kind]))


def _known(text: str, options: dict[str, Json], known: Sequence[str]) -> dict[str, Json]:
    for name in options:
        if name not in known:
            there = f"it has {', '.join(known)}" if known else "it has none"
            raise UsageError(f"features {text!r}: unknown option {name!r}; {there}")
    return options
