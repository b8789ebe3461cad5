"""All eight under their real names and repository ids, offline, by the genuine loading code."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tiny_biomedclip
import tiny_biovilt
import tiny_blip2
import tiny_checkpoints as tiny
import tiny_git
import tiny_smolvlm

from conftest import TEXTS
from vesalius.capabilities import CAPABILITIES
from vesalius.catalog import MODELS, describe, load_model, miniatures, parse_model
from vesalius.errors import ModelError
from vesalius.models.conformance import check_adapter
from vesalius.records import Image

SHA = "0123456789abcdef0123456789abcdef01234567"
BUILDERS: dict[str, Callable[[Path], Path]] = {
    "clip": tiny.build_clip,
    "pubmedclip": tiny.build_pubmedclip,
    "clipmd": tiny.build_clipmd,
    "blip2": tiny_blip2.build_blip2,
    "biomedclip": tiny_biomedclip.build,
    "git": tiny_git.build_git,
    "smolvlm": tiny_smolvlm.build_smolvlm,
    "biovil-t": tiny_biovilt.build_biovilt,
}
load = partial(load_model, device="cpu", allow_pickle_weights=True)


def test_no_model_of_the_catalog_is_forgotten() -> None:
    """A ninth model must bring its fixture."""
    assert list(BUILDERS) == list(MODELS)


@pytest.fixture(scope="module")
def tiny_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One tiny checkpoint for each of the eight."""
    root = tmp_path_factory.mktemp("eight")
    for name, build in BUILDERS.items():
        build(root / name)
    return root


@pytest.fixture
def in_cache(tiny_folders: Path, hub_cache: Path) -> Callable[[str], None]:
    """Lays a tiny checkpoint into the hub's cache under the real id and the pinned commit."""

    def lay(name: str) -> None:
        entry = MODELS[name]
        revision = entry.revision or SHA
        tiny.offline_hub(hub_cache, entry.repo, tiny_folders / name, revision=revision)

    return lay


@pytest.fixture
def scenes() -> list[Image]:
    """Smooth pictures of three shapes; networks without knowledge see little in noise."""
    rng = np.random.default_rng(3)
    shapes = [(70, 110), (120, 80, 3), (64, 64)]
    made = []
    for shape in shapes:
        coarse = rng.integers(0, 256, (shape[0] // 10 + 1, shape[1] // 10 + 1, *shape[2:]))
        fine = np.repeat(np.repeat(coarse, 10, axis=0), 10, axis=1)[: shape[0], : shape[1]]
        axes = "yxc" if len(shape) == 3 else "yx"
        made.append(Image(fine.astype(np.uint8), axes, "display", (0.0, 255.0)))  # type: ignore[arg-type]
    return made


def capabilities_of(model: object) -> set[str]:
    return {name for name, kind in CAPABILITIES.items() if isinstance(model, kind)}


@pytest.mark.parametrize("name", list(MODELS))
def test_a_real_repository_loads_from_the_cache_and_keeps_every_promise(
    name: str,
    in_cache: Callable[[str], None],
    no_network: list[str],
    scenes: list[Image],
) -> None:
    """Genuine id, pinned commit, no attempt to connect; declared capabilities are the real ones."""
    in_cache(name)
    entry = MODELS[name]
    model = load(name)
    assert model.card == describe(parse_model(name, allow_pickle_weights=True))
    assert (model.card.name, model.card.source) == (name, entry.repo)
    assert model.card.revision == (entry.revision or SHA)
    assert model.card.license == entry.license
    assert capabilities_of(model) == set(entry.capabilities)
    check_adapter(model, scenes, TEXTS, tolerance=1e-4)
    assert no_network == []


@pytest.mark.parametrize("name", list(MODELS))
def test_two_loads_are_one_model(
    name: str, in_cache: Callable[[str], None], scenes: list[Image]
) -> None:
    """Nothing is initialised at random, in training mode or in another order."""
    in_cache(name)
    one, two = load(name), load(name)
    assert one.n_parameters == two.n_parameters
    np.testing.assert_array_equal(one.encode_images(scenes), two.encode_images(scenes))
    np.testing.assert_array_equal(one.score_texts(scenes, TEXTS), two.score_texts(scenes, TEXTS))
    np.testing.assert_array_equal(
        one.attribute(scenes[0], TEXTS[0]), two.attribute(scenes[0], TEXTS[0])
    )
    if "generate" in MODELS[name].capabilities:
        assert one.generate(scenes, TEXTS) == two.generate(scenes, TEXTS)


@pytest.mark.parametrize(
    "name", [n for n, e in MODELS.items() if e.name in {"clip", "git", "clipmd"}]
)
def test_pickles_of_unknown_hash_need_permission(
    name: str, in_cache: Callable[[str], None]
) -> None:
    """The tiny pickle is not the published file, so it is refused by name."""
    in_cache(name)
    with pytest.raises(ModelError, match=r"pytorch_model\.bin: weights in pickle form"):
        load_model(name, device="cpu")


@pytest.mark.parametrize("name", miniatures())
def test_a_miniature_keeps_every_promise(name: str, scenes: list[Image]) -> None:
    """Trained weights through the same code; they have what their genuine model declares."""
    model = load_model(name, device="cpu")
    assert model.card.miniature
    assert capabilities_of(model) == set(MODELS[name.removeprefix("mini:")].capabilities)
    check_adapter(model, scenes, TEXTS, tolerance=1e-4)
