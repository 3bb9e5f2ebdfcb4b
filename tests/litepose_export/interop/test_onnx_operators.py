"""ONNX operators in PyTorch give ONNX Runtime's numbers."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import onnx  # noqa: E402
import onnxruntime  # noqa: E402
import torch  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from litepose_export.errors import UnsupportedOpError  # noqa: E402
from litepose_export.interop.onnx_operators import OPERATORS  # noqa: E402

SAME = {"auto_pad": "SAME_UPPER", "strides": [2, 2]}
CORNERS = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
CUBIC = {"mode": "cubic", "coordinate_transformation_mode": "pytorch_half_pixel"}
RNG = np.random.default_rng(5)
MAPS = RNG.standard_normal((1, 4, 9, 7)).astype(np.float32)
PLANE = RNG.standard_normal((3, 4)).astype(np.float32)
GRID = RNG.uniform(-1.2, 1.2, (1, 5, 6, 2)).astype(np.float32)
TYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "bool": TensorProto.BOOL}


def ints(*values):
    return np.array(values, np.int64)


def floats(*values):
    return np.array(values, np.float32)


def weights(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


NO = np.zeros(0, np.float32)
POOL = {"kernel_shape": [3, 2], "strides": [2, 2]}
# Operator, inputs, attributes.
CASES = [
    ("AveragePool", [MAPS], POOL | {"pads": [1, 0, 1, 1]}),
    ("AveragePool", [MAPS], POOL | {"pads": [1, 0, 1, 1], "count_include_pad": 1}),
    ("AveragePool", [MAPS], POOL | {"ceil_mode": 1}),
    ("AveragePool", [MAPS], POOL | {"auto_pad": "SAME_UPPER"}),
    ("MaxPool", [MAPS], POOL | {"ceil_mode": 1, "pads": [1, 0, 0, 1]}),
    ("MaxPool", [MAPS], POOL | {"auto_pad": "SAME_LOWER"}),
    ("GlobalMaxPool", [MAPS], {}),
    ("Conv", [MAPS, weights(6, 4, 3, 3), weights(6)], SAME),
    ("Conv", [MAPS, weights(6, 4, 3, 3)], {"auto_pad": "SAME_LOWER"}),
    ("Conv", [MAPS, weights(4, 2, 3, 3)], {"pads": [0, 1, 2, 1], "group": 2}),
    ("ConvTranspose", [MAPS, weights(4, 3, 4, 4)], {"pads": [1, 0, 1, 2], "strides": [2, 2]}),
    ("Pad", [MAPS, ints(0, 0, 1, 2, 0, 1, 3, 0), floats(0.5).reshape(())], {}),
    ("Pad", [MAPS, ints(1, 2, 2, 0), NO, ints(2, 3)], {"mode": "reflect"}),
    ("Pad", [MAPS, ints(0, 0, 1, 2, 0, 0, -1, -2)], {"mode": "edge"}),
    ("GridSample", [MAPS, GRID], {"align_corners": 1}),
    ("GridSample", [MAPS, GRID], {"mode": "nearest", "padding_mode": "border"}),
    ("GridSample", [MAPS, GRID], {"mode": "cubic", "padding_mode": "reflection"}),
    ("SpaceToDepth", [MAPS[:, :, :8, :6]], {"blocksize": 2}),
    ("DepthToSpace", [MAPS], {"blocksize": 2}),
    ("Resize", [MAPS, NO, floats(1, 1, 2, 2)], {"mode": "nearest", "nearest_mode": "floor",
                                                "coordinate_transformation_mode": "asymmetric"}),
    ("Resize", [MAPS, NO, floats(1, 1, 1.5, 2)], {"mode": "linear"}),
    ("Resize", [MAPS, NO, floats(1, 1, 7 / 3, 2)], {"mode": "linear"}),
    ("Resize", [MAPS, NO, NO, ints(1, 4, 18, 14)], {"mode": "nearest"}),
    ("Resize", [MAPS, NO, NO, ints(1, 4, 12, 5)], CORNERS),
    ("Resize", [MAPS, NO, floats(1, 1, 2, 2)], CUBIC),
    ("InstanceNormalization", [MAPS, weights(4), weights(4)], {}),
    ("BatchNormalization", [MAPS, weights(4), weights(4), weights(4), abs(weights(4))], {}),
    ("LayerNormalization", [PLANE, weights(4), weights(4)], {}),
    ("Gemm", [PLANE, weights(5, 4), weights(5)], {"transB": 1, "alpha": 0.5, "beta": 2.0}),
    ("Einsum", [PLANE, weights(4, 5)], {"equation": "ij,jk->ik"}),
    ("ReduceMax", [MAPS, ints(1)], {"keepdims": 0}),
    ("ReduceMean", [MAPS, ints(2, 3)], {}),
    ("ReduceSum", [MAPS], {}),
    ("ReduceL2", [MAPS, ints(-1)], {}),
    ("ReduceProd", [PLANE, ints(0, 1)], {"keepdims": 0}),
    ("Max", [PLANE, floats(0.1), PLANE[::-1].copy()], {}),
    ("Min", [PLANE, floats(0.1)], {}),
    ("Sum", [PLANE, PLANE, floats(1)], {}),
    ("Where", [PLANE > 0, PLANE, floats(3)], {}),
    ("Greater", [PLANE, floats(0)], {}),
    ("Tile", [PLANE, ints(2, 1)], {}),
    ("CumSum", [PLANE, ints(1)], {}),
    ("GatherElements", [PLANE, ints(0, 2, 1, -1).reshape(1, 4)], {"axis": 0}),
    ("Gather", [PLANE, ints(2, -1)], {"axis": 0}),
    ("Slice", [MAPS, ints(1), ints(-1), ints(2), ints(3)], {}),
    ("Slice", [MAPS, ints(-1), ints(np.iinfo(np.int64).min), ints(1), ints(-1)], {}),
    ("Slice", [MAPS, ints(6, 0), ints(1, 99), ints(-1, 1), ints(-2, 2)], {}),
    ("Slice", [MAPS, ints(0, 2), ints(1, 2**62)], {}),
    ("Slice", [MAPS, ints(3), ints(1), ints(1)], {}),
    ("Range", [np.array(1), np.array(9), np.array(3)], {}),
    ("ConstantOfShape", [ints(2, 3)], {"value": numpy_helper.from_array(floats(1.5))}),
    ("Constant", [], {"value": numpy_helper.from_array(PLANE)}),
    ("Constant", [], {"value_floats": [1.0, 2.0]}),
    ("LogSoftmax", [PLANE], {"axis": 0}),
    *((name, [PLANE], {}) for name in (
        "Abs", "Ceil", "Cos", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish",
        "LeakyRelu", "Mish", "Neg", "Reciprocal", "Relu", "Sigmoid", "Sin", "Softplus", "Tanh",
    )),
]  # fmt: skip


def answer(name, inputs, attributes):
    """What ONNX Runtime gives for one node."""
    names = [f"x{i}" if value is not NO else "" for i, value in enumerate(inputs)]
    node = helper.make_node(name, names, ["y"], **attributes)
    given = [
        helper.make_tensor_value_info(n, TYPES[str(v.dtype)], v.shape)
        for n, v in zip(names, inputs, strict=True)
        if n
    ]
    output = helper.make_empty_tensor_value_info("y")
    graph = helper.make_graph([node], "g", given, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    model = onnx.shape_inference.infer_shapes(model)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    feed = {n: v for n, v in zip(names, inputs, strict=True) if n}
    return session.run(None, feed)[0], node


@pytest.mark.parametrize(
    ("name", "inputs", "attributes"), CASES, ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)]
)
def test_operators_answer_as_onnx_runtime(name, inputs, attributes):
    wanted, node = answer(name, inputs, attributes)
    known = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    # Tensors flow between nodes, constants come as arrays.
    given = [
        None if value is NO else torch.tensor(value) if i == 0 else np.asarray(value)
        for i, value in enumerate(inputs)
    ]
    if name in ("Conv", "ConvTranspose", "Gemm"):
        given = [torch.as_tensor(value) for value in given]
    found = OPERATORS[name](given, known)
    assert tuple(found.shape) == wanted.shape
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "inputs", "attributes", "message"),
    [
        (
            "Resize",
            [torch.tensor(MAPS), None, floats(1, 1, 2, 2)],
            {"antialias": 1},
            "antialiasing",
        ),
        ("Conv", [torch.tensor(MAPS), torch.zeros(4, 4, 3)], {}, "two axes"),
        ("Pad", [torch.tensor(MAPS), ints(1, 0, 0, 0, 0, 0, 0, 0)], {"mode": b"edge"}, "Pad"),
        ("AveragePool", [torch.tensor(MAPS)], {"dilations": [2, 2]}, "dilations"),
    ],
)
def test_what_cannot_be_simulated_is_said(name, inputs, attributes, message):
    with pytest.raises(UnsupportedOpError, match=message):
        OPERATORS[name](inputs, attributes)
