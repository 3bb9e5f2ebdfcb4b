"""Counts a network's parameters and multiply-accumulates, convolution by convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from litepose_edge.geometry import Size
from litepose_export.models.architectures.vitpose import Attention


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
    total = 0

    def convolution(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        at = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        positions = at.shape[2] * at.shape[3]
        total += positions * layer.weight.numel()

    def linear(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += output.numel() // output.shape[-1] * layer.weight.numel()

    def attention(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        _, tokens, width = output.shape
        total += 2 * tokens * tokens * width  # queries with keys, weights with values

    handles = []
    for layer in network.modules():
        hook: Any = None
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            hook = convolution
        elif isinstance(layer, nn.Linear):
            hook = linear
        elif isinstance(layer, Attention):
            hook = attention
        if hook is not None:
            handles.append(layer.register_forward_hook(hook))
    was_training = network.training
    # Shapes are all that counts: no memory, no arithmetic.
    weight = next(network.parameters())
    network.eval()(torch.zeros(1, 3, input_size.height, input_size.width, device=weight.device))
    network.train(was_training)
    for handle in handles:
        handle.remove()
    return Cost(parameters=sum(p.numel() for p in network.parameters()), macs=total)
