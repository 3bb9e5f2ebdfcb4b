"""Heatmaps to sub-pixel keypoints: peaks and their refinement, cell alignment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.decoding.expected_oks import expected_oks_cells
from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import Activation, Alignment, HeatmapSpec, Refinement
from litepose_edge.skeletons import Skeleton

MIN_PROBABILITY = 1e-10
NO_HEAT = np.float32(-80)  # a logit: exp of more than 88 overflows float32
# The blurred map is needed at the peak and at these neighbours of it, as (x, y) in cells.
_NEIGHBOURS = (
    (0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (2, 0), (-2, 0), (0, 2), (0, -2),
    (1, 1), (-1, -1), (1, -1), (-1, 1),
)  # fmt: skip
# Differences of the map at those places: dx, dy, dxy, dxx and dyy over two cells, and over one.
DERIVATIVES = np.array(
    [
        [0, 0.5, -0.5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0.5, -0.5, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0.25, 0.25, -0.25, -0.25],
        [-0.5, 0, 0, 0, 0, 0.25, 0.25, 0, 0, 0, 0, 0, 0],
        [-0.5, 0, 0, 0, 0, 0, 0, 0.25, 0.25, 0, 0, 0, 0],
        [-2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [-2, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0],
    ],
    np.float32,
)


def decode_heatmaps(
    maps: Float32,
    *,
    activation: Activation = "sigmoid",
    refinement: Refinement = "dark",
    blur_kernel: int = 3,
    oks_sigmas: tuple[float, ...] = (),
) -> tuple[Float32, Float32]:
    """Locate the keypoint in each heatmap.

    Args:
        maps: `(P, K, h, w)` float32, logits or (`activation="linear"`) heat.
        activation: What turns map values into heat in `[0, 1]`.
        refinement: `"dark"` fits a parabola to the log of the blurred heat (Zhang et al.,
            arXiv 1910.06278), `"dark-udp"` is its form for maps aligned as UDP does, with
            differences over one cell that work at the border too, `"quarter"` leans a quarter
            cell to the higher neighbour, `"argmax"` stays in the middle of the cell,
            `"expected-oks"` takes the place of the highest expected similarity
            (`expected_oks.py`).
        blur_kernel: Odd width of DARK's Gaussian blur in cells; 1 does not blur.
        oks_sigmas: Of `"expected-oks"`: one per keypoint.

    Returns:
        cells: `(P, K, 2)` float32 `(x, y)` in heatmap cells, cell centres are integers.
        scores: `(P, K)` float32 in `[0, 1]`, the heat of the map's peak.

    Raises:
        ValueError: `"expected-oks"` without K sigmas.
    """
    if refinement == "expected-oks":
        peaks = maps.max(axis=(2, 3))
        found = expected_oks_cells(maps, activation, oks_sigmas, peaks=peaks)
        return found, _peak_scores(peaks, activation)
    people, keypoints, height, width = maps.shape
    flat = maps.reshape(people * keypoints, height * width)
    top = flat.argmax(axis=1)
    size = Size(width, height)
    y, x = np.divmod(top, width)
    cells = np.empty((len(flat), 2), np.float32)
    cells[:, 0], cells[:, 1] = x, y
    match refinement:
        case "dark":
            cells += _dark_offsets(flat, top, size, activation, blur_kernel)
        case "dark-udp":
            cells += _dark_udp_offsets(flat, top, size, activation, blur_kernel)
        case "quarter":
            cells += np.stack(_quarter_offsets(flat, x, y, size), axis=1)
        case "argmax":
            pass
    scores = _peak_scores(flat[np.arange(len(flat)), top], activation)
    return cells.reshape(people, keypoints, 2), scores.reshape(people, keypoints)


def peak_scores(maps: Float32, activation: Activation) -> Float32:
    """`(P, K)` float32, the scores that `decode_heatmaps` gives, without locating the peaks."""
    return _peak_scores(maps.max(axis=(2, 3)), activation)


def decode_as(maps: Float32, head: HeatmapSpec, skeleton: Skeleton) -> tuple[Float32, Float32]:
    """`decode_heatmaps` as a model file asks for it.

    Args:
        maps: `(P, K, h, w)` float32.
        head: What the file says about its maps.
        skeleton: The file's K keypoints.
    """
    return decode_heatmaps(
        maps,
        activation=head.activation,
        refinement=head.refinement,
        blur_kernel=head.blur_kernel,
        oks_sigmas=skeleton.oks_sigmas,
    )


def average_mirrored(
    maps: Float32, mirrored: Float32, flip_permutation: Sequence[int], alignment: Alignment
) -> Float32:
    """Average heatmaps of a crop with those of its mirror image.

    Args:
        maps: `(P, K, h, w)` float32 of the crop.
        mirrored: The same shape, of the mirrored crop.
        flip_permutation: Index of each keypoint's counterpart on the other side.
        alignment: Where cells lie; `"corner"` maps of the mirror image lie almost one cell too
            far left once mirrored back, and are shifted, as SimpleBaseline does.
    """
    back = mirrored[:, list(flip_permutation), :, ::-1]
    if alignment == "corner":
        back = np.concatenate([back[..., :1], back[..., :-1]], axis=-1)
    averaged: Float32 = ((maps + back) / 2).astype(np.float32, copy=False)
    return averaged


def cells_to_input(
    cells: Float32, map_size: Size, input_size: Size, alignment: Alignment = "centre"
) -> Float32:
    """Heatmap cells to network-input pixels.

    Args:
        cells: `(..., 2)` float32 `(x, y)` in cells.
        map_size: Size of the heatmap.
        input_size: Size of the network's input.
        alignment: `"centre"`: cells tile the input, `(x + .5) * stride - .5` (ours);
            `"corner"`: `x * stride` (SimpleBaseline); `"udp"`: first and last cell centres lie
            on the first and last pixel (UDP, arXiv 1911.07524).
    """
    scale, offset = _placement(map_size, input_size, alignment)
    placed: Float32 = cells * scale
    placed += offset
    return placed


@lru_cache(maxsize=8)
def _placement(
    map_size: Size, input_size: Size, alignment: Alignment
) -> tuple[NDArray[Any], NDArray[Any] | int]:
    """What cells are multiplied by, and what is added: `(2,)` each, or 0."""
    cell_count = np.array([map_size.width, map_size.height], np.float32)
    pixels = np.array([input_size.width, input_size.height], np.float32)
    scale: NDArray[Any] = (
        (pixels - 1) / (cell_count - 1) if alignment == "udp" else pixels / cell_count
    )
    # The middle of the first cell lies half a cell in, the middle of the first pixel half a pixel.
    return scale, (scale - 1) / 2 if alignment == "centre" else 0


def _peak_scores(peaks: Float32, activation: Activation) -> Float32:
    heat = heat_of(peaks, activation)
    if activation != "linear":
        return heat  # within 0 and 1 already
    scores: Float32 = np.minimum(np.maximum(heat, 0), 1)
    return scores


def heat_of(values: Float32, activation: Activation) -> Float32:
    """Map values, of any shape, as heat; that of linear maps may lie outside `[0, 1]`."""
    if activation == "linear":
        return values
    exponential: Float32 = np.exp(-np.maximum(values, NO_HEAT))
    heat: Float32 = np.reciprocal(1 + exponential)
    return heat


def _dark_offsets(
    flat: Float32, top: NDArray[np.intp], size: Size, activation: Activation, blur_kernel: int
) -> Float32:
    """Newton step `(N, 2)` on the log of the blurred heat around each peak, at most a cell long.

    Only the window around each peak is read and blurred (one matrix product for all). Zero
    beyond the border, as the published procedure pads. Derivatives span two cells; next to
    the border, where the published one gives up, one cell; on the border none.
    """
    around = _surroundings(size, blur_kernel)
    blurred = _blurred_neighbours(flat, top, around, activation)
    derivatives = DERIVATIVES @ np.log(np.maximum(blurred, MIN_PROBABILITY))
    dx, dy, dxy = derivatives[:3]
    dxx, dyy = np.where(around.wide[top], derivatives[3:5], derivatives[5:7])
    return _newton_step(dx, dy, dxx, dyy, dxy, around.near[top])


def _dark_udp_offsets(
    flat: Float32, top: NDArray[np.intp], size: Size, activation: Activation, blur_kernel: int
) -> Float32:
    """The Newton step of UDP's decoder (Huang et al., arXiv 1911.07524), at most one cell long.

    The published one clips the blurred heat to `[0.001, 50]`, repeats the border and does not
    limit the step, which can then leave the map; ours stays at the peak where there is no
    maximum to step to.
    """
    y, x = np.divmod(top, size.width)
    blurred = _blurred_neighbours(flat, top, _surroundings(size, blur_kernel), activation)
    log = np.log(blurred.clip(1e-3, 50))
    centre, right, left, below, above = log[:5]
    right_below, left_above = log[9], log[10]
    at_right, at_left = x == size.width - 1, x == 0
    at_bottom, at_top = y == size.height - 1, y == 0
    right_below = np.where(at_right, np.where(at_bottom, centre, below), right_below)
    right_below = np.where(at_bottom & ~at_right, right, right_below)
    left_above = np.where(at_left, np.where(at_top, centre, above), left_above)
    left_above = np.where(at_top & ~at_left, left, left_above)
    right, left = np.where(at_right, centre, right), np.where(at_left, centre, left)
    below, above = np.where(at_bottom, centre, below), np.where(at_top, centre, above)

    dx, dy = (right - left) / 2, (below - above) / 2
    dxx, dyy = right - 2 * centre + left, below - 2 * centre + above
    dxy = (right_below - right - below + 2 * centre - left - above + left_above) / 2
    return _newton_step(dx, dy, dxx, dyy, dxy, np.ones(len(flat), np.bool_))


def _newton_step(
    dx: Float32, dy: Float32, dxx: Float32, dyy: Float32, dxy: Float32, allowed: NDArray[np.bool_]
) -> Float32:
    determinant = dxx * dyy - dxy * dxy
    # Only a maximum has a place to step to: the Hessian must be negative definite.
    peaked = allowed & (dxx < 0) & (determinant > 1e-12)
    step = np.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], axis=1)
    step /= np.where(peaked, determinant, np.inf)[:, None]
    limited: Float32 = np.minimum(np.maximum(step, -1), 1)
    return limited


def _blurred_neighbours(
    flat: Float32, top: NDArray[np.intp], around: _Surroundings, activation: Activation
) -> Float32:
    """`(13, N)` blurred heat at each peak and at its `_NEIGHBOURS`, zero beyond the border."""
    count, cells = flat.shape
    bordered = np.empty((count, cells + 1), np.float32)
    bordered[:, :cells] = flat
    bordered[:, cells] = 0 if activation == "linear" else NO_HEAT
    window = heat_of(bordered[np.arange(count)[:, None], around.index[top]], activation)
    blurred: Float32 = around.weights @ window.T
    return blurred


@dataclass(frozen=True, slots=True, eq=False)
class _Surroundings:
    """What is around every cell of a map of one size, made once for all maps of that size.

    Attributes:
        index: `(cells, window)` cells around each cell; those beyond the border are all the one
            cell after the last.
        weights: `(13, window)` blur weights of each of the `_NEIGHBOURS`.
        near: `(cells,)` bool, not on the border.
        wide: `(cells,)` bool, not next to it either.
    """

    index: NDArray[np.intp]
    weights: Float32
    near: NDArray[np.bool_]
    wide: NDArray[np.bool_]


@lru_cache(maxsize=8)
def _surroundings(size: Size, blur_kernel: int) -> _Surroundings:
    columns, rows, weights = blur_window(blur_kernel)
    y, x = (a.ravel() for a in np.mgrid[: size.height, : size.width])
    at_x, at_y = x[:, None] + columns, y[:, None] + rows
    inside = (at_x >= 0) & (at_x < size.width) & (at_y >= 0) & (at_y < size.height)
    index = np.where(inside, at_y * size.width + at_x, size.width * size.height)
    from_border = np.minimum(np.minimum(x, size.width - 1 - x), np.minimum(y, size.height - 1 - y))
    return _Surroundings(
        index=index,
        weights=np.ascontiguousarray(weights.T),
        near=from_border > 0,
        wide=from_border > 1,
    )


def blur_window(blur_kernel: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Float32]:
    """Offsets of the window's cells, and the `(cells, 13)` blur weights of each neighbour."""
    reach = (blur_kernel - 1) // 2 + 2
    rows, columns = (a.ravel() for a in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    # OpenCV's rule for the sigma of a Gaussian kernel of this width; up to 9 cells its own blur
    # takes rounded tables instead, which move clear peaks by about .01 cell.
    sigma = 0.3 * ((blur_kernel - 1) / 2 - 1) + 0.8
    half = (blur_kernel - 1) // 2
    kernel = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()
    weights = np.zeros((len(rows), len(_NEIGHBOURS)), np.float32)
    for n, (nx, ny) in enumerate(_NEIGHBOURS):
        kx, ky = columns - nx + half, rows - ny + half
        used = (kx >= 0) & (kx < blur_kernel) & (ky >= 0) & (ky < blur_kernel)
        weights[used, n] = kernel[kx[used]] * kernel[ky[used]]
    return columns, rows, weights


def _quarter_offsets(
    flat: Float32, x: NDArray[np.intp], y: NDArray[np.intp], size: Size
) -> tuple[Float32, Float32]:
    """A quarter cell towards the higher neighbour; a peak on the border stays put."""
    i = np.arange(len(flat))
    here = y * size.width + x

    def lean(step: int, movable: NDArray[np.bool_]) -> Float32:
        ahead = flat[i, np.where(movable, here + step, here)]
        behind = flat[i, np.where(movable, here - step, here)]
        offset: Float32 = 0.25 * np.sign(ahead - behind)
        return offset

    return (
        lean(1, (x > 0) & (x < size.width - 1)),
        lean(size.width, (y > 0) & (y < size.height - 1)),
    )
