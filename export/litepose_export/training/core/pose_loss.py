"""Trains LRPose: crops and teacher in, averaged weights out."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from litepose_export.training.core.losses import LOSSES
from litepose_export.training.core.precision import bfloat16_pays
from litepose_export.training.core.targets import gaussian_maps, warp_maps, widen_maps
from litepose_export.training.data.crop_sampler import Batch
from litepose_export.training.distillation import teacher

MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """How targets are drawn.

    Attributes:
        stride: Input pixels a heatmap cell.
        sigma_cells: Spread of the Gaussians.
        teacher_share: Weight of the teacher's map against the labels' Gaussian.
    """

    stride: int = 8
    sigma_cells: float = 1.0
    teacher_share: float = 0.4


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

    def __call__(self, network: nn.Module, batch: Batch) -> Tensor:
        """Scalar loss, with a graph behind it."""
        images = normalise(batch.crops.to(self.device))
        targets = make_targets(batch, self.options).to(self.device)
        half = bfloat16_pays(self.device)
        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=half):
            logits = network(images)
        return LOSSES[self.kind](logits.float(), targets, batch.weights.to(self.device))


def normalise(crops: Tensor) -> Tensor:
    """`(N, H, W, 3)` uint8 RGB to `(N, 3, H, W)` float32, channels-last in memory."""
    mean, std = torch.tensor(MEAN, device=crops.device), torch.tensor(STD, device=crops.device)
    return crops.float().sub_(mean).div_(std).permute(0, 3, 1, 2)


@torch.no_grad()
def make_targets(batch: Batch, options: TargetOptions) -> Tensor:
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
    to_cells = torch.cat([linear * stride, offset + 0.5 - teacher.KEPT_STRIDE / 2], dim=-1)
    to_cells = to_cells / teacher.KEPT_STRIDE
    cells_per_cell = float(to_cells[..., :2].norm(dim=(1, 2)).mean() / 2**0.5)
    maps = batch.maps.float() / 255
    sigma = teacher.KEPT_SIGMA
    maps = widen_maps(maps, sigma, options.sigma_cells * cells_per_cell)
    taught = warp_maps(maps, to_cells, height, width)
    return (1 - options.teacher_share) * targets + options.teacher_share * taught
