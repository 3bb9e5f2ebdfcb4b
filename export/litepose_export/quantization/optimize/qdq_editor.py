"""Changes single numbers inside a QDQ graph and keeps the others consistent with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

# Half of what 32 bits hold: a bias is corrected after its weights were rounded anew.
MOST_BIAS_CODE = 2**30


class QdqEditor:
    """A QDQ graph to change in place.

    Args:
        model: The graph.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self._stored = {i.name: i for i in model.graph.initializer}
        self._makers = {out: node for node in model.graph.node for out in node.output}

    def value(self, name: str) -> NDArray[Any]:
        """An initialiser's values."""
        return numpy_helper.to_array(self._stored[name])

    def is_stored(self, name: str) -> bool:
        """Whether a value is an initialiser."""
        return name in self._stored

    def put(self, name: str, values: NDArray[Any], kind: Any = None) -> None:
        """Replace an initialiser's values; its type stays unless a `kind` is given.

        Codes beyond what their type holds become its ends.
        """
        kind = np.dtype(kind or self.value(name).dtype)
        if np.issubdtype(kind, np.integer):
            values = np.clip(values, np.iinfo(kind).min, np.iinfo(kind).max)
        stored = values.astype(kind)
        self._stored[name].CopyFrom(numpy_helper.from_array(stored, name))

    def is_quantized(self, node: onnx.NodeProto) -> bool:
        """Whether a convolution's weights are codes."""
        return node.input[1] in self._makers

    def weight_scale(self, node: onnx.NodeProto) -> NDArray[Any]:
        """`(C,)` scales of a quantized convolution's weights."""
        return self.value(self._makers[node.input[1]].input[1])

    def least_weight_scale(self, node: onnx.NodeProto) -> NDArray[Any]:
        """`(C,)`: with smaller ones the codes of a convolution's bias would not fit into 32 bits.

        A channel of hardly any weights is nothing but its bias.
        """
        scale = self.weight_scale(node).astype(np.float64)
        if len(node.input) < 3 or node.input[2] in self._stored:
            return np.zeros_like(scale)
        codes = np.abs(self.value(self._makers[node.input[2]].input[0]).astype(np.float64))
        least: NDArray[Any] = scale * codes / MOST_BIAS_CODE
        return least

    def set_weights(self, node: onnx.NodeProto, codes: NDArray[Any], scale: NDArray[Any]) -> None:
        """Replace a quantized convolution's weights; its bias keeps its values."""
        of_codes, of_scale = self._makers[node.input[1]].input[:2]
        factor = scale / self.value(of_scale)
        self.put(of_codes, codes)
        self.put(of_scale, scale)
        if len(node.input) > 2 and node.input[2] not in self._stored:
            bias, of_bias = self._makers[node.input[2]].input[:2]
            self.put(bias, np.round(self.value(bias) / factor))
            self.put(of_bias, self.value(of_bias) * factor)

    def add_to_bias(self, node: onnx.NodeProto, change: NDArray[Any]) -> None:
        """Add `(C,)` to a convolution's bias, which is codes or floats."""
        name = node.input[2]
        if name in self._stored:
            self.put(name, self.value(name) + change)
            return
        codes, scale = self._makers[name].input[:2]
        self.put(codes, np.round(self.value(codes) + change / self.value(scale)))


def with_signed_activations(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with signed activations, for ARM: every code and zero point moved by 128.

    Both compute the same numbers, since only differences of codes and zero points count. Codes are
    computed by the graph, or stored where constants lie among the activations.
    """
    signed = onnx.ModelProto()
    signed.CopyFrom(model)
    editor = QdqEditor(signed)
    unsigned: set[str] = set()
    for node in signed.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or len(node.input) < 3:
            continue
        if editor.value(node.input[2]).dtype == np.uint8:
            unsigned.add(node.input[2])
            if node.op_type == "DequantizeLinear" and editor.is_stored(node.input[0]):
                unsigned.add(node.input[0])
    for name in sorted(unsigned):
        editor.put(name, editor.value(name).astype(np.int16) - 128, np.int8)
    for node in signed.graph.node:
        for attribute in node.attribute:
            if attribute.name == "output_dtype" and attribute.i == TensorProto.UINT8:
                attribute.i = TensorProto.INT8
    return signed
