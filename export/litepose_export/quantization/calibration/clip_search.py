"""Clip search: how far to narrow activation ranges, by the output error that it leads to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from litepose_export.quantization.calibration.activations import inner_values
from litepose_export.quantization.calibration.qdq import Ranges

PARTS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
BLENDS = (0.0, 0.25, 0.5, 0.75, 1.0)
# Errors are estimated from every fifth value of a tensor.
SAMPLE_STEP = 5


def search_ranges(
    widest: Ranges,
    narrow: Ranges,
    write: Callable[[Ranges], onnx.ModelProto],
    cost: Callable[[onnx.ModelProto], float],
    advance: Callable[[], None] = lambda: None,
) -> tuple[Ranges, float]:
    """The best of the ranges between two sets.

    A range that holds all observed values spends its codes on rare ones; the range with the least
    rounding error clips the peaks that keypoints are decoded from. In between, the output error
    decides: one number for all tensors, since the effect of a single tensor is smaller than the
    noise of a few hundred keypoints.

    Args:
        widest: Such as MinMax ranges.
        narrow: Such as `least_error_ranges`.
        write: Makes the INT8 graph of some ranges.
        cost: The output error of a graph.
        advance: Called once a candidate.

    Returns:
        The ranges, and how far from the widest (0) to the narrow ones (1) they lie.
    """
    costs = []
    for blend in BLENDS:
        costs.append(cost(write(_between(widest, narrow, blend))))
        advance()
    chosen = BLENDS[int(np.argmin(costs))]
    return _between(widest, narrow, chosen), chosen


def least_error_ranges(
    prepared: onnx.ModelProto, widest: Ranges, batches: Sequence[NDArray[Any]]
) -> Ranges:
    """Ranges narrowed to where clipping and rounding together err least, tensor by tensor.

    Args:
        prepared: Float graph.
        widest: MinMax ranges.
        batches: Calibration inputs.
    """
    made = {name for node in prepared.graph.node for name in node.output}
    names = [name for name in widest if name in made]
    errors = {name: np.zeros(len(PARTS)) for name in names}
    for values in inner_values(prepared, names, batches):
        for name in names:
            seen, (low, high) = values[name].ravel()[::SAMPLE_STEP], widest[name]
            for i, part in enumerate(PARTS):
                step = max(part * (high - low) / 255, 1e-12)
                rounded = np.round(seen.clip(part * low, part * high) / step) * step
                errors[name][i] += np.square(seen - rounded).sum()
    narrow = {name: PARTS[int(errors[name].argmin())] for name in names}
    return {
        name: (narrow.get(name, 1.0) * low, narrow.get(name, 1.0) * high)
        for name, (low, high) in widest.items()
    }


def _between(widest: Ranges, narrow: Ranges, blend: float) -> Ranges:
    return {
        name: (
            (1 - blend) * low + blend * narrow[name][0],
            (1 - blend) * high + blend * narrow[name][1],
        )
        for name, (low, high) in widest.items()
    }
