"""Counts a network's parameters and multiply-accumulates, from what ONNX Runtime says it ran."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Shape = Sequence[int]


@dataclass(frozen=True, slots=True)
class Operations:
    """What a network costs by its structure.

    Attributes:
        parameters: Weights and biases of convolutions and matrix products.
        macs: Their multiply-accumulates for one input.
        input_shape: That input's shape, such as `(1, 3, 256, 192)`.
    """

    parameters: int
    macs: int
    input_shape: tuple[int, ...]


def count_operations(path: Path, item: Shape) -> Operations:
    """Count a model file's operations.

    The network runs once, as it is written: convolutions of a file with quantization nodes are
    counted as those of the float file are.

    Args:
        path: An ONNX file.
        item: Shape of one image or crop, such as `(3, 256, 192)`, for axes that the file leaves
            open.
    """
    # Not at the top: `doctor` must start where ONNX Runtime cannot be imported.
    import onnxruntime

    with tempfile.TemporaryDirectory(prefix="litepose-") as folder:
        options = onnxruntime.SessionOptions()
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "run")
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        # Weights that were packed are told no more.
        options.add_session_config_entry("session.disable_prepacking", "1")
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        (given,) = session.get_inputs()
        usual = (1, *item)
        sides = zip(given.shape, usual, strict=True)
        shape = tuple(side if isinstance(side, int) else other for side, other in sides)
        kind = np.uint8 if given.type == "tensor(uint8)" else np.float32
        session.run(None, {given.name: np.zeros(shape, kind)})
        events = json.loads(Path(session.end_profiling()).read_text("utf-8"))
    counted = [_of_node(*node) for node in _nodes(events)]
    return Operations(sum(c[0] for c in counted), sum(c[1] for c in counted), tuple(shape))


def _nodes(events: list[dict[str, Any]]) -> Iterator[tuple[str, list[Shape], list[Shape]]]:
    """Operator, shapes of its inputs and of its outputs."""
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            told = event["args"]
            shapes = (
                [next(iter(tensor.values())) for tensor in told.get(key, ()) if tensor]
                for key in ("input_type_shape", "output_type_shape")
            )
            inputs, outputs = shapes
            yield told["op_name"], inputs, outputs


def _of_node(operator: str, inputs: list[Shape], outputs: list[Shape]) -> tuple[int, int]:
    """Parameters and multiply-accumulates."""
    match operator:
        case "Conv" | "ConvInteger":
            return _weights(inputs[1:]), math.prod(outputs[0]) * math.prod(inputs[1][1:])
        case "QLinearConv":  # input, its scale and zero point, then the weights
            return _weights(inputs[3:4]), math.prod(outputs[0]) * math.prod(inputs[3][1:])
        case "ConvTranspose":
            return _weights(inputs[1:]), math.prod(inputs[0]) * math.prod(inputs[1][1:])
        case "Gemm" | "MatMul" | "MatMulInteger":
            # A product of two maps, as in attention, has no weights.
            weights = _weights(inputs[1:]) if len(inputs[1]) == 2 else 0
            return weights, math.prod(outputs[0]) * inputs[0][-1]
    return 0, 0


def _weights(tensors: list[Shape]) -> int:
    """Of the weights and, where there is one, the bias."""
    return sum(math.prod(shape) for shape in tensors if shape)
