"""Runs an OpenVINO IR network as PyTorch operators, where OpenVINO itself has no device."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

from litepose_edge.atomic_files import read_file
from litepose_export.errors import ExportError
from litepose_export.interop.onnx_images import resize

Attributes = Mapping[str, str]
Operator = Callable[[list[Any], Attributes], Any]
RESIZE_MODES = {
    "nearest": b"nearest",
    "linear": b"linear",
    "linear_onnx": b"linear",
    "cubic": b"cubic",
}
TYPES = {"f16": "<f2", "f32": "<f4", "i32": "<i4", "i64": "<i8", "u64": "<u8"}


@dataclass(frozen=True, slots=True)
class _Step:
    """One operator: what it computes from which outputs, and where its result goes."""

    name: str
    run: Operator
    attributes: Attributes
    inputs: tuple[tuple[str, int], ...]
    layer: str
    spent: tuple[tuple[str, int], ...] = ()  # no later operator wants these


class IRNetwork(nn.Module):
    """What an IR's first result needs, as a module; its float weights are buffers.

    The operators are those of convolutional networks with channel shuffles and resized branches,
    such as PP-TinyPose.

    Args:
        path: The `.xml` file; the `.bin` lies beside it.

    Raises:
        ExportError: No IR, a cut one, or one with operators or numbers this module does not know.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            document = ET.fromstring(read_file(path))
            weights = read_file(path.with_suffix(".bin"))
        except (OSError, ET.ParseError) as exc:
            raise ExportError(f"cannot read {path}: {exc}") from exc
        layers = {layer.attrib["id"]: layer for layer in document.iterfind("layers/layer")}
        sources: dict[str, dict[int, tuple[str, int]]] = {name: {} for name in layers}
        for edge in document.iterfind("edges/edge"):
            found = edge.attrib
            origin = (found["from-layer"], _port(layers[found["from-layer"]], found["from-port"]))
            sources[found["to-layer"]][int(found["to-port"])] = origin
        inputs = {n: tuple(o for _, o in sorted(ports.items())) for n, ports in sources.items()}
        results = [n for n, layer in layers.items() if layer.attrib["type"] == "Result"]
        if not results:
            raise ExportError(f"{path} is no OpenVINO IR")
        self._result = inputs[results[0]][0]
        self._fixed: dict[str, Any] = {}
        self._steps: list[_Step] = []
        self._input = ""
        for name in _needed(self._result[0], inputs):
            self._add(name, layers[name], inputs[name], weights)
        self._steps = _with_ends(self._steps, self._result)

    def _add(
        self, name: str, layer: ET.Element, inputs: tuple[tuple[str, int], ...], weights: bytes
    ) -> None:
        kind = layer.attrib["type"]
        data = layer.find("data")
        attributes: Attributes = MappingProxyType(
            {
                "version": layer.attrib.get("version", ""),
                **(data.attrib if data is not None else {}),
            }
        )
        if kind == "Parameter":
            self._input = name
        elif kind == "Const":
            self._keep(name, _constant(attributes, weights))
        elif kind == "Convert" and self._is_fixed(inputs[0][0]):
            value = self._value(inputs[0][0])
            self._keep(name, OPERATORS[kind]([value], attributes))
        elif kind in OPERATORS:
            self._steps.append(_Step(kind, OPERATORS[kind], attributes, inputs, name))
        else:
            raise ExportError(f"operator {kind} of an OpenVINO IR is not known here")

    def _keep(self, name: str, value: Tensor) -> None:
        if value.is_floating_point() and value.ndim > 1:
            self.register_buffer(f"weight_{name}", value.float())
        else:
            self._fixed[name] = value

    def _is_fixed(self, name: str) -> bool:
        return name in self._fixed or hasattr(self, f"weight_{name}")

    def _value(self, name: str) -> Any:
        return self._fixed[name] if name in self._fixed else getattr(self, f"weight_{name}")

    def forward(self, x: Tensor) -> Tensor:
        """The first result for an input batch.

        Raises:
            ExportError: An operator is used in a way that this module does not know.
        """
        values: dict[tuple[str, int], Any] = {(self._input, 0): x}
        for step in self._steps:
            given = [
                values[origin] if origin in values else self._value(origin[0])
                for origin in step.inputs
            ]
            try:
                result = step.run(given, step.attributes)
            except (IndexError, KeyError, RuntimeError, TypeError, ValueError) as exc:
                line = (str(exc).splitlines() or [""])[0][:200]
                raise ExportError(
                    f"cannot run {step.name} ({step.layer}) of an OpenVINO IR in PyTorch: {line}"
                ) from exc
            outputs = result if isinstance(result, tuple) else (result,)
            values.update({(step.layer, i): output for i, output in enumerate(outputs)})
            for origin in step.spent:
                values.pop(origin, None)
        found: Tensor = values[self._result]
        return found


