"""Object keypoint similarity (OKS) of poses with each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.boxes import box_area
from litepose_edge.geometry import Float32

SEEN_JOINT = 0.3


def keypoint_similarity(
    keypoints: Float32, scores: Float32, boxes_xyxy: Float32, sigmas: NDArray[Any]
) -> NDArray[Any]:
    """COCO's object keypoint similarity of each person with each other, as `(P, P)`.

    Args:
        keypoints: `(P, K, 2)` float32.
        scores: `(P, K)` float32; a keypoint counts by the product of its two scores.
        boxes_xyxy: `(P, 4)` float32, whose areas give the scale: the smaller one of a pair.
        sigmas: `(K,)` spread of each keypoint.
    """
    area = box_area(boxes_xyxy).astype(np.float64)
    scale = np.minimum(area[:, None], area[None])
    return weighted_similarity(keypoints, keypoints, scale, scores[:, None] * scores[None], sigmas)


def weighted_similarity(
    keypoints: Float32,
    others: Float32,
    areas: NDArray[Any],
    weights: NDArray[Any],
    sigmas: NDArray[Any],
) -> NDArray[Any]:
    """Object keypoint similarity of each pose with each other, `(N, M)`.

    Args:
        keypoints: `(N, K, 2)` float32.
        others: `(M, K, 2)` float32.
        areas: What gives a pair its scale, broadcast to `(N, M)`.
        weights: What each keypoint of a pair counts, broadcast to `(N, M, K)`.
        sigmas: `(K,)` spread of each keypoint.
    """
    distance = ((keypoints[:, None] - others[None]) ** 2).sum(axis=-1)
    spread = 2 * np.maximum(areas, 1e-6)[..., None] * (2 * np.asarray(sigmas)) ** 2
    near = np.exp(-distance / spread)
    total = np.broadcast_to(weights, near.shape).sum(axis=-1)
    similarity: NDArray[Any] = (near * weights).sum(axis=-1) / total.clip(min=1e-6)
    return similarity


def pose_similarity(
    keypoints: Float32, others: Float32, scores: Float32, sizes: Float32, sigmas: NDArray[Any]
) -> NDArray[Any]:
    """OKS of each pose with each other, `(N, M)`, over the second ones' visible joints.

    Args:
        keypoints: `(N, K, 2)` float32.
        others: `(M, K, 2)` float32.
        scores: `(M, K)` float32 of the second ones.
        sizes: `(M,)` float32 areas of their boxes.
        sigmas: `(K,)` spread of each joint.
    """
    weights = np.where(scores >= SEEN_JOINT, scores, 0)[None]
    return weighted_similarity(keypoints, others, sizes[None], weights, sigmas)
