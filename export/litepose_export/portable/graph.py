"""Writes ONNX graphs operator by operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, DTypeLike, NDArray
from onnx import helper, numpy_helper

OPSET = 18


class GraphWriter:
    """Collects nodes and constants of one graph, or of the body of a Loop.

    Args:
        prefix: Begins all names, so that a body's names differ from those around it.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._kept: dict[tuple[bytes, str, tuple[int, ...]], str] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, values: ArrayLike, dtype: DTypeLike = np.float32) -> str:
        """The name of a constant tensor; equal ones are kept once."""
        array: NDArray[Any] = np.array(values, dtype, order="C")
        key = (array.tobytes(), array.dtype.str, array.shape)
        if key not in self._kept:
            name = f"{self._prefix}constant_{len(self.constants)}"
            self._kept[key] = name
            self.constants.append(numpy_helper.from_array(array, name))
        return self._kept[key]

    def whole(self, *values: int) -> str:
        """A constant `(N,)` int64."""
        return self.constant(values, np.int64)

    def number(self, value: float) -> str:
        """A constant float32 without axes."""
        return self.constant(value)

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Append a node of one output; return that output's name."""
        (output,) = self.add_many(operator, *inputs, count=1, **attributes)
        return output

    def add_many(self, operator: str, *inputs: str, count: int, **attributes: Any) -> list[str]:
        """Append a node; return the names of its outputs."""
        stem = f"{self._prefix}{operator}_{len(self.nodes)}"
        outputs = [stem] if count == 1 else [f"{stem}_{i}" for i in range(count)]
        self.nodes.append(
            helper.make_node(operator, list(inputs), outputs, name=stem, **attributes)
        )
        return outputs

    def name(self, value: str, name: str) -> None:
        """Give a value a name of its own, as outputs have."""
        self.nodes.append(helper.make_node("Identity", [value], [name], name=f"{name}_named"))

    def cast(self, value: str, dtype: DTypeLike) -> str:
        """The value as another number type."""
        return self.add("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def columns(self, value: str, start: int, end: int) -> str:
        """Columns `start` to `end` of the last axis."""
        return self.add(
            "Slice", value, self.whole(start), self.whole(end), self.whole(-1), self.whole(1)
        )

    def graph(
        self,
        name: str,
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[onnx.ValueInfoProto],
    ) -> onnx.GraphProto:
        """What was collected, as a graph."""
        return helper.make_graph(self.nodes, name, inputs, outputs, self.constants)


def tensor(name: str, dtype: DTypeLike, shape: Sequence[int | str] | None) -> onnx.ValueInfoProto:
    """Name, type and shape of an input or output; None for any shape."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, kind, shape)
