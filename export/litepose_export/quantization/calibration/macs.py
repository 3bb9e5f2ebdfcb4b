"""How much of a network's arithmetic a quantization brings to INT8."""

from __future__ import annotations

import math
from collections.abc import Collection

import onnx


def macs_of_nodes(prepared: onnx.ModelProto) -> dict[str, int]:
    """Multiply-accumulates of each layer with weights for one image, by the node's name.

    Products of two activations, as in attention, do not count: they have no weights to quantize.

    Args:
        prepared: From `qdq.prepare`: its tensors have shapes, or can be given some.
    """
    inferred = onnx.shape_inference.infer_shapes(prepared)
    graph = inferred.graph
    shapes = {
        value.name: [d.dim_value or 1 for d in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.input, *graph.output)
    }
    weights = {i.name: list(i.dims) for i in prepared.graph.initializer}
    found: dict[str, int] = {}
    for node in graph.node:
        names = [name for name in node.input[:2] if name in weights]
        if not names:
            continue
        weight = math.prod(weights[names[0]])
        match node.op_type:
            case "Conv":
                found[node.name] = weight * math.prod(shapes.get(node.output[0], [1, 1])[2:])
            case "ConvTranspose":
                # A transposed convolution multiplies its kernel at every input position.
                found[node.name] = weight * math.prod(shapes.get(node.input[0], [1, 1])[2:])
            case "Gemm" | "MatMul":
                rows = shapes.get(node.output[0], [1])[:-1]
                found[node.name] = weight * math.prod(rows)
    return found


def integer_part(prepared: onnx.ModelProto, float_nodes: Collection[str]) -> float:
    """Part of the multiply-accumulates that INT8 does; 1 for a graph without layers."""
    macs = macs_of_nodes(prepared)
    total = sum(macs.values())
    integer = sum(count for name, count in macs.items() if name not in float_nodes)
    return integer / total if total else 1.0
