"""Writes networks of plain layers as ONNX in milliseconds, for timing.

PyTorch's exporter needs seconds a network and a cost table hundreds of graphs. The graphs are those
of `conversion.to_onnx`, which the tests hold them to: normalisations folded, deconvolutions in
their INT8 form.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional as F  # noqa: N812 - the name torch users expect
from torch.utils.flop_counter import FlopCounterMode

from litepose_export.conversion.to_onnx import OPSET, RewritesDeconvolutions
from litepose_export.errors import UnsupportedOpError
from litepose_export.models.architectures.layers import InterleavedDeconv
from litepose_export.models.folding import fold_batch_norms

Shape = tuple[int, int, int]


def write_graph(
    network: nn.Module, inputs: Sequence[Shape], *, rewrite_deconvolutions: bool = False
) -> onnx.ModelProto:
    """The graph of a network for one image.

    Args:
        network: Of convolutions, normalisations behind them, ReLU and ReLU6, sums,
            concatenations, nearest enlargement and `InterleavedDeconv`.
        inputs: `(C, H, W)` of each tensor that it takes.
        rewrite_deconvolutions: Write 4x4 stride-2 deconvolutions as 2x2 convolutions.

    Raises:
        UnsupportedOpError: It does something else.
    """
    folded = fold_batch_norms(network).to("cpu").float()
    if rewrite_deconvolutions:
        for module in list(folded.modules()):
            if isinstance(module, RewritesDeconvolutions):
                module.rewrite_deconvolutions()
    traced = _trace(folded)
    on_meta = copy.deepcopy(traced).to("meta")
    ShapeProp(on_meta).propagate(*(torch.empty(1, *shape, device="meta") for shape in inputs))
    shapes = {node.name: node.meta.get("tensor_meta") for node in on_meta.graph.nodes}
    return _Writer(traced, shapes).write()


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        known: bool = super().is_leaf_module(module, name)
        return known or isinstance(module, InterleavedDeconv)


def _trace(network: nn.Module) -> fx.GraphModule:
    tracer = _Tracer()
    if tracer.is_leaf_module(network, ""):
        network = nn.Sequential(network)  # a layer is written as one, not by what it calls
    try:
        return fx.GraphModule(network, tracer.trace(network))
    except (fx.proxy.TraceError, TypeError) as exc:
        raise UnsupportedOpError(
            f"the network's forward cannot be followed: {exc}; write it without branches on values"
        ) from exc


class _Writer:
    """Nodes and weights of a graph that is being written."""

    def __init__(self, traced: fx.GraphModule, shapes: dict[str, Any]) -> None:
        self._traced, self._shapes = traced, shapes
        self._modules = dict(traced.named_modules())
        self._nodes: list[onnx.NodeProto] = []
        self._stored: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._names: dict[str, str] = {}

    def write(self) -> onnx.ModelProto:
        for node in self._traced.graph.nodes:
            match node.op:
                case "placeholder":
                    self._names[node.name] = node.name
                    self._inputs.append(self._value(node.name, node.name))
                case "call_module":
                    module = self._modules[str(node.target)]
                    self._names[node.name] = self._module(node, module)
                case "call_function" | "call_method":
                    self._names[node.name] = self._function(node)
                case "output":
                    self._write_outputs(node.args[0])
                case _:
                    raise _unsupported(node.op)
        graph = helper.make_graph(
            self._nodes, "litepose", self._inputs, self._outputs, self._stored
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="litepose-export"
        )
        model.ir_version = 10
        return model

    def _write_outputs(self, returned: Any) -> None:
        for each in returned if isinstance(returned, tuple | list) else (returned,):
            self._outputs.append(self._value(self._names[each.name], each.name))

    def _value(self, name: str, of: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(self._shapes[of].shape))

    def _read(self, node: fx.Node, count: int = 1) -> list[str]:
        return self._names_of(node.args[:count])

    def _names_of(self, given: Any) -> list[str]:
        return [self._names[each.name] for each in given]

    def _store(self, values: Tensor | NDArray[Any], name: str) -> str:
        name = f"{name}_{len(self._stored)}"
        array = values.detach().numpy() if isinstance(values, Tensor) else values
        self._stored.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _add(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        name = f"{kind}_{len(self._nodes)}"
        self._nodes.append(
            helper.make_node(kind, list(inputs), [f"{name}_out"], name, **attributes)
        )
        return f"{name}_out"

    def _module(self, node: fx.Node, module: nn.Module) -> str:
        read = self._read(node)
        match module:
            case nn.Identity():
                return read[0]
            case nn.ReLU():
                return self._add("Relu", read)
            case nn.ReLU6():
                return self._clip(read[0])
            case nn.Conv2d() | nn.ConvTranspose2d():
                return self._convolution(read[0], module)
            case InterleavedDeconv():
                height, width = self._shapes[str(node.args[0].name)].shape[2:]  # type: ignore[union-attr]
                return self._interleaved(read[0], module, height, width)
        raise _unsupported(type(module).__name__)

    def _clip(self, read: str) -> str:
        low, high = (self._store(np.array(n, np.float32), "bound") for n in (0, 6))
        return self._add("Clip", [read, low, high])

    def _convolution(self, read: str, module: nn.Conv2d | nn.ConvTranspose2d) -> str:
        if any(d != 1 for d in module.dilation) or isinstance(module.padding, str):
            raise _unsupported(f"{module}")
        inputs = [read, self._store(module.weight, "weight")]
        if module.bias is not None:
            inputs.append(self._store(module.bias, "bias"))
        attributes: dict[str, Any] = {
            "kernel_shape": list(module.kernel_size),
            "strides": list(module.stride),
            "pads": [int(n) for n in module.padding] * 2,
            "group": module.groups,
        }
        if isinstance(module, nn.ConvTranspose2d):
            attributes["output_padding"] = [int(n) for n in module.output_padding]
            return self._add("ConvTranspose", inputs, **attributes)
        return self._add("Conv", inputs, **attributes)

    def _interleaved(self, read: str, module: InterleavedDeconv, height: int, width: int) -> str:
        """As the exporter writes it: four crops, stacked and turned row by column."""
        outputs = module.outputs
        maps = self._convolution(read, module.convolution)
        if isinstance(module.relu, nn.ReLU):
            maps = self._add("Relu", [maps])
        parts = []
        for kind in range(4):
            row, column = divmod(kind, 2)
            starts = [kind * outputs, row, column]
            ends = [(kind + 1) * outputs, row + height, column + width]
            crop = self._add("Slice", [maps, *self._integers(starts, ends, [1, 2, 3])])
            parts.append(self._add("Unsqueeze", [crop, *self._integers([2])]))
        stacked = self._add("Concat", parts, axis=2)
        rows = self._reshape(stacked, (1, outputs, 2, 2, height, width))
        rows = self._add("Transpose", [rows], perm=[0, 1, 2, 4, 5, 3])
        rows = self._reshape(rows, (1, outputs, 2, height, 2 * width))
        rows = self._add("Transpose", [rows], perm=[0, 1, 3, 2, 4])
        return self._reshape(rows, (1, outputs, 2 * height, 2 * width))

    def _integers(self, *lists: Sequence[int]) -> list[str]:
        return [self._store(np.array(each, np.int64), "integers") for each in lists]

    def _reshape(self, read: str, shape: Sequence[int]) -> str:
        return self._add("Reshape", [read, *self._integers(shape)])

    def _function(self, node: fx.Node) -> str:
        function: Callable[..., Any] | str = node.target
        if function in (operator.add, operator.iadd, torch.add, "add"):
            return self._add("Add", self._read(node, 2))
        if function in (torch.relu, F.relu, "relu"):
            return self._add("Relu", self._read(node))
        if function is torch.cat:
            parts = self._names_of(node.args[0])
            axis = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
            return self._add("Concat", parts, axis=axis)
        if function is F.interpolate:
            return self._enlarged(node)
        raise _unsupported(getattr(function, "__name__", str(function)))

    def _enlarged(self, node: fx.Node) -> str:
        given = node.kwargs
        factor = given.get("scale_factor")
        if given.get("mode", "nearest") != "nearest" or not isinstance(factor, int | float):
            raise _unsupported("interpolation other than nearest by a factor")
        scales = self._store(np.array([1, 1, factor, factor], np.float32), "scales")
        return self._add(
            "Resize",
            [*self._read(node), "", scales],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )


def _unsupported(what: str) -> UnsupportedOpError:
    return UnsupportedOpError(
        f"the cost table cannot write {what:.120}: it knows convolutions, ReLU, sums, "
        "concatenation and nearest enlargement"
    )


@torch.no_grad()
def macs_of(network: nn.Module, inputs: Sequence[Shape]) -> int:
    """Multiply-accumulates of its layers; transposed ones count at input positions.

    As `models.counting.count`, of networks of several inputs, too; the network is spent.
    """
    shapes = [torch.empty(1, *shape, device="meta") for shape in inputs]
    with FlopCounterMode(display=False) as counter:
        network.eval().to("meta")(*shapes)
    return int(counter.get_total_flops()) // 2
