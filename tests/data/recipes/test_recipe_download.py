"""Files from a web server on this machine: continued, checked, never mixed."""

import hashlib

import pytest

from vesalius.data.recipes import download
from vesalius.data.recipes.download import download_file
from vesalius.data.recipes.recipe import WebFile
from vesalius.errors import DataError
from web_server import Site, serving_files

CONTENT = bytes(range(256)) * 40_000
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    """No proxy between this process and itself."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def get(url, folder, **facts):
    """Download x.bin; the file, and how many bytes were reported last."""
    seen = []
    file = WebFile(f"{url}/x.bin", "x.bin", **facts)
    path = download_file(file, folder, arrived=lambda here, total: seen.append((here, total)))
    return path, seen


def test_a_file_comes_and_a_second_call_asks_nothing(tmp_path):
    """With a hash that fits, what is here is not asked for again."""
    site = Site({"x.bin": CONTENT})
    with serving_files(site) as url:
        path, seen = get(url, tmp_path, md5=MD5)
        assert path.read_bytes() == CONTENT
        assert seen[-1] == (len(CONTENT), len(CONTENT))
        get(url, tmp_path, md5=MD5)
    assert len(site.requests) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["x.bin"]


def test_a_broken_connection_costs_only_the_rest(tmp_path):
    """Two breaks, three requests, each from where the last one stopped."""
    site = Site({"x.bin": CONTENT}, cuts=[3_000_000, 4_000_000])
    with serving_files(site) as url:
        path, _ = get(url, tmp_path, md5=MD5)
    assert path.read_bytes() == CONTENT
    starts = [int(r.rpartition("bytes=")[2].rstrip("-")) for r in site.requests[1:]]
    assert starts == [3_000_000, 7_000_000]


@pytest.mark.parametrize("change", [{"etag": '"two"'}, {"etag": ""}, {"ranges": False}])
def test_two_versions_are_never_mixed(change, tmp_path):
    """A part of yesterday's file is dropped when today's has another identity, or none."""
    old = Site({"x.bin": b"?" * len(CONTENT)}, cuts=[1000] * download._MOST_TRIES)
    with serving_files(old) as url, pytest.raises(DataError, match="goes on where it stopped"):
        get(url, tmp_path)
    assert (tmp_path / "x.bin.part").stat().st_size > 0
    new = Site({"x.bin": CONTENT}, **change)
    with serving_files(new) as url:
        path, _ = get(url, tmp_path)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("facts", [{"md5": "0" * 32}, {"sha256": "0" * 64}, {"size": 5}])
def test_other_bytes_than_stated_are_deleted(facts, tmp_path):
    """A hash or size that does not fit leaves no file that could be taken for the right one."""
    with (
        serving_files(Site({"x.bin": CONTENT})) as url,
        pytest.raises(DataError, match="came damaged and was deleted"),
    ):
        get(url, tmp_path, **facts)
    assert list(tmp_path.glob("x.bin*")) in ([], [tmp_path / "x.bin.part.etag"])


def test_a_refusal_is_said_at_once(tmp_path):
    """404 is not tried five times."""
    site = Site({}, status=404)
    with serving_files(site) as url, pytest.raises(DataError, match="answered 404"):
        get(url, tmp_path)
    assert len(site.requests) == 1


def test_only_web_addresses_are_opened(tmp_path):
    """A file: address would read this disk."""
    with pytest.raises(DataError, match="expected a web address"):
        download_file(WebFile("file:///etc/passwd", "x"), tmp_path, arrived=lambda *_: None)
