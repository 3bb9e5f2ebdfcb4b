"""Layers left in float are computed in float, whatever ONNX Runtime's optimizer makes of them."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytestmark = [pytest.mark.export]

import onnx  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402

from litepose_export.quantization.calibration import qdq  # noqa: E402

IMAGE = np.random.default_rng(1).normal(0, 1, (1, 8, 12, 12)).astype(np.float32)


def graph(middle, shape, **attributes):
    """Three layers; the channels of the middle one differ by a factor of a thousand."""
    rng = np.random.default_rng(0)
    spread = np.logspace(-3, 0, 8).astype(np.float32)
    weights = {
        "a": rng.normal(0, 0.3, (8, 8, 1, 1)),
        "b": rng.normal(0, 0.3, shape) * spread.reshape(8, 1, 1, 1),
        "c": rng.normal(0, 0.3, (8, 8, 1, 1)) / spread.reshape(1, 8, 1, 1),
        "bias": rng.normal(0, 0.3, 8) * spread,
    }
    nodes = [
        helper.make_node("Conv", ["image", "a"], ["x"], "first"),
        helper.make_node(middle, ["x", "b", "bias"], ["y"], "middle", **attributes),
        helper.make_node("Relu", ["y"], ["r"], "relu"),
        helper.make_node("Conv", ["r", "c"], ["z"], "last"),
    ]
    given = [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, IMAGE.shape)]
    made = [helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, None)]
    stored = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()]
    inner = helper.make_graph(nodes, "g", given, made, stored)
    model = helper.make_model(inner, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return qdq.prepare(model)


def run(model, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {"image": IMAGE})[0]


@pytest.mark.parametrize(
    ("kind", "shape", "attributes"),
    [
        ("Conv", (8, 1, 3, 3), {"group": 8, "pads": [1, 1, 1, 1]}),
        ("ConvTranspose", (8, 1, 2, 2), {"group": 8, "strides": [2, 2]}),
    ],
)
def test_a_float_layer_between_int8_layers_stays_float(kind, shape, attributes):
    model = graph(kind, shape, **attributes)
    ranges = qdq.find_ranges(model, [IMAGE])
    written = qdq.write_qdq(model, ranges, "u8s8-reduced", ["middle"])
    levels = onnxruntime.GraphOptimizationLevel
    plain = run(written, levels.ORT_DISABLE_ALL)
    optimized = run(written, levels.ORT_ENABLE_ALL)
    # Codes on a half may be rounded either way; weights of one scale for all would be far off.
    assert np.abs(optimized - plain).mean() < 0.02 * plain.std()


def test_nothing_is_added_where_no_layer_is_left_in_float(prepared, ranges):
    written = qdq.write_qdq(prepared, ranges, "u8s8-reduced", ())
    assert "LeakyRelu" not in {node.op_type for node in written.graph.node}
