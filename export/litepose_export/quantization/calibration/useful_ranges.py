"""Narrows ranges to what the operators that read a tensor can tell apart."""

from __future__ import annotations

from collections import defaultdict

import onnx

from litepose_export.quantization.calibration.qdq import Ranges

# Beyond these an activation gives its limit, to less than a code of any range worth having:
# SiLU of -8 is -.003, GELU of -4 is -.0001. Those of HardSwish and HardSigmoid are exact.
SIGMOID, GELU, HARD_SWISH = 8.0, 4.0, 3.0


def narrowed_to_use(prepared: onnx.ModelProto, ranges: Ranges) -> Ranges:
    """Ranges without the parts in which all that read a tensor give the same.

    A convolution before SiLU reaches far below zero, where SiLU is flat: of such a range most
    codes are spent on values that end as zero.

    Args:
        prepared: Float graph.
        ranges: As they were seen.
    """
    readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in prepared.graph.node:
        for name in node.input:
            readers[name].append(node)
    outputs = {output.name for output in prepared.graph.output}
    narrow = dict(ranges)
    for name, (low, high) in ranges.items():
        nodes = readers.get(name)
        if not nodes or name in outputs:
            continue
        least, most = zip(*(_useful(node, name, readers) for node in nodes), strict=True)
        bounds = max(low, min(least)), min(high, max(most))
        if bounds[0] < bounds[1]:
            narrow[name] = bounds
    return narrow


def _useful(
    node: onnx.NodeProto, name: str, readers: dict[str, list[onnx.NodeProto]]
) -> tuple[float, float]:
    """Where a reader tells values apart."""
    everywhere = float("-inf"), float("inf")
    match node.op_type:
        case "Sigmoid":
            return -SIGMOID, SIGMOID
        case "HardSigmoid":
            reach = _hard_reach(node)
            return -reach[0], reach[1]
        case "HardSwish":
            return -HARD_SWISH, float("inf")
        case "Gelu" | "Mish" | "Swish":
            return -(GELU if node.op_type == "Gelu" else SIGMOID), float("inf")
        case "Mul":
            # x * sigmoid(x): flat where its own sigmoid is zero.
            gate = next((g for g in readers[name] if _gates(g, node)), None)
            if gate is None:
                return everywhere
            least = -SIGMOID if gate.op_type == "Sigmoid" else -_hard_reach(gate)[0]
            return least, float("inf")
    return everywhere


def _gates(gate: onnx.NodeProto, product: onnx.NodeProto) -> bool:
    return gate.op_type in ("Sigmoid", "HardSigmoid") and gate.output[0] in product.input


def _hard_reach(node: onnx.NodeProto) -> tuple[float, float]:
    """How far below and above zero HardSigmoid is not flat."""
    given = {a.name: a.f for a in node.attribute}
    alpha, beta = given.get("alpha", 0.2), given.get("beta", 0.5)
    return beta / alpha, (1 - beta) / alpha
