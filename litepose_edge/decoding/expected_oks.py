"""Heatmaps to keypoints by expected object keypoint similarity (OKS)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import Activation

# OKS measures distances by the root of the person's area: here so much of the root of the map's.
# Smaller than what people fill, since maps are wider than the error they stand for (ADR 13).
EXTENT = 0.28
LEAST_HEAT = np.float32(1e-30)


def expected_oks_cells(
    maps: Float32, activation: Activation, oks_sigmas: tuple[float, ...]
) -> Float32:
    """Where each keypoint earns the highest OKS in the mean over the places it may be in.

    A map is read as a distribution over its cells (logits: their softmax; heat: itself), blurred
    with the keypoint's OKS kernel, and the highest cell refined by a parabola through the
    logarithms of its neighbours, as DARK does. Lower peaks near each other outweigh a higher one
    alone. After ProbPose (Purkrabek and Matas, arXiv 2412.02254); the kernel here has one
    size for all people, so that a map is two matrix products.

    Args:
        maps: `(P, K, h, w)` float32, logits or (`activation="linear"`) heat.
        activation: Which of the two.
        oks_sigmas: One per keypoint.

    Returns:
        `(P, K, 2)` float32 `(x, y)` in heatmap cells, cell centres are integers; never beyond the
        outer ones.

    Raises:
        ValueError: There are not K sigmas.
    """
    people, keypoints, height, width = maps.shape
    if len(oks_sigmas) != keypoints:
        raise ValueError(f"{len(oks_sigmas)} OKS sigmas for {keypoints} keypoints")
    if activation == "linear":
        places = np.maximum(maps, LEAST_HEAT)
    else:
        places = np.exp(maps - maps.max(axis=(2, 3), keepdims=True))
    rows, columns = oks_kernels(Size(width, height), oks_sigmas)
    similarity: NDArray[Any] = rows @ (places @ columns)
    similarity = similarity.reshape(people * keypoints, height * width)
    top = similarity.argmax(axis=1)
    y, x = np.divmod(top, width)
    cells = np.empty((len(top), 2), np.float32)
    cells[:, 0] = x + _vertex(similarity, top, 1, (x > 0) & (x < width - 1))
    cells[:, 1] = y + _vertex(similarity, top, width, (y > 0) & (y < height - 1))
    return cells.reshape(people, keypoints, 2)


def _vertex(maps: Float32, top: NDArray[np.intp], step: int, inside: NDArray[np.bool_]) -> Float32:
    """Where the parabola through a peak and its two neighbours peaks, half a cell away at most."""
    numbers = np.arange(len(top))
    around = (maps[numbers, np.where(inside, top + move, top)] for move in (-step, 0, step))
    before, here, after = (np.log(np.maximum(value, LEAST_HEAT)) for value in around)
    bend = 2 * here - before - after
    moved: Float32 = np.where(bend > 0, (after - before) / (2 * np.maximum(bend, LEAST_HEAT)), 0)
    return moved


@lru_cache(maxsize=8)
def oks_kernels(size: Size, oks_sigmas: tuple[float, ...]) -> tuple[Float32, Float32]:
    """`(K, h, h)` and `(K, w, w)`: OKS between any two rows, and any two columns."""
    extent = EXTENT * np.sqrt(size.width * size.height)
    spread = 2 * np.array(oks_sigmas)[:, None, None] * extent

    def similarity(count: int) -> Float32:
        cells = np.arange(count)
        kernel: Float32 = np.exp(-((cells[:, None] - cells) ** 2) / (2 * spread**2)).astype(
            np.float32
        )
        return kernel

    return similarity(size.height), similarity(size.width)
