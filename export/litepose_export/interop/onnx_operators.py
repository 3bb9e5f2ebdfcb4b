"""The ONNX operators of our networks in PyTorch, differentiable; shapes are tensors as well."""

from __future__ import annotations

import math
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
# An attribute that no operator of ONNX has: the graph is given one image, as its shapes say.
OF_ONE_IMAGE = "of_one_image"


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


def _conv_transpose(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, weight, bias = inputs[0], inputs[1], inputs[2] if len(inputs) > 2 else None
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    more = attributes.get("output_padding", (0, 0))
    if attributes.get("auto_pad", b"NOTSET") != b"NOTSET" or "output_shape" in attributes:
        raise UnsupportedOpError("can only simulate ConvTranspose with given paddings")
    found = F.conv_transpose2d(
        x,
        weight,
        bias,
        tuple(attributes.get("strides", (1, 1))),
        0,
        0,
        attributes.get("group", 1),
        tuple(attributes.get("dilations", (1, 1))),
    )
    # Paddings of ONNX cut the result, output paddings widen it below and to the right.
    return F.pad(found, (-left, more[1] - right, -top, more[0] - bottom))


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


def _reduce_mean(inputs: Inputs, attributes: Attributes) -> Tensor:
    axes = _axes(inputs, attributes) or list(range(inputs[0].ndim))
    return inputs[0].mean(axes, keepdim=bool(attributes.get("keepdims", 1)))  # type: ignore[no-any-return]


def _normalized(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, scale, bias = inputs[0], _tensor(inputs[1]), inputs[2] if len(inputs) > 2 else None
    axis = attributes.get("axis", -1) % x.ndim
    bias = None if bias is None else _tensor(bias)
    return F.layer_norm(x, x.shape[axis:], scale, bias, attributes.get("epsilon", 1e-5))


def _instance_norm(inputs: Inputs, attributes: Attributes) -> Tensor:
    scale, bias = _tensor(inputs[1]), _tensor(inputs[2])
    return F.instance_norm(inputs[0], weight=scale, bias=bias, eps=attributes.get("epsilon", 1e-5))


def _gather(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, indices, axis = _tensor(inputs[0]), _tensor(inputs[1]).long(), attributes.get("axis", 0)
    found = x.index_select(axis, indices.reshape(-1) % x.shape[axis])
    return found.reshape([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]])


def _max_pool(inputs: Inputs, attributes: Attributes) -> Tensor:
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    if attributes.get("ceil_mode", 0):
        raise UnsupportedOpError("cannot simulate MaxPool with ceil_mode")
    padded = F.pad(inputs[0], (left, right, top, bottom), value=-torch.inf)
    strides = tuple(attributes.get("strides", (1, 1)))
    dilations = tuple(attributes.get("dilations", (1, 1)))
    return F.max_pool2d(padded, tuple(attributes["kernel_shape"]), strides, 0, dilations)


def _depth_to_space(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, size = inputs[0], attributes["blocksize"]
    if attributes.get("mode", b"DCR") == b"CRD":
        return F.pixel_shuffle(x, size)
    n, c, h, w = x.shape
    parts = x.reshape(n, size, size, c // size**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(n, c // size**2, h * size, w * size)  # type: ignore[no-any-return]


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
        "Cast": _cast,
        "Clip": _clip,
        "Concat": lambda i, a: torch.cat([_tensor(x) for x in i], dim=a["axis"]),
        "Conv": _conv,
        "ConvTranspose": _conv_transpose,
        "DepthToSpace": _depth_to_space,
        "DequantizeLinear": lambda i, a: i[0],  # codes are dequantized as soon as they are made
        "Div": _div,
        "Erf": lambda i, a: torch.erf(i[0]),
        "Exp": lambda i, a: torch.exp(i[0]),
        "Expand": lambda i, a: _tensor(i[0]) * torch.ones(_ints(i[1]), dtype=_tensor(i[0]).dtype),
        "Flatten": _flatten,
        "Gather": _gather,
        "Gelu": _gelu,
        "Gemm": _gemm,
        "GlobalAveragePool": lambda i, a: i[0].mean((2, 3), keepdim=True),
        "HardSigmoid": lambda i, a: torch.clamp(
            a.get("alpha", 0.2) * i[0] + a.get("beta", 0.5), 0, 1
        ),
        "HardSwish": lambda i, a: F.hardswish(i[0]),
        "Identity": lambda i, a: i[0],
        "InstanceNormalization": _instance_norm,
        "LayerNormalization": _normalized,
        "LeakyRelu": lambda i, a: F.leaky_relu(i[0], a.get("alpha", 0.01)),
        "MatMul": lambda i, a: _tensor(i[0]) @ _tensor(i[1]),
        "MaxPool": _max_pool,
        "Mul": lambda i, a: _tensor(i[0]) * _tensor(i[1]),
        "Neg": lambda i, a: -_tensor(i[0]),
        "PRelu": lambda i, a: torch.where(i[0] < 0, i[0] * _tensor(i[1]), i[0]),
        "Pow": lambda i, a: _tensor(i[0]) ** _tensor(i[1]),
        "ReduceMean": _reduce_mean,
        "Relu": lambda i, a: torch.relu(i[0]),
        "Reshape": _reshape,
        "Resize": _resize,
        "Shape": _shape,
        "Sigmoid": lambda i, a: torch.sigmoid(i[0]),
        "Slice": _slice,
        "Softmax": lambda i, a: torch.softmax(i[0], a.get("axis", -1)),
        "Split": _split,
        "Sqrt": lambda i, a: torch.sqrt(_tensor(i[0])),
        "Squeeze": _squeeze,
        "Sub": lambda i, a: _tensor(i[0]) - _tensor(i[1]),
        "Tanh": lambda i, a: torch.tanh(i[0]),
        "Transpose": _transpose,
        "Unsqueeze": _unsqueeze,
    }
)
