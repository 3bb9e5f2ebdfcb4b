"""ImageNet normalisation as tensors: what every network of ours is trained on."""

from __future__ import annotations

import torch
from torch import Tensor

from litepose_edge.manifest import IMAGENET_MEAN, IMAGENET_STD


def normalise(crops: Tensor) -> Tensor:
    """`(N, H, W, 3)` uint8 RGB to `(N, 3, H, W)` float32, channels-last in memory."""
    mean, std = (torch.tensor(t, device=crops.device) for t in (IMAGENET_MEAN, IMAGENET_STD))
    return crops.float().sub_(mean).div_(std).permute(0, 3, 1, 2)


def channel_statistics(device: str) -> tuple[Tensor, Tensor]:
    """Mean and deviation, each `(3, 1, 1)` float32 RGB, of values from 0 to 255."""
    mean, std = (torch.tensor(t, device=device) for t in (IMAGENET_MEAN, IMAGENET_STD))
    return mean[:, None, None], std[:, None, None]
