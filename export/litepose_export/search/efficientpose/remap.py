"""Starts a super-network from a trained network: FNA's remapping of depth, width and kernels.

Fang et al., Fast Neural Network Adaptation, arXiv 2001.02525 and 2006.12986. Which seed network
EfficientPose started from, and by which of FNA's rules, is not published; the rules here are ours
where they differ: channels that go are the least important ones, channels that come do nothing at
first, so that a network that grows computes the same as before.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from litepose_export.models.architectures.efficientpose import InvertedResidual
from litepose_export.search.efficientpose.mixed import MixedLayer, MixedNetwork
from litepose_export.search.efficientpose.seed_network import State, read_seed
from litepose_export.search.efficientpose.space import EfficientPoseSpace
from litepose_export.search.efficientpose.supernet import SHARED


@torch.no_grad()
def remap(supernet: MixedNetwork, space: EfficientPoseSpace, state: State) -> int:
    """Give every operator of a super-network the weights of a trained network's block there.

    Depth: layer `i` of a stage takes block `i` of the trained network's same stage, or its last.
    Width: the most important channels stay, new ones start without influence. Kernels: centred,
    with zeros around or cut. The head's tensors are taken where they fit.

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
    taken = _remap_shared(supernet, seed.others)
    for layer, mixed in zip(space.layers, supernet.layers, strict=True):
        blocks = seed.stages[layer.stage] if layer.stage < len(seed.stages) else []
        source = blocks[min(layer.index, len(blocks) - 1)] if blocks else None
        # A stage's first block changes width: it is no pattern for those that keep it.
        if source is None or (layer.index and len(blocks) == 1):
            continue
        assert isinstance(mixed, MixedLayer)
        for operator in mixed.operators:
            if isinstance(operator, InvertedResidual):
                remap_block(operator, source)
                taken += 1
    return taken


@torch.no_grad()
def remap_block(block: InvertedResidual, source: State) -> None:
    """Give a block another's weights.

    Args:
        block: Changed in place.
        source: `pw`, `dw` and `pwl`, each with `conv.weight` and `bn.*`, of any widths and kernel.
    """
    own = block.state_dict(keep_vars=True)
    middle, found = own["pw.conv.weight"].shape[0], source["pw.conv.weight"].shape[0]
    kept = _most_important(source, middle)
    count = len(kept)
    inputs, outputs = own["pw.conv.weight"].shape[1], own["pwl.conv.weight"].shape[0]
    known_in = min(inputs, source["pw.conv.weight"].shape[1])
    known_out = min(outputs, source["pwl.conv.weight"].shape[0])

    own["pw.conv.weight"][:count] = 0
    own["pw.conv.weight"][:count, :known_in] = source["pw.conv.weight"][kept][:, :known_in]
    kernel = own["dw.conv.weight"].shape[-1]
    own["dw.conv.weight"][:count] = centred(source["dw.conv.weight"][kept], kernel)
    columns = source["pwl.conv.weight"][:known_out][:, kept]
    own["pwl.conv.weight"][:known_out, :count] = columns
    if middle > found:
        own["pwl.conv.weight"][:known_out, count:] = 0
    for part, chosen in (("pw", kept), ("dw", kept), ("pwl", torch.arange(known_out))):
        for name in ("weight", "bias", "running_mean", "running_var"):
            own[f"{part}.bn.{name}"][: len(chosen)] = source[f"{part}.bn.{name}"][chosen]


def centred(kernels: Tensor, size: int) -> Tensor:
    """`(N, 1, k, k)` kernels cut to or padded with zeros to `(N, 1, size, size)`; both odd."""
    grown = (size - kernels.shape[-1]) // 2
    return nn.functional.pad(kernels, (grown,) * 4)


def _most_important(source: State, count: int) -> Tensor:
    """Indices, in order, of the channels inside a block whose output weighs most."""
    scale = source["dw.bn.weight"].abs()
    weight = scale * source["pwl.conv.weight"].flatten(2).squeeze(2).norm(dim=0)
    return torch.sort(torch.argsort(weight, descending=True, stable=True)[:count]).values


def _remap_shared(supernet: MixedNetwork, others: State) -> int:
    """Stem and head: leading channels where kernels are alike; predictions only as a whole."""
    taken = 0
    for key, tensor in supernet.state_dict(keep_vars=True).items():
        prefix = next((own for own in SHARED if key.startswith(own)), None)
        if prefix is None:
            continue
        name = SHARED[prefix] + key.removeprefix(prefix)
        source = others.get(name)
        if source is None or source.ndim != tensor.ndim or source.shape[2:] != tensor.shape[2:]:
            continue
        if name.startswith("final.") and source.shape != tensor.shape:
            continue
        part = tuple(slice(min(a, b)) for a, b in zip(tensor.shape, source.shape, strict=True))
        tensor[part] = source[part]
        taken += 1
    return taken
