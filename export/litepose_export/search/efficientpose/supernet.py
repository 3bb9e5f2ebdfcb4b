"""EfficientPose's super-network, and what a network of its space inherits from it."""

from __future__ import annotations

from torch import Tensor, nn

from litepose_export.models.architectures.efficientpose import (
    Block,
    EfficientPose,
    InvertedResidual,
)
from litepose_export.search.efficientpose.mixed import MixedLayer, MixedNetwork
from litepose_export.search.efficientpose.space import EfficientPoseSpace, Layer
from litepose_export.search.space import Genes

# Parts that all networks share: names in EfficientPose by names in the super-network.
SHARED = {"before.": "first.", "after.0.": "deconv_layers.", "after.1.": "final."}


def make_supernet(space: EfficientPoseSpace) -> MixedNetwork:
    """All networks of a space in one: `(N, 3, H, W)` to `(N, K, H/4, W/4)` linear heatmaps.

    Stem, slim head and spatial information correction are EfficientPose's own and shared.
    """
    shared = space.build(space.smallest)
    mixed = [
        MixedLayer([_operator(layer, block) for block in layer.blocks]) for layer in space.layers
    ]
    return MixedNetwork(shared.first, mixed, nn.Sequential(shared.deconv_layers, shared.final))


def _operator(layer: Layer, block: Block | None) -> nn.Module:
    if block is None:
        return nn.Identity()
    return InvertedResidual(layer.inputs, layer.outputs, layer.stride, block)


def shared_tensors(supernet: MixedNetwork) -> dict[str, Tensor]:
    """Stem's and head's tensors, by EfficientPose's names; they are the super-network's own."""
    return {
        name + key.removeprefix(own): value
        for key, value in supernet.state_dict(keep_vars=True).items()
        for own, name in SHARED.items()
        if key.startswith(own)
    }


def inherited(supernet: MixedNetwork, space: EfficientPoseSpace, genes: Genes) -> dict[str, Tensor]:
    """The weights of one network, by EfficientPose's names; they are the super-network's own.

    Statistics of normalisations come along, though in a super-network they are of all networks
    at once: recalibrate them before the network is judged.
    """
    state: dict[str, Tensor] = {}
    prefixes = dict(SHARED)
    for number, (layer, gene) in enumerate(zip(space.layers, genes, strict=True)):
        if (block := layer.blocks[gene]) is not None:
            name = f"blocks.stages.x{number}_ir_k{block.kernel}_e{block.expand}."
            prefixes[f"layers.{number}.operators.{gene}."] = name
    for key, value in supernet.state_dict().items():
        for own, name in prefixes.items():
            if key.startswith(own):
                state[name + key.removeprefix(own)] = value
    return state


def derived_network(
    supernet: MixedNetwork, space: EfficientPoseSpace, genes: Genes
) -> EfficientPose:
    """One network of a space as itself, with a copy of the weights it inherits."""
    network = space.build(genes)
    network.load_state_dict(inherited(supernet, space, genes))
    return network
