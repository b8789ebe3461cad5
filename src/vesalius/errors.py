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

from collections.abc import Iterable
from difflib import get_close_matches


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
    options = list(known)
    close = get_close_matches(word, options, n=1)
    close += [option for option in options if option and word.startswith(option)]
    return f" (did you mean {close[0]!r}?)" if close else ""
