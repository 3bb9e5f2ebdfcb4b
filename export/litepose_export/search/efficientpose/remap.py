"""Starts a super-network from a trained network, whose blocks every operator takes (FNA)."""

from __future__ import annotations

from litepose_export.models.architectures.efficientpose import InvertedResidual
from litepose_export.models.remapping.remap import remap_block, remap_others, source_block
from litepose_export.models.remapping.seed_network import State, read_seed
from litepose_export.search.efficientpose.mixed import MixedLayer, MixedNetwork
from litepose_export.search.efficientpose.space import EfficientPoseSpace
from litepose_export.search.efficientpose.supernet import shared_tensors


def remap(supernet: MixedNetwork, space: EfficientPoseSpace, state: State) -> int:
    """Give every operator of a super-network the weights of a trained network's block there (FNA).

    Args:
        supernet: Changed in place.
        space: Its space.
        state: Weights of an EfficientPose, a LitePose or a classifier of inverted residuals
            (MobileNetV2, EfficientNet-Lite), of any widths, depths and kernels.

    Returns:
        How many operators and shared tensors took something.

    Raises:
        CheckpointError: The weights are of none of them.
    """
    seed = read_seed(state)
    taken = remap_others(shared_tensors(supernet), seed)
    for layer, mixed in zip(space.layers, supernet.layers, strict=True):
        source = source_block(seed, layer.stage, layer.index)
        if source is None:
            continue
        assert isinstance(mixed, MixedLayer)
        for operator in mixed.operators:
            if isinstance(operator, InvertedResidual):
                remap_block(operator, source)
                taken += 1
    return taken
