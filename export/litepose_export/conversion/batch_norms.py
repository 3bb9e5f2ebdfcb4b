"""Takes batch normalisations out of an ONNX graph, wherever they stand."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from litepose_edge.geometry import Float64

LAYERS = ("Conv", "ConvTranspose", "Gemm")


def take_out_batch_norms(model: onnx.ModelProto) -> None:
    """Fold every normalisation into the layers before it, in place; else write Mul and Add.

    Folds into a convolution, transposed or grouped ones too, into a linear layer, and into all
    the layers whose sum is normalised, as long as nothing else reads their outputs. In front of a
    convolution, say, a normalisation becomes a product and a sum, which compute the same. One whose
    statistics are the batch's own becomes the arithmetic that it stands for.
    """
    # From the front: a sum may be normalised whose summands were, which are folded by then.
    for node in list(model.graph.node):
        if node.op_type == "BatchNormalization":
            _take_out(model.graph, node)


def _take_out(graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    stored = {i.name: i for i in graph.initializer}
    epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
    if any(name not in stored for name in node.input[1:5]):
        if len(node.output) == 1:  # or else it is training: the rest are running statistics
            _write_out(graph, node, epsilon)
        return
    gamma, beta, mean, var = (
        numpy_helper.to_array(stored[name]).astype(np.float64) for name in node.input[1:5]
    )
    scale = gamma / np.sqrt(var + epsilon)
    shift = beta - mean * scale
    layers = _layers_before(graph, node.input[0], stored)
    if layers:
        # What is summed is scaled everywhere and shifted once.
        for number, layer in enumerate(layers):
            _scale_layer(graph, layer, scale, shift if number == 0 else np.zeros_like(shift))
        _replace(graph, node, [helper.make_node("Identity", node.input[:1], node.output[:1])])
    else:
        rank = _rank_behind(graph, node)
        shape = (1, -1, *[1] * (rank - 2))
        # Not `_scale`: that is how quantizers name the scale of a tensor.
        names = [f"{node.output[0]}_{part}" for part in ("factor", "offset", "product")]
        for name, values in zip(names[:2], (scale, shift), strict=True):
            array = values.reshape(shape).astype(np.float32)
            graph.initializer.append(numpy_helper.from_array(array, name))
        product = helper.make_node("Mul", [node.input[0], names[0]], [names[2]])
        total = helper.make_node("Add", [names[2], names[1]], node.output[:1])
        _replace(graph, node, [product, total])


def _write_out(graph: onnx.GraphProto, node: onnx.NodeProto, epsilon: float) -> None:
    """`(x - mean) / sqrt(var + epsilon) * gamma + beta`, each number a channel's."""
    tensor, out = node.input[0], node.output[0]
    ones = [1] * (_rank_behind(graph, node) - 2)
    channels, smallest = f"{out}_channels", f"{out}_epsilon"
    graph.initializer.append(numpy_helper.from_array(np.array([1, -1, *ones]), channels))
    graph.initializer.append(numpy_helper.from_array(np.array(epsilon, np.float32), smallest))
    numbers = [f"{out}_{part}" for part in ("gamma", "beta", "mean", "variance")]
    gamma, beta, mean, variance = numbers
    given = zip(node.input[1:5], numbers, strict=True)
    nodes = [helper.make_node("Reshape", [source, channels], [name]) for source, name in given]
    steps = (
        ("Sub", [tensor, mean], "centred"),
        ("Add", [variance, smallest], "positive"),
        ("Sqrt", [f"{out}_positive"], "deviation"),
        ("Div", [f"{out}_centred", f"{out}_deviation"], "normal"),
        ("Mul", [f"{out}_normal", gamma], "product"),
    )
    nodes += [helper.make_node(kind, inputs, [f"{out}_{name}"]) for kind, inputs, name in steps]
    nodes.append(helper.make_node("Add", [f"{out}_product", beta], [out]))
    _replace(graph, node, nodes)


def _layers_before(
    graph: onnx.GraphProto, tensor: str, stored: dict[str, onnx.TensorProto]
) -> list[onnx.NodeProto]:
    """The layers whose sum a tensor is; none where one cannot be changed without harm."""
    outputs = {value.name for value in graph.output}
    readers = [node for node in graph.node if tensor in node.input]
    maker = next((node for node in graph.node if tensor in node.output), None)
    if maker is None or len(readers) != 1 or tensor in outputs:
        return []
    if maker.op_type == "Identity":
        return _layers_before(graph, maker.input[0], stored)
    if maker.op_type == "Add" and maker.input[0] != maker.input[1]:
        parts = [_layers_before(graph, name, stored) for name in maker.input]
        return parts[0] + parts[1] if all(parts) else []
    if maker.op_type not in LAYERS or any(name not in stored for name in maker.input[1:] if name):
        return []
    if maker.op_type == "Gemm" and any(a.name in ("alpha", "beta") for a in maker.attribute):
        plain = all(a.f == 1 for a in maker.attribute if a.name in ("alpha", "beta"))
        return [maker] if plain else []
    return [maker]


def _scale_layer(
    graph: onnx.GraphProto, layer: onnx.NodeProto, scale: Float64, shift: Float64
) -> None:
    stored = {i.name: i for i in graph.initializer}
    weight = numpy_helper.to_array(stored[layer.input[1]]).astype(np.float64)
    attributes = {a.name: helper.get_attribute_value(a) for a in layer.attribute}
    scaled: NDArray[Any]
    if layer.op_type == "ConvTranspose":
        # (C_in, C_out / groups, h, w): each group of inputs makes its own outputs.
        groups = attributes.get("group", 1)
        parts = np.split(weight, groups)
        own = np.split(scale, groups)
        ones = [1] * (weight.ndim - 2)
        scaled = np.concatenate(
            [part * factor.reshape(1, -1, *ones) for part, factor in zip(parts, own, strict=True)]
        )
    elif layer.op_type == "Gemm" and not attributes.get("transB", 0):
        scaled = weight * scale
    else:
        scaled = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    bias = shift
    if len(layer.input) > 2 and layer.input[2]:
        bias = numpy_helper.to_array(stored[layer.input[2]]).astype(np.float64) * scale + shift
    # Under new names: another layer may share the old numbers.
    name = layer.output[0]
    del layer.input[1:]
    for kind, values in (("weight", scaled), ("bias", bias)):
        array = numpy_helper.from_array(values.astype(np.float32), f"{name}_folded_{kind}")
        known = [i for i, other in enumerate(graph.initializer) if other.name == array.name]
        for index in known:
            del graph.initializer[index]
        graph.initializer.append(array)
        layer.input.append(array.name)


def _rank_behind(graph: onnx.GraphProto, node: onnx.NodeProto) -> int:
    """The rank of what a normalisation reads; images where the graph does not say."""
    for value in (*graph.value_info, *graph.input, *graph.output):
        if value.name in (node.input[0], node.output[0]):
            return len(value.type.tensor_type.shape.dim) or 4
    return 4


def _replace(graph: onnx.GraphProto, node: onnx.NodeProto, others: list[onnx.NodeProto]) -> None:
    nodes: list[onnx.NodeProto] = []
    for kept in graph.node:
        nodes.extend(others if kept.output[:1] == node.output[:1] else [kept])
    copies = []
    for kept in nodes:
        copy = onnx.NodeProto()
        copy.CopyFrom(kept)
        copies.append(copy)
    del graph.node[:]
    graph.node.extend(copies)
