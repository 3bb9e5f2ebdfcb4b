"""Angles and lengths of bodies."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from litepose_edge.geometry import Float32

# One point; a `Keypoint` is one.
Point = tuple[float, ...]


@overload
def angle(a: Point, b: Point, c: Point) -> float: ...
@overload
def angle(a: ArrayLike, b: ArrayLike, c: ArrayLike) -> Any: ...
def angle(a: ArrayLike, b: ArrayLike, c: ArrayLike) -> Any:
    """The angle at `b` between the lines to `a` and to `c`, in degrees.

    Args:
        a: A `Keypoint`, `(x, y)`, or `(..., 2)` of them; numbers behind x and y do not count.
        b: The same: the joint.
        c: The same.

    Returns:
        A float in `[0, 180]`, or `(...)` float64 of them; NaN where `a` or `c` lies on `b`
        or a point is not finite.

    Raises:
        ValueError: One is no point, or they are not as many.
    """
    first, joint, last = map(_points, (a, b, c))
    try:
        np.broadcast_shapes(first.shape, joint.shape, last.shape)
    except ValueError as exc:
        raise ValueError(f"expected points of one shape: {exc}") from exc
    with np.errstate(invalid="ignore"):  # of what is not finite
        to_first, to_last = first - joint, last - joint
        cross = to_first[..., 0] * to_last[..., 1] - to_first[..., 1] * to_last[..., 0]
        dot = (to_first * to_last).sum(axis=-1)
        nowhere = (to_first == 0).all(axis=-1) | (to_last == 0).all(axis=-1)
        nowhere |= ~np.isfinite(to_first + to_last).all(axis=-1)
    degrees = np.where(nowhere, np.nan, np.degrees(np.arctan2(np.abs(cross), dot)))
    return float(degrees) if degrees.ndim == 0 else degrees


def _points(given: ArrayLike) -> NDArray[np.float64]:
    """`(..., 2)` float64."""
    try:
        points = np.asarray(given, np.float64)
    except (TypeError, ValueError) as exc:
        raise ValueError(f"expected a point (x, y), got {given!r:.100}") from exc
    if not points.ndim or points.shape[-1] < 2:
        raise ValueError(f"expected a point (x, y), got {given!r:.100}")
    return points[..., :2]


def bone_lengths(
    keypoints: Float32, visible: NDArray[np.bool_], bones: tuple[tuple[int, int], ...]
) -> Float32:
    """`(..., B)` float32 pixels; NaN where an end of the bone is not visible.

    Args:
        keypoints: `(..., K, 2)` float32.
        visible: `(..., K)` bool.
        bones: B pairs of keypoint indices.
    """
    first, second = np.array(bones, np.intp).reshape(-1, 2).T
    lengths = np.linalg.norm(keypoints[..., first, :] - keypoints[..., second, :], axis=-1)
    both = visible[..., first] & visible[..., second]
    found: Float32 = np.where(both, lengths, np.nan).astype(np.float32)
    return found
