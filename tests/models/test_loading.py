"""Loading is strict: nothing is filled in, left over, guessed or run."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_checkpoints as tiny
import torch
from safetensors.numpy import load_file
from transformers import CLIPModel
from transformers.utils import logging

from vesalius.errors import InputError, ModelError
from vesalius.models import loading
from vesalius.models.checkpoint import Checkpoint, FilePolicy, open_folder
from vesalius.models.clip import load
from vesalius.models.loading import (
    choose_device,
    load_image_processor,
    load_tokenizer,
    load_weights,
)

Copy = Callable[[str], Path]
TENSOR = "text_model.encoder.layers.1.mlp.fc1.weight"


def opened(folder: Path) -> Checkpoint:
    return open_folder(folder, policy=FilePolicy(allow_pickles=True))


def altered(folder: Path, change: Callable[[dict[str, np.ndarray]], None]) -> Checkpoint:
    state = load_file(folder / "model.safetensors")
    change(state)
    tiny.save_weights(folder, state, pickle=False)
    return opened(folder)


def test_a_missing_tensor_is_named(copy_of: Copy) -> None:
    """Transformers would fill it with random numbers and go on."""

    def remove(state: dict[str, np.ndarray]) -> None:
        del state[TENSOR]

    checkpoint = altered(copy_of("clip-safe"), remove)
    with pytest.raises(ModelError, match=f"do not fit config.json; missing: {TENSOR}"):
        load_weights(CLIPModel, checkpoint, device="cpu")


def test_an_extra_tensor_is_named(copy_of: Copy) -> None:
    """A tensor without a place means that the file belongs to another architecture."""
    extra = {"text_model.adapter.weight": np.ones(3, np.float32)}
    checkpoint = altered(copy_of("clip-safe"), lambda state: state.update(extra))
    with pytest.raises(ModelError, match=r"unexpected: text_model.adapter.weight"):
        load_weights(CLIPModel, checkpoint, device="cpu")


def test_a_misshapen_tensor_is_named_with_both_shapes(copy_of: Copy) -> None:
    """Another width would be initialised at random too."""
    wrong = {"visual_projection.weight": np.ones((5, 48), np.float32)}
    checkpoint = altered(copy_of("clip-safe"), lambda state: state.update(wrong))
    shapes = r"of another shape: visual_projection.weight \(file \(5, 48\), model \(32, 48\)\)"
    with pytest.raises(ModelError, match=shapes):
        load_weights(CLIPModel, checkpoint, device="cpu")


def test_position_indices_of_old_files_are_harmless(checkpoints: Path) -> None:
    """The genuine 2021 pickles carry counting buffers; they are no reason to refuse."""
    state = torch.load(checkpoints / "clip" / "pytorch_model.bin", weights_only=True)
    assert "vision_model.embeddings.position_ids" in state
    model = load_weights(CLIPModel, opened(checkpoints / "clip"), device="cpu")
    stored = state[TENSOR]
    assert torch.equal(model.state_dict()[TENSOR], stored)


def test_weights_are_float32_in_evaluation_mode(copy_of: Copy) -> None:
    """Half-precision files and dropout must not change numbers from call to call."""

    def halve(state: dict[str, np.ndarray]) -> None:
        state.update({name: value.astype(np.float16) for name, value in state.items()})

    model = load_weights(CLIPModel, altered(copy_of("clip-safe"), halve), device="cpu")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert not any(module.training for module in model.modules())


@pytest.mark.parametrize("pickle", [False, True])
def test_damaged_weights_are_refused_by_name(copy_of: Copy, pickle: bool) -> None:
    """A truncated copy must name the file and what to do."""
    folder, name = (
        (copy_of("clip"), "pytorch_model.bin") if pickle
        else (copy_of("clip-safe"), "model.safetensors")
    )  # fmt: skip
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=rf"cannot read the weights \({name}\).*download them"):
        load_weights(CLIPModel, opened(folder), device="cpu")


def test_a_malicious_pickle_runs_nothing_even_when_allowed(copy_of: Copy) -> None:
    """Permission to load a pickle is never permission to run it."""
    folder = copy_of("clip")

    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (Path(folder / "canary"),)  # type: ignore[return-value]

    torch.save({"weight": Payload()}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot read the weights"):
        load_weights(CLIPModel, opened(folder), device="cpu")
    assert not (folder / "canary").exists()


def test_code_beside_the_weights_is_never_run(checkpoints: Path) -> None:
    """ClipMD's repository names a Python file; loading must not touch it."""
    load_weights(CLIPModel, opened(checkpoints / "clipmd"), device="cpu")
    assert (checkpoints / "clipmd" / "ClipMDModel.py").is_file()
    assert not (checkpoints / "clipmd" / tiny.CANARY).exists()


def test_missing_tokenizer_files_are_noticed(copy_of: Copy) -> None:
    """Without them transformers hands out a tokenizer that maps all words to one id."""
    folder = copy_of("clip-safe")
    for name in ("tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json"):
        (folder / name).unlink()
    (folder / "special_tokens_map.json").unlink()
    with pytest.raises(ModelError, match="tokenizer"):
        load_tokenizer(opened(folder), vocabulary_size=664)


