"""Parameters and arithmetic of the published architectures, and of checkpoints on disk."""

import json
from pathlib import Path

import pytest
import tiny_biomedclip
import tiny_biovilt
import tiny_blip2
import tiny_git
import tiny_smolvlm

from vesalius.catalog import MODELS, load_model, parse_model
from vesalius.errors import ModelError
from vesalius.models.architecture import Architecture
from vesalius.models.blueprint import ARCHITECTURES, architecture_of, genuine_architecture
from vesalius.models.genuine import GENUINE
from vesalius.models.request import resolve_model

# Millions of parameters and 10⁹ operations: measured once with independent implementations.
PARAMETERS = {
    "clip": 151.3, "pubmedclip": 151.3, "clipmd": 151.3, "biomedclip": 195.9, "git": 394.2,
    "biovil-t": 27.35 + 109.0, "smolvlm": 256.5, "blip2": 3942.0,
}  # fmt: skip
PER_IMAGE = {
    "clip": 8.8, "pubmedclip": 8.8, "clipmd": 8.8, "biomedclip": 35.1, "biovil-t": 32.9,
    "git": 162.0, "smolvlm": 212.6, "blip2": 520.7,
}  # fmt: skip
# (model, tower, number of the pass) → 10⁹ operations
OTHER = {
    ("clip", "text encoder", 0): 6.0,
    ("biomedclip", "text encoder", 0): 45.9,
    ("biovil-t", "image encoder", 1): 66.8,
    ("git", "decoder", 0): 24.9,
    ("smolvlm", "image encoder", 1): 3614.0,
    ("blip2", "Q-Former", 0): 12.7 + 0.1,
    ("blip2", "language model", 0): 121.0,
}


@pytest.fixture(scope="module")
def genuine() -> dict[str, Architecture]:
    """Every published architecture, without any file."""
    return {name: genuine_architecture(name, adapter=MODELS[name].adapter) for name in MODELS}


def operations(architecture: Architecture, tower: str, number: int) -> float:
    """10⁹ operations of one counted pass."""
    (found,) = [t for t in architecture.towers if t.name == tower]
    return found.passes[number].flops / 1e9


def test_every_model_of_the_catalog_has_dimensions_and_a_builder() -> None:
    """A ninth model would not be forgotten."""
    assert GENUINE.keys() == MODELS.keys()
    assert {entry.adapter for entry in MODELS.values()} <= ARCHITECTURES.keys()


@pytest.mark.parametrize("name", MODELS)
def test_parameters_within_one_percent(genuine: dict[str, Architecture], name: str) -> None:
    """The architecture that is drawn is the one that was published."""
    assert genuine[name].parameters / 1e6 == pytest.approx(PARAMETERS[name], rel=0.01)


@pytest.mark.parametrize("name", MODELS)
def test_operations_per_image_within_one_percent(
    genuine: dict[str, Architecture], name: str
) -> None:
    """Attention and convolutions are counted, whatever kernel a run would choose."""
    assert operations(genuine[name], "image encoder", 0) == pytest.approx(PER_IMAGE[name], rel=0.01)


@pytest.mark.parametrize(("place", "expected"), OTHER.items())
def test_other_operations_within_one_percent(
    genuine: dict[str, Architecture], place: tuple[str, str, int], expected: float
) -> None:
    """Texts, prior images, tiles and language models are counted too."""
    name, tower, number = place
    assert operations(genuine[name], tower, number) == pytest.approx(expected, rel=0.01)


def test_operations_by_formula(genuine: dict[str, Architecture]) -> None:
    """Matrix products worked out by hand: two operations per multiply-accumulate.

    A layer of width d, inner width f over n tokens: 8nd² in the projections of attention, 4n²d in
    its products, 4ndf in the two outer layers.
    """

    def layers(depth: int, n: int, d: int, f: int) -> float:
        return depth * (8 * n * d * d + 4 * n * n * d + 4 * n * d * f) / 1e9

    bert = layers(12, 32, 768, 3072)
    projections = 2 * (768 * 640 + 640 * 512) / 1e9
    assert operations(genuine["biomedclip"], "text encoder", 1) == pytest.approx(bert + projections)
    # Llama: 3 of 9 heads for keys and values, three outer matrices; products of attention in full
    n, d, f = 1168, 576, 1536
    linear = 30 * 2 * n * (2 * d * d + 2 * d * 192 + 3 * d * f) / 1e9
    assert linear == pytest.approx(248, rel=0.01)
    found = operations(genuine["smolvlm"], "language model", 1)
    assert found == pytest.approx(linear + 30 * 4 * n * n * d / 1e9, rel=1e-3)
    assert operations(genuine["smolvlm"], "language model", 2) == pytest.approx(2 * d * 49280 / 1e9)
    t5_decoder = operations(genuine["blip2"], "language model", 1)
    assert t5_decoder == pytest.approx(32, abs=0.5)


def test_the_diagram_is_connected(genuine: dict[str, Architecture]) -> None:
    """Every arrow joins two boxes, every box has an arrow, and boxes never share a place."""
    for name, made in genuine.items():
        ids = [block.id for block in made.blocks]
        assert len(set(ids)) == len(ids), name
        assert {end for link in made.links for end in link} == set(ids), name
        assert len({(block.stage, block.lane) for block in made.blocks}) == len(ids), name


BUILDERS = {
    "biomedclip": tiny_biomedclip.build,
    "biovil-t": tiny_biovilt.build_biovilt,
    "blip2": tiny_blip2.build_blip2,
    "git": tiny_git.build_git,
    "smolvlm": tiny_smolvlm.build_smolvlm,
}


@pytest.mark.parametrize("name", ["clip", "clipmd", *BUILDERS])
def test_a_checkpoint_on_disk_has_the_parameters_of_the_loaded_model(
    checkpoints: Path, tmp_path: Path, name: str
) -> None:
    """What is drawn from the files is what runs, tensor for tensor."""
    folder = checkpoints / name
    if name in BUILDERS:
        folder = BUILDERS[name](tmp_path / name)
    request = parse_model(f"{name}={folder}", allow_pickle_weights=True)
    drawn = architecture_of(resolve_model(request), adapter=request.entry.adapter)
    model = load_model(name, source=folder, device="cpu", allow_pickle_weights=True)
    assert drawn.parameters == model.n_parameters
    assert all(done.flops > 0 for tower in drawn.towers for done in tower.passes)


def test_a_broken_configuration_is_a_clear_error(copy_of) -> None:
    """A model whose config.json is nonsense is named with its file."""
    folder = copy_of("clip-safe")
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"]["num_attention_heads"] = 7
    (folder / "config.json").write_text(json.dumps(config))
    checkpoint = resolve_model(parse_model(f"clip={folder}"))
    with pytest.raises(ModelError, match=r"does not describe a network of the adapter 'clip'"):
        architecture_of(checkpoint, adapter="clip")


def test_an_unknown_architecture_is_refused() -> None:
    """Nothing is drawn of what is not known."""
    with pytest.raises(ModelError, match="its architecture cannot be drawn"):
        genuine_architecture("clip", adapter="mystery")
    with pytest.raises(ModelError, match="published dimensions are not built in"):
        genuine_architecture("mystery", adapter="clip")
