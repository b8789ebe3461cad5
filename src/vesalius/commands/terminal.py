"""The terminal: one console, and progress bars that fall back to plain lines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from vesalius.engine import progress as engine_progress
from vesalius.errors import UsageError
from vesalius.store.files import write_atomic

console = Console(soft_wrap=False)


class _Rate(ProgressColumn):
    """Steps per second."""

    def render(self, task: Task) -> Text:
        """The rate, or nothing before the first step."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f}/s", style="progress.data.speed")


@contextmanager
def progress_bars() -> Iterator[engine_progress.Progress]:
    """Progress bars with rate and time to go; where there is no terminal, one line a stretch."""
    if not console.is_terminal:
        yield _plain
        return
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), _Rate(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bars:

        def start(label: str, total: int, /) -> engine_progress.Advance:
            handle = bars.add_task(label, total=total)

            def advance(n: int, /) -> None:
                bars.advance(handle, n)
                if bars.tasks[bars.task_ids.index(handle)].finished:
                    bars.remove_task(handle)

            return advance

        yield start


@contextmanager
def quiet_bars() -> Iterator[engine_progress.Progress]:
    """Progress bars on a terminal; nothing where the output is read by another program."""
    if not console.is_terminal:
        yield engine_progress.no_progress
        return
    with progress_bars() as progress:
        yield progress


def deliver(payload: bytes, out: Path | None, /) -> None:
    """Write a file, or text to standard output.

    Raises:
        UsageError: for bytes that are no text, without a file.
        RunError: when the disk refuses.
    """
    if out is not None:
        write_atomic(out, payload)
        return
    try:
        console.file.write(payload.decode())
    except UnicodeDecodeError as error:
        raise UsageError("this format is binary: expected --out FILE") from error


def _plain(label: str, total: int, /) -> engine_progress.Advance:
    console.print(f"{label}: {total}", highlight=False, markup=False)
    return engine_progress.no_progress(label, total)


def counting(progress: engine_progress.Progress, label: str) -> Callable[[int, int], None]:
    """A callback of (steps done, steps in all) that drives one stretch of `progress`."""
    advances: list[engine_progress.Advance] = []
    before = 0

    def report(done: int, total: int, /) -> None:
        nonlocal before
        if not advances:
            advances.append(progress(label, total))
        advances[0](done - before)
        before = done

    return report


def size_text(n_bytes: int, /) -> str:
    """A number of bytes as people say it.

    >>> size_text(34_496_718)
    '34.5 MB'
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.1f} {unit}"
    return f"{n_bytes} B"
