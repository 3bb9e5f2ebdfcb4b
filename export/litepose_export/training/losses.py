"""Losses on heatmap logits."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name torch users expect


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
