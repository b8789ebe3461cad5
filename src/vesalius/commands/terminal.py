"""The terminal: results go to standard output, how far work is to standard error.

Where there is no terminal, progress is a line now and then, and nothing has colours or codes.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock, Thread

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.text import Text

from vesalius.engine import progress as engine_progress
from vesalius.errors import printable

FIRST_LINE_S = 2.0
EVERY_S = 15.0


class SafeConsole(Console):
    """A console that shows control characters of names and messages instead of obeying them."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """As rich does, with every text made harmless."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control else Segment(printable(text), style)


console = SafeConsole(soft_wrap=False)
notices = SafeConsole(soft_wrap=False, stderr=True)


def write_out(text: str, /) -> None:
    """Write a text as it is to standard output, for programs; a terminal is shown no codes."""
    console.file.write(printable(text) if console.is_terminal else text)


class _Rate(ProgressColumn):
    """Steps per second."""

    def render(self, task: Task) -> Text:
        """The rate, or nothing before the first step."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f}/s", style="progress.data.speed")


@contextmanager
def progress_bars() -> Iterator[engine_progress.Progress]:
    """Progress bars with rate and time to go; where there is no terminal, lines now and then."""
    if not notices.is_terminal:
        with _lines() as start:
            yield start
        return
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), _Rate(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=notices, transient=True) as bars:

        def start_bar(label: str, total: int, /) -> engine_progress.Advance:
            handle = bars.add_task(label, total=total)

            def advance(n: int, /) -> None:
                bars.advance(handle, n)
                if bars.tasks[bars.task_ids.index(handle)].finished:
                    bars.remove_task(handle)

            return advance

        yield start_bar


@dataclass(slots=True, eq=False)
class Stretch:
    """A stretch of work that has begun."""

    label: str
    total: int
    began_s: float
    done: int = 0

    def line(self, now_s: float, /) -> str:
        """How far it is, and how long it may still take at the pace so far."""
        share = 100 * self.done // self.total
        text = f"{self.label}: {self.done:,} of {self.total:,} ({share} %)"
        if not self.done:
            return text
        to_go = (now_s - self.began_s) * (self.total - self.done) / self.done
        return f"{text}, about {duration_text(to_go)} to go"


@dataclass(slots=True)
class _Board:
    """The stretches at work, the outermost first."""

    stretches: list[Stretch] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def start(self, label: str, total: int, /) -> engine_progress.Advance:
        stretch = Stretch(label, total, time.monotonic())
        if total > 0:
            with self.lock:
                self.stretches.append(stretch)

        def advance(n: int, /) -> None:
            with self.lock:
                stretch.done += n
                if stretch.done >= stretch.total and stretch in self.stretches:
                    self.stretches.remove(stretch)

        return advance

    def say(self) -> None:
        """One line: the outermost stretch, and the one that is worked on within it."""
        with self.lock:
            ends = [*self.stretches[:1], *self.stretches[1:][-1:]]
        if ends:
            line = " · ".join(one.line(time.monotonic()) for one in ends)
            notices.print(line, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _lines() -> Iterator[engine_progress.Progress]:
    """A line after two seconds and then every quarter of a minute, also within a long step."""
    board, ended = _Board(), Event()

    def watch() -> None:
        wait = FIRST_LINE_S
        while not ended.wait(wait):
            board.say()
            wait = EVERY_S

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield board.start
    finally:
        ended.set()
        thread.join()


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


def duration_text(duration_s: float, /) -> str:
    """A time as people say it.

    >>> duration_text(42.4), duration_text(200), duration_text(8100)
    ('42 s', '3 min 20 s', '2 h 15 min')
    """
    seconds = round(duration_s)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def size_text(n_bytes: int, /) -> str:
    """A number of bytes as people say it.

    >>> size_text(34_496_718)
    '34.5 MB'
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.1f} {unit}"
    return f"{n_bytes} B"
