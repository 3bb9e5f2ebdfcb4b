"""Which nodes raise the output error when quantized, and what leaving them in float costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import onnx

from litepose_export.quantization.calibration.macs import Shape, macs_of_nodes, shapes_for_one
from litepose_export.quantization.calibration.qdq import Ranges, Scheme, write_qdq
from litepose_export.quantization.gate.output_error import ErrorMetric
from litepose_export.quantization.mixed_precision.float_nodes import quantizable


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What one node does.

    Attributes:
        node: Its name.
        op_type: Its operator.
        output: The tensor it makes, for patterns.
        alone: Output error when it is the only one quantized.
        removed: Output error that goes when it alone stays float in the INT8 graph.
        operations: Its share of all multiply-accumulates and elements made: what float costs.
    """

    node: str
    op_type: str
    output: str
    alone: float
    removed: float
    operations: float

    def to_dict(self) -> dict[str, Any]:
        """GateFigures by name."""
        return asdict(self)


def rank(
    prepared: onnx.ModelProto,
    ranges: Ranges,
    scheme: Scheme,
    float_nodes: Sequence[str],
    metric: ErrorMetric,
    item: Shape,
    advance: Callable[[], None] = lambda: None,
) -> list[Sensitivity]:
    """All nodes that are quantized now, those whose removal pays most per operation first.

    Args:
        prepared: Float graph.
        ranges: Of its tensors.
        scheme: Of the INT8 graph.
        float_nodes: Nodes that stay float anyway.
        metric: Measures the output error of a graph.
        item: Shape of one image, for what the graph leaves free.
        advance: Called once a node.
    """
    nodes = {node.name: node for node in prepared.graph.node}
    candidates = [name for name in quantizable(prepared) if name not in set(float_nodes)]
    work = operations(prepared, item)
    total = max(sum(work.values()), 1.0)
    full = metric(write_qdq(prepared, ranges, scheme, float_nodes)).cost
    found = []
    for name in candidates:
        others = [other for other in quantizable(prepared) if other != name]
        alone = metric(write_qdq(prepared, ranges, scheme, others)).cost
        without = metric(write_qdq(prepared, ranges, scheme, [*float_nodes, name])).cost
        node = nodes[name]
        share = work[name] / total
        found.append(Sensitivity(name, node.op_type, node.output[0], alone, full - without, share))
        advance()
    return sorted(found, key=lambda s: (-worth(s), s.node))


def rank_layers(
    prepared: onnx.ModelProto,
    ranges: Ranges,
    scheme: Scheme,
    float_nodes: Sequence[str],
    metric: ErrorMetric,
    item: Shape,
    advance: Callable[[], None] = lambda: None,
) -> list[Sensitivity]:
    """Layers with weights by what each does alone: half the work of `rank`, or less.

    Errors of layers add up as their squares do, so these are weighed against the work that a
    layer in float takes. What lies between layers follows them.

    Args:
        prepared: Float graph.
        ranges: Of its tensors.
        scheme: Of the INT8 graph.
        float_nodes: Nodes that stay float anyway.
        metric: Measures the output error of a graph.
        item: Shape of one image, for what the graph leaves free.
        advance: Called once a layer.
    """
    every = quantizable(prepared)
    macs = macs_of_nodes(prepared, item)
    total = max(sum(macs.values()), 1)
    found = []
    for node in prepared.graph.node:
        if node.name not in macs or node.name in float_nodes or node.name not in every:
            continue
        others = [name for name in every if name != node.name]
        alone = metric(write_qdq(prepared, ranges, scheme, others)).cost
        share = macs[node.name] / total
        found.append(Sensitivity(node.name, node.op_type, node.output[0], alone, 0.0, share))
        advance()
    return sorted(found, key=lambda s: (-(s.alone**2) / max(s.operations, 1e-4), s.node))


def affordable(
    ranked: Sequence[Sensitivity],
    prepared: onnx.ModelProto,
    item: Shape,
    float_nodes: Sequence[str],
    least: float,
) -> tuple[str, ...]:
    """Nodes of a ranking, in its order, that may all stay float at once.

    Args:
        ranked: From `rank` or `rank_layers`.
        prepared: Float graph.
        item: Shape of one image, for what the graph leaves free.
        float_nodes: Nodes that stay float anyway.
        least: Part of the multiply-accumulates that must be INT8 even so.
    """
    macs = macs_of_nodes(prepared, item)
    total = max(sum(macs.values()), 1)
    left = total * (1 - least) - sum(macs.get(name, 0) for name in float_nodes)
    chosen = []
    for layer in ranked:
        cost = macs.get(layer.node, 0)
        if cost <= left:
            left -= cost
            chosen.append(layer.node)
    return tuple(chosen)


def worth(item: Sensitivity) -> float:
    """Output error removed by its part of the work; both measurements of it count."""
    # Leaving one node out of many shows little, and noise: what it does alone steadies it.
    gain = max(item.alone + item.removed, 0.0)
    return gain / max(item.operations, 1e-4)


def smallest_beginning(
    names: tuple[str, ...], passes: Callable[[tuple[str, ...]], bool]
) -> tuple[str, ...] | None:
    """The shortest beginning of an order that, left in float, passes; None if all do not.

    Bisection: more float nodes are taken to be no worse.

    Args:
        names: Nodes, those that should stay float first.
        passes: Whether a file with these further float nodes is good enough.
    """
    if passes(()):
        return ()
    if not passes(names):
        return None
    low, high = 0, len(names)  # `low` fails, `high` passes
    while high - low > 1:
        middle = (low + high) // 2
        if passes(names[:middle]):
            high = middle
        else:
            low = middle
    return names[:high]


def operations(prepared: onnx.ModelProto, item: Shape) -> dict[str, float]:
    """Multiply-accumulates of each node, or elements made where there are none.

    Args:
        prepared: Float graph.
        item: Shape of one image, for what the graph leaves free.
    """
    shapes = {
        name: [length or 1 for length in lengths]
        for name, lengths in shapes_for_one(prepared, item).items()
    }
    kernels = {i.name: list(i.dims) for i in prepared.graph.initializer}
    work = {}
    for node in prepared.graph.node:
        elements = 1.0
        for length in shapes.get(node.output[0], []):
            elements *= length
        if node.op_type == "Conv" and node.input[1] in kernels:
            # Of a kernel (outputs, inputs / groups, h, w), every output element sees all but one.
            for length in kernels[node.input[1]][1:]:
                elements *= length
        elif node.op_type == "ConvTranspose" and node.input[1] in kernels:
            elements = 1.0
            for length in (*shapes.get(node.input[0], []), *kernels[node.input[1]][1:]):
                elements *= length
        work[node.name] = elements
    return work


def table(ranked: Sequence[Sensitivity]) -> str:
    """The ranking as text."""
    lines = [f"{'node':<28}{'operator':<16}{'alone':>9}{'removed':>9}{'work':>8}"]
    lines += [
        f"{s.node:<28}{s.op_type:<16}{s.alone:>9.4f}{s.removed:>9.4f}{s.operations:>8.2%}"
        for s in ranked
    ]
    return "\n".join(lines)
