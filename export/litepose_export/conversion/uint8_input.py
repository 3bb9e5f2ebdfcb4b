"""Puts the preprocessing of pixels into a network's graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from litepose_edge.manifest import InputSpec


class Uint8Input(nn.Module):
    """Takes `(N, H, W, 3)` uint8 BGR crops, gives the network what its manifest asks for.

    Args:
        network: Takes `(N, 3, H, W)` normalised float.
        spec: Its input: channel order, mean and deviation.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, spec: InputSpec) -> None:
        super().__init__()
        self.network = network
        std = torch.tensor(spec.std).view(1, 3, 1, 1)
        mean = torch.tensor(spec.mean).view(1, 3, 1, 1)
        self.register_buffer("scale", 1 / std)
        self.register_buffer("shift", -mean / std)
        self._flip = spec.colour == "rgb"

    def forward(self, pixels: Tensor) -> Any:
        """The network's outputs."""
        planes = pixels.permute(0, 3, 1, 2).to(self.scale.dtype)
        if self._flip:
            planes = planes.flip(1)
        return self.network(planes * self.scale + self.shift)
