"""Inception-v3 up to its last pooling: the 2048 features that FID is defined on.

The network is that of the weights of 2015 with 1008 classes, which differs from the one that
image libraries ship: average pooling leaves the border out of the mean, and the last block pools
by maximum. Weights are looked for where the usual FID packages keep them and never downloaded.

Source: Szegedy et al. (2016), doi:10.1109/CVPR.2016.308; Heusel et al. (2017), arXiv:1706.08500.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import nn
from torch.nn import functional

from vesalius.errors import ModelError, WeightsMissingError
from vesalius.imaging import display_pixels
from vesalius.models.checkpoint import Checkpoint, sha256
from vesalius.models.locate import torch_checkpoints
from vesalius.models.native import fill, read_state
from vesalius.records import Image

# One file under the names that two packages give it.
FILES = (
    "pt_inception-2015-12-05-6726825d.pth",
    "weights-inception-2015-12-05-6726825d.pth",
)
PUBLISHED = frozenset({"6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"})
SIDE, DIM, N_CLASSES, BATCH = 299, 2048, 1008, 16


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution with batch normalisation, under its name in the file."""

    name: str
    width: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padded: bool = True


Step = Conv | str | tuple[Conv, ...]  # a string pools, a tuple goes several ways at once
Branch = tuple[Step, ...]

ROW, COLUMN, SQUARE = (1, 7), (7, 1), (3, 3)
STEM: tuple[Conv | str, ...] = (
    Conv("Conv2d_1a_3x3", 32, SQUARE, stride=2, padded=False),
    Conv("Conv2d_2a_3x3", 32, SQUARE, padded=False),
    Conv("Conv2d_2b_3x3", 64, SQUARE),
    "max/2",
    Conv("Conv2d_3b_1x1", 80),
    Conv("Conv2d_4a_3x3", 192, SQUARE, padded=False),
    "max/2",
)


def _a(pooled: int) -> tuple[Branch, ...]:
    return (
        (Conv("branch1x1", 64),),
        (Conv("branch5x5_1", 48), Conv("branch5x5_2", 64, (5, 5))),
        (
            Conv("branch3x3dbl_1", 64),
            Conv("branch3x3dbl_2", 96, SQUARE),
            Conv("branch3x3dbl_3", 96, SQUARE),
        ),
        ("mean", Conv("branch_pool", pooled)),
    )


def _c(width: int) -> tuple[Branch, ...]:
    return (
        (Conv("branch1x1", 192),),
        (
            Conv("branch7x7_1", width),
            Conv("branch7x7_2", width, ROW),
            Conv("branch7x7_3", 192, COLUMN),
        ),
        (
            Conv("branch7x7dbl_1", width),
            Conv("branch7x7dbl_2", width, COLUMN),
            Conv("branch7x7dbl_3", width, ROW),
            Conv("branch7x7dbl_4", width, COLUMN),
            Conv("branch7x7dbl_5", 192, ROW),
        ),
        ("mean", Conv("branch_pool", 192)),
    )


def _e(pooling: str) -> tuple[Branch, ...]:
    return (
        (Conv("branch1x1", 320),),
        (
            Conv("branch3x3_1", 384),
            (Conv("branch3x3_2a", 384, (1, 3)), Conv("branch3x3_2b", 384, (3, 1))),
        ),
        (
            Conv("branch3x3dbl_1", 448),
            Conv("branch3x3dbl_2", 384, SQUARE),
            (Conv("branch3x3dbl_3a", 384, (1, 3)), Conv("branch3x3dbl_3b", 384, (3, 1))),
        ),
        (pooling, Conv("branch_pool", 192)),
    )


_B: tuple[Branch, ...] = (
    (Conv("branch3x3", 384, SQUARE, stride=2, padded=False),),
    (
        Conv("branch3x3dbl_1", 64),
        Conv("branch3x3dbl_2", 96, SQUARE),
        Conv("branch3x3dbl_3", 96, SQUARE, stride=2, padded=False),
    ),
    ("max/2",),
)
_D: tuple[Branch, ...] = (
    (Conv("branch3x3_1", 192), Conv("branch3x3_2", 320, SQUARE, stride=2, padded=False)),
    (
        Conv("branch7x7x3_1", 192),
        Conv("branch7x7x3_2", 192, ROW),
        Conv("branch7x7x3_3", 192, COLUMN),
        Conv("branch7x7x3_4", 192, SQUARE, stride=2, padded=False),
    ),
    ("max/2",),
)
BLOCKS: Mapping[str, tuple[Branch, ...]] = {
    "Mixed_5b": _a(32),
    "Mixed_5c": _a(64),
    "Mixed_5d": _a(64),
    "Mixed_6a": _B,
    "Mixed_6b": _c(128),
    "Mixed_6c": _c(160),
    "Mixed_6d": _c(160),
    "Mixed_6e": _c(192),
    "Mixed_7a": _D,
    "Mixed_7b": _e("mean"),
    "Mixed_7c": _e("max"),
}


