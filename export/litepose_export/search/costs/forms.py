"""The float and INT8 forms of graphs that are timed: quantized as `litepose-export quantize` does.

An operator's INT8 form takes and gives codes where its neighbours in a network would, so that a
sum over operators holds no conversions that the network has not.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from litepose_export.quantization.calibration import qdq
from litepose_export.quantization.mixed_precision import float_nodes
from litepose_export.quantization.options import DEFAULT_FLOAT, SCHEMES, this_machine


def int8_form(
    model: onnx.ModelProto,
    *,
    scheme: qdq.Scheme | None = None,
    codes_in: bool = False,
    codes_out: bool = False,
    seed: int = 0,
) -> onnx.ModelProto:
    """The QDQ graph; time does not depend on the values, so one random input calibrates it.

    Args:
        model: Float graph with fixed shapes.
        scheme: Number formats; this machine's unless given.
        codes_in: Inputs are codes: for operators behind others.
        codes_out: Outputs are codes: for operators in front of others.
        seed: Of the input.
    """
    prepared = qdq.prepare(model)
    rng = np.random.default_rng(seed)
    feeds = {
        value.name: np.abs(
            rng.standard_normal([d.dim_value for d in value.type.tensor_type.shape.dim])
        ).astype(np.float32)
        for value in prepared.graph.input
    }
    ranges = _ranges(prepared, feeds)
    patterns = [
        pattern
        for pattern, left_out in zip(DEFAULT_FLOAT, (codes_in, codes_out), strict=True)
        if not left_out
    ]
    chosen = float_nodes.select(prepared, patterns, lenient=True)
    scheme = scheme or SCHEMES[this_machine()]
    quantized = qdq.write_qdq(prepared, ranges, scheme, chosen)
    codes = TensorProto.INT8 if scheme == "s8s8" else TensorProto.UINT8
    if codes_in:
        _take_codes(quantized, codes)
    if codes_out:
        _give_codes(quantized, codes)
    return quantized


def _ranges(prepared: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> qdq.Ranges:
    """Ranges of all tensors on one input."""
    import onnxruntime

    shown = onnx.ModelProto()
    shown.CopyFrom(prepared)
    known = {o.name for o in shown.graph.output}
    names = [n for node in shown.graph.node for n in node.output if n not in known]
    shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        shown.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found = dict(
        zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True)
    )
    return {
        name: (float(min(values.min(), 0)), float(max(values.max(), 1e-3)))
        for name, values in {**feeds, **found}.items()
        if values.dtype == np.float32 and values.size
    }


def _take_codes(quantized: onnx.ModelProto, codes: int) -> None:
    """Let inputs be codes, in place: what quantizes them goes, what reads floats converts."""
    graph = quantized.graph
    for value in graph.input:
        readers = [n for n in graph.node if value.name in n.input]
        for node in [n for n in readers if n.op_type == "QuantizeLinear"]:
            graph.node.remove(node)
            _rename(graph, node.output[0], value.name)
        as_float = [n for n in readers if n.op_type != "QuantizeLinear"]
        if as_float:
            name = f"{value.name}_float"
            for node in as_float:
                node.input[:] = [name if i == value.name else i for i in node.input]
            node = helper.make_node(
                "DequantizeLinear", [value.name, *_scale(graph, codes)], [name], name
            )
            graph.node.insert(0, node)
        value.type.tensor_type.elem_type = codes


def _give_codes(quantized: onnx.ModelProto, codes: int) -> None:
    """Let outputs be codes, in place."""
    graph = quantized.graph
    for value in graph.output:
        (maker,) = (n for n in graph.node if value.name in n.output)
        if maker.op_type == "DequantizeLinear":
            name = maker.input[0]
            graph.node.remove(maker)
            source = next(n for n in graph.node if name in n.output)
            source.output[:] = [value.name if o == name else o for o in source.output]
            _rename(graph, name, value.name)
        else:
            name = f"{value.name}_float"
            maker.output[:] = [name if o == value.name else o for o in maker.output]
            _rename(graph, value.name, name)
            graph.node.append(
                helper.make_node(
                    "QuantizeLinear", [name, *_scale(graph, codes)], [value.name], f"{name}_codes"
                )
            )
        value.type.tensor_type.elem_type = codes


def _scale(graph: onnx.GraphProto, codes: int) -> tuple[str, str]:
    """Names of a scale and a zero point for codes, stored once."""
    names = ("codes_scale", "codes_zero")
    if names[0] not in {i.name for i in graph.initializer}:
        kind = helper.tensor_dtype_to_np_dtype(codes)
        graph.initializer.append(numpy_helper.from_array(np.array(0.02, np.float32), names[0]))
        graph.initializer.append(numpy_helper.from_array(np.array(0, kind), names[1]))
    return names


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
