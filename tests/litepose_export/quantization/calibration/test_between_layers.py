"""Values stay in codes from layer to layer, and pools where they are quick."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnxruntime
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytestmark = [pytest.mark.export]

import onnx  # noqa: E402
import torch  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402

from litepose_export.quantization.calibration import qdq  # noqa: E402
from litepose_export.quantization.calibration.between_layers import (  # noqa: E402
    choose_between_layers,
    with_ranges_of_concatenations,
)
from litepose_export.quantization.optimize.simulation import (  # noqa: E402
    LARGEST_CODE,
    QdqNetwork,
)

SHAPE = (1, 8, 12, 12)
IMAGES = [np.random.default_rng(seed).normal(0, 1, SHAPE).astype(np.float32) for seed in range(4)]


def conv(given, made, name, rng, stored, channels=8):
    stored[f"{name}_w"] = rng.normal(0, 0.3, (8, channels, 1, 1))
    return helper.make_node("Conv", [given, f"{name}_w"], [made], name)


def graph(between, read, channels=8):
    """Two layers, `x` made by the first and `read` read by the last, and what lies between."""
    rng, stored = np.random.default_rng(0), {}
    first, second = (conv(a, b, b, rng, stored) for a, b in (("image", "x"), ("image", "y")))
    return whole([first, second, *between, conv(read, "z", "last", rng, stored, channels)], stored)


def whole(nodes, stored):
    """A graph from `image` to `z`."""
    given = [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, SHAPE)]
    made = [helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, None)]
    weights = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in stored.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "g", given, made, weights),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=8,
    )
    return qdq.prepare(model)


def silu(given, made):
    return [
        helper.make_node("Sigmoid", [given], [f"{made}_gate"], f"{made}_gate"),
        helper.make_node("Mul", [given, f"{made}_gate"], [made], made),
    ]


def concatenated(inputs, made):
    return [helper.make_node("Concat", inputs, [made], made, axis=1)]


def pool(kind, given, made):
    pads = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]}
    return [helper.make_node(kind, [given], [made], made, **pads)]


def quantized(model, float_nodes=()):
    ranges = qdq.find_ranges(model, IMAGES)
    return qdq.write_qdq(model, ranges, "u8s8-reduced", float_nodes)


def operators_run(model, folder):
    """What ONNX Runtime makes of a graph."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(model.SerializeToString(), options)
    optimized = onnx.load(folder / "optimized.onnx")
    return Counter(node.op_type for node in optimized.graph.node)


def run(model, image):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"image": image})[0]


def error(model, float_nodes=()):
    """Of the INT8 graph, as a part of the spread of the float one's output."""
    expected = run(model, IMAGES[0])
    return np.abs(run(quantized(model, float_nodes), IMAGES[0]) - expected).mean() / expected.std()


def test_silu_between_layers_is_one_operator_between_codes(tmp_path):
    model = graph(silu("x", "s"), "s")
    written = quantized(model)
    onnx.checker.check_model(written)
    kinds = operators_run(written, tmp_path)
    assert kinds["QuickGelu"] == 1
    assert kinds["QuantizeLinear"] == 2  # of the image, and behind the SiLU
    assert kinds["Mul"] == kinds["Sigmoid"] == kinds["Conv"] == 0
    assert error(model) < 0.03


def test_silu_between_layers_is_the_same_in_openvino():
    openvino = pytest.importorskip("openvino")
    written = quantized(graph(silu("x", "s"), "s"))
    network = openvino.Core().read_model(written.SerializeToString())
    found = openvino.compile_model(network, "CPU")(IMAGES[0])[0]
    expected = run(written, IMAGES[0])
    assert np.abs(found - expected).mean() < 0.02 * expected.std()


def test_silu_of_one_operator_can_be_fine_tuned():
    written = quantized(graph(silu("x", "s"), "s"))
    with torch.no_grad():
        found = QdqNetwork(written, LARGEST_CODE["u8s8-reduced"])(torch.from_numpy(IMAGES[0]))[0]
    expected = run(written, IMAGES[0])
    # Codes on a half may be rounded either way.
    assert np.abs(found.numpy() - expected).mean() < 0.01 * expected.std()


