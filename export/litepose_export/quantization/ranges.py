"""Range search: narrows activations' ranges where that brings the keypoints nearer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from litepose_export.quantization.activations import inner_values
from litepose_export.quantization.drift import Yardstick
from litepose_export.quantization.edit import QdqEditor
from litepose_export.quantization.graph import Ranges

FACTORS = (0.85, 0.7, 0.55)
PARTS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
# Every so manieth value of a tensor is looked at.
THINNED = 5


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
            seen, (low, high) = values[name].ravel()[::THINNED], widest[name]
            for i, part in enumerate(PARTS):
                step = max(part * (high - low) / 255, 1e-12)
                rounded = np.round(seen.clip(part * low, part * high) / step) * step
                errors[name][i] += np.square(seen - rounded).sum()
    found = dict(widest)
    for name in names:
        part = PARTS[int(errors[name].argmin())]
        found[name] = (part * widest[name][0], part * widest[name][1])
    return found


def search_ranges(
    quantized: onnx.ModelProto, measure: Yardstick, tick: Callable[[], None] = lambda: None
) -> tuple[onnx.ModelProto, int]:
    """Shrink each activation's range, one after the other, as long as that helps.

    A range that holds everything that was ever seen spends its codes on what hardly ever
    happens. Which part can go is asked of the keypoints, not of the tensor.

    Args:
        quantized: QDQ graph with the ranges to start from.
        measure: Says how far a graph is from the float file.
        tick: Called once a range.

    Returns:
        The graph, and how many ranges were narrowed.
    """
    best = onnx.ModelProto()
    best.CopyFrom(quantized)
    least = measure(best).cost
    narrowed = 0
    for name in QdqEditor(best).activation_scales():
        chosen = best
        for factor in FACTORS:
            candidate = onnx.ModelProto()
            candidate.CopyFrom(best)
            QdqEditor(candidate).rescale(name, factor)
            cost = measure(candidate).cost
            if cost < least:
                least, chosen = cost, candidate
        narrowed += chosen is not best
        best = chosen
        tick()
    return best, narrowed
