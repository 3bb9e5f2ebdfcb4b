"""The ONNX operators of our networks in PyTorch, differentiable; shapes are tensors as well."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from onnx import numpy_helper
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

from litepose_export.errors import UnsupportedOpError
from litepose_export.interop.onnx_images import IMAGE_OPERATORS
from litepose_export.interop.onnx_images import tensor as _tensor

Inputs = list[Any]
Attributes = dict[str, Any]
Operator = Callable[[Inputs, Attributes], Any]
# An attribute that no operator of ONNX has: the graph is given one image, as its shapes say.
OF_ONE_IMAGE = "of_one_image"


def _ints(value: Any) -> list[int]:
    return [int(v) for v in _tensor(value).reshape(-1).tolist()]


def _clip(inputs: Inputs, attributes: Attributes) -> Tensor:
    low, high = (*inputs[1:], None, None)[:2]
    return torch.clamp(
        inputs[0],
        None if low is None else float(low),
        None if high is None else float(high),
    )


def _gemm(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, weight = inputs[0], inputs[1]
    x = x.T if attributes.get("transA", 0) else x
    weight = weight.T if attributes.get("transB", 0) else weight
    found = attributes.get("alpha", 1.0) * (x @ weight)
    if len(inputs) > 2 and inputs[2] is not None:
        found = found + attributes.get("beta", 1.0) * _tensor(inputs[2])
    return found  # type: ignore[no-any-return]


def _cast(inputs: Inputs, attributes: Attributes) -> Tensor:
    kinds = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 11: torch.float64}
    if attributes["to"] not in kinds:
        raise UnsupportedOpError(f"cannot simulate Cast to type {attributes['to']}")
    return _tensor(inputs[0]).to(kinds[attributes["to"]])


def _axes(inputs: Inputs, attributes: Attributes) -> list[int] | None:
    """An operator's axes, which newer opsets pass as an input."""
    if len(inputs) > 1 and inputs[1] is not None:
        return _ints(inputs[1])
    return list(attributes["axes"]) if "axes" in attributes else None


def _constant(inputs: Inputs, attributes: Attributes) -> Tensor:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in attributes:
            given = attributes[name]
            # A copy: arrays of ONNX are read-only, tensors of PyTorch may not be.
            return torch.tensor(numpy_helper.to_array(given) if name == "value" else given)
    raise UnsupportedOpError("can only simulate a Constant of dense numbers")


def _constant_of_shape(inputs: Inputs, attributes: Attributes) -> Tensor:
    value = attributes.get("value")
    filled = torch.zeros(1) if value is None else torch.tensor(numpy_helper.to_array(value))
    return filled.reshape(1).repeat(math.prod(_ints(inputs[0]))).reshape(_ints(inputs[0]))