def _with_ends(steps: list[_Step], result: tuple[str, int]) -> list[_Step]:
    """The same steps, each with what can be forgotten after it."""
    wanted = {result}
    reverse = []
    for step in reversed(steps):
        spent = tuple(dict.fromkeys(origin for origin in step.inputs if origin not in wanted))
        wanted.update(spent)
        reverse.append(replace(step, spent=spent))
    return reverse[::-1]


def _port(layer: ET.Element, port: str) -> int:
    """The number of an output among a layer's outputs."""
    ports = [found.attrib["id"] for found in layer.iterfind("output/port")]
    return ports.index(port)


def _needed(result: str, inputs: Mapping[str, tuple[tuple[str, int], ...]]) -> list[str]:
    """Layers that a layer depends on and itself, each behind what it depends on."""
    order: dict[str, None] = {}
    open_layers = [result]
    while open_layers:
        name = open_layers[-1]
        missing = [origin for origin, _ in inputs[name] if origin not in order]
        if missing:
            open_layers += missing
        else:
            order.setdefault(open_layers.pop())
    return list(order)


def _constant(attributes: Attributes, weights: bytes) -> Tensor:
    shape, stored = _numbers(attributes["shape"]), attributes["element_type"]
    if stored not in TYPES:
        raise ExportError(
            f"an OpenVINO IR keeps numbers as {stored}, which is not known here: expected "
            f"{', '.join(TYPES)}; give the float network, not one quantized to INT8"
        )
    count, offset = math.prod(shape), int(attributes["offset"])
    kind = np.dtype(TYPES[stored])
    if offset + count * kind.itemsize > len(weights):
        raise ExportError(
            f"the .bin file of an OpenVINO IR ends after {len(weights)} bytes, expected "
            f"{offset + count * kind.itemsize} at least: copy it again"
        )
    values = np.frombuffer(weights, kind, count, offset)
    if values.dtype.kind == "u":
        values = values.astype(np.int64)
    return torch.from_numpy(values.reshape(shape).copy())


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number.strip()]


def _convolve(inputs: list[Any], attributes: Attributes) -> Tensor:
    x, kernel = inputs
    groups = 1
    if kernel.ndim == 5:  # groups, outputs and inputs of each, kernel
        groups, kernel = kernel.shape[0], kernel.flatten(0, 1)
    before, after = _numbers(attributes["pads_begin"]), _numbers(attributes["pads_end"])
    if before != after or attributes["auto_pad"] not in ("explicit", "valid", "notset"):
        raise ExportError("an OpenVINO IR pads a convolution in a way that is not known here")
    strides, dilations = _numbers(attributes["strides"]), _numbers(attributes["dilations"])
    return F.conv2d(x, kernel, None, strides, before, dilations, groups)


