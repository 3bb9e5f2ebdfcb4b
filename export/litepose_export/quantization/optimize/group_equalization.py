"""Equalizes channels over all layers that write and read them: sums, pools, depthwise layers.

Cross-layer equalization (Nagel et al., arXiv 1906.04721) of whole groups of tensors: what lies
between convolutions is often more than a ReLU, and computes the same for channels of any scale.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from litepose_export.quantization.calibration.activations import channel_maxima

# Channels that are hardly ever active are scaled up by no more than this.
MAX_FACTOR = 64.0
# A scaled channel stays so far below a ReLU6's edge, for inputs beyond those it was measured on.
BELOW_CLIP = 0.9
LAYERS = ("Conv", "ConvTranspose")
# Operators that scale a channel's output as its input is scaled.
LINKS = {
    "Add", "AveragePool", "Clip", "GlobalAveragePool", "GlobalMaxPool", "Identity", "LeakyRelu",
    "MaxPool", "PRelu", "Relu", "Resize",
}  # fmt: skip
ACTIVATIONS = ("Clip", "LeakyRelu", "PRelu", "Relu")


@dataclass(slots=True)
class Group:
    """Tensors whose channels must be scaled together.

    Attributes:
        tensors: Those that are rounded.
        writers: Layers that make them.
        readers: Layers that read them.
        clipped: Outputs of ReLU6 and the like, and their upper edges.
    """

    tensors: list[str] = field(default_factory=list)
    writers: list[onnx.NodeProto] = field(default_factory=list)
    readers: list[onnx.NodeProto] = field(default_factory=list)
    clipped: dict[str, float] = field(default_factory=dict)


def equalize_groups(
    model: onnx.ModelProto, batches: Sequence[NDArray[Any]]
) -> tuple[onnx.ModelProto, int]:
    """A graph that computes the same, with more equal ranges of hidden channels.

    Where all readers are depthwise, whose kernels have a scale for each channel already, ranges
    become equal; elsewhere half way, since what activations gain the next kernels lose.

    Args:
        model: Float graph with its initialisers in float32.
        batches: Calibration inputs.

    Returns:
        The graph, and how many groups were equalized.
    """
    equal = onnx.ModelProto()
    equal.CopyFrom(model)
    weights = {i.name: i for i in equal.graph.initializer}
    groups = [group for group in find_groups(equal) if _channels(group, weights)]
    names = sorted({name for group in groups for name in group.tensors})
    if not names:
        return equal, 0
    widest = channel_maxima(equal, names, batches)
    for group in groups:
        factor = _factor(group, widest, weights)
        for node in group.writers:
            _scale_outputs(weights, node, factor)
        for node in group.readers:
            _scale_inputs(weights, node, factor)
    return equal, len(groups)


def find_groups(model: onnx.ModelProto) -> list[Group]:
    """Groups of tensors between layers whose weights are their own."""
    graph = model.graph
    stored = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    joined = _join(graph, stored)
    groups: dict[str, Group] = defaultdict(Group)
    reads: dict[str, list[str]] = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            reads[name].append(node.op_type)
    for node in graph.node:
        made = node.output[0]
        group = groups[joined.root(made)]
        # What only an activation reads is not rounded: the two are computed as one.
        if len(reads[made]) != 1 or reads[made][0] not in ACTIVATIONS:
            group.tensors.append(made)
        if node.op_type in LAYERS:
            group.writers.append(node)
            groups[joined.root(node.input[0])].readers.append(node)
        if node.op_type == "Clip" and len(node.input) > 2 and node.input[2] in stored:
            group.clipped[made] = float(stored[node.input[2]])
    fixed = {joined.root(name) for name in joined.fixed}
    return [
        group
        for name, group in groups.items()
        if name not in fixed and group.readers and group.writers
    ]


@dataclass(slots=True)
class _Joined:
    """Which tensors are scaled together, and those that cannot be."""

    fixed: set[str]
    parents: dict[str, str] = field(default_factory=dict)

    def root(self, name: str) -> str:
        while (parent := self.parents.get(name, name)) != name:
            name = parent
        return name


def _join(graph: onnx.GraphProto, stored: dict[str, NDArray[Any]]) -> _Joined:
    uses = Counter(name for node in graph.node for name in node.input)
    joined = _Joined({value.name for value in (*graph.input, *graph.output)})
    for node in graph.node:
        if node.op_type in LAYERS and _owns_weights(node, stored, uses):
            continue
        data = [name for name in node.input if name and name not in stored]
        if node.op_type in LINKS and _links(node, data, stored):
            for name in data:
                joined.parents[joined.root(name)] = joined.root(node.output[0])
        else:
            joined.fixed.update(data, node.output)
    return joined


def _owns_weights(
    node: onnx.NodeProto, stored: dict[str, NDArray[Any]], uses: Counter[str]
) -> bool:
    names = [name for name in node.input[1:] if name]
    return all(name in stored and uses[name] == 1 for name in names) and (
        stored[node.input[1]].ndim == 4
    )


def _links(node: onnx.NodeProto, data: list[str], stored: dict[str, NDArray[Any]]) -> bool:
    """Whether an operator lets scales of channels through."""
    match node.op_type:
        case "Add":
            return len(data) == 2
        case "Clip":
            low = stored.get(node.input[1]) if len(node.input) > 1 and node.input[1] else None
            return len(data) == 1 and low is not None and float(low) == 0
        case _:
            return len(data) == 1


def _channels(group: Group, weights: dict[str, onnx.TensorProto]) -> int:
    """The channels that all layers of a group agree on; 0 if they do not."""
    counts = {_outputs(node, weights[node.input[1]]) for node in group.writers}
    counts |= {_inputs(node, weights[node.input[1]]) for node in group.readers}
    return counts.pop() if len(counts) == 1 else 0


def _outputs(node: onnx.NodeProto, kernel: onnx.TensorProto) -> int:
    return int(kernel.dims[0] if node.op_type == "Conv" else kernel.dims[1] * _parts(node))


def _inputs(node: onnx.NodeProto, kernel: onnx.TensorProto) -> int:
    return int(kernel.dims[1] * _parts(node) if node.op_type == "Conv" else kernel.dims[0])


def _parts(node: onnx.NodeProto) -> int:
    return next((int(a.i) for a in node.attribute if a.name == "group"), 1)


def _factor(
    group: Group, widest: dict[str, NDArray[Any]], weights: dict[str, onnx.TensorProto]
) -> NDArray[Any]:
    """`(C,)` what each channel is multiplied by."""
    ranges = np.max([widest[name] for name in group.tensors], axis=0).astype(np.float64)
    largest = float(ranges.max())
    if largest <= 0:
        return np.ones_like(ranges)
    single = all(
        node.op_type == "Conv" and weights[node.input[1]].dims[1] == 1 for node in group.readers
    )
    factor = (largest / np.maximum(ranges, largest / MAX_FACTOR)) ** (1.0 if single else 0.5)
    for name, edge in group.clipped.items():
        room = BELOW_CLIP * edge / np.maximum(widest[name], 1e-12)
        factor = np.maximum(np.minimum(factor, room), 1.0)
    factor[ranges <= 0] = 1
    return factor  # type: ignore[no-any-return]


def _scale_outputs(
    weights: dict[str, onnx.TensorProto], node: onnx.NodeProto, factor: NDArray[Any]
) -> None:
    stored = weights[node.input[1]]
    kernel = numpy_helper.to_array(stored)
    if node.op_type == "Conv":
        scaled = kernel * factor.reshape(-1, 1, 1, 1)
    else:
        parts = _parts(node)
        split = kernel.reshape(parts, -1, *kernel.shape[1:])
        scaled = split * factor.reshape(parts, 1, -1, 1, 1)
    _put(stored, scaled.reshape(kernel.shape))
    if len(node.input) > 2 and node.input[2]:
        _put(weights[node.input[2]], numpy_helper.to_array(weights[node.input[2]]) * factor)


def _scale_inputs(
    weights: dict[str, onnx.TensorProto], node: onnx.NodeProto, factor: NDArray[Any]
) -> None:
    stored = weights[node.input[1]]
    kernel = numpy_helper.to_array(stored)
    if node.op_type == "Conv":
        parts = _parts(node)
        split = kernel.reshape(parts, -1, *kernel.shape[1:])
        scaled = split / factor.reshape(parts, 1, -1, 1, 1)
    else:
        scaled = kernel / factor.reshape(-1, 1, 1, 1)
    _put(stored, scaled.reshape(kernel.shape))


def _put(initializer: onnx.TensorProto, values: NDArray[Any]) -> None:
    initializer.CopyFrom(numpy_helper.from_array(values.astype(np.float32), initializer.name))
