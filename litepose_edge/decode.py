"""Heatmaps to sub-pixel keypoints: peaks, DARK and quarter-shift refinement, cell alignment."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import Activation, Alignment, Refinement

MIN_PROBABILITY = 1e-10
# The blurred map is needed at the peak and at these neighbours of it, as (x, y) in cells.
_NEIGHBOURS = (
    (0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (2, 0), (-2, 0), (0, 2), (0, -2),
    (1, 1), (-1, -1), (1, -1), (-1, 1),
)  # fmt: skip


def decode_heatmaps(
    maps: Float32,
    *,
    activation: Activation = "sigmoid",
    refinement: Refinement = "dark",
    blur_kernel: int = 3,
) -> tuple[Float32, Float32]:
    """Locate the keypoint in each heatmap.

    Args:
        maps: `(P, K, h, w)` float32, logits or (`activation="linear"`) heat.
        activation: What turns map values into heat in `[0, 1]`.
        refinement: `"dark"` fits a parabola to the log of the blurred heat (Zhang et al.,
            arXiv 1910.06278), `"dark-udp"` is its form for maps aligned as UDP does, with
            differences over one cell that work at the border too, `"quarter"` leans a quarter
            cell to the higher neighbour, `"argmax"` stays in the middle of the cell.
        blur_kernel: Odd width of DARK's Gaussian blur in cells; 1 does not blur.

    Returns:
        cells: `(P, K, 2)` float32 `(x, y)` in heatmap cells, cell centres are integers.
        scores: `(P, K)` float32 in `[0, 1]`, the heat of the peak.
    """
    people, keypoints, height, width = maps.shape
    flat = maps.reshape(people * keypoints, height * width)
    top = flat.argmax(axis=1)
    peaks = np.take_along_axis(flat, top[:, None], axis=1)[:, 0]
    y, x = np.divmod(top, width)
    if refinement == "dark":
        dx, dy = _dark_offsets(flat, x, y, Size(width, height), activation, blur_kernel)
    elif refinement == "dark-udp":
        dx, dy = _dark_udp_offsets(flat, x, y, Size(width, height), activation, blur_kernel)
    elif refinement == "quarter":
        dx, dy = _quarter_offsets(flat, x, y, Size(width, height))
    else:
        dx = dy = np.zeros(len(flat), np.float32)
    cells = np.stack([x + dx, y + dy], axis=1).astype(np.float32)
    scores = _heat(peaks, activation).clip(0, 1)
    return cells.reshape(people, keypoints, 2), scores.reshape(people, keypoints)


def average_mirrored(
    maps: Float32, mirrored: Float32, flip_permutation: Sequence[int], alignment: Alignment
) -> Float32:
    """Average heatmaps of a crop with those of its mirror image.

    Args:
        maps: `(P, K, h, w)` float32 of the crop.
        mirrored: The same shape, of the mirrored crop.
        flip_permutation: Each keypoint's mirror twin.
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
    cell_count = np.array([map_size.width, map_size.height], np.float32)
    pixels = np.array([input_size.width, input_size.height], np.float32)
    scale: NDArray[Any] = (
        (pixels - 1) / (cell_count - 1) if alignment == "udp" else pixels / cell_count
    )
    # The middle of the first cell lies half a cell in, the middle of the first pixel half a pixel.
    offset = (scale - 1) / 2 if alignment == "centre" else 0
    placed: Float32 = (cells * scale + offset).astype(np.float32, copy=False)
    return placed


def _heat(values: Float32, activation: Activation) -> Float32:
    if activation == "linear":
        return values
    # exp overflows below -88, where the answer is 0 all the same.
    exponential: Float32 = np.exp(-np.maximum(values, -80))
    heat: Float32 = np.reciprocal(1 + exponential)
    return heat


def _dark_offsets(
    flat: Float32,
    x: NDArray[np.intp],
    y: NDArray[np.intp],
    size: Size,
    activation: Activation,
    blur_kernel: int,
) -> tuple[Float32, Float32]:
    """Newton step on the log of the blurred heat around each peak, at most one cell long.

    Only the window around each peak is read and blurred (one matrix product for all). Zero
    beyond the border, as the published procedure pads. Derivatives span two cells; next to
    the border, where the published one gives up, one cell; on the border none.
    """
    blurred = _blurred_neighbours(flat, x, y, size, activation, blur_kernel)
    log = np.log(np.maximum(blurred, MIN_PROBABILITY))
    centre, right, left, below, above, right_2, left_2, below_2, above_2 = log[:9]
    dxy = (log[9] + log[10] - log[11] - log[12]) / 4

    wide = (x > 1) & (x < size.width - 2) & (y > 1) & (y < size.height - 2)
    near = (x > 0) & (x < size.width - 1) & (y > 0) & (y < size.height - 1)
    dx, dy = (right - left) / 2, (below - above) / 2
    dxx = np.where(wide, (right_2 - 2 * centre + left_2) / 4, right - 2 * centre + left)
    dyy = np.where(wide, (below_2 - 2 * centre + above_2) / 4, below - 2 * centre + above)
    return _newton_step(dx, dy, dxx, dyy, dxy, near)


def _dark_udp_offsets(
    flat: Float32,
    x: NDArray[np.intp],
    y: NDArray[np.intp],
    size: Size,
    activation: Activation,
    blur_kernel: int,
) -> tuple[Float32, Float32]:
    """The Newton step of UDP's decoder (Huang et al., arXiv 1911.07524), at most one cell long.

    The published one clips the blurred heat to `[0.001, 50]`, repeats the border and does not
    limit the step, which can then leave the map; ours stays at the peak where there is no
    maximum to step to.
    """
    blurred = _blurred_neighbours(flat, x, y, size, activation, blur_kernel)
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
) -> tuple[Float32, Float32]:
    determinant = dxx * dyy - dxy * dxy
    # Only a maximum has a place to step to: the Hessian must be negative definite.
    peaked = allowed & (dxx < 0) & (determinant > 1e-12)
    safe = np.where(peaked, determinant, 1)
    step_x = np.where(peaked, (dxy * dy - dyy * dx) / safe, 0).clip(-1, 1)
    step_y = np.where(peaked, (dxy * dx - dxx * dy) / safe, 0).clip(-1, 1)
    return step_x.astype(np.float32), step_y.astype(np.float32)


def _blurred_neighbours(
    flat: Float32,
    x: NDArray[np.intp],
    y: NDArray[np.intp],
    size: Size,
    activation: Activation,
    blur_kernel: int,
) -> Float32:
    """`(13, N)` blurred heat at each peak and at its `_NEIGHBOURS`, zero beyond the border."""
    columns, rows, weights = _window(blur_kernel)
    at_x, at_y = x[:, None] + columns, y[:, None] + rows
    inside = (at_x >= 0) & (at_x < size.width) & (at_y >= 0) & (at_y < size.height)
    index = at_y.clip(0, size.height - 1) * size.width + at_x.clip(0, size.width - 1)
    window = _heat(np.take_along_axis(flat, index, axis=1), activation) * inside
    blurred: Float32 = (window @ weights).T
    return blurred


@lru_cache(maxsize=8)
def _window(
    blur_kernel: int,
) -> tuple[NDArray[np.intp], NDArray[np.intp], Float32]:
    """Offsets of the window's cells, and the `(cells, 13)` blur weights of each neighbour."""
    reach = (blur_kernel - 1) // 2 + 2
    rows, columns = (a.ravel() for a in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    # OpenCV's rule for the sigma of a Gaussian kernel of this width.
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
