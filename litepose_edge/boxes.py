"""Boxes: area, overlap, suppression, and the box of a body from its keypoints."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.geometry import Float32, Size

# How far a body reaches beyond its keypoints to the left, the top, the right and the bottom, as
# parts of the keypoints' longer extent: medians over 2,935 labelled people.
BODY_MARGINS = (0.063, 0.129, 0.075, 0.089)


def box_area(boxes_xyxy: NDArray[Any]) -> NDArray[Any]:
    """Area of `(..., 4)` boxes; 0 where a box is empty or inverted."""
    extent = np.maximum(boxes_xyxy[..., 2:] - boxes_xyxy[..., :2], 0)
    area: NDArray[Any] = extent[..., 0] * extent[..., 1]
    return area


def box_iou(boxes_xyxy: NDArray[Any], others_xyxy: NDArray[Any]) -> NDArray[Any]:
    """Intersection over union of `(N, 4)` with `(M, 4)` boxes, as `(N, M)` in `[0, 1]`."""
    # Coordinate by coordinate: 500 boxes with each other take 2.1 ms, corners at once 12.9.
    ours, theirs = boxes_xyxy.T[:, :, None], others_xyxy.T[:, None]
    overlap = np.minimum(ours[2], theirs[2]) - np.maximum(ours[0], theirs[0])
    overlap.clip(0, out=overlap)
    overlap *= (np.minimum(ours[3], theirs[3]) - np.maximum(ours[1], theirs[1])).clip(0)
    union = box_area(boxes_xyxy)[:, None] + box_area(others_xyxy) - overlap
    iou: NDArray[Any] = overlap / np.maximum(union, 1e-9)
    return iou


def nms(boxes_xyxy: Float32, scores: Float32, max_iou: float) -> NDArray[np.intp]:
    """Indices of the boxes that survive greedy non-maximum suppression, best first.

    Args:
        boxes_xyxy: `(N, 4)` float32.
        scores: `(N,)` float32.
        max_iou: A box overlapping a better one by more than this is dropped.
    """
    return suppress(box_iou(boxes_xyxy, boxes_xyxy) > max_iou, scores)


def suppress(duplicates: NDArray[np.bool_], scores: NDArray[Any]) -> NDArray[np.intp]:
    """Indices that survive greedy suppression, best first.

    Args:
        duplicates: `(N, N)`, which are the same.
        scores: `(N,)`; of two that are the same the one of lower score is dropped.
    """
    order = np.argsort(-scores, kind="stable")
    alike = duplicates[np.ix_(order, order)]
    alive = np.ones(len(order), bool)
    for i in range(len(order)):
        if alive[i]:
            alive[i + 1 :] &= ~alike[i, i + 1 :]
    kept: NDArray[np.intp] = order[alive]
    return kept


def body_boxes(keypoints: NDArray[Any], counted: NDArray[np.bool_]) -> NDArray[Any]:
    """Boxes of bodies around their keypoints, `(P, 4)`.

    Heads, hands and feet reach beyond the keypoints by `BODY_MARGINS` of the longer side of the
    keypoints' extent, and by half a pixel at least.

    Args:
        keypoints: `(P, K, 2)` in pixels.
        counted: `(P, K)`, which of them count. A person without any has the empty box
            `(inf, inf, -inf, -inf)`, which a union with another box leaves as it is.
    """
    low = np.where(counted[..., None], keypoints, np.inf).min(axis=1, initial=np.inf)
    high = np.where(counted[..., None], keypoints, -np.inf).max(axis=1, initial=-np.inf)
    longer = np.where(counted.any(axis=1), (high - low).max(axis=1), 0)
    margins = np.maximum(longer[:, None] * np.array(BODY_MARGINS, keypoints.dtype), 0.5)
    return np.concatenate([low - margins[:, :2], high + margins[:, 2:]], axis=1)


def clip_boxes(boxes_xyxy: NDArray[Any], image_size: Size) -> NDArray[Any]:
    """Boxes cut at the outer edges of the image's outer pixels."""
    ends = np.array([image_size.width, image_size.height] * 2, np.float32) - np.float32(0.5)
    clipped: NDArray[Any] = boxes_xyxy.clip(-0.5, ends)
    return clipped
