"""Which nodes stay float: by place in the graph, by operator, by subgraph; never by count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx
from onnxruntime.quantization.registry import QDQRegistry

from litepose_export.errors import ExportError

# Operators that only move or normalise values.
REARRANGING = {
    "Add", "Cast", "Concat", "Div", "Gather", "Identity", "Mul", "Pad", "Reshape", "Slice",
    "SpaceToDepth", "Split", "Sub", "Transpose",
}  # fmt: skip


def quantizable(model: onnx.ModelProto) -> tuple[str, ...]:
    """Names of the nodes that would be computed in INT8, in the graph's order."""
    return tuple(node.name for node in model.graph.node if node.op_type in QDQRegistry)


def output_layers(model: onnx.ModelProto, depth: int = 1) -> tuple[str, ...]:
    """Names of the nodes that write the outputs: the last convolutions and what joins them.

    A depthwise convolution in front of a last one belongs to it: integer ones are no quicker on
    any CPU, and at a stride of 2 turning its output into floats costs more than it.

    Args:
        model: Float graph.
        depth: How many convolutions deep, seen from each output.
    """
    makers = {output: node for node in model.graph.node for output in node.output}
    stored = {i.name for i in model.graph.initializer}
    deepest: dict[str, int] = {}
    waiting = [(output.name, depth) for output in model.graph.output]
    while waiting:
        tensor, left = waiting.pop()
        node = makers.get(tensor)
        if node is None or deepest.get(node.name, 0) >= left:
            continue
        deepest[node.name] = left
        left -= node.op_type in ("Conv", "ConvTranspose") or _is_linear(node, stored)
        if left:
            waiting.extend((name, left) for name in node.input)
        elif node.op_type == "Conv":
            deepest |= dict.fromkeys(_depthwise_before(node, makers), 1)
    return tuple(sorted(deepest))


def _is_linear(node: onnx.NodeProto, stored: set[str]) -> bool:
    """Whether a node is a layer with weights, and no product of activations."""
    return node.op_type in ("Gemm", "MatMul") and not stored.isdisjoint(node.input[:2])


def _depthwise_before(node: onnx.NodeProto, makers: Mapping[str, onnx.NodeProto]) -> list[str]:
    """Names of the depthwise convolution whose output a node reads, and of the ReLU between."""
    before = makers.get(node.input[0])
    names = []
    if before is not None and before.op_type in ("Relu", "Clip"):
        names.append(before.name)
        before = makers.get(before.input[0])
    if before is None or before.op_type != "Conv":
        return []
    groups = next((a.i for a in before.attribute if a.name == "group"), 1)
    return [*names, before.name] if groups > 1 else []


def input_layers(model: onnx.ModelProto) -> tuple[str, ...]:
    """Names of the dense convolutions that read three-channel images, or the input's pixels.

    Their kernels hold few weights and all of the colours: at 7 bits they add more output error
    than all other layers together, and three channels are too few for INT8 kernels to gain by.
    Pixels of several places may have become channels on the way, as in YOLOX.
    """
    kernels = {i.name: i.dims for i in model.graph.initializer}
    pixels = {i.name for i in model.graph.input}
    chosen = []
    for node in model.graph.node:
        reads = bool(node.input) and node.input[0] in pixels
        if node.op_type == "Conv":
            if reads or list(kernels.get(node.input[1], ()))[1:2] == [3]:
                chosen.append(node.name)
        elif node.op_type in REARRANGING and not pixels.isdisjoint(node.input):
            pixels.update(node.output)
    return tuple(chosen)


def residual_layers(model: onnx.ModelProto) -> tuple[str, ...]:
    """Names of the sums, and of the convolutions that write into them.

    Rounding there adds up from block to block. The convolutions are 1x1 in our networks; in
    float they make keypoints shift less and the network slower.
    """
    makers = {output: node for node in model.graph.node for output in node.output}
    chosen: set[str] = set()
    for node in model.graph.node:
        if node.op_type != "Add":
            continue
        chosen.add(node.name)
        for name in node.input:
            maker = makers.get(name)
            if maker is not None and maker.op_type == "Resize":
                chosen.add(maker.name)
                maker = makers.get(maker.input[0])
            if maker is not None and maker.op_type == "Conv":
                chosen.add(maker.name)
    return tuple(sorted(chosen))


def select(
    model: onnx.ModelProto, patterns: Sequence[str], *, lenient: bool = False
) -> tuple[str, ...]:
    """Names of the nodes that patterns describe, sorted.

    Args:
        model: Float graph, prepared.
        patterns: `op:TYPE`, all nodes of an operator; `stem`, convolutions that read the image;
            `head` or `head:N`, the last N convolutions before each output; `residual`, sums and
            the convolutions that write into them; `A..B`, what lies between tensors A and B,
            either of which may be left out for an end of the graph.
        lenient: Patterns may match nothing, as the default ones do in some networks of others.

    Raises:
        ExportError: A pattern is of no known form, or matches nothing.
    """
    chosen: set[str] = set()
    for pattern in patterns:
        found = _matching(model, pattern)
        if not found and not lenient:
            raise ExportError(f"the pattern '{pattern}' matches no node of the graph")
        chosen.update(found)
    return tuple(sorted(chosen))


def _matching(model: onnx.ModelProto, pattern: str) -> tuple[str, ...]:
    if pattern == "stem":
        return input_layers(model)
    if pattern == "residual":
        return residual_layers(model)
    if pattern.startswith("op:"):
        kind = pattern.removeprefix("op:")
        return tuple(node.name for node in model.graph.node if node.op_type == kind)
    if pattern == "head" or pattern.startswith("head:"):
        depth = pattern.removeprefix("head").removeprefix(":") or "1"
        if depth.isdigit() and int(depth) > 0:
            return output_layers(model, int(depth))
    elif ".." in pattern:
        first, _, last = pattern.partition("..")
        return between(model, first, last)
    raise ExportError(
        f"'{pattern}' is no pattern: write op:TYPE, stem, residual, head, head:N or TENSOR..TENSOR"
    )


def between(model: onnx.ModelProto, first: str, last: str) -> tuple[str, ...]:
    """Names of the nodes on paths from one tensor to another; empty: from or to the ends.

    Raises:
        ExportError: The graph has no such tensor.
    """
    tensors = {t for node in model.graph.node for t in (*node.input, *node.output)}
    for name in (first, last):
        if name and name not in tensors:
            raise ExportError(f"the graph has no tensor '{name}'")
    reached = {first} if first else {i.name for i in model.graph.input}
    after = set()
    for node in model.graph.node:  # nodes of a valid graph stand in the order of computation
        if reached.intersection(node.input):
            reached.update(node.output)
            after.add(node.name)
    needed = {last} if last else {o.name for o in model.graph.output}
    before = set()
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            before.add(node.name)
    return tuple(node.name for node in model.graph.node if node.name in after & before)
