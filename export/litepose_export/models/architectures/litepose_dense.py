"""LitePose's head on LRPose's trunk: bottom-up pose from layers that are quick in INT8.

Ours, not published. Integer depthwise kernels do not use the CPU's INT8 instructions, and a
LitePose spends a third of its multiply-accumulates in 7x7 ones. Here the inverted bottlenecks
give way to dense 3x3 blocks; the fusion deconvolution head is the published one.
"""

from __future__ import annotations

from torch import Tensor

from litepose_export.models.architectures.layers import initialise
from litepose_export.models.architectures.litepose import FusionHead
from litepose_export.models.architectures.lrpose import SIZES, Trunk

DECONVS = (32, 24, 24)


class DenseLitePose(FusionHead):
    """`(N, 3, H, W)` normalised RGB to heatmaps and tags, as LitePose's; all linear.

    H and W must be multiples of 16. The trunk has the names of LRPose's, so that a run can
    start from one.

    Args:
        size: Of the trunk: `"n"`, `"s"` or `"m"`.
        keypoints: K.
    """

    def __init__(self, size: str, keypoints: int = 17) -> None:
        super().__init__()
        w = SIZES[size]
        self.trunk = Trunk(w)
        # Both of the head's first inputs are at stride 16: one from halfway through the blocks.
        self._half = (1 + w.blocks_16) // 2
        widths = (w.stem, w.stride_4, w.stride_8, w.stride_16, w.stride_16)
        self.add_head(widths, DECONVS, keypoints)
        initialise(self.trunk)

    def features(self, x: Tensor) -> list[Tensor]:
        """What the head takes."""
        at_2 = self.trunk.stem(x)
        at_4 = self.trunk.stage_4(at_2)
        at_8 = self.trunk.stage_8(at_4)
        raw = self.trunk.stage_16[: self._half](at_8)
        return [at_2, at_4, at_8, raw, self.trunk.stage_16[self._half :](raw)]
