"""Everything Vesalius raises on purpose.

::

    VesaliusError
    ├── InputError      an argument of a function has the wrong shape, value or type
    ├── DataError       a dataset file cannot be used as it is; carries a reason code
    ├── ModelError      a checkpoint is missing, incomplete or not allowed
    │   └── WeightsMissingError   the files are not on disk; names the command that gets them
    ├── RunError        a run folder cannot be continued or read
    └── UsageError      a command line or specification cannot be carried out; exit code 2

A message says what was expected, what came, and what to do next.
"""

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

_MOST_LOOKED_AT = 1000


class VesaliusError(Exception):
    """Base of all errors that a user can act on."""


class InputError(VesaliusError, ValueError):
    """An argument has the wrong shape, value or type."""


class DataError(VesaliusError):
    """A dataset file or row cannot be used as it is.

    Attributes:
        reason: short code, stable across versions, e.g. ``lfs_pointer`` or ``missing_file``.
        where: file, row or field at fault; relative to the dataset where possible.
    """

    def __init__(self, message: str, /, *, reason: str, where: str = "") -> None:
        """Join place and message into one line."""
        super().__init__(f"{where}: {message}" if where else message)
        self.reason = reason
        self.where = where


class ModelError(VesaliusError):
    """A checkpoint cannot be loaded, or is not what its name promises."""


class WeightsMissingError(ModelError):
    """The files of a checkpoint are not on disk."""


class RunError(VesaliusError):
    """A run folder cannot be continued or read."""


class UsageError(VesaliusError):
    """A command line or specification cannot be carried out."""


def did_you_mean(word: str, known: Iterable[str], /) -> str:
    """`` (did you mean 'x'?)`` when a known word is close to `word` or begins it, else empty.

    >>> did_you_mean("retreival", ["retrieval", "vqa"])
    " (did you mean 'retrieval'?)"
    >>> did_you_mean("validation", ["train", "val", "test"])
    " (did you mean 'val'?)"
    """
    options = {option.casefold(): option for option in reversed(list(known))}
    folded = word.casefold()
    close = get_close_matches(folded, options, n=1)
    close += [option for option in options if option and folded.startswith(option)]
    return f" (did you mean {options[close[0]]!r}?)" if close else ""


def did_you_mean_path(path: Path, /) -> str:
    """The same of a file or folder, among those beside the first part of it that is not there.

    Of a large folder, the first thousand names are looked at.
    """
    absent = path
    while not absent.parent.exists():
        absent = absent.parent
    try:
        beside = sorted(p.name for p in islice(absent.parent.iterdir(), _MOST_LOOKED_AT))
    except OSError:
        return ""
    folded = {name.casefold(): name for name in reversed(beside)}
    close = get_close_matches(absent.name.casefold(), folded, n=1)
    return f" (did you mean {str(absent.with_name(folded[close[0]]))!r}?)" if close else ""


def printable(text: str, /) -> str:
    r"""The text with control characters written out, so that a terminal does not obey them.

    Line ends and tabs stay.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter in "\n\t" or not _is_control(letter) else repr(letter)[1:-1]
        for letter in text
    )


def _is_control(letter: str) -> bool:
    """Control and format characters, among them those that turn the direction of writing."""
    return unicodedata.category(letter) in ("Cc", "Cf", "Cs")
