"""Counts the multiply-accumulates of an ONNX graph, as it will be run."""

from __future__ import annotations

import math
from pathlib import Path

import onnx

from litepose_export.quantization.calibration.macs import shapes_for_one


def count(path: Path, item: tuple[int, ...] = ()) -> int:
    """Multiply-accumulates of the convolutions and matrix products for one image.

    A transposed convolution costs its kernel once for every input position, any other one once
    for every output position.

    Args:
        path: The ONNX file.
        item: Shape of one image, `(3, H, W)`, for what the graph leaves free.

    Raises:
        ValueError: A shape that is needed stays unknown even for one image.
    """
    model = onnx.load(str(path))
    shapes = shapes_for_one(model, item)
    return sum(_cost(node, shapes) for node in model.graph.node)


def _cost(node: onnx.NodeProto, shapes: dict[str, list[int]]) -> int:
    match node.op_type:
        case "Conv":
            at, weight = node.output[0], node.input[1]
        case "ConvTranspose":
            at, weight = node.input[0], node.input[1]
        case "MatMul" | "Gemm":
            rows = _known(node.output[0], shapes, node)
            return math.prod(rows) * _known(node.input[0], shapes, node)[-1]
        case _:
            return 0
    positions = math.prod(_known(at, shapes, node)[2:])
    return positions * math.prod(_known(weight, shapes, node))


def _known(name: str, shapes: dict[str, list[int]], node: onnx.NodeProto) -> list[int]:
    shape = shapes.get(name, [])
    if not shape or 0 in shape:
        raise ValueError(f"the shape of '{name}' at {node.op_type} '{node.name}' is not known")
    return shape
