"""Static INT8 quantization: per-channel QDQ, the last layers left in float."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from litepose_edge.geometry import Float32
from litepose_export.storage import restore_storage
from litepose_export.to_onnx import INPUT

Target = Literal["x86", "x86-vnni", "arm"]
Scheme = Literal["u8s8", "u8s8-reduced", "s8s8"]
SCHEMES: dict[Target, Scheme] = {"x86": "u8s8-reduced", "x86-vnni": "u8s8", "arm": "s8s8"}


def quantize_graph(
    model: onnx.ModelProto, batches: list[Float32], scheme: Scheme
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Quantize a float graph with MinMax ranges.

    Args:
        model: Float graph; float16 storage is undone first.
        batches: Calibration inputs.
        scheme: `"u8s8"` is fast where VNNI is and wrong where AVX2 saturates;
            `"u8s8-reduced"` keeps weights in 7 bits and is exact on every x86; `"s8s8"` for ARM.

    Returns:
        The QDQ graph, and the names of the layers left in float: those that write the outputs,
        because eight bits over the whole range of logits starve the peak, and depthwise ones
        right before them.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, prepared, target = (Path(folder) / f"{n}.onnx" for n in ("a", "b", "c"))
        onnx.save(restore_storage(model), source)
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        excluded = output_layers(onnx.load(prepared))
        signed = scheme == "s8s8"
        quantize_static(
            str(prepared),
            str(target),
            _Reader(batches),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=scheme == "u8s8-reduced",
            activation_type=QuantType.QInt8 if signed else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=list(excluded),
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"CalibMovingAverage": False},
        )
        quantized = onnx.load(target)
    quantized.producer_name, quantized.producer_version = "litepose-export", ""
    del quantized.metadata_props[:]
    del quantized.graph.value_info[:]
    return quantized, excluded


def output_layers(model: onnx.ModelProto) -> tuple[str, ...]:
    """Names of the nodes that write the outputs: the last convolutions and what joins them.

    A depthwise convolution in front of a last one stays float as well: integer ones are no
    quicker on any CPU, and at a stride of 2 turning its output into floats costs more than it.
    LitePose-XS at 256x256 takes 0.73 of its float time with those four in float, 0.79 without.
    """
    makers = {output: node for node in model.graph.node for output in node.output}
    names = []
    for output in model.graph.output:
        waiting = [output.name]
        while waiting:
            node = makers.get(waiting.pop())
            if node is None:
                continue
            names.append(node.name)
            if node.op_type != "Conv":
                waiting.extend(node.input)
                continue
            before = makers.get(node.input[0])
            activation = before if before is not None and before.op_type == "Relu" else None
            if activation is not None:
                before = makers.get(activation.input[0])
            if before is not None and _is_depthwise(before):
                names += [before.name] + ([activation.name] if activation is not None else [])
    return tuple(sorted(names))


def _is_depthwise(node: onnx.NodeProto) -> bool:
    groups = next((a.i for a in node.attribute if a.name == "group"), 1)
    return node.op_type == "Conv" and groups > 1


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Feeds calibration inputs one by one."""

    def __init__(self, batches: list[Float32]) -> None:
        self._batches: Iterator[Float32] = iter(batches)

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}
