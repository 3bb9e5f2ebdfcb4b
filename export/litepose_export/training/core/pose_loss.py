"""The loss of heatmap networks: targets from labels and a teacher's maps, compared with heat."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from litepose_export.training.core.losses import LOSSES
from litepose_export.training.core.normalization import normalise
from litepose_export.training.core.pose_batch import (
    TEACHER_MAP_SIGMA,
    TEACHER_MAP_STRIDE,
    PoseBatch,
)
from litepose_export.training.core.precision import bfloat16_pays
from litepose_export.training.core.target_options import TargetOptions
from litepose_export.training.core.targets import gaussian_maps, warp_maps, widen_maps


@dataclass(slots=True)
class PoseLoss:
    """Loss of a heatmap network on a batch of crops, in bfloat16 where that is faster.

    Attributes:
        options: How targets are drawn.
        device: `"cpu"` or `"cuda"`.
        kind: One of `LOSSES`.
    """

    options: TargetOptions = field(default_factory=TargetOptions)
    device: str = "cpu"
    kind: str = "rce"

    def __call__(self, network: nn.Module, batch: PoseBatch) -> Tensor:
        """Scalar loss, with a graph behind it."""
        images = normalise(batch.crops.to(self.device))
        targets = make_targets(batch, self.options).to(self.device)
        half = bfloat16_pays(self.device)
        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=half):
            logits = network(images)
        return LOSSES[self.kind](logits.float(), targets, batch.weights.to(self.device))


@torch.no_grad()
def make_targets(batch: PoseBatch, options: TargetOptions) -> Tensor:
    """`(N, K, H/stride, W/stride)` float32 in `[0, 1]`.

    A labelled keypoint that the augmentation moved out of the crop gets an empty map: absence
    is a label, without it scores never learn to say "not there".
    """
    stride = options.stride
    height, width = (n // stride for n in batch.crops.shape[1:3])
    cells = (batch.points + 0.5) / stride - 0.5
    targets = gaussian_maps(cells, height, width, options.sigma_cells)
    if batch.maps is None:
        return targets
    # Cells of the student -> input pixels -> the teacher's input pixels -> its cells.
    linear, shift = batch.to_teacher[..., :2], batch.to_teacher[..., 2:]
    offset = linear.sum(dim=-1, keepdim=True) * (stride / 2 - 0.5) + shift
    to_cells = torch.cat([linear * stride, offset + 0.5 - TEACHER_MAP_STRIDE / 2], dim=-1)
    to_cells = to_cells / TEACHER_MAP_STRIDE
    cells_per_cell = float(to_cells[..., :2].norm(dim=(1, 2)).mean() / 2**0.5)
    maps = batch.maps.float() / 255
    maps = widen_maps(maps, TEACHER_MAP_SIGMA, options.sigma_cells * cells_per_cell)
    warped = warp_maps(maps, to_cells, height, width)
    return (1 - options.teacher_share) * targets + options.teacher_share * warped
