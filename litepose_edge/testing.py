"""For tests of code that uses this library: a session without a network, heatmaps to order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.backends.session import TensorSpec
from litepose_edge.geometry import Float32


class FakeSession:
    """Answers every batch with the same arrays, or with what a function makes of it.

    Args:
        outputs: Arrays by name, or a function from the batch to such a dict.
        input_shape: What `input.shape` says.

    Attributes:
        batches: Copies of the batches it was given.
        closed: Whether `close` was called.
    """

    def __init__(
        self,
        outputs: dict[str, NDArray[Any]] | Callable[[NDArray[Any]], dict[str, NDArray[Any]]],
        input_shape: tuple[int | str, ...] = ("N", 3, 256, 192),
    ) -> None:
        self._outputs = outputs
        self.input = TensorSpec("image", input_shape, "tensor(float)")
        self.batches: list[NDArray[Any]] = []
        self.closed = False

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """The prepared outputs."""
        self.batches.append(batch.copy())
        return self._outputs(batch) if callable(self._outputs) else self._outputs

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True


def gaussian_heatmaps(
    cells: NDArray[Any], height: int, width: int, *, sigma: float = 1.0, peak: float = 0.9
) -> Float32:
    """Clean Gaussian heat centred on real-valued cells.

    Args:
        cells: `(..., 2)` `(x, y)` in cells.
        height: Rows of the maps.
        width: Columns of the maps.
        sigma: Spread in cells.
        peak: Heat in the centre.

    Returns:
        `(..., height, width)` float32 in `[0, peak]`.
    """
    x, y = cells[..., 0, None, None], cells[..., 1, None, None]
    rows, columns = np.mgrid[:height, :width]
    heat = peak * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    gaussians: Float32 = heat.astype(np.float32)
    return gaussians


def logits(heat: NDArray[Any]) -> Float32:
    """The logits whose sigmoid is this heat."""
    clipped = np.clip(heat.astype(np.float64), 1e-12, 1 - 1e-12)
    inverse: Float32 = np.log(clipped / (1 - clipped)).astype(np.float32)
    return inverse
