"""Hourglass-52: one hourglass of residual blocks with batch normalisation behind convolutions.

Newell et al., ECCV 2016, arXiv 1603.06937, in the form of CornerNet (Law and Deng, arXiv
1808.01244) that pose toolboxes call Hourglass-52: five halvings, basic residual blocks, 256
channels at stride 4.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

from litepose_export.models.architectures.layers import ConvBN
from litepose_export.models.architectures.rmpg import RMPG

CHANNELS = (256, 256, 384, 384, 384, 512)
BLOCKS = (2, 2, 2, 2, 2, 4)
STEM = 128
# The map whose channels the parse graph splits: the first one at stride 16.
RMPG_LEVEL = 2


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a residual; a 1x1 on the shortcut where shapes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = ConvBN(inputs, outputs, 3, stride)
        self.second = ConvBN(outputs, outputs, 3, relu=False)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = ConvBN(inputs, outputs, 1, stride, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, inputs, H, W)` to `(N, outputs, H / stride, W / stride)`."""
        return torch.relu(self.second(self.first(x)) + self.shortcut(x))


class Level(nn.Module):
    """One level of the hourglass and, inside it, those of half its size and less."""

    def __init__(
        self, channels: Sequence[int], blocks: Sequence[int], *, rmpg: bool, level: int = 0
    ) -> None:
        super().__init__()
        here, below = channels[0], channels[1]
        self.refine = RMPG(here) if rmpg and level == RMPG_LEVEL else nn.Identity()
        self.beside = _blocks(here, here, blocks[0])
        self.down = _blocks(here, below, blocks[0], stride=2)
        self.inside: nn.Module
        if len(channels) > 2:
            self.inside = Level(channels[1:], blocks[1:], rmpg=rmpg, level=level + 1)
        else:
            self.inside = _blocks(below, below, blocks[1])
        # The width changes in the last block on the way up.
        self.up = nn.Sequential(*_blocks(below, below, blocks[0] - 1), BasicBlock(below, here))

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` in and out; H and W divisible by 2 to the number of levels below."""
        x = self.refine(x)
        y = F.interpolate(self.up(self.inside(self.down(x))), scale_factor=2.0, mode="nearest")
        joined: Tensor = self.beside(x) + y
        return joined


class Hourglass(nn.Module):
    """`(N, 3, H, W)` normalised crop to `(N, K, H/4, W/4)` linear heatmaps; H, W multiples of 128.

    Args:
        keypoints: K.
        rmpg: Refine the features at stride 16 by a parse graph.
    """

    stride = 4

    def __init__(self, keypoints: int = 17, *, rmpg: bool = False) -> None:
        super().__init__()
        self.stem = nn.Sequential(ConvBN(3, STEM, 7, 2), BasicBlock(STEM, CHANNELS[0], 2))
        self.hourglass = Level(CHANNELS, BLOCKS, rmpg=rmpg)
        self.out = ConvBN(CHANNELS[0], CHANNELS[0], 3)
        self.predict = nn.Conv2d(CHANNELS[0], keypoints, 1)
        nn.init.normal_(self.predict.weight, std=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """Heatmaps."""
        maps: Tensor = self.predict(self.out(self.hourglass(self.stem(x))))
        return maps


def _blocks(inputs: int, outputs: int, count: int, stride: int = 1) -> nn.Sequential:
    rest = [BasicBlock(outputs, outputs) for _ in range(count - 1)]
    return nn.Sequential(BasicBlock(inputs, outputs, stride), *rest)
