"""Counting a graph's arithmetic, and the machine's limits."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.budget import limits
from litepose_edge.backends import TensorSpec, bundled, find_model


@pytest.mark.export
@pytest.mark.parametrize("model", ["lrpose-s", "persondet"])
def test_every_precision_of_a_network_has_the_same_arithmetic(model):
    from benchmarks.budget import onnx_macs

    item = find_model(model).manifest.input.shape
    counts = {onnx_macs.count(bundled.find(model, p), item) for p in ("fp32", "int8")}
    assert len(counts) == 1


@pytest.mark.export
def test_the_graphs_count_is_that_of_the_network_in_pytorch():
    from benchmarks.budget import onnx_macs
    from litepose_export.models import counting, networks

    network = networks.find("lrpose-s")
    built = network.build(17, network.input_size)
    expected = counting.count(built, network.input_size).macs
    assert onnx_macs.count(bundled.find("lrpose-s", "fp32")) == expected


@pytest.mark.export
def test_counting_by_hand(tmp_path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from benchmarks.budget import onnx_macs

    def weight(name, *shape):
        return numpy_helper.from_array(np.ones(shape, np.float32), name)

    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "a"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
            helper.make_node("Conv", ["c", "g"], ["d"], group=4),
            helper.make_node("ConvTranspose", ["d", "t"], ["u"], strides=[2, 2]),
            helper.make_node("Flatten", ["u"], ["f"]),
            helper.make_node("Gemm", ["f", "w"], ["y"]),
        ],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            weight("a", 4, 3, 3, 3),
            weight("g", 4, 1, 1, 1),
            weight("t", 4, 5, 2, 2),
            weight("w", 5 * 8 * 6, 7),
        ],
    )
    file = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), str(file))
    convolution, depthwise = 4 * 3 * 4 * 3 * 9, 4 * 3 * 4
    transposed, product = 4 * 3 * 4 * 5 * 4, 5 * 8 * 6 * 7
    assert onnx_macs.count(file) == convolution + depthwise + transposed + product


def test_a_networks_part_of_the_peak_is_its_rate_over_the_products():
    def burn(macs):
        # Twice as long for twice the arithmetic: both are the same part of the peak.
        side = int((macs * 4) ** 0.5)
        a = np.ones((side, 64), np.float32)
        return lambda: a @ a.T

    files = [
        limits.LoadedFile("small", "fp32", "onnxruntime", 512**2 * 64, burn(512**2 / 4)),
        limits.LoadedFile("large", "fp32", "onnxruntime", 2 * 512**2 * 64, burn(512**2 / 2)),
    ]
    report = limits.measure(files, {"fp32": burn(512**2)}, rounds=3)
    for row in report["networks"]:
        rate = 2 * row["macs"] / 1e6 / row["latency_ms"]
        assert row["gops"] == pytest.approx(rate)
        assert row["percent_of_peak"] == pytest.approx(100 * rate / report["peak_gops"]["fp32"])


def test_only_the_default_pose_network_in_int8_has_bars():
    rows = [
        {
            "model": m,
            "precision": p,
            "backend": "onnxruntime",
            "images": images,
            "percent_of_peak": part,
        }
        for m, p, images, part in (
            ("lrpose-s", "fp32", 1, 99.0),
            ("lrpose-s", "int8", 1, 70.0),
            ("lrpose-s", "int8", 8, 97.0),
            ("persondet", "int8", 1, 98.0),
        )
    ]
    ort, alone, together = limits.budget({"networks": rows}, {"openvino": "it is not installed"})
    assert (ort.figure, ort.verdict) == (70.0, "not reached")
    assert alone.verdict == together.verdict == "no data: it is not installed"


def test_openvino_is_asked_for_more_with_eight_crops_than_with_one():
    rows = [
        {
            "model": "lrpose-s",
            "precision": "int8",
            "backend": backend,
            "images": images,
            "percent_of_peak": 75.0,
        }
        for backend in ("onnxruntime", "openvino")
        for images in (1, 8)
    ]
    found = {row.name.rpartition(", ")[2]: row for row in limits.budget({"networks": rows}, {})}
    assert {name: (row.limit, row.is_missed) for name, row in found.items()} == {
        "onnxruntime x1": (74.0, False),
        "openvino x1": (62.0, False),
        "openvino x8": (80.0, True),
    }


@pytest.mark.parametrize(("dtype", "expected"), [("tensor(uint8)", np.uint8), ("f32", np.float32)])
def test_an_example_fits_the_input(dtype, expected):
    batch = limits.example(TensorSpec("x", ("N", 3, "H", 6), dtype), (4, 3, 8, 6))
    assert batch.shape == (4, 3, 8, 6)
    assert batch.dtype == expected