def _resize(inputs: list[Any], attributes: Attributes) -> Tensor:
    """Of H and W: nearest, linear or cubic, by factors or to sizes."""
    version, mode = attributes["version"], attributes["mode"]
    padded = _numbers(attributes.get("pads_begin", "")) + _numbers(attributes.get("pads_end", ""))
    if version not in ("opset4", "opset11") or mode not in RESIZE_MODES or any(padded):
        raise ExportError(
            f"an OpenVINO IR resizes in a way that is not known here: {version}, {mode}, "
            f"padding {padded}; expected opset4 or opset11, {', '.join(RESIZE_MODES)}, no padding"
        )
    x, *given = inputs
    by_factors = attributes["shape_calculation_mode"] == "scales"
    if version == "opset4":  # sizes and factors apart
        del given[0 if by_factors else 1]
    same: list[Any] = [1.0] * x.ndim if by_factors else list(x.shape)
    wanted = same.copy()
    axes = given[1].tolist() if len(given) > 1 else range(x.ndim)
    for axis, value in zip(axes, given[0].tolist(), strict=True):
        wanted[axis] = value
    # A file of one image says so in its sizes; here several go through as one.
    if x.ndim != 4 or wanted[1] != same[1]:
        raise ExportError(
            "an OpenVINO IR resizes other axes than height and width: expected (N, C, H, W), "
            f"got {tuple(x.shape)}, {attributes['shape_calculation_mode']} {wanted}"
        )
    rounding = attributes.get("nearest_mode", "round_prefer_floor")
    if rounding == "simple":
        larger = [new >= old for new, old in zip(wanted[2:], same[2:], strict=True)]
        if any(larger) != all(larger):
            raise ExportError("an OpenVINO IR enlarges one axis and reduces another (`simple`)")
        rounding = "floor" if all(larger) else "ceil"
    antialiased = attributes.get("antialias", "false") in ("true", "1")
    return resize(
        [x, None, wanted if by_factors else None, None if by_factors else wanted],
        {
            "mode": RESIZE_MODES[mode],
            "coordinate_transformation_mode": attributes.get(
                "coordinate_transformation_mode", "half_pixel"
            ).encode(),
            "nearest_mode": rounding.encode(),
            "antialias": antialiased and mode == "linear",  # other modes do without
            "cubic_coeff_a": float(attributes.get("cube_coeff", "-0.75")),
        },
    )


def _reshape(inputs: list[Any], attributes: Attributes) -> Tensor:
    x, shape = inputs
    wanted = [int(n) or x.shape[i] for i, n in enumerate(shape)]
    reshaped: Tensor = x.reshape(wanted)
    return reshaped


def _slice(inputs: list[Any], attributes: Attributes) -> Tensor:
    """Of shapes alone, which have one axis."""
    x, begin, end = inputs[:3]
    step = int(inputs[3][0]) if len(inputs) > 3 else 1
    masks = ("begin_mask", "end_mask", "new_axis_mask", "shrink_axis_mask", "ellipsis_mask")
    no_begin, no_end, *others = (any(_numbers(attributes.get(name, ""))) for name in masks)
    if x.ndim != 1 or step != 1 or any(others):
        raise ExportError(
            "an OpenVINO IR slices in a way that is not known here: expected a shape of one axis, "
            f"step 1 and no axis made or taken out, got {x.ndim} axes, step {step}"
        )
    found: Tensor = x[None if no_begin else int(begin[0]) : None if no_end else int(end[0])]
    return found


def _convert(inputs: list[Any], attributes: Attributes) -> Tensor:
    values: Tensor = inputs[0]
    return values.float() if attributes["destination_type"].startswith("f") else values.long()


OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        "Add": lambda i, _: i[0] + i[1],
        "Concat": lambda i, a: torch.cat([torch.as_tensor(t) for t in i], int(a["axis"])),
        "Convert": _convert,
        "Convolution": _convolve,
        "Divide": lambda i, _: i[0] / i[1],
        "GroupConvolution": _convolve,
        "Interpolate": _resize,
        "Multiply": lambda i, _: i[0] * i[1],
        "ReLU": lambda i, _: torch.relu(i[0]),
        "Reshape": _reshape,
        "ShapeOf": lambda i, _: torch.tensor(i[0].shape),
        "Split": lambda i, a: torch.chunk(i[0], int(a["num_splits"]), int(i[1])),
        "StridedSlice": _slice,
        "Transpose": lambda i, _: i[0].permute([int(n) for n in i[1]]),
    }
)
