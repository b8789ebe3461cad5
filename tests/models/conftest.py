"""Tiny checkpoints, built once a session, and a guard against the network."""

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tiny_checkpoints as tiny

from vesalius.records import Image

TEXTS = (
    "chest x ray showing a large nodule",
    "normal",
    "no pneumonia in the left lung",
)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny matrices gain nothing from threads and wait for each other on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with one tiny checkpoint for each layout; never written to by a test."""
    root = tmp_path_factory.mktemp("checkpoints")
    tiny.build_clip(root / "clip")
    tiny.build_clip(root / "clip-safe", pickle=False)
    tiny.build_pubmedclip(root / "pubmedclip")
    tiny.build_clipmd(root / "clipmd")
    tiny.build_clipmd(root / "clipmd-safe", pickle=False)
    tiny.build_siglip(root / "siglip")
    return root


@pytest.fixture
def copy_of(checkpoints: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copies a tiny checkpoint so that a test may damage it."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(checkpoints / name, tmp_path / name))

    return copy


@pytest.fixture
def pictures() -> list[Image]:
    """Landscape grey, portrait colour and small square pictures."""
    rng = np.random.default_rng(0)
    return [
        Image(rng.integers(0, 256, (70, 110)).astype(np.uint8), "yx", "display", (0.0, 255.0)),
        Image(rng.integers(0, 256, (120, 80, 3)).astype(np.uint8), "yxc", "display", (0.0, 255.0)),
        Image(rng.integers(0, 256, (40, 40)).astype(np.uint8), "yx", "display", (0.0, 255.0)),
    ]


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache that the environment points to."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path / "hf" / "hub"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Records and refuses every attempt to resolve a name or to connect; must stay empty."""
    attempts: list[str] = []

    def refuse(*arguments: object, **settings: object) -> None:
        attempts.append(f"{arguments[:2]}")
        raise OSError("the network is closed in this test")

    for owner, name in (
        (socket, "getaddrinfo"),
        (socket, "create_connection"),
        (socket.socket, "connect"),
        (socket.socket, "connect_ex"),
    ):
        monkeypatch.setattr(owner, name, refuse)
    yield attempts
    assert attempts == []
