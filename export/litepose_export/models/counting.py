"""Counts a network's parameters and multiply-accumulates with PyTorch's own counter."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
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
    image = torch.zeros(1, 3, input_size.height, input_size.width)
    try:
        flops = _flops(_without_normalizations(network).to("meta"), image.to("meta"))
    except (AttributeError, RuntimeError):
        # It makes tensors of values by itself, which do not mix with those without; or it asks for
        # what a normalization has.
        flops = _flops(copy.deepcopy(network).eval().to("cpu").float(), image)
    parameters = sum(p.numel() for p in network.parameters())
    return Cost(parameters=parameters, macs=flops // 2)


def _without_normalizations(network: nn.Module) -> nn.Module:
    """A copy for inference whose batch normalizations, which count nothing, are left out.

    Without memory PyTorch computes each of them as a dozen operators: half of the time.
    """
    copied = copy.deepcopy(network).eval()
    for name, layer in list(copied.named_modules()):
        if name and isinstance(layer, _BatchNorm):
            copied.set_submodule(name, nn.Identity())
    return copied


def _flops(network: nn.Module, image: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        network(image)
    return int(counter.get_total_flops())
