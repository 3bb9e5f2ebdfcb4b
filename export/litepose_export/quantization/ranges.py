"""Range search: narrows activations' ranges where that brings the keypoints nearer."""

from __future__ import annotations

from collections.abc import Callable

import onnx

from litepose_export.quantization.drift import Yardstick
from litepose_export.quantization.edit import QdqEditor

FACTORS = (0.85, 0.7, 0.55)


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
