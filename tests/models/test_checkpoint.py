"""Files are found offline, complete, identified by hash, and pickles only by permission."""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_checkpoints as tiny

from vesalius.errors import ModelError, WeightsMissingError
from vesalius.models import locate
from vesalius.models.checkpoint import (
    Checkpoint,
    FilePolicy,
    card_of,
    image_processor,
    open_folder,
    read_config,
)

SHA = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40
ALLOW = FilePolicy(allow_pickles=True)
Copy = Callable[[str], Path]


def test_every_loaded_file_is_identified_by_its_content(checkpoints: Path) -> None:
    """The card must hold a hash of weights, configuration and tokenizer, nothing else."""
    found = open_folder(checkpoints / "clipmd-safe")
    expected = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (checkpoints / "clipmd-safe").iterdir()
        if path.suffix != ".py"
    }
    assert dict(found.files) == expected
    assert found.pickles == ()


def test_a_changed_weight_is_noticed(copy_of: Copy) -> None:
    """Hashes are remembered, but not beyond a change of the file."""
    folder = copy_of("clip-safe")
    before = open_folder(folder).files["model.safetensors"]
    raw = bytearray((folder / "model.safetensors").read_bytes())
    raw[-1] ^= 1
    (folder / "model.safetensors").write_bytes(raw)
    assert open_folder(folder).files["model.safetensors"] != before


def test_pickle_needs_a_known_hash_or_permission(checkpoints: Path) -> None:
    """A pickle can run code, so it is refused by default and its hash is printed."""
    folder = checkpoints / "clip"
    digest = hashlib.sha256((folder / "pytorch_model.bin").read_bytes()).hexdigest()
    with pytest.raises(ModelError, match=f"pytorch_model.bin.*{digest}.*allow_pickle_weights"):
        open_folder(folder)
    with pytest.raises(ModelError, match="not a known published"):
        open_folder(folder, policy=FilePolicy(pinned=frozenset({OTHER})))
    pinned = open_folder(folder, policy=FilePolicy(pinned=frozenset({digest})))
    assert pinned.pickles == ("pytorch_model.bin",)
    assert open_folder(folder, policy=ALLOW) == pinned


def test_safetensors_take_the_place_of_the_same_pickle(copy_of: Copy, checkpoints: Path) -> None:
    """With both forms on disk the pickle is neither loaded, hashed nor asked about."""
    folder = copy_of("clip-safe")
    (folder / "pytorch_model.bin").write_bytes(b"never read")
    assert open_folder(folder) == Checkpoint(
        folder, "local", "", open_folder(checkpoints / "clip-safe").files
    )


@pytest.mark.parametrize(
    ("gone", "named"),
    [("config.json", "config.json"), ("model.safetensors", "model.safetensors")],
)
def test_an_incomplete_folder_names_the_missing_file(copy_of: Copy, gone: str, named: str) -> None:
    """A partial copy must not pass as a checkpoint."""
    folder = copy_of("clip-safe")
    (folder / gone).unlink()
    with pytest.raises(WeightsMissingError, match=f"without {named}; fetch it"):
        open_folder(folder, remedy="fetch it")


def test_missing_shards_and_dangling_links_are_named(copy_of: Copy) -> None:
    """An interrupted download leaves links without files and an index without shards."""
    folder = copy_of("clip-safe")
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    tiny.write_json(folder / "model.safetensors.index.json", index)
    (folder / "vocab.json").unlink()
    (folder / "vocab.json").symlink_to("gone")
    with pytest.raises(WeightsMissingError, match=r"without vocab.json, model-00002-of-00002"):
        open_folder(folder)


def test_an_index_cannot_smuggle_in_a_pickle(copy_of: Copy) -> None:
    """A shard that only the index names would be loaded unhashed; it is refused by name."""
    folder = copy_of("clip")
    weights = folder / "pytorch_model.bin"
    (folder / "w-00001.bin").write_bytes(weights.read_bytes())
    index = {"weight_map": {"a": "w-00001.bin"}}
    tiny.write_json(folder / "pytorch_model.bin.index.json", index)
    with pytest.raises(WeightsMissingError, match=r"without w-00001\.bin"):
        open_folder(folder, policy=FilePolicy(allow_pickles=True))


def test_no_folder_is_said_so(tmp_path: Path) -> None:
    """A mistyped path is the commonest mistake."""
    with pytest.raises(WeightsMissingError, match="no such folder"):
        open_folder(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("content", "meaning"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        (b"\n<!DOCTYPE html><html>", "web page"),
    ],
)
def test_placeholders_are_recognised(copy_of: Copy, content: bytes, meaning: str) -> None:
    """Mirrors often hold pointers or login pages under the name of the weights."""
    folder = copy_of("clip-safe")
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=meaning):
        open_folder(folder)


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_configuration_must_be_a_json_object(copy_of: Copy, text: str) -> None:
    """A damaged configuration is named, not traced back."""
    folder = copy_of("clip-safe")
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config.json: expected (a )?JSON"):
        read_config(open_folder(folder))


