"""Journals: nothing acknowledged is lost, nothing torn is believed."""

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vesalius.errors import RunError
from vesalius.store.journal import (
    Journal,
    decode_line,
    encode_line,
    read_journal,
    truncate_torn_tail,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(record=st.dictionaries(st.text(), JSON, max_size=4))
def test_a_line_comes_back_as_it_was(record):
    """Every JSON record survives, whatever characters it has, and stays on one line."""
    line = encode_line(record)
    assert line.count(b"\n") == 1
    assert decode_line(line) == record


@given(data=st.data())
def test_a_damaged_line_is_never_believed(data):
    """A changed byte or a cut anywhere gives None instead of a wrong record."""
    line = encode_line({"cell": "a", "rows": [1, 2, 3]})
    cut = data.draw(st.integers(0, len(line) - 1))
    assert decode_line(line[:cut]) is None
    place = data.draw(st.integers(0, len(line) - 2))
    flipped = bytes([line[place] ^ data.draw(st.integers(1, 255))])
    assert decode_line(line[:place] + flipped + line[place + 1 :]) is None


def test_what_was_appended_is_read_in_order(tmp_path):
    """Two appends give two records, in one private file."""
    with closing(Journal(tmp_path / "journal")) as journal:
        journal.append({"n": 1})
        journal.append({"n": 2})
    (path,) = (tmp_path / "journal").iterdir()
    assert [record["n"] for record in read_journal(path)] == [1, 2]
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_file_without_an_append(tmp_path):
    """Opening a journal and closing it leaves no empty file behind."""
    with closing(Journal(tmp_path / "journal")):
        pass
    assert not (tmp_path / "journal").exists()


def test_torn_tail_is_cut_off_and_the_rest_kept(tmp_path):
    """Half a last line disappears; a whole file is left as it is."""
    path = tmp_path / "a.jsonl"
    whole = encode_line({"n": 1})
    path.write_bytes(whole + encode_line({"n": 2})[:-5])
    assert truncate_torn_tail(path) == len(encode_line({"n": 2})) - 5
    assert path.read_bytes() == whole
    assert truncate_torn_tail(path) == 0


def test_a_damaged_line_in_the_middle_costs_only_itself(tmp_path):
    """Bit rot in one batch does not take the batches after it."""
    path = tmp_path / "a.jsonl"
    bad = bytearray(encode_line({"n": 2}))
    bad[12] ^= 1
    path.write_bytes(encode_line({"n": 1}) + bytes(bad) + encode_line({"n": 3}))
    assert [record["n"] for record in read_journal(path)] == [1, 3]


def test_a_full_disk_is_said_and_leaves_no_partial_line(tmp_path, monkeypatch):
    """A short write followed by ENOSPC is cut back, and the error says what to do."""
    journal = Journal(tmp_path)
    journal.append({"n": 1})
    real = os.write
    calls = []

    def write(descriptor, payload):
        calls.append(len(payload))
        if len(calls) == 1:
            return real(descriptor, bytes(payload)[:7])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(RunError, match=r"No space left.*free space"):
        journal.append({"n": 2})
    monkeypatch.undo()
    journal.append({"n": 3})
    journal.close()
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == encode_line({"n": 1}) + encode_line({"n": 3})


WRITER = """
import sys
from pathlib import Path
from vesalius.store.journal import Journal
journal = Journal(Path(sys.argv[1]))
for n in range(100_000):
    journal.append({"n": n, "payload": "x" * 200})
    print(n, flush=True)
"""


def test_kill_loses_nothing_that_was_acknowledged(tmp_path):
    """After SIGKILL at arbitrary moments every acknowledged record is there, none is torn."""
    for delay in (0.05, 0.11, 0.2):
        folder = tmp_path / str(delay)
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True
        )
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        acknowledged = [0, *(int(line) for line in process.stdout if line.endswith("\n"))]
        process.wait()
        process.stdout.close()
        (path,) = folder.iterdir()
        truncate_torn_tail(path)
        found = [record["n"] for record in read_journal(path)]
        assert found == list(range(len(found)))
        assert len(found) >= len(acknowledged)
