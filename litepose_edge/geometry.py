"""Sizes and affine maps: arithmetic on coordinates whose pixel centres are integers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Views narrower than this are not moved to whole pixels.
MIN_ALIGNED = 64

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
    boxes = np.asarray(box_xyxy)
    # Plain floats: a third of the time of NumPy for one box; for twenty boxes the same.
    views = [_view(box, input_size, padding) for box in boxes.reshape(-1, 4).tolist()]
    return np.array(views, np.float64).reshape(*boxes.shape[:-1], 2, 3)


def _view(box: list[float], input_size: Size, padding: float) -> list[list[float]]:
    """`crop_affine` of one box, to the bit, aligned."""
    x1, y1, x2, y2 = box
    width, height = input_size.width, input_size.height
    scale = min(width / max(x2 - x1, 1e-6), height / max(y2 - y1, 1e-6)) / padding
    free = [
        [scale, 0.0, (width - 1) / 2 - scale * ((x1 + x2) / 2)],
        [0.0, scale, (height - 1) / 2 - scale * ((y1 + y2) / 2)],
    ]
    return _aligned(free, input_size)


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


def out_of_view(to_input: Float64, points: NDArray[Any]) -> Float64:
    """`transform(invert(to_input), points)` of maps without rotation, in a third of the time.

    Args:
        to_input: `(P, 2, 3)`, as `crop_view` gives them.
        points: `(P, K, 2)` in input pixels.
    """
    # Plain floats, as in `crop_view`.
    maps = [(1 / a, 1 / d, tx, ty) for (a, _, tx), (_, d, ty) in to_input.tolist()]
    parts = np.array([[(x, y, x * tx, y * ty)] for x, y, tx, ty in maps], np.float64)
    moved: Float64 = points * parts[..., :2] - parts[..., 2:]
    return moved


def compose(outer: Float64, inner: Float64) -> Float64:
    """The map that applies `inner` first, then `outer`; both `(..., 2, 3)`."""
    linear = outer[..., :2] @ inner[..., :2]
    shift = outer[..., :2] @ inner[..., 2:] + outer[..., 2:]
    return np.concatenate([linear, shift], axis=-1)


def transform(affine: Float64, points: NDArray[Any]) -> Float64:
    """Apply `(..., 2, 3)` maps to `(..., K, 2)` points."""
    return points @ np.swapaxes(affine[..., :2], -1, -2) + affine[..., None, :, 2]
