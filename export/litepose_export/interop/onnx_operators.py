"""The ONNX operators of our networks in PyTorch, differentiable; shapes are tensors as well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

from litepose_export.errors import UnsupportedOpError

Inputs = list[Any]
Attributes = dict[str, Any]
Operator = Callable[[Inputs, Attributes], Any]


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.tensor(value)


def _ints(value: Any) -> list[int]:
    return [int(v) for v in _tensor(value).reshape(-1).tolist()]


def _clip(inputs: Inputs, attributes: Attributes) -> Tensor:
    low, high = (*inputs[1:], None, None)[:2]
    return torch.clamp(
        inputs[0],
        None if low is None else float(low),
        None if high is None else float(high),
    )


def _conv(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, weight, bias = inputs[0], inputs[1], inputs[2] if len(inputs) > 2 else None
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    if (top, left) != (bottom, right):
        x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
    stride, dilation = attributes.get("strides", (1, 1)), attributes.get("dilations", (1, 1))
    group = attributes.get("group", 1)
    return F.conv2d(x, weight, bias, tuple(stride), (top, left), tuple(dilation), group)


def _div(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, y = (_tensor(value) for value in inputs)
    return torch.div(x, y, rounding_mode=None if x.is_floating_point() else "trunc")


def _reshape(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, shape = _tensor(inputs[0]), _ints(inputs[1])
    if not attributes.get("allowzero", 0):
        shape = [x.shape[i] if n == 0 else n for i, n in enumerate(shape)]
    if x.ndim > 1 and shape[0] == 1:
        # A file of one image at a time says so in its shapes; here several go through as one.
        shape[0] = x.shape[0]
    return x.reshape(shape)


def _resize(inputs: Inputs, attributes: Attributes) -> Tensor:
    if attributes.get("mode", b"nearest") != b"nearest" or len(inputs) != 3:
        raise UnsupportedOpError("can only simulate Resize to the nearest pixel by given factors")
    factors = tuple(float(f) for f in inputs[2][2:])
    return F.interpolate(inputs[0], scale_factor=factors, mode="nearest")


def _shape(inputs: Inputs, attributes: Attributes) -> Tensor:
    shape = list(inputs[0].shape)
    return torch.tensor(shape[attributes.get("start", 0) : attributes.get("end", len(shape))])


def _slice(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, starts, ends = _tensor(inputs[0]), _ints(inputs[1]), _ints(inputs[2])
    axes = _ints(inputs[3]) if len(inputs) > 3 else list(range(len(starts)))
    steps = _ints(inputs[4]) if len(inputs) > 4 else [1] * len(starts)
    chosen = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        chosen[axis] = slice(start, end, step)
    return x[tuple(chosen)]


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
        "Add": lambda i, a: _tensor(i[0]) + _tensor(i[1]),
        "Clip": _clip,
        "Concat": lambda i, a: torch.cat([_tensor(x) for x in i], dim=a["axis"]),
        "Conv": _conv,
        "DequantizeLinear": lambda i, a: i[0],  # codes are dequantized as soon as they are made
        "Div": _div,
        "Mul": lambda i, a: _tensor(i[0]) * _tensor(i[1]),
        "Relu": lambda i, a: torch.relu(i[0]),
        "Reshape": _reshape,
        "Resize": _resize,
        "Shape": _shape,
        "Slice": _slice,
        "Split": _split,
        "Squeeze": _squeeze,
        "Transpose": lambda i, a: i[0].permute(a["perm"]),
        "Unsqueeze": _unsqueeze,
    }
)
