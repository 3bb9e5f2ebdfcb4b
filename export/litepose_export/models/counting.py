"""Counts a network's parameters and multiply-accumulates with PyTorch's own counter."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from litepose_edge.geometry import Size


@dataclass(frozen=True, slots=True)
class Cost:
    """What a network weighs and what one forward pass takes.

    Attributes:
        parameters: Learned numbers; running statistics do not count.
        macs: Multiply-accumulates of convolutions, linear layers and attention for one image.
    """

    parameters: int
    macs: int


@torch.no_grad()
def count(network: nn.Module, input_size: Size) -> Cost:
    """Cost of one image.

    A transposed convolution costs its kernel once for every *input* position. Counters that
    multiply by output positions report four times too much for stride 2; the published LitePose
    figures carry that error.
    """
    # Shapes are all that counts: no memory, no arithmetic, and attention as plain products, which
    # the counter knows on every device.
    shapes = copy.deepcopy(network).eval()
    image = torch.zeros(1, 3, input_size.height, input_size.width)
    try:
        flops = _flops(copy.deepcopy(shapes).to("meta"), image.to("meta"))
    except (RuntimeError, NotImplementedError):
        # It makes tensors of values by itself, which do not mix with those without.
        flops = _flops(shapes.to("cpu").float(), image)
    parameters = sum(p.numel() for p in network.parameters())
    return Cost(parameters=parameters, macs=flops // 2)


def _flops(network: nn.Module, image: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        network(image)
    return int(counter.get_total_flops())
