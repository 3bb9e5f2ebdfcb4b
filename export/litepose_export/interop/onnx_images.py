"""ONNX operators on maps `(N, C, H, W)` in PyTorch: layers, pools, pads, resizing, sampling."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

from litepose_export.errors import UnsupportedOpError

Inputs = list[Any]
Attributes = dict[str, Any]
CUBIC = -0.75
PAD_MODES = {b"reflect": "reflect", b"edge": "replicate", b"wrap": "circular"}
SAMPLE_MODES = {
    b"linear": "bilinear",
    b"bilinear": "bilinear",
    b"nearest": "nearest",
    b"cubic": "bicubic",
    b"bicubic": "bicubic",
}


def tensor(value: Any) -> Tensor:
    """A tensor; of constants a copy, since their arrays are read-only."""
    return value if isinstance(value, Tensor) else torch.tensor(value)


def pads_of(
    attributes: Attributes, x: Tensor, kernel: Sequence[int], strides: Sequence[int]
) -> list[int]:
    """Left, right, top and bottom padding: given, or what keeps the size as `auto_pad` asks."""
    automatic = attributes.get("auto_pad", b"NOTSET")
    if automatic in (b"NOTSET", b""):
        top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
        return [left, right, top, bottom]
    if automatic == b"VALID":
        return [0, 0, 0, 0]
    dilations = attributes.get("dilations", (1, 1))
    found = []
    for axis in (1, 0):
        size, stride = x.shape[2 + axis], strides[axis]
        reach = dilations[axis] * (kernel[axis] - 1) + 1
        total = max((math.ceil(size / stride) - 1) * stride + reach - size, 0)
        less, more = total // 2, total - total // 2
        found += [less, more] if automatic == b"SAME_UPPER" else [more, less]
    return found


def conv(inputs: Inputs, attributes: Attributes) -> Tensor:
    """Conv of two spatial axes."""
    x, weight, bias = inputs[0], inputs[1], inputs[2] if len(inputs) > 2 else None
    if weight.ndim != 4:
        raise UnsupportedOpError(f"can only simulate Conv of two axes, got {weight.ndim - 2}")
    stride, dilation = attributes.get("strides", (1, 1)), attributes.get("dilations", (1, 1))
    left, right, top, bottom = pads_of(attributes, x, weight.shape[2:], stride)
    if (top, left) != (bottom, right):
        x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
    group = attributes.get("group", 1)
    return F.conv2d(x, weight, bias, tuple(stride), (top, left), tuple(dilation), group)


def conv_transpose(inputs: Inputs, attributes: Attributes) -> Tensor:
    """ConvTranspose of two spatial axes, its paddings given."""
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


def _pool_padding(x: Tensor, attributes: Attributes) -> tuple[list[int], list[int]]:
    """The paddings asked for, and how much more `ceil_mode` reads below and to the right."""
    kernel = attributes["kernel_shape"]
    strides = attributes.get("strides", (1, 1))
    dilations = attributes.get("dilations", (1, 1))
    pads = pads_of(attributes, x, kernel, strides)
    more = [0, 0]
    if attributes.get("ceil_mode", 0):
        for axis, (before, after) in ((1, pads[:2]), (0, pads[2:])):
            size = x.shape[2 + axis] + before + after
            reach = dilations[axis] * (kernel[axis] - 1) + 1
            windows = math.ceil((size - reach) / strides[axis]) + 1
            # No window begins beyond the input and what is padded before it.
            if (windows - 1) * strides[axis] >= x.shape[2 + axis] + before:
                windows -= 1
            more[axis] = max((windows - 1) * strides[axis] + reach - size, 0)
    return pads, more


def max_pool(inputs: Inputs, attributes: Attributes) -> Tensor:
    """MaxPool; what is padded never wins."""
    (left, right, top, bottom), more = _pool_padding(inputs[0], attributes)
    around = (left, right + more[1], top, bottom + more[0])
    padded = F.pad(inputs[0], around, value=-torch.inf)
    strides = tuple(attributes.get("strides", (1, 1)))
    dilations = tuple(attributes.get("dilations", (1, 1)))
    return F.max_pool2d(padded, tuple(attributes["kernel_shape"]), strides, 0, dilations)


def average_pool(inputs: Inputs, attributes: Attributes) -> Tensor:
    """AveragePool; padded places count or not, as `count_include_pad` says."""
    x = inputs[0]
    if any(step != 1 for step in attributes.get("dilations", (1, 1))):
        raise UnsupportedOpError("can only simulate AveragePool without dilations")
    kernel, strides = tuple(attributes["kernel_shape"]), tuple(attributes.get("strides", (1, 1)))
    (left, right, top, bottom), more = _pool_padding(x, attributes)
    asked, beyond = (left, right, top, bottom), (0, more[1], 0, more[0])
    counted = torch.ones_like(x[:1, :1])
    if attributes.get("count_include_pad", 0):
        counted = F.pad(counted, asked, value=1.0)
    else:
        counted = F.pad(counted, asked)
    found = F.avg_pool2d(F.pad(F.pad(x, asked), beyond), kernel, strides)
    part = F.avg_pool2d(F.pad(counted, beyond), kernel, strides)
    return found / part


def pad(inputs: Inputs, attributes: Attributes) -> Tensor:
    """Pad of any axes by a constant; of H and W by mirrored, repeated or wrapped values."""
    x = tensor(inputs[0])
    amounts = [int(v) for v in tensor(inputs[1]).tolist()]
    axes = list(range(x.ndim))
    if len(inputs) > 3 and inputs[3] is not None:
        axes = [int(v) % x.ndim for v in tensor(inputs[3]).tolist()]
    around = [0] * (2 * x.ndim)
    for i, axis in enumerate(axes):
        place = 2 * (x.ndim - 1 - axis)
        around[place], around[place + 1] = amounts[i], amounts[i + len(axes)]
    mode = attributes.get("mode", b"constant")
    if mode == b"constant":
        given = inputs[2] if len(inputs) > 2 else None
        return F.pad(x, around, value=0.0 if given is None else float(given))
    if mode not in PAD_MODES or any(around[4:]):
        raise UnsupportedOpError(f"cannot simulate Pad with mode {mode.decode()} beyond H and W")
    return F.pad(x, around[:4], mode=PAD_MODES[mode])


def depth_to_space(inputs: Inputs, attributes: Attributes) -> Tensor:
    """DepthToSpace, in either order."""
    x, size = inputs[0], attributes["blocksize"]
    if attributes.get("mode", b"DCR") == b"CRD":
        return F.pixel_shuffle(x, size)
    n, c, h, w = x.shape
    parts = x.reshape(n, size, size, c // size**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(n, c // size**2, h * size, w * size)  # type: ignore[no-any-return]


def space_to_depth(inputs: Inputs, attributes: Attributes) -> Tensor:
    """SpaceToDepth: blocks of pixels become channels, the place in the block first."""
    x, size = inputs[0], attributes["blocksize"]
    n, c, h, w = x.shape
    parts = x.reshape(n, c, h // size, size, w // size, size).permute(0, 3, 5, 1, 2, 4)
    return parts.reshape(n, c * size**2, h // size, w // size)  # type: ignore[no-any-return]


def resize(inputs: Inputs, attributes: Attributes) -> Tensor:
    """Resize of H and W: nearest, linear or cubic, by factors or to sizes."""
    x = inputs[0]
    sizes = inputs[3] if len(inputs) > 3 else None
    factors = inputs[2] if len(inputs) > 2 else None
    if sizes is not None and tensor(sizes).numel():
        height, width = (int(v) for v in tensor(sizes).tolist()[-2:])
        scales = (height / x.shape[2], width / x.shape[3])
    elif factors is not None and tensor(factors).numel():
        down, across = (float(f) for f in tensor(factors).tolist()[-2:])
        scales = (down, across)
        # In float32, as the engines: 7 / 3 of 9 rows are 21 and not 20.999999.
        height, width = (
            math.floor(np.float32(factor) * np.float32(size))
            for factor, size in zip(scales, x.shape[2:], strict=True)
        )
    else:
        raise UnsupportedOpError("cannot simulate Resize without factors or sizes")
    mode = attributes.get("mode", b"nearest")
    placed = attributes.get("coordinate_transformation_mode", b"half_pixel")
    if attributes.get("antialias", 0) or placed == b"tf_crop_and_resize":
        raise UnsupportedOpError("cannot simulate Resize with antialiasing or of a crop")
    rounding = attributes.get("nearest_mode", b"round_prefer_floor")
    for axis, length in ((2, height), (3, width)):
        at = _places(length, x.shape[axis], scales[axis - 2], placed, x.device)
        x = _resampled(x, axis, at, mode, rounding, attributes.get("cubic_coeff_a", CUBIC))
    return x  # type: ignore[no-any-return]


def _places(length: int, size: int, scale: float, placed: bytes, device: torch.device) -> Tensor:
    """Where the values of a resized axis lie on the axis before."""
    i = torch.arange(length, dtype=torch.float32, device=device)
    match placed:
        case b"asymmetric":
            return i / scale
        case b"tf_half_pixel_for_nn":
            return (i + 0.5) / scale
        case b"align_corners":
            return i * ((size - 1) / max(length - 1, 1))
        case b"pytorch_half_pixel" if length == 1:
            return torch.zeros_like(i)
        case b"half_pixel_symmetric":
            adjusted = length / (scale * size)
            return (i + 0.5) / scale - 0.5 + size / 2 * (1 - adjusted)
        case _:
            return (i + 0.5) / scale - 0.5


def _resampled(
    x: Tensor, axis: int, at: Tensor, mode: bytes, rounding: bytes, coefficient: float
) -> Tensor:
    """One axis read at places between its values."""
    last = x.shape[axis] - 1

    def read(places: Tensor) -> Tensor:
        return x.index_select(axis, places.long().clamp(0, last))

    if mode == b"nearest":
        # Places on a half are meant to be there exactly: rounding errors must not decide.
        nearest = {
            b"floor": torch.floor(at + 1e-5),
            b"ceil": torch.ceil(at - 1e-5),
            b"round_prefer_ceil": torch.floor(at + 0.5 + 1e-5),
        }
        return read(nearest.get(rounding, torch.ceil(at - 0.5 - 1e-5)))
    shape = [-1 if i == axis else 1 for i in range(x.ndim)]
    if mode == b"linear":
        at = at.clamp(0, last)
        low = torch.floor(at)
        part = (at - low).reshape(shape)
        return read(low) * (1 - part) + read(low + 1) * part
    low = torch.floor(at)
    part, a = at - low, coefficient
    weights = (
        ((a * (part + 1) - 5 * a) * (part + 1) + 8 * a) * (part + 1) - 4 * a,
        ((a + 2) * part - (a + 3)) * part * part + 1,
        ((a + 2) * (1 - part) - (a + 3)) * (1 - part) * (1 - part) + 1,
        ((a * (2 - part) - 5 * a) * (2 - part) + 8 * a) * (2 - part) - 4 * a,
    )
    parts = [read(low + k - 1) * w.reshape(shape) for k, w in enumerate(weights)]
    return torch.stack(parts).sum(0)


def grid_sample(inputs: Inputs, attributes: Attributes) -> Tensor:
    """GridSample of maps at `(N, H, W, 2)` places."""
    mode = attributes.get("mode", b"linear")
    grid = tensor(inputs[1])
    return F.grid_sample(
        inputs[0],
        grid.expand(len(inputs[0]), -1, -1, -1),
        mode=SAMPLE_MODES[mode],
        padding_mode=attributes.get("padding_mode", b"zeros").decode(),
        align_corners=bool(attributes.get("align_corners", 0)),
    )


def batch_norm(inputs: Inputs, attributes: Attributes) -> Tensor:
    """BatchNormalization with its statistics as they are."""
    x, *given = inputs[:5]
    scale, bias, mean, variance = (tensor(value) for value in given)
    return F.batch_norm(x, mean, variance, scale, bias, eps=attributes.get("epsilon", 1e-5))


def instance_norm(inputs: Inputs, attributes: Attributes) -> Tensor:
    """InstanceNormalization."""
    scale, bias = tensor(inputs[1]), tensor(inputs[2])
    return F.instance_norm(inputs[0], weight=scale, bias=bias, eps=attributes.get("epsilon", 1e-5))


def group_norm(inputs: Inputs, attributes: Attributes) -> Tensor:
    """GroupNormalization; before opset 21 its scales were one a group."""
    x, groups = inputs[0], int(attributes["num_groups"])
    scale, bias = (tensor(value) for value in inputs[1:3])
    if len(scale) != x.shape[1]:
        scale, bias = (v.repeat_interleave(x.shape[1] // groups) for v in (scale, bias))
    return F.group_norm(x, groups, scale, bias, attributes.get("epsilon", 1e-5))


IMAGE_OPERATORS: Mapping[str, Callable[[Inputs, Attributes], Any]] = MappingProxyType(
    {
        "AveragePool": average_pool,
        "BatchNormalization": batch_norm,
        "Conv": conv,
        "ConvTranspose": conv_transpose,
        "DepthToSpace": depth_to_space,
        "GlobalAveragePool": lambda i, a: i[0].mean((2, 3), keepdim=True),
        "GlobalMaxPool": lambda i, a: i[0].amax((2, 3), keepdim=True),
        "GridSample": grid_sample,
        "GroupNormalization": group_norm,
        "InstanceNormalization": instance_norm,
        "MaxPool": max_pool,
        "Pad": pad,
        "Resize": resize,
        "SpaceToDepth": space_to_depth,
    }
)
