"""Signed activations, for ARM, compute what unsigned ones do."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import onnx  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from litepose_edge import backends  # noqa: E402
from litepose_export.quantization.optimize.qdq_editor import with_signed_activations  # noqa: E402


def test_constants_among_the_activations_get_signed_codes():
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["codes"]),
        helper.make_node("DequantizeLinear", ["codes", "scale", "zero"], ["values"]),
        helper.make_node("DequantizeLinear", ["places", "scale", "zero"], ["constants"]),
        helper.make_node("Add", ["values", "constants"], ["y"]),
    ]
    stored = {
        "scale": np.float32(0.5),
        "zero": np.uint8(100),
        "places": np.array([0, 100, 128, 255], np.uint8),
    }
    tensor = {n: helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 4]) for n in "xy"}
    constants = [numpy_helper.from_array(np.asarray(v), name) for name, v in stored.items()]
    graph = helper.make_graph(nodes, "graph", [tensor["x"]], [tensor["y"]], constants)
    opset = [helper.make_opsetid("", 17)]
    unsigned = helper.make_model(graph, opset_imports=opset, ir_version=8)
    signed = with_signed_activations(unsigned)
    onnx.checker.check_model(signed, full_check=True)
    assert TensorProto.UINT8 not in {i.data_type for i in signed.graph.initializer}
    batch = np.array([[-3, 0, 2.5, 7]], np.float32)
    expected = [[-53, 0, 16.5, 84.5]]
    for model in (unsigned, signed):
        found = backends.open_bytes(model.SerializeToString()).run(batch)["y"]
        np.testing.assert_array_equal(found, expected)
