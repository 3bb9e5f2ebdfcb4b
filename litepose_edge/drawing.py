"""Draws skeletons on an image: left side warm, right side cold, the middle green."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge.skeletons import Skeleton, side_of

Float32 = NDArray[np.float32]

LEFT, RIGHT, MIDDLE = (60, 140, 255), (255, 170, 60), (90, 220, 90)  # BGR
DOT, EDGE = (255, 255, 255), (40, 40, 40)
FRACTION_BITS = 4
# Sets of more keypoints lie close together, as on a face: their lines and dots are thin.
MANY_KEYPOINTS = 40


def draw_people(
    image: NDArray[np.uint8],
    keypoints: Float32,
    scores: Float32,
    skeleton: Skeleton,
    *,
    min_score: float = 0.3,
) -> NDArray[np.uint8]:
    """Draw bones and keypoints of all people onto a copy of the image.

    Args:
        image: `(H, W, 3)` uint8 BGR.
        keypoints: `(P, K, 2)` float32 in pixels.
        scores: `(P, K)` float32.
        skeleton: Which keypoints to join.
        min_score: A keypoint below is not drawn, nor is a bone that ends in it.
    """
    canvas = np.ascontiguousarray(image).copy()
    # Far outside the picture nothing shows, but fixed-point coordinates would overflow.
    limit = 4 * max(image.shape[:2])
    for points, score in zip(keypoints.clip(-limit, limit), scores, strict=True):
        seen = score >= min_score
        extent = np.ptp(points[seen], axis=0).max() if seen.any() else 0
        thickest = 8 if len(skeleton) <= MANY_KEYPOINTS else 1
        thickness = int(np.clip(round(extent / 90), 1, thickest))
        fixed = np.round(points * 2**FRACTION_BITS).astype(int)
        for first, second in skeleton.bones:
            if seen[first] and seen[second]:
                ends = (tuple(fixed[first].tolist()), tuple(fixed[second].tolist()))
                colour = _side(skeleton, first, second)
                cv2.line(canvas, *ends, EDGE, thickness + 2, cv2.LINE_AA, FRACTION_BITS)
                cv2.line(canvas, *ends, colour, thickness, cv2.LINE_AA, FRACTION_BITS)
        radius = int((thickness + 1) * 2**FRACTION_BITS * 0.8)
        for point in fixed[seen]:
            centre = tuple(point.tolist())
            rim = radius + 2**FRACTION_BITS
            cv2.circle(canvas, centre, rim, EDGE, -1, cv2.LINE_AA, FRACTION_BITS)
            cv2.circle(canvas, centre, radius, DOT, -1, cv2.LINE_AA, FRACTION_BITS)
    return canvas


def _side(skeleton: Skeleton, first: int, second: int) -> tuple[int, int, int]:
    sides = {side_of(skeleton.keypoint_names[end]) for end in (first, second)}
    if sides == {"left"}:
        return LEFT
    if sides == {"right"}:
        return RIGHT
    return MIDDLE