def test_card_names_the_image_processor_of_any_age(copy_of: Copy) -> None:
    """Old extractor names, fast names and the joint processor file mean the same class."""
    folder = copy_of("clip-safe")
    assert image_processor(open_folder(folder)) == "CLIPImageProcessor"
    (folder / "preprocessor_config.json").unlink()
    assert image_processor(open_folder(folder)) == ""
    nested = {"image_processor": {"image_processor_type": "CLIPImageProcessorFast"}}
    tiny.write_json(folder / "processor_config.json", nested)
    assert image_processor(open_folder(folder)) == "CLIPImageProcessor"


def test_card_changes_with_weights_and_options_only(checkpoints: Path) -> None:
    """The fingerprint keys every cache: weights and options count, display names do not."""
    clip = open_folder(checkpoints / "clip-safe")
    card = card_of(clip, name="a", adapter="clip", options={"fit": "crop"})
    assert card.processor.startswith("CLIPImageProcessor/pil (transformers 5, pillow ")
    renamed = card_of(clip, name="b", adapter="clip", options={"fit": "crop"})
    padded = card_of(clip, name="a", adapter="clip", options={"fit": "pad"})
    other = open_folder(checkpoints / "clipmd-safe")
    reweighted = card_of(other, name="a", adapter="clip", options={"fit": "crop"})
    assert renamed.fingerprint == card.fingerprint
    assert len({card.fingerprint, padded.fingerprint, reweighted.fingerprint}) == 3


def test_a_snapshot_is_found_by_reference_commit_or_tag(checkpoints: Path, hub_cache: Path) -> None:
    """The cache of the hub's client is read as that client writes it."""
    laid = tiny.offline_hub(hub_cache, "org/name", checkpoints / "clip-safe", revision=SHA)
    assert locate.find_snapshot("org/name", remedy="") == (laid, SHA)
    assert locate.find_snapshot("org/name", revision=SHA, remedy="") == (laid, SHA)
    refs = laid.parents[1] / "refs"
    (refs / "v1.0").write_text(SHA)
    assert locate.find_snapshot("org/name", revision="v1.0", remedy="")[1] == SHA
    (refs / "main").unlink()
    assert locate.find_snapshot("org/name", remedy="")[1] == SHA


def test_an_absent_revision_lists_what_is_there(checkpoints: Path, hub_cache: Path) -> None:
    """Another commit is never taken in place of the one asked for."""
    tiny.offline_hub(hub_cache, "org/name", checkpoints / "clip-safe", revision=SHA)
    for revision in (OTHER, "v2", "../main"):
        with pytest.raises(WeightsMissingError, match=f"{revision} is not in the cache.*{SHA}"):
            locate.find_snapshot("org/name", revision=revision, remedy="fetch")


def test_two_snapshots_without_a_reference_are_not_guessed(
    checkpoints: Path, hub_cache: Path
) -> None:
    """Which of two revisions ran must never depend on sorting."""
    for revision in (SHA, OTHER):
        laid = tiny.offline_hub(
            hub_cache / revision, "org/name", checkpoints / "clip-safe", revision=revision
        )
        (hub_cache / "models--org--name/snapshots").mkdir(parents=True, exist_ok=True)
        laid.rename(hub_cache / "models--org--name/snapshots" / revision)
    with pytest.raises(WeightsMissingError, match="main is not in the cache"):
        locate.find_snapshot("org/name", remedy="fetch")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HF_HUB_CACHE": "/a"}, "/a"),
        ({"HUGGINGFACE_HUB_CACHE": "/b", "HF_HOME": "/c"}, "/b"),
        ({"HF_HOME": "/c"}, "/c/hub"),
        ({"XDG_CACHE_HOME": "/d"}, "/d/huggingface/hub"),
    ],
)
def test_cache_folder_follows_the_clients_variables(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking elsewhere than the client would ask users to download again."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert locate.hub_cache() == Path(expected)


def test_an_unknown_miniature_is_refused() -> None:
    """A miniature that is not in the package is an error, not a download."""
    with pytest.raises(WeightsMissingError, match=r"mini:nothing.*make minis"):
        locate.embedded_folder("nothing")


def test_missing_weights_are_reported_at_once(hub_cache: Path, no_network: list[str]) -> None:
    """A machine without the files must say so in under a second, without asking the network."""
    start = time.perf_counter()
    with pytest.raises(WeightsMissingError, match=r"org/name: not found in the cache .*do this"):
        locate.find_snapshot("org/name", remedy="do this")
    assert time.perf_counter() - start < 1


def test_describing_a_model_loads_no_torch(checkpoints: Path) -> None:
    """A finished run is recognised without the seconds that torch takes to import."""
    code = (
        "import json, sys\n"
        "from vesalius.catalog import describe, parse_model\n"
        f"card = describe(parse_model({str(checkpoints / 'clip-safe')!r}))\n"
        "print(json.dumps([card.adapter, sorted({'torch', 'transformers'} & set(sys.modules))]))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(result.stdout) == ["clip", []]
