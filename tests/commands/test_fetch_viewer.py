"""`vesalius fetch viewer`: one pinned script of a release, or nothing; used only when unchanged."""

import base64
import gzip
import hashlib
import io
import tarfile

import pytest
from typer.testing import CliRunner

from vesalius.cli import app
from vesalius.commands import viewer as command
from vesalius.data.recipes.recipe import WebFile
from vesalius.errors import DataError
from vesalius.report import viewer
from vesalius.report.document import policy
from web_server import Site, serving_files

SCRIPT = b"window.niivue = {};\n"


def release(script=SCRIPT):
    """A tarball in the layout of the release."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in {"package/other.js": b"x", command.MEMBER: script}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(stream.getvalue(), mtime=0)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Empty places for the viewer, and the pins of the small release."""
    monkeypatch.setattr("sys.prefix", str(tmp_path / "env"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    pin = hashlib.sha256(SCRIPT).hexdigest()
    for module in (command, viewer):
        monkeypatch.setattr(module, "BUNDLE_SHA256", pin)
    integrity = base64.b64encode(hashlib.sha512(release()).digest()).decode()
    monkeypatch.setattr(command, "INTEGRITY", integrity)
    return viewer.viewer_folders()


def fetch_from(address, content, monkeypatch):
    """The command, with the archive on another server."""
    digest = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(command, "ARCHIVE", WebFile(f"{address}/n.tgz", "n.tgz", sha256=digest))
    return command.fetch_viewer()


def test_the_script_comes_beside_the_environment_and_is_found(folders, monkeypatch):
    """Only that file, private, embedded whole with its licence; a second call asks nobody."""
    content = release()
    site = Site({"n.tgz": content})
    with serving_files(site) as address:
        assert fetch_from(address, content, monkeypatch)
        assert fetch_from(address, content, monkeypatch)
    assert site.requests == ["/n.tgz"]
    assert [path.name for path in folders[0].iterdir()] == [viewer.BUNDLE]
    assert not folders[1].exists()
    found = viewer.find_viewer()
    assert gzip.decompress(base64.b64decode(found.payload)) == SCRIPT
    assert "BSD 2-Clause" in found.licence
    digest = base64.b64encode(hashlib.sha256(SCRIPT).digest()).decode()
    allowed = policy("", "1", also=found.hash)
    assert f"'sha256-{digest}'" in allowed
    assert "unsafe" not in allowed
    assert "http" not in allowed


def test_where_the_environment_cannot_be_written_the_users_folder_is_taken(folders, monkeypatch):
    """A system-wide installation belongs to somebody else."""
    monkeypatch.setattr("os.access", lambda path, mode: "data" in str(path) or str(path) == "/")
    folders[1].mkdir(parents=True)
    folders[0].mkdir(parents=True)
    content = release()
    with serving_files(Site({"n.tgz": content})) as address:
        fetch_from(address, content, monkeypatch)
    assert (folders[1] / viewer.BUNDLE).read_bytes() == SCRIPT
    assert not (folders[0] / viewer.BUNDLE).exists()


@pytest.mark.parametrize("script", [SCRIPT + b" ", b""])
def test_another_script_is_refused_and_nothing_is_kept(folders, monkeypatch, script):
    """The hash of the archive is checked first, that of the script after."""
    content = release(script)
    with pytest.raises(DataError, match="another SHA-512 than the registry"):
        command.bundle_of(content)
    integrity = base64.b64encode(hashlib.sha512(content).digest()).decode()
    monkeypatch.setattr(command, "INTEGRITY", integrity)
    refused = pytest.raises(DataError, match="another SHA-256 than this version expects")
    with serving_files(Site({"n.tgz": content})) as address, refused:
        fetch_from(address, content, monkeypatch)
    assert not any(folder.exists() for folder in folders)


def test_a_copy_that_was_changed_is_passed_over(folders):
    """The next folder is looked at; without any the page has none."""
    for folder, content in zip(folders, (SCRIPT + b"//", SCRIPT), strict=True):
        folder.mkdir(parents=True)
        (folder / viewer.BUNDLE).write_bytes(content)
    assert viewer.find_viewer().payload
    (folders[1] / viewer.BUNDLE).unlink()
    assert viewer.find_viewer() == viewer.Viewer()


def test_without_a_network_the_command_says_so(folders, monkeypatch):
    """One sentence and exit code 1, which `make setup` goes on from."""
    monkeypatch.setattr(command, "ARCHIVE", WebFile("http://127.0.0.1:9/n.tgz", "n.tgz"))
    done = CliRunner().invoke(app, ["fetch", "viewer"])
    assert done.exit_code != 0
    assert isinstance(done.exception, DataError)
    assert "no connection" in str(done.exception)
