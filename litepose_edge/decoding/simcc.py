"""SimCC: two one-dimensional classifications a keypoint to keypoints in input pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from litepose_edge.geometry import Float32
from litepose_edge.manifest import SimccSpec


def decode_simcc(x: Float32, y: Float32, spec: SimccSpec) -> tuple[Float32, Float32]:
    """Locate each keypoint at the peaks of its two classifications, between the bins.

    Networks are trained towards Gaussians over the bins, whose logarithm is a parabola: one is
    fitted to the values around the peak, which are that logarithm up to offset and scale.

    Args:
        x: `(P, K, width * split_ratio)` float32.
        y: `(P, K, height * split_ratio)` float32.
        spec: The head's conventions.

    Returns:
        keypoints: `(P, K, 2)` float32 in input pixels.
        scores: `(P, K)` float32 in `[0, 1]`, of the less certain of the two.
    """
    places, heights = zip(*(_peak(values, spec) for values in (x, y)), strict=True)
    keypoints = np.stack(places, axis=-1) / np.float32(spec.split_ratio)
    scores = np.minimum(*heights).clip(0, 1)
    return keypoints.astype(np.float32, copy=False), scores.astype(np.float32, copy=False)


def average_mirrored(
    x: Float32,
    y: Float32,
    mirrored: tuple[Float32, Float32],
    flip_permutation: Sequence[int],
    split_ratio: float,
) -> tuple[Float32, Float32]:
    """Average the classifications of a crop with those of its mirror image.

    Args:
        x: `(P, K, X)` float32 of the crop.
        y: `(P, K, Y)` float32 of the crop.
        mirrored: The same of the mirrored crop.
        flip_permutation: Index of each keypoint's counterpart on the other side.
        split_ratio: Bins an input pixel.
    """
    flip = list(flip_permutation)
    back = mirrored[0][:, flip, ::-1]
    # Pixel p becomes width - 1 - p, but its first bin becomes the last bin of that pixel.
    shift = round(split_ratio) - 1
    if shift:
        back = np.concatenate([back[..., shift:], np.repeat(back[..., -1:], shift, -1)], axis=-1)
    half = np.float32(0.5)
    return (x + back) * half, (y + mirrored[1][:, flip]) * half


def heat_of(x: Float32, y: Float32, spec: SimccSpec) -> Float32:
    """`(K, Y, X)` float32 in `[0, 1]`: the product of the two classifications, to be looked at.

    Args:
        x: `(K, X)` float32.
        y: `(K, Y)` float32.
        spec: The head's conventions.
    """
    across, down = (_shares(values, spec) for values in (x, y))
    heat: Float32 = (down[:, :, None] * across[:, None, :]).astype(np.float32)
    return heat


def _shares(values: Float32, spec: SimccSpec) -> Float32:
    """Each bin's height in `[0, 1]`, the peak's being the score of the classification."""
    heights = values.astype(np.float32, copy=False)
    if spec.activation == "softmax":
        weights = np.exp(heights - heights.max(axis=-1, keepdims=True))
        factor = np.float32(spec.sigma * np.sqrt(2 * np.pi))
        heights = weights / weights.sum(axis=-1, keepdims=True) * factor
    clipped: Float32 = heights.clip(0, 1)
    return clipped


def _peak(values: Float32, spec: SimccSpec) -> tuple[Float32, Float32]:
    """Bin `(P, K)`, as a real number, and height of each row's peak."""
    people, joints, bins = values.shape
    flat = values.reshape(people * joints, bins).astype(np.float32, copy=False)
    top = flat.argmax(axis=1)
    places = top.astype(np.float32)
    if spec.window > 1 and bins >= spec.window:
        places += _parabola_offsets(flat, top, spec.window)
    heights = flat[np.arange(len(flat)), top]
    if spec.activation == "softmax":
        share = 1 / np.exp(flat - heights[:, None]).sum(axis=1)
        heights = share * np.float32(spec.sigma * np.sqrt(2 * np.pi))
    return places.reshape(people, joints), heights.reshape(people, joints)


def _parabola_offsets(flat: Float32, top: NDArray[np.intp], window: int) -> Float32:
    """Vertex `(N,)` of the least-squares parabola around each peak, at most half a window away.

    Where the window would leave the classification the peak stays where it is.
    """
    half = window // 2
    steps = np.arange(-half, half + 1)
    inside = (top >= half) & (top < flat.shape[1] - half)
    around = flat[np.arange(len(flat))[:, None], np.where(inside, top, half)[:, None] + steps]
    around = around - around[:, half : half + 1]
    # Least squares on symmetric places: slope and curvature do not depend on each other.
    squares = (steps**2).astype(np.float32)
    centred = squares - squares.mean()
    # In NumPy's own loops: BLAS was seen to report an invalid value here among finite numbers.
    slope = np.einsum("nw,w->n", around, (steps / squares.sum()).astype(np.float32))
    curvature = np.einsum("nw,w->n", around, (centred / (centred**2).sum()).astype(np.float32))
    peaked = inside & (curvature < 0)
    offsets = -slope / np.where(peaked, 2 * curvature, -np.inf)
    limited: Float32 = np.where(peaked, offsets, 0).clip(-half, half).astype(np.float32)
    return limited
