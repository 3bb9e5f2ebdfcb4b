"""Cross-layer equalization: channels of a hidden tensor get more equal ranges.

After Nagel et al., arXiv 1906.04721, with the ranges of activations in place of weights: the
kernels' scales are per channel already, the activations' are not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from litepose_export.quantization.calibration.activations import channel_maxima

# Channels that are hardly ever active are scaled up by no more than this.
MAX_FACTOR = 64.0


@dataclass(frozen=True, slots=True)
class Pair:
    """Two convolutions with nothing but a ReLU between them, and the tensor after it."""

    first: onnx.NodeProto
    tensor: str
    second: onnx.NodeProto


def equalize(
    model: onnx.ModelProto, batches: Sequence[NDArray[Any]], strength: float = 0.5
) -> tuple[onnx.ModelProto, int]:
    """A graph that computes the same, with more equal ranges of hidden channels.

    `relu(s * x) = s * relu(x)` for positive s, so a channel may be scaled before a ReLU and
    its reader's kernel divided by as much.

    Args:
        model: Float graph with its initialisers in float32.
        batches: Calibration inputs.
        strength: 1 makes every channel's largest value the tensor's, 0 changes nothing. What
            the activations gain in precision the next kernel's weights lose.

    Returns:
        The graph, and how many pairs of layers were equalized.
    """
    equal = onnx.ModelProto()
    equal.CopyFrom(model)
    pairs = find_pairs(equal)
    if not pairs:
        return equal, 0
    widest = channel_maxima(equal, [pair.tensor for pair in pairs], batches)
    weights = {i.name: i for i in equal.graph.initializer}
    for pair in pairs:
        ranges = widest[pair.tensor]
        largest = float(ranges.max())
        if largest <= 0:
            continue
        factor = (largest / np.maximum(ranges, largest / MAX_FACTOR)) ** strength
        factor[ranges <= 0] = 1
        _scale(weights, pair.first, factor, outputs=True)
        _scale(weights, pair.second, 1 / factor, outputs=False)
    return equal, len(pairs)


def find_pairs(model: onnx.ModelProto) -> list[Pair]:
    """Dense convolutions whose only reader, past a ReLU, is another one.

    Kernels and biases are read by no other layer, which would be scaled with them: heads that
    several levels share are left alone.
    """
    readers: Counter[str] = Counter(name for node in model.graph.node for name in node.input)
    readers.update(output.name for output in model.graph.output)
    reader = {name: node for node in model.graph.node for name in node.input}
    stored = {i.name for i in model.graph.initializer}
    pairs = []
    for first in model.graph.node:
        if not _is_dense(first, stored, readers) or readers[first.output[0]] != 1:
            continue
        relu = reader.get(first.output[0])
        if relu is None or relu.op_type != "Relu" or readers[relu.output[0]] != 1:
            continue
        second = reader.get(relu.output[0])
        if second is not None and _is_dense(second, stored, readers):
            pairs.append(Pair(first, relu.output[0], second))
    return pairs


def _is_dense(node: onnx.NodeProto, stored: set[str], readers: Counter[str]) -> bool:
    if node.op_type != "Conv" or not stored.issuperset(node.input[1:]):
        return False
    if any(readers[name] != 1 for name in node.input[1:]):
        return False
    return all(a.i == 1 for a in node.attribute if a.name == "group")


def _scale(
    weights: dict[str, onnx.TensorProto],
    node: onnx.NodeProto,
    factor: NDArray[Any],
    *,
    outputs: bool,
) -> None:
    """Multiply a convolution's output channels (bias and all), or what reads its inputs."""
    kernel = numpy_helper.to_array(weights[node.input[1]])
    shape = (-1, 1, 1, 1) if outputs else (1, -1, 1, 1)
    _put(weights[node.input[1]], kernel * factor.reshape(shape))
    if outputs and len(node.input) > 2:
        bias = numpy_helper.to_array(weights[node.input[2]])
        _put(weights[node.input[2]], bias * factor)


def _put(initializer: onnx.TensorProto, values: NDArray[Any]) -> None:
    initializer.CopyFrom(numpy_helper.from_array(values.astype(np.float32), initializer.name))
