"""Terminals, pipes and interruptions: no codes, no traceback, and nothing that finished is lost."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from vesalius.commands import terminal
from vesalius.commands.terminal import SafeConsole, Stretch, progress_bars
from vesalius.data.phantom import write_phantom
from vesalius.errors import printable
from vesalius.store.runs import read_outcomes

# a shell may start its jobs deaf to Ctrl-C
LISTENING = """\
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from vesalius.cli import main
main()
"""
VESALIUS = [sys.executable, "-m", "vesalius"]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A small synthetic cohort."""
    out = tmp_path_factory.mktemp("data") / "cohort"
    write_phantom(out, n_patients=20, seed=0)
    return out


def quiet_environment(tmp_path):
    """An environment without colours, and with a cache of its own."""
    return {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}


def ended(*arguments, env=None):
    """What a command prints into pipes."""
    return subprocess.run(
        [*VESALIUS, *map(str, arguments)], capture_output=True, text=True, check=False, env=env
    )


def test_pipes_get_no_control_codes(cohort):
    """Into a file or a pipe go plain lines of at most 80 columns, whatever the command."""
    for arguments in (["models"], ["--help"], ["run", "--help"], ["check", cohort, "--no-pixels"]):
        done = ended(*arguments)
        assert done.returncode == 0
        assert "\x1b" not in done.stdout + done.stderr
        assert max(map(len, done.stdout.splitlines())) <= 80


def test_columns_and_no_color_are_heeded(monkeypatch):
    """A user's own width and wish for no colour hold on a terminal, too."""
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("NO_COLOR", "1")
    written = SafeConsole(file=io.StringIO(), force_terminal=True)
    written.print("word " * 30, style="red")
    lines = written.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 50
    assert "\x1b[31m" not in written.file.getvalue()


def test_json_stands_alone_on_standard_output():
    """A program can read it as it is; progress goes elsewhere."""
    for arguments in (["models", "--json"], ["datasets", "--json"]):
        assert json.loads(ended(*arguments).stdout)


@pytest.mark.parametrize(
    "arguments", [["models", "--json"], ["datasets"], ["--help"], ["run", "--help"]]
)
def test_a_reader_that_stops_early_sees_no_traceback(arguments):
    """`vesalius … | head -1`, the pipe closed before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*VESALIUS, *arguments], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


def test_control_characters_of_names_are_shown_and_not_obeyed(cohort, tmp_path):
    """A label that would clear the screen or turn the writing is written out."""
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "dataset.yaml").write_text((cohort / "dataset.yaml").read_text())
    (copy / "samples.csv").write_text(
        "id,split,image,label,age,sex,site,bnp_pg_ml,bed\n"
        "a\x1b[2Jb,test,gone\u202egnp.exe,nodule,,,,,\n"
        "c,\x1b]0;title\x07,x.png,nodule,,,,,\n"
    )
    done = ended("check", copy, "--no-pixels")
    assert done.returncode == 1
    assert not {"\x1b", "\x07", "\u202e"} & set(done.stdout + done.stderr)
    assert r"\x1b]0;title\x07" in done.stdout
    assert r"gone\u202egnp.exe" in done.stdout
    failed = ended("score", "no\x1b[2Jwhere")
    assert failed.returncode == 2
    assert r"no\x1b[2Jwhere" in failed.stderr


def test_printable_keeps_what_people_write():
    """Letters of every script, line ends and tabs stay."""
    assert printable("Röntgen 胸部 é\n\tok") == "Röntgen 胸部 é\n\tok"


def test_progress_without_a_terminal_is_a_line_now_and_then(monkeypatch, capsys):
    """Many steps are few lines; each has count, percent and, once known, the time to go."""
    monkeypatch.setattr(terminal, "FIRST_LINE_S", 0.05)
    monkeypatch.setattr(terminal, "EVERY_S", 0.1)
    began_s = time.monotonic()
    with progress_bars() as progress:
        outer = progress("cells", 4)
        outer(1)
        advance = progress("images", 1000)
        for _ in range(500):
            advance(1)
            time.sleep(0.001)
    most = (time.monotonic() - began_s) / terminal.EVERY_S + 2
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert 1 <= len(lines) <= most
    assert all(line.startswith("cells: 1 of 4 (25 %), about ") for line in lines)
    assert re.search(r"· images: \d+ of 1,000 \(\d+ %\), about \d+ s to go$", lines[-1])


def test_progress_speaks_within_a_long_step_and_is_silent_in_a_short_one(monkeypatch, capsys):
    """A step of minutes is not silence; a command of a second says nothing."""
    with progress_bars() as progress:
        progress("short", 2)(2)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(terminal, "FIRST_LINE_S", 0.05)
    with progress_bars() as progress:
        progress("one long step", 1)
        time.sleep(0.3)
    assert "one long step: 0 of 1 (0 %)" in capsys.readouterr().err


def test_time_to_go_is_that_of_the_pace_so_far():
    """A quarter done in ten seconds leaves thirty."""
    stretch = Stretch("cells", 8, began_s=100.0, done=2)
    assert stretch.line(110.0) == "cells: 2 of 8 (25 %), about 30 s to go"


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_says_what_is_kept_and_the_same_command_goes_on(cohort, tmp_path, workers):
    """Exit code 130 within seconds; what had finished is not worked on again."""
    out = tmp_path / "my run"
    line = ["run", "--model", "mini:clip", "--model", "mini:biomedclip", "--data", cohort,
            "--task", "retrieval", "--resamples", "2", "--no-controls", "--workers", workers,
            "--device", "cpu", "--out", out]  # fmt: skip
    env = quiet_environment(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENING, *map(str, line)], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=env, start_new_session=True,
    )  # fmt: skip
    limit = time.monotonic() + 120
    while not (out / "outcomes.jsonl").exists() and time.monotonic() < limit:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert f"kept in {out}" in said.replace("\n", " ")
    assert (
        f"to go on: vesalius run --model mini:clip --model mini:biomedclip --data {cohort}" in said
    )
    assert f"--out '{out}'" in said  # it can be pasted, although there is a space in it
    before = read_outcomes(out)
    done = ended(*line, env=env)
    assert done.returncode == 0, done.stderr
    after = read_outcomes(out)
    assert len(after) > len(before)
    assert all(after[cell] == outcome for cell, outcome in before.items())
