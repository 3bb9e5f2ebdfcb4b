"""FasterPose: heatmaps from low-resolution features, for the regressive cross-entropy loss.

Dai et al., ACM TOMM 18(4), 2022, arXiv 2107.03215. Only the abstract is public: a
low-resolution design that saves 58 % of the dominant network's FLOPs, and a loss that lets
heatmaps be probabilities. **Reconstructed**: 42 % of SimpleBaseline's published 8.9 G are 3.7 G,
which is a bare ResNet-50; so the three deconvolutions go, and what replaces them must be nearly
free. Ours is the head LRPose has: 1x1 convolutions, sums of neighbouring scales, nearest
upsampling to stride 8, logits of probabilities, DARK decoding.

`LRPose` is the same design on a trunk of our own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

from litepose_export.models.architectures.layers import ConvBN
from litepose_export.models.architectures.resnet import EXPANSION, WIDTHS, ResNet

HEAD_WIDTH = 128
# The mean target is about 0.01: starting there spares the loss its plateau.
BIAS = -4.5


class FasterPose(ResNet):
    """`(N, 3, H, W)` normalised crop to `(N, K, H/8, W/8)` heatmap logits.

    Args:
        depth: Of the ResNet, 50 or 101.
        keypoints: K.
    """

    stride = 8

    def __init__(self, depth: int = 50, keypoints: int = 17) -> None:
        super().__init__(depth)
        at_8, at_16, at_32 = (width * EXPANSION for width in WIDTHS[1:])
        self.reduce_32 = ConvBN(at_32, HEAD_WIDTH, 1, relu=False)
        self.reduce_16 = ConvBN(at_16, HEAD_WIDTH, 1, relu=False)
        self.reduce_8 = ConvBN(at_8, HEAD_WIDTH, 1, relu=False)
        self.predict = nn.Conv2d(HEAD_WIDTH, keypoints, 1)
        nn.init.normal_(self.predict.weight, std=0.001)
        nn.init.constant_(self.predict.bias, BIAS)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Heatmap logits."""
        _, at_8, at_16, at_32 = self.features(x)
        y = torch.relu(_up(self.reduce_32(at_32)) + self.reduce_16(at_16))
        y = torch.relu(_up(y) + self.reduce_8(at_8))
        logits: Tensor = self.predict(y)
        return logits


def _up(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
