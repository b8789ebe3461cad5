"""The configuration says which adapter drives a checkpoint outside the catalog."""

from pathlib import Path

import pytest
import tiny_chat
import tiny_checkpoints as tiny
import tiny_smolvlm

from vesalius.catalog import load_model, parse_model
from vesalius.errors import InputError, ModelError, WeightsMissingError
from vesalius.models import uncatalogued
from vesalius.models.chat import CHAT_MODELS, HfChat
from vesalius.models.generic import DUAL_ENCODERS
from vesalius.records import Image

SHA = "0123456789abcdef0123456789abcdef01234567"
OTHER = SHA[::-1]


def test_the_light_table_is_that_of_the_library() -> None:
    """The names are repeated so that a request is understood without importing transformers."""
    assert set(uncatalogued.DUAL_ENCODERS) == set(DUAL_ENCODERS) - {"blip-2"}
    assert "llava" in CHAT_MODELS
    assert set(uncatalogued.DUAL_ENCODERS) & set(CHAT_MODELS) == {"blip"}


@pytest.mark.parametrize(
    ("config", "adapter"),
    [
        ({"model_type": "clip"}, "clip"),
        ({"model_type": "clip", "auto_map": {"AutoModel": "ClipMDModel.ClipMDModel"}}, "clipmd"),
        ({"model_type": "idefics3"}, "smolvlm"),
        ({"model_type": "siglip2"}, "generic"),
        ({"model_type": "llava"}, "chat"),
        ({"model_type": "some_later_chat_model"}, "chat"),
        ({}, "chat"),
    ],
)
def test_folders(config: dict[str, object], adapter: str, tmp_path: Path) -> None:
    """The catalog's own adapters first, then dual encoder or chat model."""
    tiny.write_json(tmp_path / "config.json", config)
    assert parse_model(str(tmp_path)).entry.adapter == adapter


@pytest.mark.parametrize(
    ("model_type", "adapter"), [("clip", "generic"), ("idefics3", "chat"), ("qwen2_vl", "chat")]
)
def test_repositories_in_the_cache(
    model_type: str, adapter: str, hub_cache: Path, tmp_path: Path
) -> None:
    """Under another id a checkpoint is driven by one of the generic adapters."""
    folder = tmp_path / "files"
    folder.mkdir()
    tiny.write_json(folder / "config.json", {"model_type": model_type})
    tiny.offline_hub(hub_cache, "org/name", folder, revision=SHA)
    request = parse_model("hf:org/name")
    assert (request.kind, request.entry.adapter) == ("hub", adapter)
    assert request.entry.repo == "org/name"


def test_the_revision_that_was_asked_for_decides(hub_cache: Path, tmp_path: Path) -> None:
    """Two snapshots of one repository may be two architectures."""
    for model_type, revision in (("siglip", SHA), ("llava", OTHER)):
        folder = tmp_path / model_type
        folder.mkdir()
        tiny.write_json(folder / "config.json", {"model_type": model_type})
        tiny.offline_hub(hub_cache, "org/name", folder, revision=revision)
    assert parse_model("hf:org/name", revision=SHA).entry.adapter == "generic"
    assert parse_model("hf:org/name", revision=OTHER).entry.adapter == "chat"


def test_without_files_it_is_the_files_that_are_missed(hub_cache: Path) -> None:
    """An option of either generic adapter is no mistake while the architecture is unknown."""
    with pytest.raises(WeightsMissingError, match="vesalius fetch hf:org/name"):
        load_model("hf:org/name[dtype=bfloat16]")
    with pytest.raises(InputError, match="unknown option 'pooling'"):
        load_model("hf:org/name[pooling=eos]")


def test_a_damaged_configuration_is_reported(tmp_path: Path) -> None:
    """Not JSON is not the same as no configuration."""
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match="expected JSON"):
        parse_model(str(tmp_path))


def test_a_chat_model_loads_under_its_id_without_network(
    hub_cache: Path, no_network: list[str], tmp_path: Path, pictures: list[Image]
) -> None:
    """The template in a file of its own is hashed with the rest."""
    folder = tiny_chat.build_llava(tmp_path / "llava")
    tiny.offline_hub(hub_cache, "llava-hf/tiny", folder, revision=SHA)
    model = load_model("hf:llava-hf/tiny", device="cpu", dtype="bfloat16")
    assert isinstance(model, HfChat)
    assert (model.card.source, model.card.revision) == ("llava-hf/tiny", SHA)
    assert "chat_template.jinja" in model.card.weights
    assert model.score_answers(pictures[0], "is there?", ["yes", "no"]).n_tokens.tolist() == [2, 2]
    assert no_network == []


def test_an_idefics3_under_another_id_is_a_chat_model(
    hub_cache: Path, no_network: list[str], tmp_path: Path
) -> None:
    """The same files: by name the generic adapter, as a folder the catalog's."""
    folder = tiny_smolvlm.build_smolvlm(tmp_path / "smolvlm")
    tiny.offline_hub(hub_cache, "org/other", folder, revision=SHA)
    assert isinstance(load_model("hf:org/other", device="cpu"), HfChat)
    assert load_model(str(folder), device="cpu").card.adapter == "smolvlm"
    assert no_network == []
