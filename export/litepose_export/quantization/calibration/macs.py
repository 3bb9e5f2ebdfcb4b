"""How much of a network's arithmetic a quantization brings to INT8."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import onnx

Shape = Sequence[int]


def shapes_for_one(model: onnx.ModelProto, item: Shape) -> dict[str, list[int]]:
    """Shapes of all tensors for one image, by name; 0 where a length stays unknown.

    Args:
        model: A graph of one input.
        item: Shape of one image, such as `InputSpec.shape`, for what the graph leaves free.
    """
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for given in fixed.graph.input:
        for axis, known in zip(given.type.tensor_type.shape.dim, (1, *item), strict=False):
            if not axis.dim_value:
                axis.dim_value = known
    # Symbols that stand for the free lengths would contradict the known ones.
    kept = [value for value in fixed.graph.value_info if all(_lengths(value))]
    del fixed.graph.value_info[:]
    fixed.graph.value_info.extend(kept)
    for output in fixed.graph.output:
        if not all(_lengths(output)):
            output.type.tensor_type.ClearField("shape")
    # With the values of the small tensors that shapes are computed in.
    graph = onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = _lengths(value)
    return shapes


def macs_of_nodes(prepared: onnx.ModelProto, item: Shape) -> dict[str, int]:
    """Multiply-accumulates of each layer with weights for one image, by the node's name.

    Products of two activations, as in attention, do not count: they have no weights to quantize.

    Args:
        prepared: From `qdq.prepare`: its tensors have shapes, or can be given some.
        item: Shape of one image, for what the graph leaves free.
    """
    shapes = {
        name: [length or 1 for length in lengths]
        for name, lengths in shapes_for_one(prepared, item).items()
    }
    weights = {i.name: list(i.dims) for i in prepared.graph.initializer}
    found: dict[str, int] = {}
    for node in prepared.graph.node:
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


def integer_part(prepared: onnx.ModelProto, item: Shape, float_nodes: Collection[str]) -> float:
    """Part of the multiply-accumulates that INT8 does; 1 for a graph without layers.

    Args:
        prepared: Float graph.
        item: Shape of one image, for what the graph leaves free.
        float_nodes: Nodes that stay float.
    """
    macs = macs_of_nodes(prepared, item)
    total = sum(macs.values())
    integer = sum(count for name, count in macs.items() if name not in float_nodes)
    return integer / total if total else 1.0


def _lengths(value: onnx.ValueInfoProto) -> list[int]:
    return [axis.dim_value for axis in value.type.tensor_type.shape.dim]
