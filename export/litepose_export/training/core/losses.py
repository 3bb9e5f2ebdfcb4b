"""Losses on heatmap logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

from litepose_edge.manifest import Activation


def regressive_cross_entropy(
    logits: Tensor, targets: Tensor, weights: Tensor, positive: float = 8.0
) -> Tensor:
    """Cross-entropy with targets anywhere in `[0, 1]`: `softplus(z) - y * z`.

    Our reconstruction of FasterPose's loss (arXiv 2107.03215), whose abstract says that it
    "generalizes the ordinary cross-entropy loss from the binary supervision to a continuous
    range"; the formula itself is not public. Its gradient is `sigmoid(z) - y` for every `y`.

    Args:
        logits: `(N, K, h, w)` float.
        targets: `(N, K, h, w)` float in `[0, 1]`.
        weights: `(N, K)` float, 0 where a keypoint is to be ignored.
        positive: Cells are weighted `1 + positive * y`, since almost all of them are empty.
    """
    cross_entropy = F.softplus(logits) - targets * logits
    weighted = cross_entropy * (1 + positive * targets) * weights[..., None, None]
    return weighted.mean()


def residual_cross_entropy(
    logits: Tensor, targets: Tensor, weights: Tensor, positive: float = 8.0
) -> Tensor:
    """Cross-entropy of the residual, `-log(1 - |sigmoid(z) - y|)`: the other reconstruction.

    Equals the cross-entropy where a target is 0 or 1 and is zero where the heat equals it. Its
    gradient vanishes with `sigmoid(z) * (1 - sigmoid(z))` for targets between, which is why it
    is not the default. Arguments as for `regressive_cross_entropy`.
    """
    # As logarithms: 1 - (p - y) = (1 - p) + y, and 1 - (y - p) = p + (1 - y).
    heat, cold = torch.sigmoid(logits), torch.sigmoid(-logits)
    left = torch.where(heat > targets, cold + targets, heat + 1 - targets)
    weighted = -torch.log(left.clamp(min=1e-7)) * (1 + positive * targets)
    return (weighted * weights[..., None, None]).mean()


def mean_squared_error(
    maps: Tensor, targets: Tensor, weights: Tensor, positive: float = 8.0
) -> Tensor:
    """`(z - y)^2` on linear heatmaps, as SimpleBaseline (arXiv 1804.06208) and its heirs train.

    The network's outputs are heat themselves and not logits. Arguments as for
    `regressive_cross_entropy`, so that both weigh the few cells with a joint alike.
    """
    weighted = (maps - targets) ** 2 * (1 + positive * targets) * weights[..., None, None]
    return weighted.mean()


def spatial_cross_entropy(
    logits: Tensor, targets: Tensor, weights: Tensor, *, least_mass: float = 1.0
) -> Tensor:
    """Cross-entropy between the softmax over a map's cells and the target as a distribution.

    Says where in the map a joint is, whatever the heat: all cells compete, so a second peak
    costs as much as a missing first.

    Args:
        logits: `(N, K, h, w)` float.
        targets: `(N, K, h, w)` float in `[0, 1]`.
        weights: `(N, K)` float.
        least_mass: Maps whose targets sum to less have no place to learn.
    """
    mass = targets.sum(dim=(2, 3))
    places = targets / mass.clamp(min=1e-6)[..., None, None]
    likelihood = F.log_softmax(logits.flatten(2), dim=-1).view_as(logits)
    lost = -(places * likelihood).sum(dim=(2, 3))
    return (lost * weights * (mass > least_mass)).mean()


def placed_cross_entropy(
    logits: Tensor, targets: Tensor, weights: Tensor, share: float = 120.0
) -> Tensor:
    """`regressive_cross_entropy` for the heat and `spatial_cross_entropy` for the place.

    Args:
        logits: `(N, K, h, w)` float.
        targets: `(N, K, h, w)` float in `[0, 1]`.
        weights: `(N, K)` float.
        share: Cells of heat that a joint's place is worth.
    """
    heat = regressive_cross_entropy(logits, targets, weights)
    return heat + share * _place_by_cell(logits, targets, weights)


def placed_residual_cross_entropy(
    logits: Tensor, targets: Tensor, weights: Tensor, share: float = 120.0
) -> Tensor:
    """`residual_cross_entropy` for the heat and `spatial_cross_entropy` for the place.

    Arguments as for `placed_cross_entropy`.
    """
    heat = residual_cross_entropy(logits, targets, weights)
    return heat + share * _place_by_cell(logits, targets, weights)


def _place_by_cell(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    cells = logits.shape[2] * logits.shape[3]
    return spatial_cross_entropy(logits, targets, weights) / cells


def activation(loss: str) -> Activation:
    """What turns the maps of a network that was trained with a loss into heat."""
    return "linear" if loss == "mse" else "sigmoid"


HeatmapLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
LOSSES: Mapping[str, HeatmapLoss] = MappingProxyType(
    {
        "rce": regressive_cross_entropy,
        "rce-residual": residual_cross_entropy,
        "rce-place": placed_cross_entropy,
        "rce-residual-place": placed_residual_cross_entropy,
        "mse": mean_squared_error,
    }
)
