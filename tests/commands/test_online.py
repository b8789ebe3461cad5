"""`--online`: the one way in which a run opens the network, against a hub on this machine."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fake_hub import Repository, serving

from vesalius.commands.online import fetch_missing
from vesalius.errors import UsageError
from vesalius.models.locate import embedded_folder

REPO = "org/tiny"
CARD = 'format: 1\nname: two\nclasses:\n  dark: ["dark"]\n  bright: ["bright"]\n'
GUARD = """\
import socket, sys
def refuse(*arguments, **options):
    sys.stderr.write("NETWORK\\n")
    raise OSError("no network in this test")
socket.getaddrinfo = socket.create_connection = refuse
socket.socket.connect = socket.socket.connect_ex = refuse
from vesalius.cli import main
main()
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Empty caches that this process and those it starts look into."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("VESALIUS_DATA", str(tmp_path / "data"))
    return tmp_path / "hf"


@pytest.fixture
def folder(tmp_path):
    """A dataset of twelve pictures."""
    root = tmp_path / "two"
    root.mkdir()
    (root / "dataset.yaml").write_text(CARD)
    rows = ["id,patient,split,image,label"]
    for n in range(12):
        (root / f"{n}.pgm.png").write_bytes(_grey(20 * n))
        split = ("train", "val", "test")[n % 3]
        rows.append(f"s{n},p{n},{split},{n}.pgm.png,{'dark' if n < 6 else 'bright'}")
    (root / "samples.csv").write_text("\n".join(rows) + "\n")
    return root


def _grey(level: int) -> bytes:
    import io

    from PIL import Image as Pillow

    stream = io.BytesIO()
    Pillow.new("L", (16, 16), level).save(stream, format="PNG")
    return stream.getvalue()


def run(
    folder: Path, out: Path, *options: str, hub: str = ""
) -> "subprocess.CompletedProcess[str]":
    """`vesalius run` in a process that cannot connect itself."""
    environment = {**os.environ, "COLUMNS": "200", "NO_PROXY": "127.0.0.1", "HF_ENDPOINT": hub,
                   "HF_HUB_DOWNLOAD_TIMEOUT": "5"}  # fmt: skip
    environment.pop("HF_HUB_OFFLINE")  # nobody has set it for a user
    arguments = ["run", "--model", f"hf:{REPO}", "--data", str(folder), "--out", str(out)]
    arguments += ["--task", "classification", "--protocol", "zero-shot", "--resamples", "20"]
    return subprocess.run(
        [sys.executable, "-c", GUARD, *arguments, *options],
        capture_output=True, text=True, env=environment, timeout=300, check=False,
    )  # fmt: skip


def test_a_model_that_is_named_is_fetched_first_and_then_evaluated_offline(cache, folder, tmp_path):
    """Without the option nobody is asked; with it only the child that downloads connects."""
    files = {p.name: p.read_bytes() for p in embedded_folder("clip").iterdir() if p.is_file()}
    with serving(Repository(REPO, files)) as hub:
        refused = run(folder, tmp_path / "run", hub=hub.url)
        assert refused.returncode == 2
        assert f"vesalius fetch hf:{REPO}" in refused.stderr
        assert hub.requests == []
        done = run(folder, tmp_path / "run", "--online", hub=hub.url)
        assert done.returncode == 0, done.stderr
        assert hub.requests
        hub.requests.clear()
        again = run(folder, tmp_path / "run", "--online", hub=hub.url)
        assert again.returncode == 0, again.stderr
        assert hub.requests == []
    for finished in (refused, done, again):
        assert "NETWORK" not in finished.stderr
    assert "files are as the hub describes them" in done.stdout
    info = json.loads((tmp_path / "run" / "run.json").read_bytes())
    assert info["fetched"] == [f"hf:{REPO}"]


def test_what_is_on_disk_is_not_fetched(cache, folder):
    """Miniatures, folders and named folders of public data sets need nobody."""
    shutil.copytree(embedded_folder("clip"), cache / "copy")
    named = ["mini:all", f"clip={cache / 'copy'}", str(cache / "copy")]
    assert fetch_missing(named, [str(folder), f"vqa-rad={folder}"]) == ()


def test_a_data_set_that_must_be_signed_for_says_so(cache):
    """Nothing is downloaded either, and the command that explains the rest is named."""
    words = r"ms-cxr cannot be downloaded without you: it needs PhysioNet.*`vesalius fetch ms-cxr`"
    with pytest.raises(UsageError, match=words):
        fetch_missing([f"hf:{REPO}"], ["ms-cxr"])


def test_a_download_that_fails_ends_the_command(cache, monkeypatch):
    """Nobody listens at the address; what the child printed says why."""
    with serving(Repository(REPO, {})) as hub:
        pass
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    with pytest.raises(UsageError, match=f"not all of hf:{REPO} could be downloaded"):
        fetch_missing([f"hf:{REPO}"])
