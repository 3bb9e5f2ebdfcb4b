"""Slims a trained LRPose: fewer channels inside its blocks, chosen and refitted by what they do.

Channels are taken one after another, each time the one that explains most of what is still missing
of the block's output (orthogonal matching pursuit; for networks: He, Zhang, Sun: Channel pruning,
ICCV 2017, and Luo, Wu, Lin: ThiNet, ICCV 2017). The 1x1 convolution behind them is then fitted
anew by least squares, to the wide network's output from the slim one's input, so that errors do
not add up.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from litepose_export.models.architectures.layers import FusedBlock
from litepose_export.models.folding import fold_batch_norms
from litepose_export.training.core.initialization import unfold

# Of the mean square of the channels: keeps the fit from leaning on channels that hardly differ.
RIDGE = 1e-4


@torch.no_grad()
def slim(network: nn.Module, wide: nn.Module, images: Tensor) -> None:
    """Give a network the weights of one that differs in the channels inside its blocks.

    Parts of the wide one that the network does not have are left out.

    Args:
        network: Changed in place; its blocks have as many channels inside as the wide one's, or
            fewer.
        wide: Trained; with normalisations or folded.
        images: `(N, 3, H, W)` normalised training crops that both can take; some hundred.
    """
    wide = fold_batch_norms(wide)
    narrow = fold_batch_norms(network)
    own, other = narrow.state_dict(), wide.state_dict()
    narrow.load_state_dict(
        own | {k: v for k, v in other.items() if k in own and own[k].shape == v.shape}
    )
    wide_blocks = dict(wide.named_modules())
    for name, block in narrow.named_modules():
        source = wide_blocks.get(name)
        if isinstance(block, FusedBlock) and isinstance(source, FusedBlock):
            (given, _), (x, y) = (
                _features_of(*layers, images) for layers in ((narrow, block), (wide, source))
            )
            # The wide one's sum before the ReLU, less what the slim one's shortcut brings.
            wanted = y + x - given if block.residual else y
            _slim_block(block, source, given, wanted)
    unfold(network, narrow, set(narrow.state_dict()), lambda folded: folded(images))


def _features_of(network: nn.Module, block: FusedBlock, images: Tensor) -> tuple[Tensor, Tensor]:
    """A block's input, and its output before shortcut and ReLU."""
    features: dict[str, Tensor] = {}
    hooks = (
        block.expand.register_forward_hook(
            lambda _, given, __: features.update(x=given[0].clone())
        ),
        block.project.register_forward_hook(
            lambda _, __, output: features.update(y=output.clone())
        ),
    )
    try:
        network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return features["x"], features["y"]


def _slim_block(block: FusedBlock, source: FusedBlock, given: Tensor, wanted: Tensor) -> None:
    """Choose channels of a wide block for a slim one and fit the convolution behind them."""
    expand, project = block.expand[0], block.project[0]
    wide = source.expand[0]
    assert isinstance(expand, nn.Conv2d)
    assert isinstance(project, nn.Conv2d)
    assert isinstance(wide, nn.Conv2d)
    inside = _rows(source.expand(given))
    outputs = _rows(wanted)
    centre, mean = inside.mean(0), outputs.mean(0)
    gram = (inside - centre).T @ (inside - centre) / len(inside)
    cross = (inside - centre).T @ (outputs - mean) / len(inside)
    gram += RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    chosen = choose(gram, cross, expand.out_channels)
    weights = torch.linalg.solve(gram[chosen][:, chosen], cross[chosen]).T
    assert expand.bias is not None
    assert wide.bias is not None
    assert project.bias is not None
    expand.weight.copy_(wide.weight[chosen])
    expand.bias.copy_(wide.bias[chosen])
    project.weight.copy_(weights[:, :, None, None])
    project.bias.copy_(mean - weights @ centre[chosen])


def _rows(features: Tensor) -> Tensor:
    """`(N, C, H, W)` to `(N * H * W, C)` float64."""
    return features.movedim(1, -1).flatten(0, -2).double()


def choose(gram: Tensor, cross: Tensor, count: int) -> Tensor:
    """Which regressors explain most together, taken greedily.

    Args:
        gram: `(M, M)` covariances of the regressors.
        cross: `(M, K)` covariances of regressors and targets.
        count: How many to take, at most M.

    Returns:
        `(count,)` their numbers, ascending.
    """
    gram, cross = gram.clone(), cross.clone()
    least = 1e-9 * gram.diagonal().max()
    chosen: list[int] = []
    for _ in range(count):
        # What is left of each after those chosen, and how much it would explain.
        left = gram.diagonal().clamp(min=least)
        gain = cross.square().sum(1) / left
        gain[chosen] = -1
        best = int(gain.argmax())
        chosen.append(best)
        column = gram[:, best] / left[best]
        cross -= torch.outer(column, cross[best])
        gram -= torch.outer(column, gram[best])
    return torch.tensor(sorted(chosen))
