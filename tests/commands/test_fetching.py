"""`vesalius fetch` against a hub on this machine, with the genuine client in its own process."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fake_hub import COMMIT, FakeHub, Repository, etag, serving

from vesalius.catalog import MODELS
from vesalius.commands import fetching
from vesalius.errors import ModelError
from vesalius.models import download
from vesalius.models.download import Plan, RemoteFile, check_files, check_space
from vesalius.models.locate import find_snapshot

REPO = "org/tiny"
WEIGHTS = bytes(range(256)) * 4000
FILES = {
    "config.json": b'{"model_type": "clip"}',
    "README.md": b"words",
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"a pickle that nobody needs",
    "onnx/model.safetensors": b"an export that nobody needs",
}
Fetch = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache that this process and those it starts look into."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path / "hf" / "hub"


def fetch(hub: FakeHub, *names: str) -> "subprocess.CompletedProcess[str]":
    """The command in a process of its own: the client reads its settings when imported."""
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "COLUMNS": "200", "HF_HUB_OFFLINE": "1",
                   "NO_PROXY": "127.0.0.1", "HF_HUB_DOWNLOAD_TIMEOUT": "5"}  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "vesalius", "fetch", *names],
        capture_output=True, text=True, env=environment, timeout=40, check=False,
    )  # fmt: skip


def test_wanted_files_come_and_a_second_call_downloads_nothing(cache: Path) -> None:
    """Patterns hold, the pickle gives way to safetensors, the commit is said and found again."""
    with serving(Repository(REPO, FILES)) as hub:
        done = fetch(hub, f"hf:{REPO}")
        assert done.returncode == 0, done.stderr
        folder, commit = find_snapshot(REPO, remedy="")
        assert commit == COMMIT
        assert {p.name for p in folder.iterdir()} == {"config.json", "model.safetensors"}
        assert (folder / "model.safetensors").read_bytes() == WEIGHTS
        for words in (f"main is commit {COMMIT} now", "licence: not known", "1.0 MB to download",
                      "2 files are as the hub describes them"):  # fmt: skip
            assert words in done.stdout
        assert done.stdout.index("licence") < done.stdout.index("to download")
        hub.requests.clear()
        again = fetch(hub, f"hf:{REPO}")
        assert again.returncode == 0, again.stderr
        assert "2 are here already, 0 B to download" in again.stdout
        assert [r for r in hub.requests if "/resolve/" in r] == []


def test_an_interrupted_download_goes_on_where_it_stopped(cache: Path) -> None:
    """A connection that breaks in the middle costs the rest only, not the whole."""
    cut = 11_000_000  # the client writes pieces of 10 MiB
    content = WEIGHTS * 12
    with serving(Repository(REPO, FILES | {"model.safetensors": content}, cut_after=cut)) as hub:
        done = fetch(hub, f"hf:{REPO}")
        assert done.returncode == 0, done.stderr
        resumed = [r for r in hub.requests if r.startswith("GET") and "bytes=" in r]
        assert len(resumed) == 1
        assert 0 < int(resumed[0].rpartition("bytes=")[2].split("-")[0]) <= cut
        folder, _ = find_snapshot(REPO, remedy="")
        assert (folder / "model.safetensors").read_bytes() == content


def test_damaged_bytes_are_found_and_come_anew(cache: Path) -> None:
    """Same size, another byte: the hash tells, the file goes, the next call repairs."""
    damaged = WEIGHTS[:-1] + b"?"
    with serving(Repository(REPO, FILES, lies={"model.safetensors": damaged})) as hub:
        done = fetch(hub, f"hf:{REPO}")
        assert done.returncode == 2
        assert "model.safetensors came damaged and was deleted" in done.stderr
        hub.repository.lies = {}
        repaired = fetch(hub, f"hf:{REPO}")
        assert repaired.returncode == 0, repaired.stderr
    folder, _ = find_snapshot(REPO, remedy="")
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS


def test_a_model_of_the_catalog_comes_at_its_pin_and_must_be_the_published_one(
    cache: Path,
) -> None:
    """Licence first, pinned commit only, and other bytes under the right commit are refused."""
    entry = MODELS["smolvlm"]
    assert entry.revision is not None
    with serving(Repository(entry.repo, FILES, commit=entry.revision)) as hub:
        done = fetch(hub, "smolvlm[fit=pad]")
        assert done.returncode == 2
        assert f"pinned commit {entry.revision}" in done.stdout
        assert "licence: Apache-2.0" in done.stdout
        assert "its SHA-256 is not the one in the catalog" in done.stderr
        assert any(f"/resolve/{entry.revision}/" in request for request in hub.requests)
        hub.repository.commit = COMMIT
        other = fetch(hub, "smolvlm")
        assert f"it has no revision {entry.revision}" in other.stderr


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        ((401, "RepoNotFound"), "there is no such repository, or it is private"),
        ((403, "GatedRepo"), "it is gated: accept its conditions at https://huggingface.co/org"),
        ((500, ""), "the hub answered 500"),
    ],
)
def test_refusals_say_what_to_do(refusal: tuple[int, str], words: str, cache: Path) -> None:
    """One line, exit code 2, no traceback."""
    with serving(Repository(REPO, FILES, refusal=refusal)) as hub:
        done = fetch(hub, f"hf:{REPO}")
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_connection_the_way_out_is_said(cache: Path) -> None:
    """Nobody listens at the address."""
    with serving(Repository(REPO, FILES)) as hub:
        pass
    done = fetch(hub, f"hf:{REPO}")
    assert done.returncode == 2
    assert "no connection" in done.stderr
    assert "on a connected machine" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_has_no_repository_is_refused_before_any_download(cache: Path) -> None:
    """A miniature among the names stops the whole call."""
    with serving(Repository(REPO, FILES)) as hub:
        done = fetch(hub, f"hf:{REPO}", "mini:clip")
        assert done.returncode == 2
        assert "mini:clip is not downloaded" in done.stderr
        assert hub.requests == []


def plan(*files: RemoteFile) -> Plan:
    return Plan(REPO, "main", COMMIT, files, files)


def test_too_little_space_is_said_beforehand(cache: Path) -> None:
    """With what is needed, what is free, and the way to another disk."""
    with pytest.raises(ModelError, match=r"needs 1000000\.00 GB in .* are free; .*HF_HOME"):
        check_space(plan(RemoteFile("model.safetensors", 10**15, "")))
    check_space(plan(RemoteFile("config.json", 10, "")))


def test_small_files_are_checked_by_gits_name(tmp_path: Path) -> None:
    """A changed configuration changes numbers too; without a hash the size must do."""
    (tmp_path / "config.json").write_bytes(b"{}")
    described = RemoteFile("config.json", 2, etag("config.json", b"{}"))
    check_files(tmp_path, plan(described, replace(described, digest="")), pins={})
    with pytest.raises(ModelError, match=r"config.json came damaged"):
        check_files(tmp_path, plan(replace(described, digest="0" * 40)), pins={})
    assert not (tmp_path / "config.json").exists()


def test_research_only_is_said_loudly() -> None:
    """ClipMD forbids commercial use; the others do not say so."""
    assert "FOR RESEARCH ONLY" in " ".join(fetching.licence_lines(MODELS["clipmd"]))
    assert "FOR RESEARCH ONLY" not in " ".join(fetching.licence_lines(MODELS["clip"]))


def test_pins_are_those_of_the_files_that_come() -> None:
    """A pickle is held to the catalog's hashes, other files are free."""
    entry = MODELS["clip"]
    files = plan(RemoteFile("config.json", 1, ""), RemoteFile("pytorch_model.bin", 1, ""))
    assert fetching.pins_of(entry, files) == {"pytorch_model.bin": entry.pickles}
    assert fetching.pins_of(MODELS["git"], files) == {}


def test_a_repository_without_a_model_is_explained(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty list of files must not count as a finished download."""

    class Empty:
        """A hub that knows the repository, which has nothing."""

        def model_info(self, *arguments: object, **settings: object) -> object:
            """No files."""
            from huggingface_hub.hf_api import ModelInfo

            return ModelInfo(id=REPO, sha=COMMIT, siblings=[])

    monkeypatch.setattr(download, "HfApi", Empty)
    with pytest.raises(ModelError, match=r"the hub lists none of .*; is it a model"):
        download.plan_download(REPO, revision=None, patterns=("*.json",))
