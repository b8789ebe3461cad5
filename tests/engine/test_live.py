"""Progress in a notebook is one output; elsewhere it is a line, or nothing."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from vesalius.engine import live
from vesalius.engine.live import Board, in_kernel, plain_lines, telling
from vesalius.engine.progress import no_progress


class FakeDisplay:
    """What a front end would show: outputs in their order, each with its last content."""

    def __init__(self):
        self.outputs = []
        self.n_writes = 0

    def display(self, content, *, raw, display_id):
        """A new output with a handle."""
        assert raw
        assert display_id
        number = len(self.outputs)
        self.outputs.append(content)
        self.n_writes += 1

        def update(content, *, raw):
            assert raw
            self.outputs[number] = content
            self.n_writes += 1

        return SimpleNamespace(update=update)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a test moves it."""
    now = SimpleNamespace(s=100.0)
    monkeypatch.setattr(live.time, "monotonic", lambda: now.s)
    return now


def test_all_stretches_share_one_output(clock):
    """Hundreds of steps leave one output, and it ends as a summary."""
    display = FakeDisplay()
    board = Board(display)
    first = board.start("hashing <b>", 500)
    for _ in range(500):
        first(1)
    board.start("scoring", 2)(1)
    board.show()
    (content,) = display.outputs
    assert content["text/plain"] == "hashing <b>: 500 of 500\nscoring: 1 of 2"
    assert "✓ hashing &lt;b&gt;: 500<br>" in content["text/html"]
    assert '<progress value="1" max="2"></progress> scoring: 1 of 2' in content["text/html"]
    assert display.n_writes == 3


def test_updates_are_rare(clock):
    """A step is shown only when some time has passed since the last one."""
    display = FakeDisplay()
    advance = Board(display).start("cells", 3)
    advance(1)
    assert "0 of 3" in display.outputs[0]["text/plain"]
    clock.s += 1
    advance(1)
    assert "2 of 3" in display.outputs[0]["text/plain"]


def test_stretches_of_one_label_count_together(clock):
    """A label that begins again adds to its line."""
    board = Board(FakeDisplay())
    for _ in range(2):
        board.start("images", 5)(5)
    assert (board.stretches["images"].done, board.stretches["images"].total) == (10, 10)


def test_without_work_nothing_is_shown():
    """A run that was finished before leaves no empty output."""
    display = FakeDisplay()
    Board(display).show()
    assert display.outputs == []


def test_the_given_progress_is_used():
    """A caller's own goes before everything else."""
    with telling(plain_lines) as told:
        assert told is plain_lines


def test_a_script_is_told_nothing_and_a_terminal_one_line(monkeypatch, capsys):
    """No terminal, no output; in a terminal every stretch is named once on standard error."""
    with telling() as told:
        assert told is no_progress
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with telling() as told:
        told("scoring", 7)(1)
    assert capsys.readouterr().err == "scoring: 7\n"


def test_a_kernel_is_told_live(monkeypatch):
    """Where a kernel runs the process, its display is used."""
    display = FakeDisplay()
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    assert in_kernel()
    with telling() as told:
        told("scoring", 1)(1)
    assert "✓ scoring: 1" in display.outputs[0]["text/html"]


def test_ipython_stays_optional():
    """Importing the interface and everything for notebooks never imports IPython."""
    code = (
        "import sys, vesalius as vs; vs.evaluate; vs.notebook.examples\n"
        "from vesalius.engine.live import in_kernel\n"
        "assert not in_kernel() and 'IPython' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
