"""Object keypoint similarity (OKS) of poses with each other, as COCO defines it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def pairwise_oks(
    keypoints: NDArray[Any],
    others: NDArray[Any],
    areas: NDArray[Any],
    weights: NDArray[Any],
    sigmas: NDArray[Any],
) -> NDArray[Any]:
    """OKS of each pose with each other, `(N, M)` in `[0, 1]`.

    Args:
        keypoints: `(N, K, 2)` in pixels.
        others: `(M, K, 2)` in pixels.
        areas: What gives a pair its scale, in square pixels, broadcast to `(N, M)`.
        weights: How much each keypoint of a pair counts, broadcast to `(N, M, K)`.
        sigmas: `(K,)` spread of each keypoint.
    """
    distance = ((keypoints[:, None] - others[None]) ** 2).sum(axis=-1)
    spread = 2 * np.maximum(areas, 1e-6)[..., None] * (2 * np.asarray(sigmas)) ** 2
    near = np.exp(-distance / spread)
    total = np.broadcast_to(weights, near.shape).sum(axis=-1)
    oks: NDArray[Any] = (near * weights).sum(axis=-1) / total.clip(min=1e-6)
    return oks