def test_silu_behind_a_layer_in_float_stays_as_it_is():
    model = graph(silu("x", "s"), "s")
    assert choose_between_layers(model, ["x"]).silus == frozenset()
    assert choose_between_layers(model, ["s"]).silus == frozenset()
    before_float = choose_between_layers(model, ["last"])
    assert (before_float.silus, before_float.on_codes) == ({"s"}, frozenset())
    everywhere = choose_between_layers(model, [])
    assert (everywhere.silus, everywhere.on_codes) == ({"s"}, {"s"})


def test_a_gate_of_another_tensor_is_left_as_it_is():
    gate = helper.make_node("Sigmoid", ["y"], ["g"], "g")
    product = helper.make_node("Mul", ["x", "g"], ["s"], "s")
    assert choose_between_layers(graph([gate, product], "s"), []).silus == frozenset()


def test_a_concatenation_is_computed_on_the_codes_of_what_it_joins(tmp_path):
    model = graph([*silu("x", "s"), *silu("y", "t"), *concatenated(["s", "t"], "c")], "c", 16)
    written = quantized(model)
    kinds = operators_run(written, tmp_path)
    assert kinds["QLinearConcat"] == 1
    assert kinds["Concat"] == 0
    stored = {i.name: numpy_helper.to_array(i) for i in written.graph.initializer}
    scales = {
        node.input[0]: stored[node.input[1]].item()
        for node in written.graph.node
        if node.op_type == "QuantizeLinear"
    }
    assert scales["s"] == scales["t"] == scales["c"]
    assert error(model) < 0.03


def test_what_others_read_too_keeps_codes_of_its_own():
    added = helper.make_node("Add", ["x", "y"], ["a"], "a")
    model = graph([*silu("y", "t"), added, *concatenated(["x", "t", "a"], "c")], "c", 24)
    ranges = dict.fromkeys(("x", "y", "t", "a"), (-1.0, 1.0)) | {"c": (-9.0, 9.0)}
    shared = with_ranges_of_concatenations(model, ranges, {"c"})
    assert shared["x"] == shared["y"] == (-1.0, 1.0)
    assert shared["t"] == shared["a"] == (-9.0, 9.0)


def test_sums_of_layers_have_codes_around_them_anyway(tmp_path):
    added = helper.make_node("Add", ["x", "y"], ["a"], "a")
    model = graph([added], "a")
    assert choose_between_layers(model, []).on_codes == frozenset()
    assert operators_run(quantized(model), tmp_path)["QLinearAdd"] == 1


def test_a_maximum_behind_a_layer_in_float_is_one_of_floats(tmp_path):
    model = graph(pool("MaxPool", "x", "p"), "p")
    assert choose_between_layers(model, ["x"]).float_pools == {"p"}
    assert choose_between_layers(model, []).float_pools == frozenset()
    written = quantized(model, ["x"])
    # ONNX Runtime would move the rounding before the pool: the LeakyRelu keeps it behind.
    assert operators_run(written, tmp_path)["LeakyRelu"] == 1
    assert error(model, ["x"]) < 0.03


def test_a_mean_between_layers_is_one_of_floats(tmp_path):
    model = graph(pool("AveragePool", "x", "p"), "p")
    kinds = operators_run(quantized(model), tmp_path)
    assert kinds["AveragePool"] == 1
    assert kinds["QLinearAveragePool"] == 0
    assert error(model) < 0.03


def test_layers_with_one_bias_get_names_that_no_tensor_has():
    rng, bias = np.random.default_rng(0), np.linspace(-1, 1, 8)
    stored = {f"w_{i}": rng.normal(0, 0.3, (8, 8, 1, 1)) for i in range(3)} | {"val_1": bias}
    # ONNX Runtime's quantizer calls the copies of val_1 val_10, val_11, ...
    names = ["image", "val_10", "val_11", "z"]
    nodes = [
        helper.make_node("Conv", [names[i], f"w_{i}", "val_1"], [names[i + 1]], f"layer_{i}")
        for i in range(3)
    ]
    model = whole(nodes, stored)
    assert len({tuple(node.input[2:]) for node in model.graph.node}) == 1
    assert error(model) < 0.03


def test_a_bias_of_one_layer_keeps_its_name():
    stored = {"w": np.eye(8).reshape(8, 8, 1, 1), "own": np.ones(8)}
    model = whole([helper.make_node("Conv", ["image", "w", "own"], ["z"], "layer")], stored)
    assert "own_quantized" in {i.name for i in quantized(model).graph.initializer}
