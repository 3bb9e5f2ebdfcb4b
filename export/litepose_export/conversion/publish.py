"""Makes what the runtime ships besides models: the saturation probe and the checksums."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from litepose_edge.atomic_files import write_file
from litepose_edge.backends import bundled

CHANNELS = 32


def saturation_probe() -> onnx.ModelProto:
    """One full-range U8S8 convolution whose exact result is subtracted: 0 where sums are exact.

    Every product is 255 x 127; kernels that add two of them in 16 bits stop at 32767 instead
    of 64770. The graph is the quantize-dequantize form that engines turn into INT8 kernels.
    """
    # The weights cancel in pairs far apart, so that the true sum is 0 and any clipping shows.
    weights = np.full((CHANNELS, CHANNELS, 1, 1), 127, np.int8)
    weights[:, CHANNELS // 2 :] = -127
    weights[:, ::4] = -127
    exact = 255.0 * weights.astype(np.float64).sum(axis=(1, 2, 3))
    zero, scale = np.array(0, np.uint8), np.array(1, np.float32)
    constants = {
        "scale": scale,
        "zero": zero,
        "weights": weights,
        "weight_zero": np.array(0, np.int8),
        "out_scale": np.array(abs(exact[0]) / 128, np.float32),
        "out_zero": np.array(0 if exact[0] > 0 else 255, np.uint8),
        "exact": exact.astype(np.float32).reshape(1, -1, 1, 1),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["x"]),
        helper.make_node("DequantizeLinear", ["weights", "scale", "weight_zero"], ["w"]),
        helper.make_node("Conv", ["x", "w"], ["y"]),
        helper.make_node("QuantizeLinear", ["y", "out_scale", "out_zero"], ["r"]),
        helper.make_node("DequantizeLinear", ["r", "out_scale", "out_zero"], ["s"]),
        helper.make_node("Sub", ["s", "exact"], ["difference"]),
    ]
    shape = [1, CHANNELS, 1, 1]
    graph = helper.make_graph(
        nodes,
        "probe",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("difference", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def write_checksums(folder: Path) -> None:
    """Write `SHA256SUMS` over the folder's models."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.glob("*.onnx"))
    ]
    write_file(folder / bundled.CHECKSUMS, "".join(lines).encode())


def write_probe(folder: Path) -> None:
    """Write the probe model."""
    probe = saturation_probe()
    onnx.checker.check_model(probe)
    write_file(folder / bundled.PROBE, probe.SerializeToString(deterministic=True))
