"""Heatmaps of body parts and the loss on them, for networks that are supervised part by part."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from litepose_export.training.core.targets import gaussian_maps


def part_maps(
    cells: Tensor, weights: Tensor, parts: Sequence[Sequence[int]], height: int, width: int
) -> tuple[Tensor, Tensor]:
    """The heatmap of a part is the maximum of the Gaussians of its labelled joints.

    Args:
        cells: `(N, K, 2)` float joints in heatmap cells.
        weights: `(N, K)` float, 0 where a joint is not labelled.
        parts: Joints of each part.
        height: Rows of the maps.
        width: Columns of the maps.

    Returns:
        maps: `(N, parts, height, width)` float32 in `[0, 1]`.
        part_weights: `(N, parts)` float32, 0 where none of a part's joints is labelled.
    """
    joints = gaussian_maps(cells, height, width, 1.0) * (weights > 0)[..., None, None]
    maps = torch.stack([joints[:, list(part)].amax(dim=1) for part in parts], dim=1)
    part_weights = torch.stack([weights[:, list(part)].amax(dim=1) for part in parts], dim=1)
    return maps, part_weights


def part_loss(
    predicted: Sequence[Tensor],
    cells_at_16: Tensor,
    weights: Tensor,
    levels: Sequence[Sequence[Sequence[int]]],
) -> Tensor:
    """Mean squared error of every level's part heatmaps, summed over levels.

    Args:
        predicted: For each level `(N, parts, h, w)` heatmaps.
        cells_at_16: `(N, K, 2)` float joints in cells of those maps.
        weights: `(N, K)` float, 0 where a joint is to be ignored.
        levels: Joints of each part of each level.
    """
    total = predicted[0].new_zeros(())
    for maps, parts in zip(predicted, levels, strict=True):
        height, width = maps.shape[2:]
        target, part_weights = part_maps(cells_at_16, weights, parts, height, width)
        total = total + ((maps - target) ** 2 * part_weights[..., None, None]).mean()
    return total
