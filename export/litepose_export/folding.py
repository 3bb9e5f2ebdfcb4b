"""Folds batch normalisation into the convolutions before it."""

from __future__ import annotations

import copy
import itertools

import torch
from torch import Tensor, nn


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """A copy of the network in evaluation mode without batch normalisation.

    Handles a `BatchNorm2d` that directly follows a `Conv2d` or `ConvTranspose2d` in an
    `nn.Sequential`; others stay, for the exporter to complain about.
    """
    folded = copy.deepcopy(network).eval()
    for module in list(folded.modules()):
        if isinstance(module, nn.Sequential):
            _fold_sequence(module)
    return folded


def _fold_sequence(sequence: nn.Sequential) -> None:
    names = list(sequence._modules)
    for first, second in itertools.pairwise(names):
        convolution, normalisation = sequence._modules[first], sequence._modules[second]
        if isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d) and isinstance(
            normalisation, nn.BatchNorm2d
        ):
            fold(convolution, normalisation)
            sequence._modules[second] = nn.Identity()


@torch.no_grad()
def fold(convolution: nn.Conv2d | nn.ConvTranspose2d, normalisation: nn.BatchNorm2d) -> None:
    """Fold one normalisation into the convolution before it, in place."""
    scale, shift = scale_and_shift(normalisation)
    outputs = 1 if isinstance(convolution, nn.ConvTranspose2d) else 0
    shape = [1] * convolution.weight.ndim
    shape[outputs] = -1
    convolution.weight.mul_(scale.view(shape))
    bias = convolution.bias if convolution.bias is not None else torch.zeros_like(shift)
    convolution.bias = nn.Parameter(bias * scale + shift)


def scale_and_shift(normalisation: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """`y = scale * x + shift`, computed in float64."""
    mean, var = normalisation.running_mean, normalisation.running_var
    assert mean is not None
    assert var is not None
    scale = normalisation.weight.double() / (var.double() + normalisation.eps).sqrt()
    shift = normalisation.bias.double() - mean.double() * scale
    return scale.float(), shift.float()
