"""Inception-v3 gives what torchvision's, changed for FID, gives; and takes no other weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from inception_weights import drawn, scenes

from vesalius.engine.judges import Judges, load_judge
from vesalius.errors import ModelError, WeightsMissingError
from vesalius.models.checkpoint import sha256
from vesalius.models.inception import FILES, InceptionPool3, InceptionV3, find_weights, load
from vesalius.models.locate import torch_checkpoints
from vesalius.records import Image

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("inception.json").read_text())
SHAPES = {name: tuple(shape) for name, shape in GOLDEN["shapes"].items()}


def shown(pixels: np.ndarray) -> Image:
    layout = "yx" if pixels.ndim == 2 else "yxc"
    return Image(pixels, layout, "display", (0.0, 255.0))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of drawn weights in the layout of the published one."""
    path = tmp_path_factory.mktemp("hub") / FILES[0]
    torch.save(drawn(SHAPES), path)
    return path


@pytest.fixture(scope="module")
def judge(weights: Path) -> InceptionPool3:
    """The network with these weights."""
    return load(weights, pinned=frozenset({sha256(weights)}))


def test_features_are_those_of_another_implementation(judge: InceptionPool3) -> None:
    """Pixels to 2048 features, a grey picture and one in colour; see golden/make_inception.py."""
    found = judge.features([shown(pixels) for pixels in scenes()])
    assert found.shape == (2, 2048)
    assert found.dtype == np.float32
    expected = np.array(GOLDEN["features"])
    np.testing.assert_allclose(found[:, :: GOLDEN["every"]], expected, rtol=2e-4, atol=2e-4)


def test_a_picture_does_not_depend_on_its_neighbours(judge: InceptionPool3) -> None:
    """Batches of 16, and none."""
    picture, other = (shown(pixels) for pixels in scenes())
    found = judge.features([other] * 16 + [picture])
    np.testing.assert_allclose(found[16], judge.features([picture])[0], atol=1e-4)
    assert judge.features([]).shape == (0, 2048)


def test_the_layout_is_the_published_one() -> None:
    """Name and shape of each of the 472 tensors."""
    tensors = InceptionV3().state_dict().items()
    found = {n: tuple(t.shape) for n, t in tensors if not n.endswith("num_batches_tracked")}
    assert found == SHAPES


def test_only_the_published_file_makes_an_fid(weights: Path) -> None:
    """Drawn weights are refused by their hash."""
    with pytest.raises(ModelError, match=r"SHA-256 [0-9a-f]{64} is not that of the published"):
        load(weights)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        (
            "fc.weight",
            (1000, 2048),
            r"shape: fc.weight \(file \(1000, 2048\), model \(1008, 2048\)",
        ),
        ("Mixed_7c.branch_pool.conv.weight", None, "missing: Mixed_7c.branch_pool.conv.weight"),
        ("AuxLogits.fc.weight", (1000, 768), "unexpected: AuxLogits.fc.weight"),
    ],
)
def test_weights_of_another_layout_are_refused(
    tmp_path: Path, name: str, shape: tuple[int, int] | None, message: str
) -> None:
    """Those that image libraries ship have 1000 classes and a second classifier."""
    tensors = {n: torch.zeros(s) for n, s in SHAPES.items() if n != name}
    if shape is not None:
        tensors[name] = torch.zeros(shape)
    path = tmp_path / "other.pth"
    torch.save(tensors, path)
    with pytest.raises(ModelError, match=message):
        load(path, pinned=frozenset({sha256(path)}))


def test_a_pickle_that_is_no_tensors_does_not_run(tmp_path: Path) -> None:
    """Even with a known hash only tensors are read."""
    path = tmp_path / "code.pth"
    torch.save({"fc.weight": Path("x")}, path)
    with pytest.raises(ModelError, match=r"code\.pth"):
        load(path, pinned=frozenset({sha256(path)}))


@pytest.mark.parametrize("name", FILES)
def test_weights_are_found_where_packages_keep_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """In PyTorch's folder, under either name; without them the message says what to do."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(WeightsMissingError, match=f"put {FILES[0]} there"):
        Judges().get("inception-v3")
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(b"no weights")
    assert find_weights() == folder / name
    with pytest.raises(ModelError, match="is not that of the published weights"):
        load_judge("inception-v3")


def test_torch_home_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """As PyTorch itself looks."""
    monkeypatch.delenv("TORCH_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert torch_checkpoints() == Path(torch.hub.get_dir()) / "checkpoints"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert torch_checkpoints() == Path(torch.hub.get_dir()) / "checkpoints"
