"""Fake quantization: values rounded to what INT8 can hold, gradients that pass through."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _FakeQuantize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, zero: float, low: int, high: int) -> Tensor:
        codes = torch.round(x / scale).clamp_(low - zero, high - zero)
        ctx.save_for_backward(x, codes, scale)
        ctx.edges = (low - zero - 0.5, high - zero + 0.5)
        return codes * scale

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        x, codes, scale = ctx.saved_tensors
        low, high = ctx.edges
        levels = x / scale
        to_x = gradient * ((levels >= low) & (levels <= high))
        to_scale = None
        if ctx.needs_input_grad[1]:
            # Inside the range a step's rounding error, outside it the step's whole code.
            step = gradient * codes - to_x * levels
            to_scale = step.sum_to_size(scale.shape)
        return to_x, to_scale, None, None, None


def fake_quantize(x: Tensor, scale: Tensor, zero: float, low: int, high: int) -> Tensor:
    """Nearest representable values, differentiable in `x` and `scale`.

    The gradient of the scale is that of learned step sizes (Esser et al., arXiv 1902.08153).

    Args:
        x: Any shape.
        scale: A scalar, or `(C, 1, ...)` for one a row of `x`.
        zero: Code of the value 0.
        low: Smallest code.
        high: Largest code.
    """
    rounded: Tensor = _FakeQuantize.apply(x, scale, zero, low, high)  # type: ignore[no-untyped-call]
    return rounded
