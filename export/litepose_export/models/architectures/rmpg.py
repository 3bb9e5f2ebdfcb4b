"""RMPG: refinement of a feature map by a parse graph, a plug-in of equal shape in and out.

Liu et al., arXiv 2501.11069. Published: the feature map is split along its channels into a
tree of sub-maps (top-down), each node gets context, and sub-maps and context are joined again up
to the root (bottom-up). **Reconstructed**, since paper text and code are not public:

- the node's operator. The published growth of ViTPose-B (27.9 M) and Hourglass (3.15 M) is 47.3
  and 47-48 times the squared width, the sum over a tree of two levels of two children is 1.75
  times it: 27 d^2 a node of d channels, which is three 3x3 convolutions. Ours are stacked, with
  batch normalisation and ReLU: token attention over a map would be quadratic in its area and
  slow on CPUs;
- joining: `R = S + gamma * context(S)`, S the refined children beside each other. gamma starts
  at zero, so a trained host computes what it did before;
- placement: where the map has stride 16, the affordable place.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from litepose_export.models.architectures.layers import ConvBN

CHILDREN = (2, 2)
CONVOLUTIONS = 3


class RMPG(nn.Module):
    """Refine `(N, C, H, W)` features; the result has the same shape.

    Args:
        channels: C; divisible by the product of `children`.
        children: How many sub-maps a node splits into, level by level from the root; `(2, 2)`
            is the published `gp=[2,2]`. The nodes behind the last level are left as they are.

    Raises:
        ValueError: The channels cannot be split so.
    """

    def __init__(self, channels: int, children: tuple[int, ...] = CHILDREN) -> None:
        super().__init__()
        self.nodes = nn.ModuleList()
        self.count = 0
        if children:
            self.count = children[0]
            if channels % self.count:
                raise ValueError(f"{channels} channels do not split into {self.count} sub-maps")
            width = channels // self.count
            self.nodes.extend(RMPG(width, children[1:]) for _ in range(self.count))
        self.context = _Context(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Split, refine the parts, join, add context."""
        if self.count:
            parts = x.chunk(self.count, dim=1)
            x = torch.cat(
                [child(part) for child, part in zip(self.nodes, parts, strict=True)],
                dim=1,
            )
        refined: Tensor = x + self.context(x)
        return refined


class _Context(nn.Module):
    """Three 3x3 convolutions; the last normalisation's zero weight is gamma."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *[ConvBN(channels, channels, 3, relu=i < CONVOLUTIONS - 1) for i in range(CONVOLUTIONS)]
        )
        last = self.layers[-1]
        assert isinstance(last, ConvBN)
        gamma = last[1]
        assert isinstance(gamma, nn.BatchNorm2d)
        nn.init.zeros_(gamma.weight)

    def forward(self, x: Tensor) -> Tensor:
        """What the surroundings say about each place."""
        context: Tensor = self.layers(x)
        return context
