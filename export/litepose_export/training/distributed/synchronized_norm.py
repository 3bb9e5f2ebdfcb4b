"""Batch normalisation over the batches of all processes, on CPUs as well.

`torch.nn.SyncBatchNorm` does this where there is CUDA and refuses CPUs.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class SynchronizedBatchNorm2d(nn.BatchNorm2d):
    """`BatchNorm2d` whose mean and variance in training are those of all processes' batches.

    Each process brings a batch of one size.
    """

    def forward(self, input: Tensor) -> Tensor:
        """`(N, C, H, W)` normalised; running statistics follow in training."""
        self._check_input_dim(input)
        if not self.training:
            return super().forward(input)
        # In float64, or the small difference of large squares loses the variance.
        values = input.double() if input.dtype == torch.float64 else input.float()
        variances, means = torch.var_mean(values, dim=(0, 2, 3), correction=0)
        moments = torch.stack([means.double(), variances.double() + means.double() ** 2])
        processes = dist.get_world_size()
        summed: Tensor = _SumOfProcesses.apply(moments)  # type: ignore[no-untyped-call]
        mean, square = summed / processes
        variance = square - mean**2
        count = processes * values.numel() // values.shape[1]
        self._follow(mean.detach(), variance.detach() * count / max(count - 1, 1))
        scale = torch.rsqrt(variance + self.eps)
        if self.affine:
            scale = scale * self.weight
        shift = -mean * scale
        if self.affine:
            shift = shift + self.bias
        scale, shift = (t.to(values.dtype)[:, None, None] for t in (scale, shift))
        return (values * scale + shift).to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards those of a batch."""
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        part = self.momentum
        if part is None:
            part = 1.0 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), part)
        self.running_var.lerp_(variance.to(self.running_var.dtype), part)


class _SumOfProcesses(torch.autograd.Function):
    """The sum of a tensor over all processes; gradients are summed likewise."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        """The sum."""
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        """Each process's part of the sum has the gradient of every process's loss."""
        total = gradient.clone()
        dist.all_reduce(total)
        return total


def synchronize_norms(network: nn.Module, device: str) -> None:
    """Let a network's batch normalisations look at the batches of all processes.

    Parameters and buffers stay the same tensors under the same names.
    """
    for name, child in list(network.named_children()):
        if type(child) is nn.BatchNorm2d:
            network.add_module(name, _synchronized(child, device))
        else:
            synchronize_norms(child, device)


def _synchronized(norm: nn.BatchNorm2d, device: str) -> nn.Module:
    if device == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(norm)  # type: ignore[no-untyped-call]
        return converted
    made = SynchronizedBatchNorm2d(
        norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats
    )
    made.weight, made.bias = norm.weight, norm.bias
    for name, buffer in norm.named_buffers(recurse=False):
        setattr(made, name, buffer)
    made.train(norm.training)
    return made
