"""OpenVINO networks as PyTorch operators answer what OpenVINO answers."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
openvino = pytest.importorskip("openvino")
pytestmark = [
    pytest.mark.export,
    pytest.mark.openvino,
    # OpenVINO's own way of reading a module.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
]

import torch  # noqa: E402
from openvino import opset13 as ops  # noqa: E402
from openvino.utils.node_factory import NodeFactory  # noqa: E402
from torch import nn  # noqa: E402

from litepose_edge.backends import bundled  # noqa: E402
from litepose_export.errors import ExportError  # noqa: E402
from litepose_export.interop.openvino_ir import IRNetwork  # noqa: E402
from litepose_export.training.distillation import teacher  # noqa: E402


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """What PP-TinyPose is made of: groups, channel shuffles, branches of different sizes."""
    rng = np.random.default_rng(0)

    def convolved(x, shape, strides=(1, 1), pads=(1, 1), dilations=(1, 1)):
        kernel = ops.constant((0.3 * rng.normal(size=shape)).astype(np.float32))
        kind = ops.group_convolution if len(shape) == 5 else ops.convolution
        y = kind(x, kernel, strides, pads, pads, dilations)
        bias = rng.normal(size=(1, shape[0] * (shape[1] if len(shape) == 5 else 1), 1, 1))
        return ops.add(y, ops.constant(bias.astype(np.float32)))

    def resized(x, sizes, factors, **attributes):
        usual = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "simple"}
        given = [ops.constant(np.array(sizes)), ops.constant(np.array(factors, np.float32))]
        given.append(ops.constant(np.array([2, 3])))
        inputs = [node.output(0) for node in (x, *given)]
        return NodeFactory("opset4").create("Interpolate", inputs, usual | attributes)

    image = ops.parameter([1, 3, 48, 64], np.float32)
    x = ops.relu(convolved(image, (16, 3, 3, 3), strides=(2, 2)))
    left, right = ops.split(x, ops.constant(np.int64(1)), 2).outputs()
    right = convolved(convolved(right, (8, 1, 1, 3, 3), strides=(2, 2)), (8, 8, 1, 1), pads=(0, 0))
    right = resized(right, [24, 32], [2, 2], mode="nearest", shape_calculation_mode="scales")
    x = ops.concat([left, right], 1)
    x = ops.reshape(x, np.array([0, 2, 8, 24, 32]), special_zero=True)
    x = ops.transpose(x, np.array([0, 2, 1, 3, 4]))
    x = ops.reshape(x, np.array([0, 16, 24, 32]), special_zero=True)
    x = resized(
        x,
        [30, 44],
        [1.25, 1.375],
        mode="linear_onnx",
        shape_calculation_mode="sizes",
        coordinate_transformation_mode="align_corners",
    )
    x = convolved(x, (4, 16, 3, 3), pads=(1, 2), dilations=(1, 2))
    x = ops.multiply(x, ops.constant(np.float32(0.5)))
    path = tmp_path_factory.mktemp("ir") / "shuffled.xml"
    openvino.save_model(openvino.Model([x], [image], "shuffled"), path, compress_to_fp16=True)
    return path


def test_it_answers_what_openvino_does(saved):
    images = np.random.default_rng(1).random((1, 3, 48, 64), np.float32)
    expected = teacher.open_teacher(saved).network(images)
    network = IRNetwork(saved)
    with torch.no_grad():
        found = network(torch.from_numpy(images)).numpy()
    assert found.shape == (1, 4, 30, 44)
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-4)


@pytest.fixture
def answers(tmp_path):
    """Saves a network of one `(1, 2, 10, 7)` input; gives both answers for random numbers."""

    def run(image, output):
        model, path = openvino.Model([output], [image], "net"), tmp_path / "net.xml"
        openvino.save_model(model, path, compress_to_fp16=False)
        x = np.random.default_rng(2).normal(size=(1, 2, 10, 7)).astype(np.float32)
        exact = {"INFERENCE_PRECISION_HINT": "f32"}
        expected = openvino.Core().compile_model(model, "CPU", exact)(x)[0]
        return IRNetwork(path)(torch.from_numpy(x)).numpy(), expected

    return run


def resized(version, kind, by, to, axes=(2, 3), **attributes):
    """An input and its resizing; `to` are factors or sizes of the axes."""
    image = ops.parameter([1, 2, 10, 7], np.float32)
    both = {"sizes": np.ones(len(to), np.int64), "scales": np.ones(len(to), np.float32)}
    both[by] = np.array(to, both[by].dtype)
    given = [ops.constant(both[name]) for name in both if version == "opset4" or name == by]
    if axes is not None:
        given.append(ops.constant(np.array(axes)))
    inputs = [node.output(0) for node in (image, *given)]
    usual = {"shape_calculation_mode": by, "coordinate_transformation_mode": "half_pixel"}
    node = NodeFactory(version).create("Interpolate", inputs, usual | {"mode": kind} | attributes)
    return image, node


@pytest.mark.parametrize("version", ["opset4", "opset11"])
@pytest.mark.parametrize(
    ("by", "to"), [("scales", (2, 3)), ("scales", (0.5, 0.7)), ("sizes", (13, 9))]
)
@pytest.mark.parametrize(
    "how",
    [
        {"kind": "nearest", "nearest_mode": "round_prefer_floor"},
        {"kind": "nearest", "nearest_mode": "simple"},
        {"kind": "nearest", "coordinate_transformation_mode": "asymmetric"},
        {"kind": "nearest", "coordinate_transformation_mode": "tf_half_pixel_for_nn"},
        {"kind": "linear"},
        {"kind": "linear", "coordinate_transformation_mode": "asymmetric"},
        {"kind": "linear_onnx", "coordinate_transformation_mode": "align_corners"},
        {"kind": "linear_onnx", "coordinate_transformation_mode": "pytorch_half_pixel"},
        {"kind": "cubic"},
    ],
    ids=lambda how: "-".join(how.values()),
)
def test_it_resizes_as_openvino_does(version, by, to, how, answers):
    found, expected = answers(*resized(version, by=by, to=to, **how))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("to", "axes"), [((9, 13), (3, 2)), ((1, 2, 13, 9), None), ((1, 2, 13, 9), (0, 1, 2, 3))]
)
def test_sizes_belong_to_the_axes_that_are_named(to, axes, answers):
    found, expected = answers(*resized("opset11", "linear", "sizes", to, axes))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "bilinear_pillow"}, "opset11, bilinear_pillow"),
        ({"antialias": True}, "antialiasing"),
        ({"pads_begin": [0, 0, 1, 0], "pads_end": [0] * 4}, "padding"),
        ({"axes": (1, 2), "to": (4, 10)}, "other axes than height and width"),
        ({"kind": "nearest", "nearest_mode": "simple", "to": (20, 3)}, "reduces another"),
    ],
)
def test_resizing_that_it_does_not_know_is_refused(changes, message, answers):
    usual = {"version": "opset11", "kind": "linear", "by": "sizes", "to": (5, 3)}
    with pytest.raises(ExportError, match=message):
        answers(*resized(**usual | changes))


def test_slices_of_maps_are_refused(answers):
    image = ops.parameter([1, 2, 10, 7], np.float32)
    some = ops.strided_slice(image, [0, 0, 2, 0], [1, 2, 8, 7], [1] * 4, [0] * 4, [0] * 4)
    with pytest.raises(ExportError, match=r"expected a shape of one axis.*got 4 axes"):
        answers(image, some)


def test_a_step_that_fails_is_named(saved):
    with pytest.raises(ExportError, match=r"cannot run Reshape \(\d+\) of an OpenVINO IR"):
        IRNetwork(saved)(torch.zeros(1, 3, 32, 32))


def test_the_released_network_answers_alike_as_ir(tmp_path):
    path = tmp_path / "lrpose-s.xml"
    openvino.save_model(openvino.convert_model(bundled.find("lrpose-s", "fp32")), path)
    images = np.random.default_rng(0).normal(size=(2, 3, 256, 192)).astype(np.float32)
    expected = teacher.open_teacher(path).network(images)
    with torch.no_grad():
        found = IRNetwork(path)(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_an_operator_it_does_not_know_is_refused(tmp_path):
    model = openvino.convert_model(nn.GELU(), example_input=torch.rand(1, 3), input=[(1, 3)])
    openvino.save_model(model, tmp_path / "gelu.xml")
    with pytest.raises(ExportError, match="Gelu"):
        IRNetwork(tmp_path / "gelu.xml")


@pytest.mark.parametrize("text", [None, "no xml", "<net/>"])
def test_what_is_no_ir_is_refused(text, tmp_path):
    path = tmp_path / "x.xml"
    if text is not None:
        path.write_text(text)
        path.with_suffix(".bin").write_bytes(b"")
    with pytest.raises(ExportError, match=r"x\.xml"):
        IRNetwork(path)


def test_a_quantized_ir_is_refused(tmp_path):
    image = ops.parameter([1, 3, 8, 8], np.float32)
    kernel = ops.convert(ops.constant(np.ones((4, 3, 1, 1), np.int8)), "f32")
    found = ops.convolution(image, kernel, (1, 1), (0, 0), (0, 0), (1, 1))
    openvino.save_model(openvino.Model([found], [image], "int8"), tmp_path / "int8.xml")
    with pytest.raises(ExportError, match=r"keeps numbers as i8.*not one quantized to INT8"):
        IRNetwork(tmp_path / "int8.xml")


def test_weights_that_were_cut_are_refused(saved, tmp_path):
    path = tmp_path / "cut.xml"
    path.write_bytes(saved.read_bytes())
    weights = saved.with_suffix(".bin").read_bytes()
    path.with_suffix(".bin").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ExportError, match=r"ends after \d+ bytes.*copy it again"):
        IRNetwork(path)


def test_pp_tinypose_answers_alike(dev_json):
    path = dev_json.parents[2] / "peers/pose/pptinypose_256x192/model.xml"
    images = np.random.default_rng(0).normal(size=(1, 3, 256, 192)).astype(np.float32)
    expected = teacher.open_teacher(path).network(images)
    with torch.no_grad():
        found = IRNetwork(path)(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)
