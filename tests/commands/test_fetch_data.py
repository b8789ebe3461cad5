"""`vesalius fetch` and `vesalius datasets` for public data sets, with servers on this machine."""

import io
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace

import pytest
from fake_hub import COMMIT, FakeHub, Repository, serving
from typer.testing import CliRunner

from vesalius.cli import app
from vesalius.data.recipes import RECIPES
from vesalius.data.recipes.recipe import WebFile
from web_server import Site, serving_files

TRAIN = "data/train-00000-of-00001-eb8844602202be60.parquet"
TEST = "data/test-00000-of-00001-e5bc3d208bb4deeb.parquet"
FILES = {TRAIN: bytes(range(256)) * 4000, TEST: b"parquet" * 100, "README.md": b"words"}


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The data root of this test."""
    monkeypatch.setenv("VESALIUS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "data"


def fetch(hub: FakeHub, *names: str) -> "subprocess.CompletedProcess[str]":
    """The command in a process of its own: the hub's client reads its settings when imported."""
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "COLUMNS": "200", "HF_HUB_OFFLINE": "1",
                   "HF_HUB_DOWNLOAD_TIMEOUT": "5"}  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "vesalius", "fetch", *names],
        capture_output=True, text=True, env=environment, timeout=60, check=False,
    )  # fmt: skip


def test_a_data_set_of_the_hub_comes_into_the_data_root(data):
    """Only the wanted files, in their folders, checked; a second call downloads nothing."""
    repository = Repository("flaviagiammarino/vqa-rad", FILES, kind="datasets")
    with serving(repository) as hub:
        done = fetch(hub, "vqa-rad-hub")
        assert done.returncode == 0, done.stderr + done.stdout
        folder = data / "vqa-rad-hub"
        assert (folder / TRAIN).read_bytes() == FILES[TRAIN]
        assert (folder / TEST).read_bytes() == FILES[TEST]
        assert not (folder / "README.md").exists()
        for words in ("licence: CC0-1.0", f"at commit {COMMIT}", "doi:10.1038/sdata.2018.251",
                      "2 files are as the hub describes them"):  # fmt: skip
            assert words in done.stdout
        hub.requests.clear()
        again = fetch(hub, "vqa-rad-hub")
        assert "is here already" in again.stdout
        assert hub.requests == []


def test_a_damaged_file_of_the_hub_is_deleted_and_named(data):
    """Same size, another byte: the hash tells."""
    lies = {TRAIN: FILES[TRAIN][:-1] + b"?"}
    repository = Repository("flaviagiammarino/vqa-rad", FILES, lies=lies, kind="datasets")
    with serving(repository) as hub:
        done = fetch(hub, "vqa-rad-hub")
    assert done.returncode == 2
    assert "came damaged and was deleted" in done.stderr
    assert not (data / "vqa-rad-hub" / TRAIN).exists()


def packed(*names: str) -> bytes:
    """A zip archive of small files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return buffer.getvalue()


@pytest.fixture
def kvasir(monkeypatch):
    """The recipe of Kvasir-SEG with the address of a server on this machine."""

    def at(url: str, **facts: str) -> None:
        file = WebFile(f"{url}/k.zip", "k.zip", unpack=True, **facts)
        monkeypatch.setitem(RECIPES, "kvasir-seg", replace(RECIPES["kvasir-seg"], get=(file,)))

    return at


def call(*arguments: str) -> tuple[int, str]:
    """Exit code and output of a command in this process."""
    done = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    return done.exit_code, done.output


def test_an_archive_is_downloaded_unpacked_and_removed(data, kvasir):
    """The files lie where the recipe looks for them, and the list says so."""
    body = packed("Kvasir-SEG/images/a.jpg", "Kvasir-SEG/masks/a.jpg")
    site = Site({"k.zip": body}, cuts=[100])
    with serving_files(site) as url:
        kvasir(url)
        code, output = call("fetch", "kvasir-seg")
        assert code == 0, output
        assert "no hash is known" in output
        assert "2 files unpacked" in output
        call("fetch", "kvasir-seg")
    assert len(site.requests) == 2  # the break and the rest, and nothing for the second call
    assert (data / "kvasir-seg" / "Kvasir-SEG" / "images" / "a.jpg").exists()
    assert list((data / "kvasir-seg").glob("k.zip*")) == []
    _, listed = call("datasets", "--json")
    rows = {row["name"]: row for row in json.loads(listed)}
    assert rows["kvasir-seg"]["on_disk"]
    assert not rows["vqa-rad"]["on_disk"]


def test_another_layout_than_expected_is_said(data, kvasir):
    """A publisher who changed his archive must not end in a silent success."""
    with serving_files(Site({"k.zip": packed("other/a.jpg")})) as url:
        kvasir(url)
        code, output = call("fetch", "kvasir-seg")
    assert code == 1
    assert "the publisher may have changed the layout" in output
    assert "1. download kvasir-seg.zip" in output


def test_a_data_set_without_download_says_what_to_put_where(data):
    """Steps, licence, credentials, folder; exit code 1 because nothing is there yet."""
    code, output = call("fetch", "ms-cxr")
    assert code == 1
    for words in ("PhysioNet credentials", "1. put MS_CXR_Local_Alignment_v1.1.0.csv",
                  "2. put the folder 'files' of MIMIC-CXR-JPG", "--data ms-cxr=FOLDER",
                  str(data / "ms-cxr")):  # fmt: skip
        assert words in output.replace("\n", "")


def test_the_list_has_what_a_reader_must_know(data):
    """At least 25 sets, every field filled, MedMNIST in every size."""
    code, output = call("datasets", "--json")
    rows = json.loads(output)
    assert code == 0
    assert len({row["citation"] for row in rows}) >= 25
    for row in rows:
        for field in ("title", "tasks", "license", "url", "citation", "split", "patient", "steps"):
            assert row[field], (row["name"], field)
    names = {row["name"] for row in rows}
    assert {"pathmnist", "pathmnist_64", "pathmnist_128", "pathmnist_224"} <= names
    assert {"nodulemnist3d", "nodulemnist3d_64"} <= names


def test_the_table_fits_a_terminal(data):
    """No row is cut; names can be copied from it."""
    done = subprocess.run(
        [sys.executable, "-m", "vesalius", "datasets"], capture_output=True, text=True,
        env={**os.environ, "COLUMNS": "80", "VESALIUS_DATA": str(data)}, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    output = done.stdout
    lines = output.splitlines()
    assert max(map(len, lines)) <= 80
    for name in RECIPES:
        base, _, size = name.rpartition("_")
        if not (base in RECIPES and size.isdigit()):
            assert any(line.split()[:1] == [name] for line in lines), name
    assert "…" not in output
    assert "credentials" in output
