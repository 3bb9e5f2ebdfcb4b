"""Heatmaps to keypoints by expected object keypoint similarity (OKS)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.geometry import Float32, Float64, Size
from litepose_edge.manifest import Activation

# OKS measures distances by the root of the person's area: here so much of the root of the map's.
# Smaller than what people fill, since maps are wider than the error they stand for (ADR 13).
EXTENT = 0.28
# Less heat counts as so much, and less similarity as none: products of smaller ones are denormal
# numbers, which take a processor a hundred times as long.
LEAST_HEAT, LEAST_SIMILARITY = np.float32(1e-20), np.float32(1e-12)


def expected_oks_cells(
    maps: Float32,
    activation: Activation,
    oks_sigmas: tuple[float, ...],
    *,
    peaks: Float32 | None = None,
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
        peaks: `(P, K)`, the highest value of each map, if it is known already.

    Returns:
        `(P, K, 2)` float32 `(x, y)` in heatmap cells, cell centres are integers; never beyond the
        outer ones.

    Raises:
        ValueError: There are not K sigmas.
    """
    people, keypoints, height, width = maps.shape
    if len(oks_sigmas) != keypoints:
        raise ValueError(f"{len(oks_sigmas)} OKS sigmas for {keypoints} keypoints")
    places = maps
    if activation != "linear":
        peaks = maps.max(axis=(2, 3)) if peaks is None else peaks
        places = np.exp(maps - peaks[..., None, None])
    places = np.maximum(places, LEAST_HEAT)
    size = Size(width, height)
    rows, columns = oks_kernels(size, oks_sigmas)
    similarity: NDArray[Any] = rows @ (places @ columns)
    similarity = similarity.reshape(people * keypoints, height * width)
    top = similarity.argmax(axis=1)
    cells = _vertices(similarity, top, size)
    return cells.reshape(people, keypoints, 2)


def _vertices(maps: Float32, top: NDArray[np.intp], size: Size) -> Float32:
    """Where parabolas through each peak and its neighbours peak, half a cell away at most.

    Args:
        maps: `(N, h * w)` float32.
        top: `(N,)` cell of each map's peak.
        size: Of the maps.

    Returns:
        `(N, 2)` float32 `(x, y)`; an axis on whose border a peak lies stays on its cell.
    """
    steps, places, first = _neighbours(size, len(maps))
    # `take` where there is a choice: half of what indexing costs on so few numbers.
    around = maps.take(steps.take(top, axis=1) + first)
    before, here, after = np.log(np.maximum(around, LEAST_HEAT))
    bend = here + here - before - after
    moved = np.zeros(bend.shape, np.float32)
    np.divide(after - before, bend + bend, out=moved, where=bend > 0)
    found: Float32 = (places.take(top, axis=0) + moved).astype(np.float32)
    return found


@lru_cache(maxsize=32)
def _neighbours(size: Size, maps: int) -> tuple[NDArray[np.intp], Float64, NDArray[np.intp]]:
    """Cells `(3, h * w, 2)` before, at and behind each, its `(x, y)`, and each map's first cell.

    Both axes at once, and from a table: a quarter of the instructions of one after the other.
    """
    cells = np.arange(size.width * size.height)
    y, x = np.divmod(cells, size.width)
    places = np.stack((x, y), axis=1)
    inside = (places > 0) & (places < (size.width - 1, size.height - 1))
    steps = np.array([-1, 0, 1])[:, None, None] * (inside * (1, size.width))
    first = np.arange(maps)[:, None] * len(cells)
    return steps + cells[:, None], places.astype(np.float64), first


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
        return np.where(kernel < LEAST_SIMILARITY, np.float32(0), kernel)

    return similarity(size.height), similarity(size.width)
