"""From a name to a loaded model, offline, under the real repository ids."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tiny_checkpoints as tiny

from conftest import TEXTS
from vesalius.catalog import describe, load_model, open_model, parse_model, resolve_model
from vesalius.errors import InputError, WeightsMissingError
from vesalius.models.clip import Clip
from vesalius.models.generic import HfDualEncoder
from vesalius.models.locate import embedded_folder
from vesalius.records import Image

SHA = "0123456789abcdef0123456789abcdef01234567"


GUARDED = """
import socket, sys
def refuse(*arguments, **settings):
    print("attempt", arguments[:2])
    raise OSError("the network is closed in this test")
socket.getaddrinfo = socket.create_connection = refuse
socket.socket.connect = socket.socket.connect_ex = refuse
from vesalius import load_model
for text in sys.argv[1:]:
    print(load_model(text, device="cpu").card.source)
"""


def test_loading_needs_no_offline_switch(checkpoints: Path, hub_cache: Path) -> None:
    """In a process of its own without ``HF_HUB_OFFLINE`` nothing is attempted either."""
    tiny.offline_hub(hub_cache, "org/clip", checkpoints / "clip-safe", revision=SHA)
    online = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    names = [str(checkpoints / "clipmd-safe"), str(checkpoints / "siglip"), "hf:org/clip"]
    result = subprocess.run(
        [sys.executable, "-c", GUARDED, *names],
        capture_output=True, text=True, env=online, timeout=120, check=False,
    )  # fmt: skip
    assert result.stdout.split() == ["local", "local", "org/clip"], result.stderr


def test_an_uncatalogued_repository_loads_by_the_generic_adapter(
    checkpoints: Path, hub_cache: Path, no_network: list[str], pictures: list[Image]
) -> None:
    """`hf:` drives what the catalog has never heard of."""
    repo = "google/siglip-base-patch16-224"
    tiny.offline_hub(hub_cache, repo, checkpoints / "siglip", revision=SHA)
    model = load_model(f"hf:{repo}", device="cpu", revision=SHA)
    assert isinstance(model, HfDualEncoder)
    assert (model.card.source, model.card.revision) == (repo, SHA)
    assert model.encode_images(pictures).shape == (3, 48)
    assert no_network == []


@pytest.mark.parametrize(
    ("text", "command", "path"),
    [
        ("clip", "vesalius fetch clip", "--model clip=path/to/folder"),
        ("clip[fit=pad]", "vesalius fetch clip`", "--model clip=path/to/folder"),
        ("hf:org/name", "vesalius fetch hf:org/name", "--model path/to/folder"),
    ],
)
def test_missing_weights_name_the_command_in_under_a_second(
    text: str, command: str, path: str, hub_cache: Path, no_network: list[str]
) -> None:
    """Without the files the message is the recipe: what to run where, and where to copy it."""
    start = time.perf_counter()
    with pytest.raises(WeightsMissingError) as caught:
        load_model(text)
    assert time.perf_counter() - start < 1
    assert command in str(caught.value)
    assert path in str(caught.value)
    assert str(hub_cache) in str(caught.value)


@pytest.mark.parametrize(
    ("folder", "adapter"), [("clip-safe", "clip"), ("clipmd-safe", "clipmd"), ("siglip", "generic")]
)
@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_the_card_is_the_same_before_and_after_loading(
    folder: str, adapter: str, fit: str, checkpoints: Path
) -> None:
    """A finished run is recognised by the card alone, so it must be exactly the loaded one."""
    request = parse_model(str(checkpoints / folder))
    card = describe(request, {"fit": fit})
    assert (card.name, card.adapter, card.source) == (folder, adapter, "local")
    assert open_model(request, device="cpu", options={"fit": fit}).card == card


def test_a_named_folder_is_driven_by_the_named_adapter(checkpoints: Path) -> None:
    """`clip=folder` overrides the guess; `source=` says the same in Python."""
    model = load_model("clip", source=checkpoints / "clipmd-safe", device="cpu")
    assert isinstance(model, Clip)
    assert model.card.name == "clip=clipmd-safe"
    assert str(checkpoints) not in str(model.card)


def test_a_miniature_is_read_from_the_package(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`mini:NAME` takes the embedded weights and says so in the card."""
    (tmp_path / "minis").mkdir()
    (tmp_path / "minis" / "clip").symlink_to(checkpoints / "clip-safe")
    monkeypatch.setattr("vesalius.models.locate.files", lambda package: tmp_path)
    assert embedded_folder("clip") == tmp_path / "minis" / "clip"
    card = describe(parse_model("mini:clip"))
    assert (card.name, card.source, card.miniature) == ("mini:clip", "embedded", True)
    with pytest.raises(WeightsMissingError, match=r"there: clip"):
        resolve_model(parse_model("mini:clipmd"))


def test_options_are_checked_before_anything_is_read(tmp_path: Path) -> None:
    """A mistyped option must not cost the time of loading a model."""
    with pytest.raises(InputError, match="did you mean 'fit'"):
        describe(parse_model(f"clip={tmp_path}"), {"fitt": "pad"})


def test_equal_weights_have_equal_fingerprints_wherever_they_lie(
    checkpoints: Path, tmp_path: Path
) -> None:
    """Moving a folder changes neither numbers nor the cache key."""
    moved = tmp_path / "elsewhere"
    moved.symlink_to(checkpoints / "clip-safe")
    cards = [describe(parse_model(f"clip={path}")) for path in (checkpoints / "clip-safe", moved)]
    assert cards[0].fingerprint == cards[1].fingerprint
    other = describe(parse_model(f"clipmd={moved}"))
    assert other.fingerprint != cards[0].fingerprint


def test_loaded_models_agree_with_their_folder(checkpoints: Path) -> None:
    """One name, one set of numbers: a miniature, a folder and a repository share the code."""
    by_folder = load_model(str(checkpoints / "clip-safe"), device="cpu")
    by_name = load_model("clip", source=str(checkpoints / "clip-safe"), device="cpu")
    np.testing.assert_array_equal(by_folder.encode_texts(TEXTS), by_name.encode_texts(TEXTS))
