"""LRPose n / s / m: dense layers to stride 16, low-resolution heatmap logits at stride 8.

FasterPose's paradigm (Dai et al., arXiv 2107.03215: heatmaps from low-resolution features) on
layers that run near the INT8 peak of a CPU: dense 3x3 and 1x1 convolutions, ReLU, a 1x1 +
nearest-upsample head with one skip; no depthwise and no transposed convolution. A stage at stride
32 sees all of a crop; m takes larger crops than s, which has fewer channels inside its blocks at
stride 16 and a block less at stride 32. n takes the smallest crops and has fewer channels inside
its blocks and fewer blocks at stride 16: it starts as s slimmed
(`training/distillation/slimming.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

from litepose_export.models.architectures.layers import ConvBN, FusedBlock, initialise


@dataclass(frozen=True, slots=True)
class TrunkWidths:
    """Channels of a trunk; `middle_*` are those inside the blocks of a stage."""

    stem: int
    stride_4: int
    middle_4: int
    stride_8: int
    middle_8: int
    stride_16: int
    middle_16: int
    blocks_4: int
    blocks_8: int
    blocks_16: int


_M = TrunkWidths(16, 32, 48, 64, 96, 128, 192, blocks_4=1, blocks_8=2, blocks_16=5)
SIZES: dict[str, TrunkWidths] = {
    "n": replace(_M, middle_4=24, middle_8=48, middle_16=96, blocks_16=2),
    "s": replace(_M, middle_16=160),
    "m": _M,
}


@dataclass(frozen=True, slots=True)
class Arch:
    """What distinguishes one LRPose from another.

    Attributes:
        trunk: Channels and blocks to stride 16; the head has those of stride 8.
        context_blocks: At stride 32; 0 for none.
        context_middle: Channels inside them.
    """

    trunk: TrunkWidths
    context_blocks: int = 0
    context_middle: int = 0


# Without blocks at stride 32 a cell sees about 120 px each way: less than half a crop of 256x192.
ARCHS = {
    "n": Arch(SIZES["n"], 4, 192),
    "s": Arch(SIZES["s"], 4, 192),
    "m": Arch(SIZES["m"], 5, 192),
}


class Trunk(nn.Module):
    """`(N, 3, H, W)` image to features at strides 8 and 16."""

    def __init__(self, widths: TrunkWidths) -> None:
        super().__init__()
        w = widths
        self.stem = ConvBN(3, w.stem, 3, 2)
        self.stage_4 = nn.Sequential(
            FusedBlock(w.stem, w.stem * 4, w.stride_4, 2),
            *[FusedBlock(w.stride_4, w.middle_4, w.stride_4) for _ in range(w.blocks_4)],
        )
        self.stage_8 = nn.Sequential(
            FusedBlock(w.stride_4, w.middle_8, w.stride_8, 2),
            *[FusedBlock(w.stride_8, w.middle_8, w.stride_8) for _ in range(w.blocks_8)],
        )
        self.stage_16 = nn.Sequential(
            FusedBlock(w.stride_8, w.middle_16, w.stride_16, 2),
            *[FusedBlock(w.stride_16, w.middle_16, w.stride_16) for _ in range(w.blocks_16)],
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features at strides 8 and 16."""
        at_8 = self.stage_8(self.stage_4(self.stem(x)))
        return at_8, self.stage_16(at_8)


class Context(nn.Module):
    """Features at stride 16 with what a stage at stride 32 adds to them; nothing when it is new.

    So it can be put into a trained network, which goes on from what it knows.
    """

    def __init__(self, channels: int, middle: int, blocks: int) -> None:
        super().__init__()
        self.stage = nn.Sequential(
            FusedBlock(channels, middle, channels, 2),
            *[FusedBlock(channels, middle, channels) for _ in range(blocks - 1)],
        )
        self.back = ConvBN(channels, channels, 1, relu=False)

    def start_silent(self) -> None:
        """Make the stage add nothing."""
        normalisation = self.back[1]
        assert isinstance(normalisation, nn.BatchNorm2d)
        nn.init.zeros_(normalisation.weight)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` to the same shape; H and W must be even."""
        seen = F.interpolate(self.back(self.stage(x)), scale_factor=2.0, mode="nearest")
        return torch.relu(x + seen)


class LRPose(nn.Module):
    """`(N, 3, H, W)` normalised RGB crop to `(N, K, H/8, W/8)` heatmap logits.

    H and W must be multiples of 32; of 16 where a search leaves out the blocks at stride 32.

    Args:
        size: `"n"`, `"s"` or `"m"`, or an architecture that a search has found.
        keypoints: K, the number of maps.
    """

    stride = 8

    def __init__(self, size: str | Arch, keypoints: int = 17) -> None:
        super().__init__()
        arch = ARCHS[size] if isinstance(size, str) else size
        w, blocks, middle = arch.trunk, arch.context_blocks, arch.context_middle
        self.trunk = Trunk(w)
        self.context = Context(w.stride_16, middle, blocks) if blocks else nn.Identity()
        self.reduce = ConvBN(w.stride_16, w.stride_8, 1, relu=False)
        self.skip = ConvBN(w.stride_8, w.stride_8, 1, relu=False)
        self.refine = FusedBlock(w.stride_8, w.middle_8, w.stride_8)
        self.predict = nn.Conv2d(w.stride_8, keypoints, 1)
        initialise(self)
        if isinstance(self.context, Context):
            self.context.start_silent()
        nn.init.normal_(self.predict.weight, std=0.001)
        # The mean target is about 0.01: starting there spares the loss its plateau.
        nn.init.constant_(self.predict.bias, -4.5)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Heatmap logits."""
        at_8, at_16 = self.trunk(x)
        at_16 = self.context(at_16)
        up = F.interpolate(self.reduce(at_16), scale_factor=2.0, mode="nearest")
        logits: Tensor = self.predict(self.refine(torch.relu(up + self.skip(at_8))))
        return logits
