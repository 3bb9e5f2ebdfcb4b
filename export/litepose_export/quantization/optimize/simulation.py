"""A QDQ graph in PyTorch: the engine's numbers, with weights, biases and scales free to move."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from litepose_export.errors import UnsupportedOpError
from litepose_export.interop.onnx_operators import OF_ONE_IMAGE, OPERATORS
from litepose_export.quantization.optimize.fake_quantize import fake_quantize
from litepose_export.quantization.optimize.qdq_editor import MOST_BIAS_CODE

CODES = {np.dtype(np.uint8): (0, 255), np.dtype(np.int8): (-128, 127)}
LARGEST_CODE = {"u8s8-reduced": 64, "u8s8": 127, "s8s8": 127}
LEAST_SCALE = 1e-12
# Operators whose constants are learned.
LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
MIXING = {"Einsum", "Gemm", "LayerNormalization", "MatMul", "Softmax"}


class QdqNetwork(nn.Module):
    """A QDQ graph as the network that it stands for.

    Weights are kept in float and rounded on the way; `to_model` writes everything back into a
    graph of the same shape.

    Args:
        model: The graph; kept, not changed.
        largest_code: Of a weight: 64 for seven bits, 127 for eight.
        start: Float weights to start from, by the name of their initialiser in the float graph;
            the graph's own dequantized ones unless given.

    Attributes:
        weights: By the name of the node output that carries them; `.` reads `/` in all names.
        floats: Biases, and the weights of layers left in float.
        scales: Natural logarithms of the activations' scales, by initialiser.

    Raises:
        UnsupportedOpError: The graph holds an operator that has no counterpart here.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        largest_code: int,
        start: dict[str, NDArray[Any]] | None = None,
    ) -> None:
        super().__init__()
        self._model, self._largest = model, largest_code
        self._constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
        self.weights, self.floats = nn.ParameterDict(), nn.ParameterDict()
        self.scales = nn.ParameterDict()
        self.weight_scales: dict[str, Tensor] = {}
        # Constants among the activations, such as the places of a ViT's patches.
        self._fixed: dict[str, Tensor] = {}
        # Which initialisers a bias takes its scale from: (of the input, of the weight).
        self._bias_scales: dict[str, tuple[str, str]] = {}
        for node in model.graph.node:
            if node.op_type not in OPERATORS and node.op_type != "QuantizeLinear":
                raise UnsupportedOpError(
                    f"cannot simulate the operator {node.op_type} ({node.name}) in PyTorch"
                )
            self._adopt(node, start or {})
        self._find_bias_scales()
        # Attention and linear layers of a file of one image reshape it with that one in mind.
        first = model.graph.input[0].type.tensor_type.shape.dim[0]
        kinds = {node.op_type for node in model.graph.node}
        self._of_one = first.dim_value == 1
        self._one_by_one = self._of_one and bool(kinds & MIXING)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The graph's outputs."""
        if not self._one_by_one or len(x) == 1:
            try:
                found = self._compute(x)
            except UnsupportedOpError:
                if len(x) == 1 or not self._of_one:
                    raise
                found = ()
            if found and all(len(values) == len(x) for values in found):
                return found
            # Shapes or constants further in are those of one image.
            self._one_by_one = True
        each = [self._compute(x[i : i + 1]) for i in range(len(x))]
        return tuple(torch.cat(parts) for parts in zip(*each, strict=True))

    def _compute(self, x: Tensor) -> tuple[Tensor, ...]:
        graph = self._model.graph
        values: dict[str, Any] = {graph.input[0].name: x}
        for node in graph.node:
            name = node.output[0]
            if node.op_type == "QuantizeLinear":
                values[name] = self._quantize(node, self._value(node.input[0], values))
            elif _key(name) in self.weights:
                values[name] = self.weight(_key(name))
            elif _key(name) in self.floats:
                values[name] = self.floats[_key(name)]
            elif name in self._fixed:
                values[name] = self._fixed[name]
            else:
                inputs = [self._value(given, values) for given in node.input]
                attributes = {**_attributes(node), OF_ONE_IMAGE: self._one_by_one}
                try:
                    found = OPERATORS[node.op_type](inputs, attributes)
                except (IndexError, KeyError, RuntimeError, TypeError, ValueError) as exc:
                    line = (str(exc).splitlines() or [""])[0][:200]
                    raise UnsupportedOpError(
                        f"cannot simulate {node.op_type} ({node.name}) in PyTorch: {line}"
                    ) from exc
                several = found if isinstance(found, tuple) else (found,)
                values |= zip(node.output, several, strict=True)
        return tuple(values[output.name] for output in graph.output)

    def weight(self, key: str) -> Tensor:
        """A weight as the engine sees it."""
        limit = self._largest
        return fake_quantize(self.weights[key], self.weight_scales[key], 0, -limit, limit)

    @torch.no_grad()
    def to_model(self) -> onnx.ModelProto:
        """The graph with what was learned in it, rounded to codes."""
        learned = onnx.ModelProto()
        learned.CopyFrom(self._model)
        stored = {i.name: i for i in learned.graph.initializer}
        weight_scales = self._scales_with_room_for_biases()

        def put(name: str, values: NDArray[Any]) -> None:
            kind = self._constants[name].dtype
            if np.issubdtype(kind, np.integer):
                values = values.clip(np.iinfo(kind).min, np.iinfo(kind).max)
            shaped = values.astype(kind).reshape(self._constants[name].shape)
            stored[name].CopyFrom(numpy_helper.from_array(shaped, name))

        for name in self._constants:
            if _key(name) in self.scales:
                put(name, self.scales[_key(name)].exp().numpy())
            elif _key(name) in self.floats:
                put(name, self.floats[_key(name)].numpy())
        for node in learned.graph.node:
            key = _key(node.output[0])
            if key in self.weights:
                codes = torch.round(self.weights[key] / weight_scales[key])
                limit = self._largest
                put(node.input[0], codes.clamp(-limit, limit).numpy())
                put(node.input[1], weight_scales[key].flatten().numpy())
            elif key in self._bias_scales:
                of_input, of_weight = self._bias_scales[key]
                scale = self.scales[of_input].exp() * weight_scales[of_weight].flatten()
                put(node.input[1], scale.numpy())
                # In float64: float32 has no largest 32-bit code to clip at.
                put(node.input[0], torch.round(self.floats[key].double() / scale).numpy())
        return learned

    def _scales_with_room_for_biases(self) -> dict[str, Tensor]:
        """Weight scales, wider where the codes of a bias would not fit into 32 bits.

        A channel of hardly any weights is nothing but its bias, whose scale is that of the weights
        times that of the activations, which moved.
        """
        wide = dict(self.weight_scales)
        for bias, (of_input, of_weight) in self._bias_scales.items():
            scale = wide[of_weight]
            least = self.floats[bias].abs() / self.scales[of_input].exp() / MOST_BIAS_CODE
            least = least.max() if scale.numel() == 1 else least.reshape(scale.shape)
            wide[of_weight] = torch.maximum(scale, least)
        return wide

    def _adopt(self, node: onnx.NodeProto, start: dict[str, NDArray[Any]]) -> None:
        """Make parameters of what a node reads."""
        key = _key(node.output[0])
        if node.op_type == "QuantizeLinear":
            of_scale = _key(node.input[1])
            if of_scale not in self.scales:
                step = max(float(self._constants[node.input[1]]), LEAST_SCALE)
                self.scales[of_scale] = nn.Parameter(torch.tensor(step).log())
        elif node.op_type == "DequantizeLinear" and node.input[0] in self._constants:
            codes, scale = self._constants[node.input[0]], self._constants[node.input[1]]
            steps = np.maximum(scale, LEAST_SCALE).reshape(_steps_shape(node, scale, codes.ndim))
            if codes.dtype == np.uint8:
                zero = self._constants[node.input[2]].astype(np.float32) if node.input[2:] else 0
                self._fixed[node.output[0]] = torch.tensor((codes - zero) * steps).float()
                return
            dequantized = torch.tensor((codes * steps).astype(np.float32))
            if codes.dtype == np.int32:
                self.floats[key] = nn.Parameter(dequantized)
                return
            given = start.get(node.input[0].removesuffix("_quantized"))
            latent = dequantized if given is None else torch.tensor(given, dtype=torch.float32)
            self.weights[key] = nn.Parameter(latent)
            self.weight_scales[key] = torch.tensor(steps, dtype=torch.float32)
        elif node.op_type in LAYERS:
            for name in node.input[1:]:
                if name in self._constants and _key(name) not in self.floats:
                    value = torch.tensor(self._constants[name], dtype=torch.float32)
                    self.floats[_key(name)] = nn.Parameter(value)

    def _find_bias_scales(self) -> None:
        makers = {node.output[0]: node for node in self._model.graph.node}
        for node in self._model.graph.node:
            if node.op_type not in LAYERS or len(node.input) < 3:
                continue
            bias, x = _key(node.input[2]), makers.get(node.input[0])
            if node.input[2] in makers and x is not None and x.op_type == "DequantizeLinear":
                self._bias_scales[bias] = (_key(x.input[1]), _key(node.input[1]))

    def _value(self, name: str, values: dict[str, Any]) -> Any:
        if name in values or not name:
            return values.get(name)
        key = _key(name)
        return self.floats[key] if key in self.floats else self._constants[name]

    def _quantize(self, node: onnx.NodeProto, x: Tensor) -> Tensor:
        zero = self._constants[node.input[2]]
        low, high = CODES[zero.dtype]
        scale = self.scales[_key(node.input[1])].exp()
        return fake_quantize(x, scale, float(zero), low, high)


def _steps_shape(node: onnx.NodeProto, scale: NDArray[Any], rank: int) -> tuple[int, ...]:
    """How a weight's scales lie along its axis: the first of convolutions, the last of MatMul."""
    axis = int(_attributes(node).get("axis", 1)) % rank if np.size(scale) > 1 else 0
    return tuple(-1 if i == axis else 1 for i in range(rank))


def _key(name: str) -> str:
    return name.replace(".", "/")


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
