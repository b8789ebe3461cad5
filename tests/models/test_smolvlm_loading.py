"""Loading SmolVLM: strict, offline under its real id, or without weights at all."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_checkpoints as tiny
import tiny_smolvlm
from safetensors.numpy import load_file

from conftest import TEXTS
from vesalius.catalog import MODELS, load_model
from vesalius.errors import ModelError
from vesalius.models.checkpoint import open_folder
from vesalius.models.smolvlm import SmolVlm, architecture, load
from vesalius.records import Image

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint; never written to."""
    return tiny_smolvlm.build_smolvlm(tmp_path_factory.mktemp("hub") / "smolvlm")


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(folder, tmp_path / "smolvlm"))


def loaded(folder: Path) -> SmolVlm:
    return load(open_folder(folder), name="smolvlm", options={}, device="cpu")


@pytest.fixture(scope="module")
def whole(folder: Path) -> SmolVlm:
    """The image as one tile, the default."""
    return loaded(folder)


def test_a_missing_tensor_is_named(copied: Path) -> None:
    """A head left out of the file must not be filled with random numbers."""
    state = load_file(copied / "model.safetensors")
    del state["lm_head.weight"]
    tiny.save_weights(copied, state, pickle=False)
    with pytest.raises(ModelError, match=r"missing: lm_head.weight"):
        loaded(copied)


def _without_end_token(folder: Path) -> None:
    """A tokenizer of the right size whose end of turn has another name."""
    for path in folder.glob("*token*.json"):
        text = path.read_text("utf-8").replace("<end_of_utterance>", "<end_of_turn>")
        path.write_text(text, "utf-8")


def _without_template(folder: Path) -> None:
    (folder / "chat_template.json").unlink()


def _another_processor(folder: Path) -> None:
    """One that would leave a single image token in the prompt."""
    tiny_smolvlm.change_json(folder / "processor_config.json", processor_class="CLIPProcessor")
    tiny_smolvlm.change_json(folder / "tokenizer_config.json", chat_template=tiny_smolvlm.TEMPLATE)


def _unreadable_processor(folder: Path) -> None:
    (folder / "processor_config.json").write_text("[", "utf-8")


def _wrong_token_count(folder: Path) -> None:
    tiny_smolvlm.change_json(folder / "processor_config.json", image_seq_len=9)


def _wrong_image_token(folder: Path) -> None:
    tiny_smolvlm.change_json(folder / "config.json", image_token_id=7)


def _wrong_tile(folder: Path) -> None:
    tiny_smolvlm.change_json(
        folder / "preprocessor_config.json", max_image_size={"longest_edge": 32}
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_without_end_token, "the tokenizer is without <end_of_utterance>"),
        (_without_template, "no chat template"),
        (_another_processor, "expected an Idefics3Processor, got CLIPProcessor"),
        (_unreadable_processor, "cannot read the image processor"),
        (_wrong_token_count, "'tokens of a tile': 4.* got .*'tokens of a tile': 9"),
        (_wrong_image_token, "'id of <image>': 7"),
        (_wrong_tile, "'tile': 64.* got .*'tile': 32"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(
    damage: Callable[[Path], None], message: str, copied: Path
) -> None:
    """Each would give numbers without an error: wrong tokens, wrong places, wrong pixels."""
    damage(copied)
    with pytest.raises(ModelError, match=message):
        loaded(copied)


def test_a_template_among_the_tokenizer_settings_is_read(
    copied: Path, whole: SmolVlm, pictures: list[Image]
) -> None:
    """Revisions differ in where the chat template lies, not in what it says."""
    (copied / "chat_template.json").unlink()
    tiny_smolvlm.change_json(copied / "tokenizer_config.json", chat_template=tiny_smolvlm.TEMPLATE)
    scores = loaded(copied).score_texts(pictures[:1], TEXTS)
    np.testing.assert_array_equal(scores, whole.score_texts(pictures[:1], TEXTS))


def test_the_real_repository_loads_from_the_cache(
    folder: Path, hub_cache: Path, no_network: list[str], pictures: list[Image]
) -> None:
    """Genuine id and loading code, offline, with the licence and no pickle."""
    revision = MODELS["smolvlm"].revision or SHA
    tiny.offline_hub(hub_cache, tiny_smolvlm.REPO, folder, revision=revision)
    model = load_model("smolvlm", device="cpu", image_splitting=True)
    assert isinstance(model, SmolVlm)
    assert (model.card.source, model.card.revision) == (tiny_smolvlm.REPO, revision)
    assert model.card.license == "Apache-2.0"
    assert {"chat_template.json", "model.safetensors", "merges.txt"} <= set(model.card.weights)
    assert model.encode_images(pictures).shape == (3, 48)
    assert no_network == []


def test_the_architecture_needs_no_weights(folder: Path, whole: SmolVlm) -> None:
    """Shapes of the network from the configuration alone."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    network = architecture(config)
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}
    assert sum(parameter.numel() for parameter in network.parameters()) == whole.n_parameters
    assert tiny.shapes_of(network) == tiny.shapes_of(whole.model)


def test_the_genuine_size_is_that_of_the_published_file() -> None:
    """256.5 million parameters, 513 MB in two bytes each."""
    text = {
        "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536,
        "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
        "vocab_size": 49280, "max_position_embeddings": 8192,
    }  # fmt: skip
    vision = {
        "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 12, "image_size": 512, "patch_size": 16,
    }  # fmt: skip
    network = architecture(
        {"text_config": text, "vision_config": vision, "scale_factor": 4, "image_token_id": 49190}
    )
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    assert n_parameters == pytest.approx(256.5e6, rel=0.001)
    assert 2 * n_parameters / 1e6 == pytest.approx(MODELS["smolvlm"].size_mb, rel=0.001)
