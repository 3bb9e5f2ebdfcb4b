"""FNA's remapping of depth, width and kernels: weights for a network of other shapes.

Fang et al., Fast Neural Network Adaptation, arXiv 2001.02525 and 2006.12986. Which seed network
EfficientPose started from, and by which of FNA's rules, is not published; the rules here are ours
where they differ: channels that go are the least important ones, channels that come do nothing at
first, so that a network that grows computes the same as before.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from litepose_export.models.architectures.efficientpose import EfficientPose
from litepose_export.models.remapping.seed_network import STATISTICS, Seed, State, read_seed

PREDICTIONS = "final."


def remap_network(network: EfficientPose, state: State) -> int:
    """Give an EfficientPose what a trained network of inverted residuals knows.

    Args:
        network: Changed in place.
        state: Weights of an EfficientPose, a LitePose or a classifier of inverted residuals
            (MobileNetV2, EfficientNet-Lite), of any widths, depths and kernels.

    Returns:
        How many blocks and other tensors took something.

    Raises:
        CheckpointError: The weights are of none of them.
    """
    seed = read_seed(state)
    taken = remap_others(network.state_dict(keep_vars=True), seed)
    for name, (stage, index) in network.blocks.places.items():
        if (source := source_block(seed, stage, index)) is not None:
            remap_block(network.blocks.stages.get_submodule(name), source)
            taken += 1
    return taken


def source_block(seed: Seed, stage: int, index: int) -> State | None:
    """The trained block that a layer starts from: its own in the same stage, or the stage's last.

    A stage's first block changes the width: it is no pattern for those that keep it.

    Args:
        seed: The trained network.
        stage: Of the layer, from 0.
        index: Of the layer in its stage, from 0.
    """
    blocks = seed.stages[stage] if stage < len(seed.stages) else []
    if not blocks or (index and len(blocks) == 1):
        return None
    return blocks[min(index, len(blocks) - 1)]


@torch.no_grad()
def remap_others(own: Mapping[str, Tensor], seed: Seed) -> int:
    """Stem and head: leading channels where kernels are alike; predictions only as a whole.

    Args:
        own: A network's tensors by EfficientPose's names, changed in place.
        seed: The trained network.

    Returns:
        How many tensors took something.
    """
    taken = 0
    for name, tensor in own.items():
        source = seed.others.get(name)
        if source is None or source.ndim != tensor.ndim or source.shape[2:] != tensor.shape[2:]:
            continue
        if name.startswith(PREDICTIONS) and source.shape != tensor.shape:
            continue
        part = tuple(slice(min(a, b)) for a, b in zip(tensor.shape, source.shape, strict=True))
        tensor[part] = source[part]
        taken += 1
    return taken


@torch.no_grad()
def remap_block(block: nn.Module, source: State) -> None:
    """Give a block another's weights.

    Args:
        block: An `InvertedResidual`, changed in place.
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
        for name in STATISTICS:
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
