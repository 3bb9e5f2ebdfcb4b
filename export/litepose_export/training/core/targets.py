"""Heatmaps as targets: unbiased Gaussians at any stride, and maps resampled and widened."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name torch users expect


def gaussian_maps(cells: Tensor, height: int, width: int, sigma: float) -> Tensor:
    """Gaussians of amplitude 1 centred exactly on real-valued cells (DARK, arXiv 1910.06278).

    Args:
        cells: `(N, K, 2)` float `(x, y)` in heatmap cells.
        height: Rows of the maps.
        width: Columns of the maps.
        sigma: Spread in cells.

    Returns:
        `(N, K, height, width)` float32; zero for centres that lie outside the map.
    """
    x, y = cells[..., 0, None], cells[..., 1, None]
    columns = torch.arange(width, device=cells.device)
    rows = torch.arange(height, device=cells.device)
    across = torch.exp(-((columns - x) ** 2) / (2 * sigma**2))
    down = torch.exp(-((rows - y) ** 2) / (2 * sigma**2))
    inside = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
    return (down * inside)[..., :, None] * across[..., None, :]


def warp_maps(maps: Tensor, to_source: Tensor, height: int, width: int) -> Tensor:
    """Resample maps at the places an affine sends the new cells to.

    Args:
        maps: `(N, K, h, w)` float.
        to_source: `(N, 2, 3)` float, new cells to cells of `maps`.
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        `(N, K, height, width)` float32, bilinear, zero outside.
    """
    n, _, h, w = maps.shape
    columns = torch.arange(width, device=maps.device)
    rows = torch.arange(height, device=maps.device)
    grid_y, grid_x = torch.meshgrid(rows, columns, indexing="ij")
    cells = torch.stack([grid_x, grid_y, torch.ones_like(grid_x)], dim=-1).float()
    places = (cells.view(1, -1, 3) @ to_source.transpose(1, 2)).view(n, height, width, 2)
    scale = torch.tensor([2 / w, 2 / h], device=maps.device)
    return F.grid_sample(maps, (places + 0.5) * scale - 1, align_corners=False)


def widen_maps(maps: Tensor, sigma: float, wanted: float) -> Tensor:
    """Turn Gaussians of spread `sigma` (cells) into ones of spread `wanted`, peaks kept.

    A teacher at a fine stride draws narrower peaks than a student at a coarse one is asked for.
    """
    if wanted <= sigma * 1.05:
        return maps
    extra = math.sqrt(wanted**2 - sigma**2)
    height, width = maps.shape[-2:]
    widened = _blur_matrix(height, extra) @ maps @ _blur_matrix(width, extra).T
    # Widening in two dimensions lowers a peak by the ratio of the areas: lift it back.
    return (widened * (wanted / sigma) ** 2).clamp(max=1.0)


def _blur_matrix(cells: int, sigma: float) -> Tensor:
    """`(cells, cells)` Gaussian blur of one axis; as a product far faster than a convolution."""
    at = torch.arange(cells)
    kernel = torch.exp(-((at[:, None] - at[None]) ** 2) / (2 * sigma**2))
    return kernel / (sigma * math.sqrt(2 * math.pi))
