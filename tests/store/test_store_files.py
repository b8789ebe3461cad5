"""Durable files: the old one or the new one, never a part."""

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vesalius.errors import RunError
from vesalius.store.files import make_folder, remove_leftovers, safe_name, write_atomic


def test_write_replaces_and_leaves_nothing_else(tmp_path):
    """The new content is there, no temporary file is, and only the owner may read it."""
    path = tmp_path / "deep" / "file.bin"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    """ENOSPC in the middle of a write leaves the old content and no temporary file."""
    path = tmp_path / "file.bin"
    write_atomic(path, b"old")

    def full(descriptor, payload):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(RunError, match=r"file\.bin: No space left on device; free space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_file_and_folder_are_synced(tmp_path, monkeypatch):
    """Both the file and its folder are fsynced, so a rename survives a power loss."""
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.fstat(fd).st_mode), real(fd)))
    write_atomic(tmp_path / "file.bin", b"x")
    assert [mode & 0o170000 for mode in synced] == [0o100000, 0o040000]


@given(first=st.text(max_size=20), second=st.text(max_size=20))
def test_names_are_safe_and_injective(first, second):
    """No separator, no dot-only name; different strings give different names."""
    name = safe_name(first)
    assert "/" not in name
    assert "\0" not in name
    assert name not in {".", ".."}
    assert (name == safe_name(second)) == (first == second)


def test_existing_folders_keep_their_mode(tmp_path):
    """A folder of the user's own is not made private behind their back."""
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    make_folder(shared)
    assert shared.stat().st_mode & 0o777 == 0o755


def test_leftovers_of_killed_writers_go_after_an_hour(tmp_path):
    """An old temporary file is removed; a young one may belong to a process at work."""
    old = tmp_path / "sub" / f".a.parquet.{'0' * 16}.tmp"
    young, foreign = tmp_path / f".b.parquet.{'1' * 16}.tmp", tmp_path / ".notes.tmp"
    old.parent.mkdir()
    for path in (old, young, foreign):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    os.utime(foreign, (0, 0))
    remove_leftovers(tmp_path)
    assert not old.exists()
    assert young.exists()
    assert foreign.exists()


def test_long_names_fit_a_file_system_and_stay_distinct():
    """A name of many non-Latin letters is shortened by its hash, not refused by the disk."""
    one, two = "胸部" * 60, "胸部" * 60 + "x"
    assert len(safe_name(one).encode()) < 200
    assert safe_name(one) != safe_name(two)


def test_every_new_parent_is_private(tmp_path):
    """Not only the last folder."""
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
