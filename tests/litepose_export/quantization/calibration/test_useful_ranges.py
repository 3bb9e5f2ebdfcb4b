"""Ranges without what the readers of a tensor cannot tell apart."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytestmark = [pytest.mark.export]

import onnx  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402

from litepose_edge import backends  # noqa: E402
from litepose_export.quantization.calibration.qdq import prepare, write_qdq  # noqa: E402
from litepose_export.quantization.calibration.useful_ranges import narrowed_to_use  # noqa: E402

SEEN = {"x": (-100.0, 20.0)}


def graph(*nodes, output="y"):
    given, made = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4, 4, 4])
        for name in ("image", output)
    )
    kernel = numpy_helper.from_array(np.ones((4, 4, 1, 1), np.float32) * 8, "w")
    first = helper.make_node("Conv", ["image", "w"], ["x"], name="conv")
    named = [helper.make_node(kind, i, o, name=kind, **a) for kind, i, o, a in nodes]
    inner = helper.make_graph([first, *named], "g", [given], [made], [kernel])
    return helper.make_model(inner, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


SILU = [("Sigmoid", ["x"], ["s"], {}), ("Mul", ["x", "s"], ["y"], {})]


@pytest.mark.parametrize(
    ("nodes", "wanted"),
    [
        (SILU, (-8, 20)),
        ([("HardSwish", ["x"], ["y"], {})], (-3, 20)),
        ([("HardSigmoid", ["x"], ["s"], {"alpha": 1 / 6}), ("Mul", ["s", "x"], ["y"], {})],
         (-3, 20)),
        ([("Gelu", ["x"], ["y"], {})], (-4, 20)),
        ([("Sigmoid", ["x"], ["y"], {})], (-8, 8)),
        # What another operator reads as well stays whole, as does a product with another gate.
        ([*SILU, ("Tanh", ["x"], ["t"], {})], (-100, 20)),
        ([("Sigmoid", ["image"], ["s"], {}), ("Mul", ["x", "s"], ["y"], {})], (-100, 20)),
    ],
)  # fmt: skip
def test_flat_parts_of_activations_take_no_codes(nodes, wanted):
    low, high = narrowed_to_use(graph(*nodes), SEEN)["x"]
    assert (low, high) == pytest.approx(wanted)


def test_outputs_keep_their_range():
    model = graph(("Sigmoid", ["x"], ["y"], {}), output="x")
    assert narrowed_to_use(model, SEEN) == SEEN


def test_a_narrower_range_halves_the_error_of_silu():
    model = prepare(graph(*SILU))
    image = np.random.default_rng(0).normal(0, 0.15, (1, 4, 4, 4)).astype(np.float32)
    seen = {"image": (-0.6, 0.6), "x": (-100.0, 30.0), "s": (0.0, 1.0), "y": (-0.3, 30.0)}

    def error(ranges):
        written = write_qdq(model, ranges, "u8s8-reduced", ())
        found, wanted = (
            backends.open_bytes(m.SerializeToString()).run(image)["y"] for m in (written, model)
        )
        return np.abs(found - wanted).mean()

    assert error(narrowed_to_use(model, seen)) < 0.6 * error(seen)
