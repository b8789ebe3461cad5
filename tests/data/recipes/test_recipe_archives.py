"""Archives: everything hostile is refused, nothing lands outside, an honest one comes whole."""

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from vesalius.data.recipes import archives
from vesalius.data.recipes.archives import unpack
from vesalius.errors import DataError


def zipped(path: Path, entries: dict[str, bytes], *, link: str = "") -> Path:
    """A zip archive; `link` is the name of an entry that is a symbolic link."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
        if link:
            entry = zipfile.ZipInfo(link)
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(entry, b"/etc/passwd")
    return path


def tarred(path: Path, entries: dict[str, bytes], *, kind: bytes = tarfile.REGTYPE) -> Path:
    """A tar archive of entries of one kind."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd" if kind != tarfile.REGTYPE else ""
            entry.size = len(content) if kind == tarfile.REGTYPE else 0
            archive.addfile(entry, io.BytesIO(content))
    return path


HONEST = {"a/b.txt": b"one", "a/c/d.txt": b"two", "e.txt": b"three"}


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_honest_archive_comes_whole(pack, tmp_path):
    """Folders are made, files of another archive are kept, nothing temporary stays."""
    folder = tmp_path / "set"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "kept.txt").write_text("kept")
    assert unpack(pack(tmp_path / "x.bin", HONEST), folder) == 3
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.txt")}
    assert found == HONEST | {"a/kept.txt": b"kept"}
    assert [p for p in folder.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize(
    "name", ["../out.txt", "a/../../out.txt", "/tmp/out.txt", "C:\\out.txt", "a\\..\\out.txt"]
)
def test_names_that_lead_outside_are_refused(pack, name, tmp_path):
    """Refused, not renamed, and the honest entry before it is not left behind."""
    archive = pack(tmp_path / "x.bin", {"good.txt": b"x", name: b"y"})
    folder = tmp_path / "set"
    with pytest.raises(DataError, match="leads out of its folder") as caught:
        unpack(archive, folder)
    assert caught.value.reason == "path_escapes"
    assert list(folder.rglob("*")) == []
    assert {p.name for p in tmp_path.iterdir()} == {"x.bin", "set"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE,
                                  tarfile.FIFOTYPE])  # fmt: skip
def test_links_and_devices_of_a_tar_are_refused(kind, tmp_path):
    """Also a link that stays inside: no published set needs one."""
    with pytest.raises(DataError, match="is a link or a device"):
        unpack(tarred(tmp_path / "x.tar", {"l": b""}, kind=kind), tmp_path / "set")


def test_a_link_in_a_zip_is_refused(tmp_path):
    """Zip files carry links in their attributes."""
    with pytest.raises(DataError, match="is a link or a device"):
        unpack(zipped(tmp_path / "x.zip", {}, link="l"), tmp_path / "set")


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_entry_that_stands_twice_is_refused(pack, tmp_path, recwarn):
    """The second would overwrite the first."""
    archive = pack(tmp_path / "x.bin", {"a.txt": b"1", "./a.txt": b"2"})
    with pytest.raises(DataError, match="stands twice"):
        unpack(archive, tmp_path / "set")


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_bomb_is_refused_before_it_fills_the_disk(pack, tmp_path):
    """64 MiB of zeros pack a thousandfold; honest images do not pack two hundredfold."""
    with pytest.raises(DataError, match="files of") as caught:
        unpack(pack(tmp_path / "x.bin", {"zeros": bytes(64 * 2**20)}), tmp_path / "set")
    assert caught.value.reason == "bomb"
    assert list((tmp_path / "set").iterdir()) == []


def test_too_many_files_and_too_little_space_are_refused(tmp_path, monkeypatch):
    """Both limits hold before the first byte is written."""
    archive = zipped(tmp_path / "x.zip", HONEST)
    monkeypatch.setattr(archives, "MOST_FILES", 2)
    with pytest.raises(DataError, match="3 files"):
        unpack(archive, tmp_path / "set")
    monkeypatch.setattr(archives, "MOST_FILES", 10)
    monkeypatch.setattr(archives, "_SPARE_BYTES", 2**80)
    with pytest.raises(DataError, match="GB are free"):
        unpack(archive, tmp_path / "set")


def test_damaged_and_foreign_files_are_named(tmp_path):
    """A cut tar, a flipped byte in a zip, and a web page that came instead."""
    folder = tmp_path / "set"
    cut = tarred(tmp_path / "cut.tar.gz", {"a": bytes(range(256)) * 400})
    cut.write_bytes(cut.read_bytes()[:-30])
    with pytest.raises(DataError, match="damaged archive"):
        unpack(cut, folder)
    flipped = zipped(tmp_path / "flipped.zip", {"a": bytes(range(256)) * 4})
    raw = bytearray(flipped.read_bytes())
    raw[60] ^= 0xFF
    flipped.write_bytes(raw)
    with pytest.raises(DataError, match="damaged archive"):
        unpack(flipped, folder)
    page = tmp_path / "page.zip"
    page.write_bytes(b"<html>log in</html>")
    with pytest.raises(DataError, match="neither a zip nor a tar"):
        unpack(page, folder)
    assert list(folder.rglob("*")) == []
