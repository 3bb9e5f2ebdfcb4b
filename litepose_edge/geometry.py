"""Sizes, affine maps and boxes: arithmetic on coordinates whose pixel centres are integers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Views narrower than this are not moved to whole pixels.
MIN_ALIGNED = 64
# A box holds its person's keypoints from this score on, if there are so many of them, and so much
# of their extent around them: chosen on dev, by the AP and recall of boxes (ADR 17).
SURE_KEYPOINT, MIN_SURE_KEYPOINTS, KEYPOINT_MARGIN = 0.25, 3, 0.07

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Size:
    """A size in pixels, width first as in OpenCV and COCO."""

    width: int
    height: int

    @classmethod
    def of(cls, image: NDArray[Any]) -> Size:
        """Size of an `(H, W, ...)` array."""
        return cls(int(image.shape[1]), int(image.shape[0]))


def crop_affine(box_xyxy: NDArray[Any], input_size: Size, padding: float) -> Float64:
    """Map that lays a padded box, widened to the input's aspect ratio, onto the input.

    Args:
        box_xyxy: `(4,)` or `(P, 4)` edges in image pixels.
        input_size: Size of the network's input.
        padding: Factor by which the box grows around its centre, such as 1.25.

    Returns:
        `(2, 3)` or `(P, 2, 3)` float64, image pixels to input pixels.
    """
    box = np.asarray(box_xyxy, np.float64)
    centre = (box[..., :2] + box[..., 2:]) / 2
    extent = box[..., 2:] - box[..., :2]
    size = np.array([input_size.width, input_size.height], np.float64)
    scale = np.min(size / np.maximum(extent, 1e-6), axis=-1) / padding
    return _scale_about(scale, centre, (size - 1) / 2)


def letterbox_affine(image_size: Size, input_size: Size) -> Float64:
    """Map that fits a whole image into the input, centred, its aspect ratio kept.

    Returns:
        `(2, 3)` float64, image pixels to input pixels.
    """
    image = np.array([image_size.width, image_size.height], np.float64)
    size = np.array([input_size.width, input_size.height], np.float64)
    return _scale_about(np.asarray(np.min(size / image)), (image - 1) / 2, (size - 1) / 2)


def crop_view(box_xyxy: NDArray[Any], input_size: Size, padding: float) -> Float64:
    """`crop_affine` with its view's edges moved onto edges of the image's pixels.

    Such a view is a rectangle of the image, which `preprocess.warp` cuts out and resizes in a
    third of the time of an arbitrary view. An edge moves by no more image pixels than one input
    pixel covers. Views under 64 pixels, where that would be much, stay as they are.
    """
    free = crop_affine(box_xyxy, input_size, padding)
    # Plain floats: 18 us for one box, with NumPy 42; for twenty boxes the same.
    aligned = [_aligned(affine, input_size) for affine in free.reshape(-1, 2, 3).tolist()]
    return np.array(aligned, np.float64).reshape(free.shape)


def _aligned(to_input: list[list[float]], input_size: Size) -> list[list[float]]:
    scale = to_input[0][0]
    if min(input_size.width, input_size.height) < MIN_ALIGNED * scale:
        return to_input
    # Whole blocks, so that a strong reduction can average them.
    block = reduction(scale)
    factors, shifts = [], []
    for pixels, offset in ((input_size.width, to_input[0][2]), (input_size.height, to_input[1][2])):
        extent = pixels / scale
        rounded = round(extent / block) * block
        start = (-0.5 - offset) / scale + 0.5
        start = round((start + (extent - rounded) / 2) / block) * block
        factors.append(pixels / rounded)
        shifts.append(-0.5 - pixels / rounded * (start - 0.5))
    return [[factors[0], 0.0, shifts[0]], [0.0, factors[1], shifts[1]]]


def reduction(scale: float) -> int:
    """Side of the blocks of pixels to average before an image is scaled: 1, 2, 4, ...

    Bilinear sampling alone would skip most pixels of a strong reduction and alias. Powers of
    two, since OpenCV averages blocks of 2 far faster than any other.
    """
    return 2 ** int(-math.log2(max(scale, 1e-6))) if scale <= 0.5 else 1


def _scale_about(scale: NDArray[Any], source: Float64, target: Float64) -> Float64:
    affine = np.zeros((*np.shape(scale), 2, 3), np.float64)
    affine[..., 0, 0] = affine[..., 1, 1] = scale
    affine[..., 2] = target - np.expand_dims(scale, -1) * source
    return affine


def invert(affine: Float64) -> Float64:
    """Inverse of `(..., 2, 3)` affine maps."""
    linear = np.linalg.inv(affine[..., :2])
    shift = -linear @ affine[..., 2:]
    return np.concatenate([linear, shift], axis=-1)


def compose(outer: Float64, inner: Float64) -> Float64:
    """The map that applies `inner` first, then `outer`; both `(..., 2, 3)`."""
    linear = outer[..., :2] @ inner[..., :2]
    shift = outer[..., :2] @ inner[..., 2:] + outer[..., 2:]
    return np.concatenate([linear, shift], axis=-1)


def transform(affine: Float64, points: NDArray[Any]) -> Float64:
    """Apply `(..., 2, 3)` maps to `(..., K, 2)` points."""
    return points @ np.swapaxes(affine[..., :2], -1, -2) + affine[..., None, :, 2]


def box_area(boxes_xyxy: NDArray[Any]) -> NDArray[Any]:
    """Area of `(..., 4)` boxes; 0 where a box is empty or inverted."""
    extent = np.maximum(boxes_xyxy[..., 2:] - boxes_xyxy[..., :2], 0)
    area: NDArray[Any] = extent[..., 0] * extent[..., 1]
    return area


def holding_keypoints(
    boxes_xyxy: Float32, keypoints: Float32, scores: Float32, image: Size
) -> Float32:
    """Boxes widened to hold the sure keypoints of the people in them.

    A detector cuts off stretched arms and legs; heads, hands and feet reach beyond their keypoints
    by a part of the person's extent. People with too few sure keypoints keep their boxes.

    Args:
        boxes_xyxy: `(P, 4)` float32 edges in pixels.
        keypoints: `(P, K, 2)` float32 in pixels.
        scores: `(P, K)` float32.
        image: Boxes end at its edges.
    """
    sure = scores > SURE_KEYPOINT
    low = np.where(sure[..., None], keypoints, np.inf).min(axis=1, initial=np.inf)
    high = np.where(sure[..., None], keypoints, -np.inf).max(axis=1, initial=-np.inf)
    margin = KEYPOINT_MARGIN * (high - low).max(axis=1, keepdims=True)
    enough = sure.sum(axis=1) >= MIN_SURE_KEYPOINTS
    low = np.where(enough[:, None], low - margin, np.inf)
    high = np.where(enough[:, None], high + margin, -np.inf)
    last = np.array([image.width, image.height], np.float32) - np.float32(0.5)
    wider = boxes_xyxy.copy()
    wider[:, :2] = np.minimum(boxes_xyxy[:, :2], np.maximum(low, -0.5))
    wider[:, 2:] = np.maximum(boxes_xyxy[:, 2:], np.minimum(high, last))
    return wider


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
    return suppress(box_iou(boxes_xyxy, boxes_xyxy), scores, max_iou)


def suppress(similarity: NDArray[Any], scores: Float32, max_similarity: float) -> NDArray[np.intp]:
    """Indices that survive greedy suppression by any `(N, N)` similarity, best first."""
    order = np.argsort(-scores, kind="stable")
    alike = similarity[np.ix_(order, order)] > max_similarity
    alive = np.ones(len(order), bool)
    for i in range(len(order)):
        if alive[i]:
            alive[i + 1 :] &= ~alike[i, i + 1 :]
    kept: NDArray[np.intp] = order[alive]
    return kept


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
