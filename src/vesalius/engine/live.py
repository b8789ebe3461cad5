"""Progress where there is a person: one line of a notebook that is rewritten, else plain lines.

IPython is optional: it is used only where a kernel runs this process, so it is there already.
"""

import importlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from vesalius.engine.progress import Advance, Progress, no_progress
from vesalius.markup import lines, shown

_LEAST_S = 0.2  # between two updates


@contextmanager
def telling(progress: Progress | None = None, /) -> Iterator[Progress]:
    """The given `Progress`, or the one that suits where this process runs.

    In a notebook it is one output that is rewritten, and that ends as a summary without times. In
    a terminal it is one line a stretch, on standard error. Everywhere else it says nothing.
    """
    if progress is not None:
        yield progress
    elif in_kernel():
        board = Board(importlib.import_module("IPython.display"))
        try:
            yield board.start
        finally:
            board.show()
    else:
        yield plain_lines if sys.stderr.isatty() else no_progress


def in_kernel() -> bool:
    """Whether a notebook's kernel runs this process; never imports IPython."""
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


def plain_lines(label: str, total: int, /) -> Advance:
    """A `Progress` that names each stretch of work on standard error."""
    sys.stderr.write(f"{label}: {total}\n")
    return no_progress(label, total)


@dataclass(slots=True)
class Stretch:
    """A stretch of work: steps done, and steps in all."""

    done: int = 0
    total: int = 0


@dataclass(slots=True)
class Board:
    """One output of a notebook that names every stretch of work; a worker.

    Attributes:
        display: the module ``IPython.display``, or what does the same.
        stretches: by label; those of one label count together.
    """

    display: Any
    stretches: dict[str, Stretch] = field(default_factory=dict)
    _handle: Any = None
    _shown_at: float = 0.0

    def start(self, label: str, total: int, /) -> Advance:
        """Begin a stretch; this method is a `Progress`."""
        stretch = self.stretches.setdefault(label, Stretch())
        stretch.total += total
        self.show()

        def advance(n: int, /) -> None:
            stretch.done += n
            if time.monotonic() - self._shown_at >= _LEAST_S:
                self.show()

        return advance

    def show(self) -> None:
        """Write the line anew."""
        self._shown_at = time.monotonic()
        content = {"text/html": str(self._html()), "text/plain": self._text()}
        if not self.stretches:
            return
        if self._handle is None:
            self._handle = self.display.display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)

    def _html(self) -> Markup:
        return Markup("<small>{}</small>").format(
            lines(
                Markup('<progress value="{}" max="{}"></progress> {}').format(
                    one.done, one.total, shown(f"{label}: {one.done} of {one.total}")
                )
                if one.done < one.total
                else f"✓ {label}: {one.total}"
                for label, one in self.stretches.items()
            )
        )

    def _text(self) -> str:
        return "\n".join(
            f"{label}: {one.done} of {one.total}" for label, one in self.stretches.items()
        )
