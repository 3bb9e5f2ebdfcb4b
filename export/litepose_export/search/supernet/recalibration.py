"""Gives a sub-network's normalisations the statistics of its own features.

In a supernet all widths share one set of running statistics, which fits none of them: without
this a candidate's score says little of it (arXiv 1903.05134, section 3.2).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


@torch.no_grad()
def recalibrate(network: nn.Module, images: Iterable[Tensor]) -> None:
    """Replace all running statistics by their means over batches, in place.

    Args:
        network: Left in evaluation mode; nothing else of it changes.
        images: Batches `(N, 3, H, W)`, normalised, as in training.
    """
    layers = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in layers]
    network.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over all batches
        layer.train()
    for batch in images:
        network(batch)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    network.eval()