def _reduced(reduce: Callable[[Tensor, list[int], bool], Tensor]) -> Operator:
    """A reduction over axes, which newer opsets pass as an input; over all unless given."""

    def compute(inputs: Inputs, attributes: Attributes) -> Tensor:
        x = _tensor(inputs[0])
        axes = _axes(inputs, attributes)
        if not axes and attributes.get("noop_with_empty_axes", 0):
            return x
        return reduce(x, axes or list(range(x.ndim)), bool(attributes.get("keepdims", 1)))

    return compute


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted((axis % x.ndim for axis in axes), reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


def _folded(combine: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    """An operator that takes any number of inputs."""
    return lambda inputs, _: functools.reduce(combine, [_tensor(x) for x in inputs])


def _compared(compare: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    """An operator of two tensors, either of which may be a constant."""
    return lambda inputs, _: compare(_tensor(inputs[0]), _tensor(inputs[1]))


def _cum_sum(inputs: Inputs, attributes: Attributes) -> Tensor:
    if attributes.get("exclusive", 0) or attributes.get("reverse", 0):
        raise UnsupportedOpError("can only simulate CumSum forwards, its own value included")
    return _tensor(inputs[0]).cumsum(_ints(inputs[1])[0])


def _gather_elements(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, axis = _tensor(inputs[0]), attributes.get("axis", 0)
    return x.gather(axis, _tensor(inputs[1]).long() % x.shape[axis])


def _range(inputs: Inputs, attributes: Attributes) -> Tensor:
    start, limit, delta = (_tensor(value).reshape(()) for value in inputs)
    return torch.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype)


def _normalized(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, scale, bias = inputs[0], _tensor(inputs[1]), inputs[2] if len(inputs) > 2 else None
    axis = attributes.get("axis", -1) % x.ndim
    bias = None if bias is None else _tensor(bias)
    return F.layer_norm(x, x.shape[axis:], scale, bias, attributes.get("epsilon", 1e-5))


def _gather(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, indices, axis = _tensor(inputs[0]), _tensor(inputs[1]).long(), attributes.get("axis", 0)
    found = x.index_select(axis, indices.reshape(-1) % x.shape[axis])
    return found.reshape([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]])


def _flatten(inputs: Inputs, attributes: Attributes) -> Tensor:
    axis = attributes.get("axis", 1)
    return inputs[0].reshape(math.prod(inputs[0].shape[:axis]), -1)  # type: ignore[no-any-return]


def _transpose(inputs: Inputs, attributes: Attributes) -> Tensor:
    x = _tensor(inputs[0])
    return x.permute(attributes.get("perm", list(range(x.ndim))[::-1]))


def _gelu(inputs: Inputs, attributes: Attributes) -> Tensor:
    return F.gelu(inputs[0], approximate=attributes.get("approximate", b"none").decode())


def _div(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, y = (_tensor(value) for value in inputs)
    return torch.div(x, y, rounding_mode=None if x.is_floating_point() else "trunc")


def _reshape(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, shape = _tensor(inputs[0]), _ints(inputs[1])
    if not attributes.get("allowzero", 0):
        shape = [x.shape[i] if n == 0 else n for i, n in enumerate(shape)]
    if x.ndim > 1 and shape[0] == 1 and not attributes.get(OF_ONE_IMAGE, False):
        # A file of one image at a time says so in its shapes; here several go through as one.
        shape[0] = x.shape[0]
    return x.reshape(shape)


def _shape(inputs: Inputs, attributes: Attributes) -> Tensor:
    shape = list(inputs[0].shape)
    return torch.tensor(shape[attributes.get("start", 0) : attributes.get("end", len(shape))])


def _slice(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, starts, ends = _tensor(inputs[0]), _ints(inputs[1]), _ints(inputs[2])
    axes = _ints(inputs[3]) if len(inputs) > 3 else list(range(len(starts)))
    steps = _ints(inputs[4]) if len(inputs) > 4 else [1] * len(starts)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        places = range(x.shape[axis])[start:end:step]
        if step == 1:
            x = x.narrow(axis, places.start, len(places))
        else:  # PyTorch slices forwards only
            x = x.index_select(axis, torch.tensor(places, dtype=torch.long, device=x.device))
    return x


def _split(inputs: Inputs, attributes: Attributes) -> tuple[Tensor, ...]:
    axis = attributes.get("axis", 0)
    if len(inputs) > 1:
        return inputs[0].split(_ints(inputs[1]), dim=axis)  # type: ignore[no-any-return]
    parts = attributes["num_outputs"]
    # The last part may be smaller, as in torch.split.
    return inputs[0].split(-(-inputs[0].shape[axis] // parts), dim=axis)  # type: ignore[no-any-return]


def _squeeze(inputs: Inputs, attributes: Attributes) -> Tensor:
    x = _tensor(inputs[0])
    return x.squeeze(tuple(_ints(inputs[1]))) if len(inputs) > 1 else x.squeeze()


def _unsqueeze(inputs: Inputs, attributes: Attributes) -> Tensor:
    x = _tensor(inputs[0])
    for axis in sorted(_ints(inputs[1])):
        x = x.unsqueeze(axis)
    return x


OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        **IMAGE_OPERATORS,
        "Abs": lambda i, a: torch.abs(_tensor(i[0])),
        "Add": lambda i, a: _tensor(i[0]) + _tensor(i[1]),
        "And": _compared(torch.logical_and),
        "Cast": _cast,
        "Ceil": lambda i, a: torch.ceil(_tensor(i[0])),
        "Clip": _clip,
        "Concat": lambda i, a: torch.cat([_tensor(x) for x in i], dim=a["axis"]),
        "Constant": _constant,
        "ConstantOfShape": _constant_of_shape,
        "Cos": lambda i, a: torch.cos(_tensor(i[0])),
        "CumSum": _cum_sum,
        "DequantizeLinear": lambda i, a: i[0],  # codes are dequantized as soon as they are made
        "Div": _div,
        "Dropout": lambda i, a: i[0],
        "Einsum": lambda i, a: torch.einsum(a["equation"].decode(), *map(_tensor, i)),
        "Elu": lambda i, a: F.elu(i[0], a.get("alpha", 1.0)),
        "Equal": _compared(torch.eq),
        "Erf": lambda i, a: torch.erf(i[0]),
        "Exp": lambda i, a: torch.exp(i[0]),
        "Expand": lambda i, a: _tensor(i[0]) * torch.ones(_ints(i[1]), dtype=_tensor(i[0]).dtype),
        "Flatten": _flatten,
        "Floor": lambda i, a: torch.floor(_tensor(i[0])),
        "Gather": _gather,
        "GatherElements": _gather_elements,
        "Gelu": _gelu,
        "Gemm": _gemm,
        "Greater": _compared(torch.gt),
        "GreaterOrEqual": _compared(torch.ge),
        "HardSigmoid": lambda i, a: torch.clamp(
            a.get("alpha", 0.2) * i[0] + a.get("beta", 0.5), 0, 1
        ),
        "HardSwish": lambda i, a: F.hardswish(i[0]),
        "Identity": lambda i, a: i[0],
        "LayerNormalization": _normalized,
        "LeakyRelu": lambda i, a: F.leaky_relu(i[0], a.get("alpha", 0.01)),
        "Less": _compared(torch.lt),
        "LessOrEqual": _compared(torch.le),
        "Log": lambda i, a: torch.log(_tensor(i[0])),
        "LogSoftmax": lambda i, a: torch.log_softmax(i[0], a.get("axis", -1)),
        "MatMul": lambda i, a: _tensor(i[0]) @ _tensor(i[1]),
        "Max": _folded(torch.maximum),
        "Min": _folded(torch.minimum),
        "Mish": lambda i, a: F.mish(i[0]),
        "Mul": lambda i, a: _tensor(i[0]) * _tensor(i[1]),
        "Neg": lambda i, a: -_tensor(i[0]),
        "Not": lambda i, a: torch.logical_not(_tensor(i[0])),
        "Or": _compared(torch.logical_or),
        "PRelu": lambda i, a: torch.where(i[0] < 0, i[0] * _tensor(i[1]), i[0]),
        "Pow": lambda i, a: _tensor(i[0]) ** _tensor(i[1]),
        "Range": _range,
        "QuickGelu": lambda i, a: i[0] * torch.sigmoid(a.get("alpha", 1.702) * i[0]),
        "Reciprocal": lambda i, a: 1 / _tensor(i[0]),
        "ReduceL2": _reduced(lambda x, axes, keep: x.square().sum(axes, keep).sqrt()),
        "ReduceMax": _reduced(lambda x, axes, keep: x.amax(axes, keep)),
        "ReduceMean": _reduced(lambda x, axes, keep: x.mean(axes, keep)),
        "ReduceMin": _reduced(lambda x, axes, keep: x.amin(axes, keep)),
        "ReduceProd": _reduced(_product),
        "ReduceSum": _reduced(lambda x, axes, keep: x.sum(axes, keep)),
        "Relu": lambda i, a: torch.relu(i[0]),
        "Reshape": _reshape,
        "Shape": _shape,
        "Sigmoid": lambda i, a: torch.sigmoid(i[0]),
        "Sin": lambda i, a: torch.sin(_tensor(i[0])),
        "Slice": _slice,
        "Softmax": lambda i, a: torch.softmax(i[0], a.get("axis", -1)),
        "Softplus": lambda i, a: F.softplus(i[0]),
        "Split": _split,
        "Sqrt": lambda i, a: torch.sqrt(_tensor(i[0])),
        "Squeeze": _squeeze,
        "Sub": lambda i, a: _tensor(i[0]) - _tensor(i[1]),
        "Sum": _folded(torch.add),
        "Tanh": lambda i, a: torch.tanh(i[0]),
        "Tile": lambda i, a: _tensor(i[0]).repeat(_ints(i[1])),
        "Transpose": _transpose,
        "Unsqueeze": _unsqueeze,
        "Where": lambda i, a: torch.where(_tensor(i[0]), _tensor(i[1]), _tensor(i[2])),
    }
)
