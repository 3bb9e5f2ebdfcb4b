"""Ranges of tensors: how they are found, and how clip search narrows them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import onnx  # noqa: E402

from litepose_export.errors import UnsupportedOpError  # noqa: E402
from litepose_export.quantization.calibration import qdq  # noqa: E402
from litepose_export.quantization.calibration.clip_search import least_error_ranges, search_ranges  # noqa: E402
from litepose_export.quantization.mixed_precision import float_nodes  # noqa: E402
from litepose_export.quantization.optimize.cross_layer_equalization import find_pairs  # noqa: E402


def test_minmax_keeps_everything_and_percentiles_cut_the_rare(prepared, batches, ranges):
    name = prepared.graph.input[0].name
    everything = np.concatenate(batches)
    assert ranges[name] == pytest.approx((everything.min(), everything.max()), rel=1e-6)
    cut = qdq.find_ranges(prepared, batches, "percentile", 95.0)
    assert cut[name][1] < 0.8 * ranges[name][1]


def test_ranges_with_the_least_error_leave_out_a_lone_extreme(prepared, ranges, batches):
    (pair,) = find_pairs(prepared)
    low, high = ranges[pair.tensor]
    wide = {**ranges, pair.tensor: (low, 3 * high)}
    found = least_error_ranges(prepared, wide, batches)
    assert found[pair.tensor][1] < 1.3 * high
    assert all(found[name][1] <= wide[name][1] for name in wide if wide[name][1] > 0)


def test_the_clip_search_takes_the_ranges_of_the_least_output_error(prepared, ranges, metric):
    halves = {name: (low / 2, high / 2) for name, (low, high) in ranges.items()}
    wide = {name: (4 * low, 4 * high) for name, (low, high) in ranges.items()}
    head = float_nodes.select(prepared, ["head"])

    def write(some):
        return qdq.write_qdq(prepared, some, "u8s8-reduced", head)  # exact on every CPU

    found, blend = search_ranges(wide, halves, write, lambda model: metric(model).cost)
    assert 0.5 <= blend < 1
    assert metric(write(found)).cost < min(metric(write(r)).cost for r in (wide, halves))


def test_what_onnx_runtime_cannot_prepare_is_said_in_one_line():
    node = onnx.helper.make_node("NoSuchOperator", ["x"], ["y"], "odd", domain="nowhere")
    x, y = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 4, 4])
        for name in "xy"
    )
    opsets = [onnx.helper.make_opsetid("", 18), onnx.helper.make_opsetid("nowhere", 1)]
    graph = onnx.helper.make_graph([node], "g", [x], [y])
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    with pytest.raises(UnsupportedOpError, match="cannot prepare the graph") as raised:
        qdq.prepare(model)
    assert "\n" not in str(raised.value)
