"""ResNet-50 / 101 trunks (He et al., CVPR 2016, arXiv 1512.03385), stride on the 3x3.

Names are those of torchvision and of the SimpleBaseline checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from litepose_export.models.folding import fold

DEPTHS: dict[int, tuple[int, int, int, int]] = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
WIDTHS = (64, 128, 256, 512)
EXPANSION = 4


class Bottleneck(nn.Module):
    """1x1, 3x3 (which strides), 1x1 to four times the width, and a residual."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * EXPANSION
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """`(N, inputs, H, W)` to `(N, 4 * width, H / stride, W / stride)`."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        activated: Tensor = self.relu(y + (x if self.downsample is None else self.downsample(x)))
        return activated

    def fold_normalisations(self) -> None:
        """Fold the three normalisations; the shortcut's lies in a sequence of its own."""
        for i in (1, 2, 3):
            fold_pair(self, f"conv{i}", f"bn{i}")


class ResNet(nn.Module):
    """`(N, 3, H, W)` to features at strides 4, 8, 16 and 32; a base class of pose networks."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        blocks = DEPTHS[depth]
        self.layer1 = _layer(64, WIDTHS[0], blocks[0], 1)
        self.layer2 = _layer(WIDTHS[0] * EXPANSION, WIDTHS[1], blocks[1], 2)
        self.layer3 = _layer(WIDTHS[1] * EXPANSION, WIDTHS[2], blocks[2], 2)
        self.layer4 = _layer(WIDTHS[2] * EXPANSION, WIDTHS[3], blocks[3], 2)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features of 256, 512, 1024 and 2048 channels."""
        at_4 = self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(x)))))
        at_8 = self.layer2(at_4)
        at_16 = self.layer3(at_8)
        return at_4, at_8, at_16, self.layer4(at_16)

    def fold_normalisations(self) -> None:
        """Fold the stem's normalisation."""
        fold_pair(self, "conv1", "bn1")


@torch.no_grad()
def fold_pair(module: nn.Module, convolution: str, normalisation: str) -> None:
    """Fold one named normalisation of a module into one named convolution of it."""
    conv, norm = getattr(module, convolution), getattr(module, normalisation)
    if isinstance(norm, nn.BatchNorm2d):
        assert isinstance(conv, nn.Conv2d)
        fold(conv, norm)
        setattr(module, normalisation, nn.Identity())


def _layer(inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    rest = [Bottleneck(width * EXPANSION, width, 1) for _ in range(blocks - 1)]
    return nn.Sequential(Bottleneck(inputs, width, stride), *rest)
