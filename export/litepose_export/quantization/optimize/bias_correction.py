"""Bias correction: takes the mean error that rounding brought into each layer out again.

Nagel et al., arXiv 1906.04721, section 4.2, with means from calibration inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import onnx
from numpy.typing import NDArray

from litepose_export.quantization.calibration.activations import channel_means
from litepose_export.quantization.optimize.qdq_editor import QdqEditor

# The graph runs once for each layer and input: with many layers on fewer inputs.
MANY_LAYERS, FEW_INPUTS = 64, 8


def correct_biases(
    prepared: onnx.ModelProto,
    quantized: onnx.ModelProto,
    batches: Sequence[NDArray[Any]],
    advance: Callable[[], None] = lambda: None,
) -> onnx.ModelProto:
    """Give every convolution of a QDQ graph the mean outputs of the float graph's.

    From the input on: a layer's correction is measured with those before it already in place.

    Args:
        prepared: The float graph that was quantized.
        quantized: Its QDQ graph; nodes have kept their names.
        batches: Calibration inputs.
        advance: Called once a layer.
    """
    corrected = onnx.ModelProto()
    corrected.CopyFrom(quantized)
    editor = QdqEditor(corrected)
    layers = [n for n in corrected.graph.node if n.op_type == "Conv" and len(n.input) > 2]
    outputs = {n.name: n.output[0] for n in prepared.graph.node if n.op_type == "Conv"}
    if len(layers) > MANY_LAYERS:
        batches = batches[:FEW_INPUTS]
    wanted = channel_means(prepared, [outputs[n.name] for n in layers], batches)
    for node in layers:
        (found,) = channel_means(corrected, [node.output[0]], batches).values()
        editor.add_to_bias(node, wanted[outputs[node.name]] - found)
        advance()
    return corrected
