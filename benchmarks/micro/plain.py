"""The arithmetic of pose written as plain loops, from the published descriptions.

What users of a bare inference engine write for themselves, and what the SDK's fast paths are
compared with. Nothing here is used by the SDK.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]


def crop_affine(box_xyxy: Array, width: int, height: int, padding: float = 1.25) -> Array:
    """`(2, 3)` map of a padded box, widened to the input's shape, onto the input."""
    x1, y1, x2, y2 = (float(v) for v in box_xyxy)
    wide, high = x2 - x1, y2 - y1
    if wide / high > width / height:
        high = wide * height / width
    else:
        wide = high * width / height
    scale = width / (wide * padding)
    centre_x, centre_y = (x1 + x2) / 2, (y1 + y2) / 2
    return np.array(
        [
            [scale, 0, (width - 1) / 2 - scale * centre_x],
            [0, scale, (height - 1) / 2 - scale * centre_y],
        ]
    )


def to_image(points: Array, affine: Array) -> Array:
    """`(K, 2)` points of the input back in the image; the map neither turns nor shears."""
    moved = np.empty_like(points, np.float64)
    moved[:, 0] = (points[:, 0] - affine[0, 2]) / affine[0, 0]
    moved[:, 1] = (points[:, 1] - affine[1, 2]) / affine[1, 1]
    return moved


def sample(image: Array, affine: Array, width: int, height: int) -> Array:
    """Bilinear samples `(height, width, 3)`, pixel by pixel; black beyond the image."""
    inverse = cv2.invertAffineTransform(affine)
    tall, broad = image.shape[:2]
    crop = np.zeros((height, width, 3), np.float64)
    for row in range(height):
        for column in range(width):
            x, y = inverse @ (column, row, 1)
            left, top = int(np.floor(x)), int(np.floor(y))
            for v, u, weight in (
                (top, left, (1 - (y - top)) * (1 - (x - left))),
                (top, left + 1, (1 - (y - top)) * (x - left)),
                (top + 1, left, (y - top) * (1 - (x - left))),
                (top + 1, left + 1, (y - top) * (x - left)),
            ):
                if 0 <= v < tall and 0 <= u < broad:
                    crop[row, column] += weight * image[v, u]
    return crop


def normalise(crop: Array, mean: ArrayLike, std: ArrayLike) -> Array:
    """BGR `(H, W, 3)` to an RGB `(1, 3, H, W)` float32 batch, as tutorials do it."""
    scaled = (crop[:, :, ::-1] - np.array(mean)) / np.array(std)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None], np.float32)


def sigmoid(maps: Array) -> Array:
    """Logits to heat."""
    return 1 / (1 + np.exp(-maps))


def quarter(heat: Array) -> tuple[Array, Array]:
    """Peaks of `(K, h, w)` heat, a quarter cell towards the higher neighbour.

    Returns:
        cells: `(K, 2)` `(x, y)`.
        scores: `(K,)`.
    """
    cells, scores = np.zeros((len(heat), 2)), np.zeros(len(heat))
    for k, part in enumerate(heat):
        height, width = part.shape
        y, x = divmod(int(part.argmax()), width)
        cells[k], scores[k] = (x, y), part[y, x]
        if 0 < x < width - 1:
            cells[k, 0] += 0.25 * np.sign(part[y, x + 1] - part[y, x - 1])
        if 0 < y < height - 1:
            cells[k, 1] += 0.25 * np.sign(part[y + 1, x] - part[y - 1, x])
    return cells, scores


