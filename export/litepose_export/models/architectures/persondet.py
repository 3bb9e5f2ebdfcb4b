"""PersonDet: a single-class, anchor-free person detector on LRPose's layers.

Three levels (strides 8, 16, 32), one score and four edge distances a cell, as in FCOS
(Tian et al., arXiv 1904.01355) without centre-ness: the score itself learns the overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

from litepose_export.models.architectures.layers import ConvBN, FusedBlock, initialise
from litepose_export.models.architectures.lrpose import Trunk, TrunkWidths

STRIDES = (8, 16, 32)
# Up to stride 8 the same as LRPose-s, whose weights it starts from.
WIDTHS = TrunkWidths(16, 32, 48, 64, 96, 128, 192, blocks_4=1, blocks_8=2, blocks_16=2)


@dataclass(frozen=True, slots=True)
class Predictions:
    """Raw outputs of all levels, finest first, rows before columns.

    Attributes:
        logits: `(N, A)` person logits.
        distances: `(N, A, 4)` logarithms of (left, top, right, bottom) in strides.
    """

    logits: Tensor
    distances: Tensor


class PersonDet(nn.Module):
    """`(N, 3, H, W)` normalised RGB image to one `(N, 5, H/s, W/s)` map a level.

    Channel 0 is the person logit, channels 1-4 the logarithms of the distances from the cell
    centre to the box's left, top, right and bottom edge in strides.

    Args:
        neck: Channels of the head, the same at every level.
    """

    def __init__(self, neck: int = 64) -> None:
        super().__init__()
        self.trunk = Trunk(WIDTHS)
        self.stage_32 = nn.Sequential(
            FusedBlock(WIDTHS.stride_16, 128, 128, 2), FusedBlock(128, 128, 128)
        )
        self.lateral_8 = ConvBN(WIDTHS.stride_8, neck, 1, relu=False)
        self.lateral_16 = ConvBN(WIDTHS.stride_16, neck, 1, relu=False)
        self.lateral_32 = ConvBN(128, neck, 1)
        self.refine = nn.ModuleList([FusedBlock(neck, neck, neck) for _ in STRIDES])
        self.scores = nn.ModuleList([nn.Conv2d(neck, 1, 1) for _ in STRIDES])
        self.edges = nn.ModuleList([nn.Conv2d(neck, 4, 1) for _ in STRIDES])
        initialise(self)
        for score, edge in zip(self.scores, self.edges, strict=True):
            assert isinstance(score, nn.Conv2d)
            assert isinstance(edge, nn.Conv2d)
            nn.init.normal_(score.weight, std=0.01)
            nn.init.constant_(score.bias, -4.5)  # type: ignore[arg-type]
            nn.init.normal_(edge.weight, std=0.01)
            nn.init.constant_(edge.bias, 1.0)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Maps of strides 8, 16 and 32."""
        at_8, at_16 = self.trunk(x)
        p32 = self.lateral_32(self.stage_32(at_16))
        p16 = torch.relu(self.lateral_16(at_16) + _up(p32))
        p8 = torch.relu(self.lateral_8(at_8) + _up(p16))
        levels = []
        for i, features in enumerate((p8, p16, p32)):
            refined = self.refine[i](features)
            levels.append(torch.cat([self.scores[i](refined), self.edges[i](refined)], dim=1))
        return tuple(levels)


def flatten(levels: tuple[Tensor, ...]) -> Predictions:
    """Join the levels' cells into one axis."""
    joined = torch.cat([level.flatten(2) for level in levels], dim=2).transpose(1, 2)
    return Predictions(logits=joined[..., 0], distances=joined[..., 1:])


def cell_centres(height: int, width: int) -> tuple[Tensor, Tensor]:
    """`(A, 2)` centres of all cells in input pixels, and `(A,)` their strides."""
    centres, strides = [], []
    for stride in STRIDES:
        y, x = torch.meshgrid(
            torch.arange(height // stride), torch.arange(width // stride), indexing="ij"
        )
        centres.append((torch.stack([x, y], dim=-1).view(-1, 2) + 0.5) * stride - 0.5)
        strides.append(torch.full((len(centres[-1]),), float(stride)))
    return torch.cat(centres), torch.cat(strides)


def to_boxes(distances: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """`(N, A, 4)` log distances to `(N, A, 4)` xyxy boxes in input pixels."""
    away = distances.clamp(max=6).exp() * strides[:, None]
    return torch.cat([centres - away[..., :2], centres + away[..., 2:]], dim=-1)


def _up(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
