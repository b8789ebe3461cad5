"""What is said when work is interrupted: what is kept, and the command that goes on."""

import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.text import Text

from vesalius.commands.terminal import notices
from vesalius.store.outcomes import read_outcomes


@contextmanager
def said_what_is_kept(out: Path, /) -> Iterator[None]:
    """On Ctrl-C, say what the run folder keeps; the interruption goes on, to exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        for line in _lines(out):
            notices.print(Text(line), soft_wrap=True)
        raise


def _lines(out: Path) -> tuple[str, ...]:
    counts = Counter(type(one).__name__ for one in read_outcomes(out).values())
    n_done, n_none = counts["Done"], counts["NotApplicable"]
    kept = f"{n_done} cells done and {n_none} n/a are kept in {out}"
    return (
        f"interrupted: {kept}, with every finished batch of the others",
        f"to go on: vesalius {shlex.join(sys.argv[1:])}",
    )