class Unit(nn.Module):
    """Convolution, batch normalisation, rectifier."""

    def __init__(self, n_in: int, of: Conv) -> None:
        super().__init__()
        rows, columns = of.kernel
        padding = (rows // 2, columns // 2) if of.padded else (0, 0)
        self.conv = nn.Conv2d(n_in, of.width, of.kernel, of.stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(of.width, eps=0.001)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Channels of the table's width."""
        return functional.relu(self.bn(self.conv(x)))


class Mixed(nn.Module):
    """Branches side by side, their channels joined in order."""

    def __init__(self, n_in: int, branches: tuple[Branch, ...]) -> None:
        super().__init__()
        self.branches = branches
        self.width = sum(self._add(n_in, branch) for branch in branches)

    def _add(self, width: int, branch: Branch) -> int:
        """Make the units of a branch; gives its number of channels."""
        for step in branch:
            if isinstance(step, str):
                continue
            ways = step if isinstance(step, tuple) else (step,)
            for way in ways:
                self.add_module(way.name, Unit(width, way))
            width = sum(way.width for way in ways)
        return width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """All branches of the same input."""
        return torch.cat([self._along(branch, x) for branch in self.branches], dim=1)

    def _along(self, branch: Branch, x: torch.Tensor) -> torch.Tensor:
        for step in branch:
            if isinstance(step, str):
                x = pooled(x, step)
            elif isinstance(step, Conv):
                x = self.get_submodule(step.name)(x)
            else:
                x = torch.cat([self.get_submodule(way.name)(x) for way in step], dim=1)
        return x


class InceptionV3(nn.Module):
    """The whole network; the classifier is there for its weights only."""

    def __init__(self) -> None:
        super().__init__()
        width = 3
        for step in STEM:
            if isinstance(step, Conv):
                self.add_module(step.name, Unit(width, step))
                width = step.width
        for name, branches in BLOCKS.items():
            block = Mixed(width, branches)
            self.add_module(name, block)
            width = block.width
        self.fc = nn.Linear(width, N_CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mean of the last block over its places, (n, 2048), of pixels in [-1, 1]."""
        for step in STEM:
            x = pooled(x, step) if isinstance(step, str) else self.get_submodule(step.name)(x)
        for name in BLOCKS:
            x = self.get_submodule(name)(x)
        return x.mean(dim=(2, 3))


def pooled(x: torch.Tensor, how: str) -> torch.Tensor:
    """Pooling over 3 × 3: ``mean`` and ``max`` keep the size, ``max/2`` halves it."""
    if how == "mean":
        return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    if how == "max":
        return functional.max_pool2d(x, 3, stride=1, padding=1)
    return functional.max_pool2d(x, 3, stride=2)


@dataclass(frozen=True, slots=True, eq=False)
class InceptionPool3:
    """The network as a judge of pictures."""

    network: nn.Module

    def features(self, images: Sequence[Image], /) -> Float[np.ndarray, "n 2048"]:
        """Features of 2D images, float32, not normalised.

        The image as shown, grey ones in all three channels, is resized to 299 × 299 by bilinear
        interpolation between the centres of its pixels without smoothing, and brought to [-1, 1].
        """
        found = [np.zeros((0, DIM), np.float32)]
        with torch.inference_mode():
            for start in range(0, len(images), BATCH):
                batch = torch.cat([_input(image) for image in images[start : start + BATCH]])
                found.append(self.network(batch).numpy())
        return np.concatenate(found)


def _input(image: Image) -> torch.Tensor:
    shown = display_pixels(image)
    colour = shown if shown.ndim == 3 else np.repeat(shown[:, :, None], 3, axis=2)
    pixels = torch.from_numpy(np.moveaxis(colour, 2, 0)[None].astype(np.float32))
    resized = functional.interpolate(pixels, (SIDE, SIDE), mode="bilinear", align_corners=False)
    return resized / 127.5 - 1


def find_weights() -> Path:
    """The published file where PyTorch keeps downloads.

    Raises:
        WeightsMissingError: if it is not there; says what to put where.
    """
    folder = torch_checkpoints()
    for name in FILES:
        if (folder / name).is_file():
            return folder / name
    raise WeightsMissingError(
        f"inception-v3: no weights in {folder}; put {FILES[0]} there, which the package "
        "pytorch-fid publishes and downloads to the same folder, or take a judge that is here: "
        "`judge: mini:biomedclip`"
    )


def load(path: Path, /, *, pinned: frozenset[str] = PUBLISHED) -> InceptionPool3:
    """Load the weights strictly, as tensors only, on the processor.

    Args:
        path: a file of ``torch.save`` with the names and shapes of `InceptionV3`.
        pinned: SHA-256 of the files that are taken for what they are called.

    Raises:
        ModelError: if the file is another one, or tensors are missing, left over or misshapen.
    """
    checkpoint = Checkpoint(path.parent, "local", "", {path.name: sha256(path)})
    if not pinned.issuperset(checkpoint.files.values()):
        raise ModelError(
            f"{path}: SHA-256 {checkpoint.files[path.name]} is not that of the published weights; "
            "a distance by others is no FID. Download the file again"
        )
    with torch.device("meta"):
        network = InceptionV3()
    state = read_state(checkpoint, path.name)
    counters = (n for n in network.state_dict() if n.endswith("num_batches_tracked"))
    blank = dict.fromkeys(counters, torch.tensor(0))  # for training; not every file has them
    return InceptionPool3(fill(network, blank | state, source=path))
