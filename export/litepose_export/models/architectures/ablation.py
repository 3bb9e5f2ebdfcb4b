"""A small pose network whose parts can be exchanged one at a time, for comparisons.

About half of LRPose-s's channels throughout. What is exchanged comes from the published systems:
heatmaps at coarser or finer strides (FasterPose, arXiv 2107.03215), depthwise kernels of several
sizes and the fusion deconvolution head (LitePose, arXiv 2205.01271), the plain deconvolution head
(SimpleBaseline, arXiv 1804.06208), spatial information correction (EfficientPose, arXiv
2012.07086), refinement by a parse graph (RMPG, arXiv 2501.11069).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

from litepose_export.models.architectures.layers import (
    ConvBN,
    FusedBlock,
    InterleavedDeconv,
    initialise,
    summed_deconv,
)
from litepose_export.models.architectures.litepose import Block, InvertedBottleneck
from litepose_export.models.architectures.lrpose import Trunk, TrunkWidths
from litepose_export.models.architectures.rmpg import RMPG
from litepose_export.models.folding import fold_behind_sum

Head = Literal["nearest", "deconv", "fusion"]
DECONV_WIDTH = 32
WIDTHS = TrunkWidths(16, 16, 32, 32, 48, 64, 96, blocks_4=1, blocks_8=2, blocks_16=5)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a network is made of.

    Attributes:
        stride: Of the heatmaps: 4, 8 or 16. Deconvolution heads end at 4.
        kernel: 0 for dense 3x3 blocks; otherwise the size of the depthwise kernels of
            inverted bottlenecks.
        head: `"nearest"`: 1x1, nearest-neighbour enlargement and a skip, as in LRPose;
            `"deconv"`: 4x4 deconvolutions alone; `"fusion"`: each also enlarges the trunk's
            features of the same resolution.
        correction: A depthwise 3x3 with ReLU before the prediction.
        refinement: A parse graph over the features at stride 16.
    """

    stride: int = 8
    kernel: int = 0
    head: Head = "nearest"
    correction: bool = False
    refinement: bool = False

    def __post_init__(self) -> None:
        if self.stride not in (4, 8, 16):
            raise ValueError(f"heatmaps at stride 4, 8 or 16, not {self.stride}")
        if self.head != "nearest" and self.stride != 4:
            raise ValueError("deconvolution heads end at stride 4")


