"""The hierarchical network of the RMPG paper: several parse graphs, supervised by body parts.

Liu et al., arXiv 2501.11069, say that some RMPGs of their own network are supervised on parts of
the body. **Reconstructed**: which parts, where, and how the answer is used. Ours follow the body
from coarse to fine, halves, then limbs, then joints: each level refines the features at stride 16
by a parse graph of its own, predicts the heatmaps of its parts there, and hands them on, mixed
back into the features, to the next level.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from litepose_export.models.architectures.layers import deconv_layers, rewrite_deconv_sequence
from litepose_export.models.architectures.resnet import EXPANSION, WIDTHS, ResNet
from litepose_export.models.architectures.rmpg import RMPG

WIDTH = 256
# COCO joints of each part, coarse to fine.
LEVELS: tuple[tuple[tuple[int, ...], ...], ...] = (
    (tuple(range(11)), tuple(range(11, 17))),
    ((0, 1, 2, 3, 4), (5, 7, 9), (6, 8, 10), (11, 13, 15), (12, 14, 16)),
)


class HierarchicalRMPG(ResNet):
    """`(N, 3, H, W)` normalised crop to `(N, K, H/4, W/4)` linear heatmaps.

    In training `forward` gives the heatmaps and a tuple of part heatmaps, `(N, parts, H/16,
    W/16)` for each level.

    Args:
        depth: Of the ResNet, 50 or 101.
        keypoints: K.
        levels: Joints of each part of each level.
    """

    stride = 4

    def __init__(
        self,
        depth: int = 50,
        keypoints: int = 17,
        levels: tuple[tuple[tuple[int, ...], ...], ...] = LEVELS,
    ) -> None:
        super().__init__(depth)
        self.to_16 = _up(WIDTHS[-1] * EXPANSION)
        self.graphs = nn.ModuleList(RMPG(WIDTH) for _ in levels)
        self.part_heads = nn.ModuleList(nn.Conv2d(WIDTH, len(parts), 1) for parts in levels)
        self.mixers = nn.ModuleList(nn.Conv2d(len(parts), WIDTH, 1) for parts in levels)
        self.to_8, self.to_4 = _up(WIDTH), _up(WIDTH)
        self.final_layer = nn.Conv2d(WIDTH, keypoints, 1)
        for layer in (*self.part_heads, self.final_layer):
            assert isinstance(layer, nn.Conv2d)
            nn.init.normal_(layer.weight, std=0.001)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, tuple[Tensor, ...]]:
        """Heatmaps; in training the part heatmaps as well."""
        *_, at_32 = self.features(x)
        y = self.to_16(at_32)
        parts = []
        for graph, head, mixer in zip(self.graphs, self.part_heads, self.mixers, strict=True):
            y = graph(y)
            parts.append(head(y))
            y = torch.relu(y + mixer(parts[-1]))
        maps: Tensor = self.final_layer(self.to_4(self.to_8(y)))
        return (maps, tuple(parts)) if self.training else maps

    def rewrite_deconvolutions(self) -> None:
        """Replace the folded deconvolutions by 2x2 convolutions and interleaving."""
        self.to_16 = rewrite_deconv_sequence(self.to_16)
        self.to_8 = rewrite_deconv_sequence(self.to_8)
        self.to_4 = rewrite_deconv_sequence(self.to_4)


def _up(inputs: int) -> nn.Sequential:
    return deconv_layers(inputs, (WIDTH,))