def dark(heat: Array, kernel: int) -> tuple[Array, Array]:
    """Peaks of `(K, h, w)` heat refined by DARK (Zhang et al., arXiv 1910.06278).

    One map after the other: blurred as a whole with zeros around it, scaled back to its own peak,
    its logarithm, one Newton step at the peak. As the SDK has it, and unlike the published code,
    the step ends after one cell, needs a maximum to step to, and next to the border uses
    differences over one cell; and the blur's sigma is that of OpenCV's formula, which OpenCV
    replaces by a table up to 9 cells.

    Args:
        heat: `(K, h, w)`, not negative.
        kernel: Odd width of the blur in cells.

    Returns:
        cells: `(K, 2)` `(x, y)`.
        scores: `(K,)`.
    """
    cells, scores = np.zeros((len(heat), 2)), np.zeros(len(heat))
    sigma = 0.3 * ((kernel - 1) / 2 - 1) + 0.8
    for k, part in enumerate(heat):
        height, width = part.shape
        y, x = divmod(int(part.argmax()), width)
        cells[k], scores[k] = (x, y), part[y, x]
        around = np.pad(part, kernel // 2)
        blurred = cv2.GaussianBlur(around, (kernel, kernel), sigma)
        blurred = blurred[kernel // 2 :, kernel // 2 :][:height, :width]
        blurred *= scores[k] / blurred.max()
        log = np.log(np.maximum(blurred, 1e-10))
        if 0 < x < width - 1 and 0 < y < height - 1:
            cells[k] += _newton(log, x, y)
    return cells, scores


def _newton(log: Array, x: int, y: int) -> Array:
    height, width = log.shape
    gradient = np.array([log[y, x + 1] - log[y, x - 1], log[y + 1, x] - log[y - 1, x]]) / 2
    if 1 < x < width - 2 and 1 < y < height - 2:
        dxx = (log[y, x + 2] - 2 * log[y, x] + log[y, x - 2]) / 4
        dyy = (log[y + 2, x] - 2 * log[y, x] + log[y - 2, x]) / 4
    else:
        dxx = log[y, x + 1] - 2 * log[y, x] + log[y, x - 1]
        dyy = log[y + 1, x] - 2 * log[y, x] + log[y - 1, x]
    dxy = (log[y + 1, x + 1] - log[y - 1, x + 1] - log[y + 1, x - 1] + log[y - 1, x - 1]) / 4
    hessian = np.array([[dxx, dxy], [dxy, dyy]])
    if dxx >= 0 or np.linalg.det(hessian) <= 1e-12:
        return np.zeros(2)
    return np.clip(-np.linalg.inv(hessian) @ gradient, -1, 1)


def overlap(first: Array, second: Array) -> float:
    """Intersection over union of two xyxy boxes."""
    wide = min(first[2], second[2]) - max(first[0], second[0])
    high = min(first[3], second[3]) - max(first[1], second[1])
    common = float(max(wide, 0.0) * max(high, 0.0))
    areas = sum(float((b[2] - b[0]) * (b[3] - b[1])) for b in (first, second))
    return common / max(areas - common, 1e-9)


def nms(boxes_xyxy: Array, scores: Array, max_iou: float) -> list[int]:
    """Greedy suppression, best box first, pair by pair."""
    kept: list[int] = []
    for i in sorted(range(len(boxes_xyxy)), key=lambda i: -scores[i]):
        if all(overlap(boxes_xyxy[i], boxes_xyxy[j]) <= max_iou for j in kept):
            kept.append(i)
    return kept


def similarity(
    keypoints: Array, others: Array, scores: Array, areas: Array, sigmas: Array
) -> Array:
    """OKS `(N, M)` of each pose with each other, weighted by the second's scores."""
    table = np.zeros((len(keypoints), len(others)))
    for i, pose in enumerate(keypoints):
        for j, other in enumerate(others):
            total = weight = 0.0
            for k, sigma in enumerate(sigmas):
                distance = float(((pose[k] - other[k]) ** 2).sum())
                total += scores[j, k] * np.exp(-distance / (2 * areas[j] * (2 * sigma) ** 2))
                weight += scores[j, k]
            table[i, j] = total / weight if weight else 0.0
    return table


def match(table: Array, least: float) -> list[tuple[int, int]]:
    """Pairs of rows and columns, the most similar first, by looking at all that are left."""
    rows, columns = list(range(table.shape[0])), list(range(table.shape[1]))
    pairs = []
    while rows and columns:
        best = max(((i, j) for i in rows for j in columns), key=lambda pair: table[pair])
        if table[best] < least:
            break
        pairs.append(best)
        rows.remove(best[0])
        columns.remove(best[1])
    return pairs