class AblationPose(nn.Module):
    """`(N, 3, H, W)` normalised RGB crop to `(N, K, H/stride, W/stride)` heatmaps.

    Args:
        parts: What it is made of.
        keypoints: K.
        bias: Where the prediction starts: -4.5 for logits, 0 for linear heat.
    """

    def __init__(self, parts: Parts, keypoints: int = 17, bias: float = -4.5) -> None:
        super().__init__()
        w = WIDTHS
        self.stride = parts.stride
        self.trunk = Trunk(w) if parts.kernel == 0 else _depthwise_trunk(w, parts.kernel)
        self.refinement = RMPG(w.stride_16) if parts.refinement else nn.Identity()
        self.head: nn.Module
        if parts.head == "nearest":
            self.head = _NearestHead(w, parts.stride)
            width = w.stride_16 if parts.stride == 16 else w.stride_8
        else:
            self.head = _DeconvHead(w, fusion=parts.head == "fusion")
            width = DECONV_WIDTH
        self.correction = _correction(width) if parts.correction else nn.Identity()
        self.predict = nn.Conv2d(width, keypoints, 1)
        initialise(self)
        nn.init.normal_(self.predict.weight, std=0.001)
        nn.init.constant_(self.predict.bias, bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Heatmaps."""
        at_4 = self.trunk.stage_4(self.trunk.stem(x))
        at_8 = self.trunk.stage_8(at_4)
        raw_16 = self.trunk.stage_16[0](at_8)
        at_16 = self.refinement(self.trunk.stage_16[1:](raw_16))
        maps: Tensor = self.predict(self.correction(self.head(at_4, at_8, raw_16, at_16)))
        return maps


class _NearestHead(nn.Module):
    """Steps of 1x1, enlargement and skip from stride 16 to the heatmaps' stride."""

    def __init__(self, w: TrunkWidths, stride: int) -> None:
        super().__init__()
        self.reduce, self.skip = nn.ModuleList(), nn.ModuleList()
        inputs = w.stride_16
        for reached, skipped in ((8, w.stride_8), (4, w.stride_4)):
            if stride <= reached:
                self.reduce.append(ConvBN(inputs, w.stride_8, 1, relu=False))
                self.skip.append(ConvBN(skipped, w.stride_8, 1, relu=False))
                inputs = w.stride_8
        self.refine = FusedBlock(inputs, w.middle_8, inputs)

    def forward(self, at_4: Tensor, at_8: Tensor, _raw_16: Tensor, at_16: Tensor) -> Tensor:
        x = at_16
        for reduce, skip, features in zip(self.reduce, self.skip, (at_8, at_4), strict=False):
            up = F.interpolate(reduce(x), scale_factor=2.0, mode="nearest")
            x = torch.relu(up + skip(features))
        refined: Tensor = self.refine(x)
        return refined


class _DeconvHead(nn.Module):
    """Two deconvolutions to stride 4; with `fusion` each step adds one of the trunk's features."""

    def __init__(self, w: TrunkWidths, *, fusion: bool) -> None:
        super().__init__()
        self.refined = nn.ModuleList([_deconv(w.stride_16), _deconv(DECONV_WIDTH)])
        self._fusion = fusion
        raw = [_deconv(w.stride_16), _deconv(w.stride_8)] if fusion else []
        self.raw = nn.ModuleList(raw)
        self.normalise = nn.ModuleList([nn.BatchNorm2d(DECONV_WIDTH) for _ in range(2)])
        self._fused: list[InterleavedDeconv] | None = None

    def forward(self, _at_4: Tensor, at_8: Tensor, raw_16: Tensor, at_16: Tensor) -> Tensor:
        x = at_16
        for step in range(2):
            inputs = [x, (raw_16, at_8)[step]] if self._fusion else [x]
            if self._fused is not None:
                x = self._fused[step](torch.cat(inputs, dim=1))
                continue
            up = [layer(y) for layer, y in zip(self._summed(step), inputs, strict=True)]
            x = torch.relu(self.normalise[step](sum(up)))
        return x

    def fold_normalisations(self) -> None:
        """Fold the normalisations behind the deconvolutions or their sums."""
        for step in range(2):
            fold_behind_sum(self._summed(step), cast(nn.BatchNorm2d, self.normalise[step]))
            self.normalise[step] = nn.Identity()

    def rewrite_deconvolutions(self) -> None:
        """Turn the folded deconvolutions of each step into one 2x2 convolution."""
        fused = [summed_deconv(self._summed(step)) for step in range(2)]
        self._fused = cast("list[InterleavedDeconv]", nn.ModuleList(fused))
        del self.refined, self.raw, self.normalise

    def _summed(self, step: int) -> list[nn.ConvTranspose2d]:
        layers = [self.refined[step], *([self.raw[step]] if self._fusion else [])]
        return cast("list[nn.ConvTranspose2d]", layers)


def _deconv(inputs: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inputs, DECONV_WIDTH, 4, 2, 1, bias=False)


def _correction(width: int) -> nn.Sequential:
    depthwise = nn.Conv2d(width, width, 3, 1, 1, groups=width, bias=False)
    return nn.Sequential(depthwise, nn.ReLU(inplace=True))


def _depthwise_trunk(w: TrunkWidths, kernel: int) -> Trunk:
    """The same widths and depth with inverted bottlenecks for blocks."""
    trunk = Trunk(w)
    block = Block(kernel=kernel)
    for stage in (trunk.stage_4, trunk.stage_8, trunk.stage_16):
        for i, old in enumerate(list(stage)):
            assert isinstance(old, FusedBlock)
            first, last = old.expand[0], old.project[0]
            assert isinstance(first, nn.Conv2d)
            assert isinstance(last, nn.Conv2d)
            stage[i] = InvertedBottleneck(
                first.in_channels, last.out_channels, first.stride[0], block
            )
    return trunk
