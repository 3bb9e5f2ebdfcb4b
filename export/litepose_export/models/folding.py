"""Folds batch normalisation into the convolutions before it."""

from __future__ import annotations

import copy
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn


@runtime_checkable
class FoldsItself(Protocol):
    """A module with normalisations in places that only it knows."""

    def fold_normalisations(self) -> None:
        """Fold them into its convolutions."""


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """A copy of the network in evaluation mode without batch normalisation.

    Handles a `BatchNorm2d` with weights and statistics that directly follows a `Conv2d` or
    `ConvTranspose2d` in an `nn.Sequential`, and modules that fold their own. Others stay, as do
    those behind grouped deconvolutions and behind weights with several places: the exporter takes
    them out of the graph.
    """
    folded = copy.deepcopy(network).eval()
    children = (child for module in folded.modules() for child in module._modules.values())
    places = Counter(id(child._parameters.get("weight")) for child in children if child is not None)
    for module in list(folded.modules()):
        if isinstance(module, nn.Sequential):
            _fold_sequence(module, places)
        if isinstance(module, FoldsItself):
            module.fold_normalisations()
    return folded


def _fold_sequence(sequence: nn.Sequential, places: Counter[int]) -> None:
    names = list(sequence._modules)
    for first, second in itertools.pairwise(names):
        convolution, normalisation = sequence._modules[first], sequence._modules[second]
        if (
            isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d)
            and isinstance(normalisation, nn.BatchNorm2d)
            and _scales_by_weight(convolution)
            and _has_numbers(normalisation)
            and places[id(convolution.weight)] == 1
        ):
            fold(convolution, normalisation)
            sequence._modules[second] = nn.Identity()


def _scales_by_weight(convolution: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    """Whether scaled kernels scale the outputs, one factor for each."""
    if convolution._parameters.get("weight") is None:  # made of others, as by weight_norm
        return False
    if isinstance(convolution, nn.ConvTranspose2d):
        plain = type(convolution).forward is nn.ConvTranspose2d.forward
        return plain and convolution.groups == 1
    return type(convolution).forward is nn.Conv2d.forward


def _has_numbers(normalisation: nn.BatchNorm2d) -> bool:
    """Whether it is the same scale and shift for every image, and nothing besides."""
    numbers = ("weight", "bias", "running_mean", "running_var")
    plain = type(normalisation).forward is nn.BatchNorm2d.forward
    return plain and all(getattr(normalisation, name) is not None for name in numbers)


@torch.no_grad()
def fold(convolution: nn.Conv2d | nn.ConvTranspose2d, normalisation: nn.BatchNorm2d) -> None:
    """Fold one normalisation into the convolution before it, in place.

    Args:
        convolution: Not grouped if it is a transposed one.
        normalisation: With weights and statistics.
    """
    scale, shift = scale_and_shift(normalisation)
    outputs = 1 if isinstance(convolution, nn.ConvTranspose2d) else 0
    shape = [1] * convolution.weight.ndim
    shape[outputs] = -1
    # One rounding to float32: rounding the scale first doubles the error of a deep network.
    convolution.weight.copy_(convolution.weight.double() * scale.view(shape))
    bias = convolution.bias.double() * scale if convolution.bias is not None else 0
    convolution.bias = nn.Parameter((bias + shift).float())


@torch.no_grad()
def fold_behind_sum(
    deconvolutions: Sequence[nn.ConvTranspose2d], normalisation: nn.BatchNorm2d
) -> None:
    """Fold the normalisation of a sum into the deconvolutions summed: scale all, shift once."""
    scale, shift = scale_and_shift(normalisation)
    for deconvolution in deconvolutions:
        weight = deconvolution.weight
        weight.copy_(weight.double() * scale.view(1, -1, 1, 1))
    deconvolutions[0].bias = nn.Parameter(shift.float())


def scale_and_shift(normalisation: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """`y = scale * x + shift` in float64."""
    mean, var = normalisation.running_mean, normalisation.running_var
    assert mean is not None
    assert var is not None
    scale = normalisation.weight.double() / (var.double() + normalisation.eps).sqrt()
    shift = normalisation.bias.double() - mean.double() * scale
    return scale, shift
