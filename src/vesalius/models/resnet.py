"""A ResNet of bottleneck blocks, in the parameter names of torchvision.

Source: He et al. (2016), doi:10.1109/CVPR.2016.90; the stride is in the middle convolution.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

EXPANSION = 4  # channels that leave a block, over those inside


def convolution(entering: int, leaving: int, size: int, *, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps the extent, but for the stride."""
    return nn.Conv2d(entering, leaving, size, stride, padding=size // 2, bias=False)


class Bottleneck(nn.Module):
    """Three convolutions beside a shortcut."""

    def __init__(self, entering: int, width: int, *, stride: int) -> None:
        super().__init__()
        leaving = EXPANSION * width
        self.conv1 = convolution(entering, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = convolution(width, width, 3, stride=stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = convolution(width, leaving, 1)
        self.bn3 = nn.BatchNorm2d(leaving)
        self.downsample = nn.Sequential()  # without modules it is the identity
        if stride != 1 or entering != leaving:
            self.downsample.append(convolution(entering, leaving, 1, stride=stride))
            self.downsample.append(nn.BatchNorm2d(leaving))

    def forward(self, x: Float[Tensor, "n c h w"], /) -> Float[Tensor, "n d hh ww"]:
        """One block."""
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        return torch.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNet(nn.Module):
    """A ResNet of bottleneck blocks up to its last stage; `fc` is in the file, but never used."""

    def __init__(self, width: int, *, stages: Sequence[int], n_classes: int) -> None:
        super().__init__()
        self.conv1 = convolution(3, width, 7, stride=2)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        entering = width
        for place, n_blocks in enumerate(stages):
            inner = width << place
            blocks = nn.Sequential()
            for index in range(n_blocks):
                stride = 2 if index == 0 and place else 1
                blocks.append(Bottleneck(entering, inner, stride=stride))
                entering = EXPANSION * inner
            self.add_module(f"layer{place + 1}", blocks)
        self.n_stages = len(stages)
        self.fc = nn.Linear(entering, n_classes)

    def forward(self, x: Float[Tensor, "n 3 h w"], /) -> Float[Tensor, "n d rows columns"]:
        """Local features, one for every 32 × 32 pixels."""
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        for stage in range(1, self.n_stages + 1):
            x = self.get_submodule(f"layer{stage}")(x)
        return x
