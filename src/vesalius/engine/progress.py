"""Where long work says how far it is."""

from collections.abc import Callable

Advance = Callable[[int], None]
Progress = Callable[[str, int], Advance]
"""Begin a stretch of work, by label and number of steps; the result is told of finished steps."""


def no_progress(label: str, total: int, /) -> Advance:  # noqa: ARG001 - the shape of a Progress
    """A `Progress` that says nothing."""

    def advance(n: int, /) -> None:
        """Ignore `n` finished steps."""

    return advance
