"""Sorts a trained network's channels by importance, so that leading ones are worth keeping.

As the published supernet's `re_organize_weights`: by the sum of the absolute weights with which the
next 1x1 layers read a channel. What the network computes does not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from litepose_export.models.architectures.layers import FusedBlock, SeparableHead
from litepose_export.models.architectures.litepose import InvertedBottleneck, LitePose


@torch.no_grad()
def re_organize_weights(network: nn.Module) -> None:
    """Sort channels in place: inside all blocks, and of LitePose between them, too.

    Args:
        network: LitePose or LRPose; of others nothing is sorted.
    """
    for module in network.modules():
        if isinstance(module, InvertedBottleneck):
            order = _order([_layer(module.point_conv, 0)])
            _sort_outputs(module.inv, order)
            _sort_outputs(module.depth_conv, order)
            _sort_inputs(_layer(module.point_conv, 0), order)
        elif isinstance(module, FusedBlock):
            order = _order([_layer(module.project, 0)])
            _sort_outputs(module.expand, order)
            _sort_inputs(_layer(module.project, 0), order)
    if isinstance(network, LitePose):
        _sort_streams(network)


def _order(readers: Sequence[nn.Conv2d]) -> Tensor:
    """Channels by what their readers make of them, the most important first."""
    importance = torch.stack([reader.weight.abs().sum(dim=(0, 2, 3)) for reader in readers])
    return importance.sum(dim=0).argsort(descending=True, stable=True)


def _layer(sequence: nn.Module, place: int) -> nn.Conv2d:
    layer = cast(nn.Sequential, sequence)[place]
    assert isinstance(layer, nn.Conv2d)
    return layer


def _sort_outputs(sequence: nn.Module, order: Tensor) -> None:
    """Of a convolution and the normalisation behind it; depthwise ones sort their kernels."""
    for layer in cast(nn.Sequential, sequence):
        if isinstance(layer, nn.Conv2d):
            layer.weight.copy_(layer.weight[order])
        elif isinstance(layer, nn.BatchNorm2d):
            _sort_norm(layer, order)


def _sort_norm(layer: nn.BatchNorm2d, order: Tensor) -> None:
    for tensor in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
        assert tensor is not None
        tensor.copy_(tensor[order])


def _sort_inputs(layer: nn.Conv2d, order: Tensor) -> None:
    layer.weight.copy_(layer.weight[:, order])


def _sort_streams(network: LitePose) -> None:
    """Channels between blocks: of the stem and of each stage, for everything that reads them."""
    stages = [list(cast(nn.Sequential, stage)) for stage in network.stage]
    blocks = [[cast(InvertedBottleneck, block) for block in stage] for stage in stages]
    for stage in range(-1, len(blocks)):
        readers = [block.inv for block in blocks[stage][1:]] if stage >= 0 else []
        if stage + 1 < len(blocks):
            readers.append(blocks[stage + 1][0].inv)
        if not readers:  # one block, and nothing behind it but the head
            continue
        order = _order([_layer(reader, 0) for reader in readers])
        if stage < 0:
            stem = _layer(network.first, 2)
            stem.weight.copy_(stem.weight[order])
            _sort_norm(cast(nn.BatchNorm2d, network.first[3]), order)
        else:
            for block in blocks[stage]:
                _sort_outputs(block.point_conv, order)
        for reader in readers:
            _sort_inputs(_layer(reader, 0), order)
        _sort_head(network, stage, order)


def _sort_head(network: LitePose, stage: int, order: Tensor) -> None:
    """What the head reads of the stem (-1) or a stage."""
    deconvolutions = {0: network.deconv_raw[2], 1: network.deconv_raw[1], 2: network.deconv_raw[0]}
    deconvolutions[3] = network.deconv_refined[0]
    heads = {-1: network.final_raw[1], 0: network.final_raw[0]}
    if stage in deconvolutions:
        weight = cast(nn.ConvTranspose2d, deconvolutions[stage]).weight
        weight.copy_(weight[order])
    if stage in heads:
        head = cast(SeparableHead, heads[stage])
        _sort_outputs(nn.Sequential(head.conv[0], head.conv[1]), order)
        _sort_inputs(_layer(head.conv, 3), order)