def test_a_tokenizer_of_another_model_is_noticed(checkpoints: Path) -> None:
    """Ids beyond the embedding table, or a tenth of it unused, mean foreign files."""
    clip = opened(checkpoints / "clip")
    assert len(load_tokenizer(clip, vocabulary_size=664)) == 664
    assert len(load_tokenizer(clip, vocabulary_size=700)) == 664
    for size in (663, 800):
        with pytest.raises(ModelError, match=f"has 664 entries, the model {size}"):
            load_tokenizer(clip, vocabulary_size=size)


def test_a_tokenizer_that_knows_no_words_is_noticed(copy_of: Copy) -> None:
    """The right size alone proves nothing: common words must not be unknown."""
    from tokenizers import Tokenizer, models

    folder = copy_of("siglip")
    vocabulary = {"<unk>": 0, "</s>": 1} | {f"token{i}": i + 2 for i in range(75)}
    Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>")).save(str(folder / "tokenizer.json"))
    with pytest.raises(ModelError, match="does not know the words"):
        load_tokenizer(opened(folder), vocabulary_size=77)


def test_an_unreadable_tokenizer_is_reported(copy_of: Copy) -> None:
    """A damaged file names its folder."""
    folder = copy_of("siglip")
    (folder / "tokenizer_config.json").write_text("{")
    with pytest.raises(ModelError, match=r"siglip: cannot read the tokenizer"):
        load_tokenizer(opened(folder), vocabulary_size=77)


def test_the_end_token_must_be_where_the_model_reads(copy_of: Copy) -> None:
    """With any end id but its own the model reads every text at its start token."""
    folder = copy_of("clip-safe")
    config = tiny.clip_config(664)
    text = config["text_config"]
    assert isinstance(text, dict)
    tiny.write_json(folder / "config.json", config | {"text_config": text | {"eos_token_id": 663}})
    load(opened(folder), name="clip", options={}, device="cpu")
    tiny.write_json(folder / "config.json", config | {"text_config": text | {"eos_token_id": 5}})
    with pytest.raises(ModelError, match=r"reads a text at token 5 .*ends it with 663"):
        load(opened(folder), name="clip", options={}, device="cpu")


def test_the_pillow_processor_is_forced(checkpoints: Path, copy_of: Copy) -> None:
    """The card names the class that really runs; a folder without settings is refused."""
    processor = load_image_processor(opened(checkpoints / "clip"))
    assert (type(processor).__name__, processor.backend) == ("CLIPImageProcessorPil", "pil")
    folder = copy_of("clip")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"preprocessor_config.json is missing"):
        load_image_processor(opened(folder))


def test_an_unknown_processor_is_refused(copy_of: Copy) -> None:
    """A class that transformers does not know cannot be replaced by a guess."""
    folder = copy_of("clip-safe")
    tiny.write_json(
        folder / "preprocessor_config.json",
        tiny.clip_preprocessor() | {"feature_extractor_type": "OtherFeatureExtractor"},
    )
    with pytest.raises(ModelError, match="cannot read the image processor OtherImageProcessor"):
        load_image_processor(opened(folder))


def test_another_processor_than_the_card_says_is_refused(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Transformers falls back to another backend in silence; other pixels must not pass."""

    class CLIPImageProcessor:
        backend = "torchvision"

        @classmethod
        def from_pretrained(cls, *arguments: object, **settings: object) -> "CLIPImageProcessor":
            return cls()

    monkeypatch.setattr(loading, "AutoImageProcessor", CLIPImageProcessor)
    with pytest.raises(ModelError, match=r"Pillow form of CLIPImageProcessor, got .*torchvision"):
        load_image_processor(opened(checkpoints / "clip"))


def test_loading_leaves_progress_bars_as_they_were(checkpoints: Path) -> None:
    """A library must not switch off its host's bars for good."""
    logging.enable_progress_bar()
    load_weights(CLIPModel, opened(checkpoints / "clip"), device="cpu")
    assert logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    load_weights(CLIPModel, opened(checkpoints / "clip"), device="cpu")
    assert not logging.is_progress_bar_enabled()
    logging.enable_progress_bar()


def test_devices_are_checked_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown or absent device is a clear error, and `auto` takes what there is."""
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(InputError, match="auto, cpu or cuda, got 'gpu'"):
        choose_device("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert choose_device("auto") == torch.device("cpu")
    with pytest.raises(InputError, match="this machine has 0 CUDA devices"):
        choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device("auto") == torch.device("cuda")
    with pytest.raises(InputError, match="has 1 CUDA"):
        choose_device("cuda:1")


def test_loading_warns_of_nothing(checkpoints: Path) -> None:
    """A clean checkpoint loads without a warning, so that a warning means something."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load(opened(checkpoints / "clipmd"), name="clip", options={}, device="cpu")
    assert [str(warning.message) for warning in caught] == []
