"""Networks of a few nodes, as others write them: constants or one convolution, and manifests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from litepose_edge import COCO_17

SIDE = 64
HEATMAPS = {
    "output": "o", "activation": "linear", "alignment": "corner", "refinement": "dark",
    "blur_kernel": 5,
}  # fmt: skip


def document(model: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest of a float network with an input of 64x64."""
    return {
        "schema": 1,
        "name": "x",
        "precision": "fp32",
        "input": {
            "width": SIDE, "height": SIDE, "colour": "rgb",
            "mean": [123.6, 116.2, 103.5], "std": [58.3, 57.1, 57.3],
        },
        "model": dict(model),
    }  # fmt: skip


def topdown(**head: Any) -> dict[str, Any]:
    """A top-down task with one head."""
    skeleton = msgspec.to_builtins(COCO_17)
    return {"task": "topdown", "padding": 1.25, "skeleton": skeleton, **head}


def bottomup() -> dict[str, Any]:
    """A bottom-up task that reads `c` and `f`."""
    skeleton = msgspec.to_builtins(COCO_17)
    return {"task": "bottomup", "coarse": "c", "fine": "f", "skeleton": skeleton}


def onestage(output_format: Any, outputs: list[str]) -> dict[str, Any]:
    """A one-stage task of one family of heads."""
    skeleton = msgspec.to_builtins(COCO_17)
    return {
        "task": "onestage", "output_format": output_format, "outputs": outputs, "fill": [1, 2, 3],
        "skeleton": skeleton,
    }  # fmt: skip


def detector(output_format: Any, outputs: list[str], strides: list[int]) -> dict[str, Any]:
    """A detector of one family of heads."""
    return {
        "task": "detector", "fill": [1, 2, 3], "max_iou": 0.6, "strides": strides,
        "outputs": outputs, "output_format": output_format,
    }  # fmt: skip


def convolutions(outputs: Mapping[str, tuple[int, int]], *, free: bool = False) -> onnx.ModelProto:
    """A network whose outputs are one convolution each.

    Args:
        outputs: Channels and stride of each.
        free: Leave height and width open.
    """
    rng = np.random.default_rng(0)
    nodes, stored, ends = [], [], []
    for name, (channels, stride) in outputs.items():
        weights = rng.standard_normal((channels, 3, stride, stride)).astype(np.float32) * 0.3
        stored.append(numpy_helper.from_array(weights, f"{name}.w"))
        sizes: dict[str, Any] = {"strides": [stride] * 2, "kernel_shape": [stride] * 2}
        nodes.append(helper.make_node("Conv", ["image", f"{name}.w"], [name], **sizes))
        shape: list[str | int | None] = ["N", channels, f"{name}.h", f"{name}.w"]
        ends.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    return _model(nodes, stored, ends, free)


def constants(outputs: Mapping[str, NDArray[Any]], *, free: bool = False) -> onnx.ModelProto:
    """A network that gives these arrays, whatever the image."""
    stored = [numpy_helper.from_array(array, f"{name}.c") for name, array in outputs.items()]
    nodes = [helper.make_node("Identity", [f"{name}.c"], [name]) for name in outputs]
    ends = [
        helper.make_tensor_value_info(
            name,
            helper.np_dtype_to_tensor_dtype(array.dtype),
            [f"{name}.{i}" for i in range(array.ndim)],
        )
        for name, array in outputs.items()
    ]
    return _model(nodes, stored, ends, free)


def _model(nodes: list[Any], stored: list[Any], ends: list[Any], free: bool) -> onnx.ModelProto:
    size: list[str | int | None] = ["H", "W"] if free else [SIDE, SIDE]
    shape = ["N", 3, *size]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "g", [image], ends, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def with_manifest(network: onnx.ModelProto, text: str | bytes | Mapping[str, Any]) -> bytes:
    """The file of a network that carries this manifest, be its text UTF-8 or not."""
    if isinstance(text, Mapping):
        text = json.dumps(text)
    content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    entry = _field(1, b"litepose_edge") + _field(2, content)
    return bytes(network.SerializeToString()) + _field(14, entry)  # 14: metadata_props


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = b""
    while value > 127:
        encoded += bytes([value & 127 | 128])
        value >>= 7
    return encoded + bytes([value])
