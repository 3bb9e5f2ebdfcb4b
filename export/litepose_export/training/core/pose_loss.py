"""The loss of heatmap networks: targets from labels and a teacher's maps, compared with heat."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

from litepose_edge.geometry import Size
from litepose_export.training.core.losses import LOSSES
from litepose_export.training.core.normalization import normalise
from litepose_export.training.core.pose_batch import (
    TEACHER_MAP_SIGMA,
    TEACHER_MAP_STRIDE,
    PoseBatch,
)
from litepose_export.training.core.precision import trains_in_bfloat16
from litepose_export.training.core.target_options import TargetOptions
from litepose_export.training.core.targets import gaussian_maps, warp_maps, widen_maps

PartLevels = tuple[tuple[tuple[int, ...], ...], ...]


@dataclass(slots=True)
class PoseLoss:
    """Loss of a heatmap network on a batch of crops, in bfloat16 where that is faster.

    Attributes:
        options: How targets are drawn.
        device: `"cpu"` or `"cuda"`.
        kind: One of `LOSSES`.
        part_levels: Of a network that also gives part heatmaps in training: the keypoints of each
            part of each level; none of them is supervised unless given.
    """

    options: TargetOptions = field(default_factory=TargetOptions)
    device: str = "cpu"
    kind: str = "rce"
    part_levels: PartLevels = ()

    def __call__(self, network: nn.Module, batch: PoseBatch) -> Tensor:
        """Scalar loss, with a graph behind it."""
        images = normalise(batch.crops.to(self.device))
        targets = make_targets(batch, self.options).to(self.device)
        half = trains_in_bfloat16(network, images)
        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=half):
            outputs = network(images)
        logits, parts = outputs if isinstance(outputs, tuple) else (outputs, ())
        compare, weights = LOSSES[self.kind], batch.weights.to(self.device)
        loss = compare(logits.float(), targets, weights)
        for maps, members in zip(parts, self.part_levels, strict=False):
            part_targets, part_weights = _of_parts(targets, weights, members, maps.shape[-1])
            loss = loss + compare(maps.float(), part_targets, part_weights)
        return loss


def _of_parts(
    targets: Tensor, weights: Tensor, members: tuple[tuple[int, ...], ...], width: int
) -> tuple[Tensor, Tensor]:
    """Targets and weights of parts: wherever one of a part's keypoints is, at a coarser stride."""
    factor = targets.shape[-1] // width
    maps = torch.stack([targets[:, list(part)].amax(dim=1) for part in members], dim=1)
    # A part counts where all its keypoints are labelled: an unlabelled one may be anywhere.
    labelled = torch.stack([weights[:, list(part)].amin(dim=1) for part in members], dim=1)
    return F.max_pool2d(maps, factor), labelled


def pixels_of_cells(
    size: Size, options: TargetOptions, device: torch.device
) -> tuple[Tensor, float]:
    """Input pixels a cell, `(2,)` across and down, and the pixel of cell 0: `cells_to_input`."""
    stride = options.stride
    match options.alignment:
        case "centre":
            return torch.full((2,), float(stride), device=device), (stride - 1) / 2
        case "udp":
            pixels = torch.tensor([size.width, size.height], device=device)
            cells = torch.div(pixels, stride, rounding_mode="floor")
            return (pixels - 1) / (cells - 1), 0.0
        case _:
            return torch.full((2,), float(stride), device=device), 0.0


@torch.no_grad()
def make_targets(batch: PoseBatch, options: TargetOptions) -> Tensor:
    """`(N, K, H/stride, W/stride)` float32 in `[0, 1]`.

    A labelled keypoint that the augmentation moved out of the crop gets an empty map: absence
    is a label, without it scores never learn to say "not there".
    """
    stride = options.stride
    height, width = (n // stride for n in batch.crops.shape[1:3])
    size = Size(batch.crops.shape[2], batch.crops.shape[1])
    scale, first = pixels_of_cells(size, options, batch.points.device)
    targets = gaussian_maps((batch.points - first) / scale, height, width, options.sigma_cells)
    if batch.maps is None:
        return targets
    # Cells of the student -> input pixels -> the teacher's input pixels -> its cells.
    linear, shift = batch.to_teacher[..., :2], batch.to_teacher[..., 2:]
    offset = linear.sum(dim=-1, keepdim=True) * first + shift
    to_cells = torch.cat([linear * scale, offset + 0.5 - TEACHER_MAP_STRIDE / 2], dim=-1)
    to_cells = to_cells / TEACHER_MAP_STRIDE
    cells_per_cell = float(to_cells[..., :2].norm(dim=(1, 2)).mean() / 2**0.5)
    maps = batch.maps.float() / 255
    maps = widen_maps(maps, TEACHER_MAP_SIGMA, options.sigma_cells * cells_per_cell)
    warped = warp_maps(maps, to_cells, height, width)
    return (1 - options.teacher_share) * targets + options.teacher_share * warped
