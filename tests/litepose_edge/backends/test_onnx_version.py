"""Files that engines take though the standard does not, and old ones that are sound."""

from __future__ import annotations

import pytest

from litepose_edge.backends import bundled, files
from litepose_edge.backends.onnx_version import check_version
from litepose_edge.backends.onnxruntime_session import OnnxRuntimeSession
from litepose_edge.errors import ModelError

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper  # noqa: E402

pytestmark = pytest.mark.export


def network(version: int, *, weights_are_inputs: bool = False):
    shape = [1, 3, 8, 8]
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)]
    weight = helper.make_tensor("w", TensorProto.FLOAT, [1], [2.0])
    if weights_are_inputs:
        inputs.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [1]))
    output = helper.make_tensor_value_info("o", TensorProto.FLOAT, shape)
    node = helper.make_node("Mul", ["image", "w"], ["o"])
    graph = helper.make_graph([node], "g", inputs, [output], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 8)], ir_version=version)


@pytest.mark.parametrize(
    "model", [network(3, weights_are_inputs=True), network(4), network(9), network(10)]
)
def test_what_the_standard_takes_is_taken(model, tmp_path):
    onnx.checker.check_model(model)
    check_version(tmp_path, model.SerializeToString())


@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_what_the_standard_refuses_is_refused(version, tmp_path):
    model = network(version)
    with pytest.raises(onnx.checker.ValidationError):
        onnx.checker.check_model(model)
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="no valid ONNX file"):
        files.read(path)


def test_a_file_without_operator_sets_is_refused(tmp_path):
    model = network(9)
    del model.opset_import[:]
    with pytest.raises(ModelError, match="operator sets"):
        check_version(tmp_path, model.SerializeToString())


def test_a_graph_without_a_name_is_refused(tmp_path):
    model = network(9)
    model.graph.name = ""
    with pytest.raises(onnx.checker.ValidationError):
        onnx.checker.check_model(model)
    with pytest.raises(ModelError, match="its graph has no name"):
        check_version(tmp_path, model.SerializeToString())


@pytest.mark.parametrize("path", sorted(bundled.FOLDER.glob("*.onnx")), ids=lambda path: path.name)
def test_the_bundled_files_are_valid(path):
    check_version(path, path.read_bytes())


@pytest.mark.parametrize("end", ["input", "output"])
@pytest.mark.parametrize("missing", ["shape", "type", "kind"])
def test_an_end_without_a_shape_is_refused(end, missing, tmp_path):
    model = network(9)
    value = getattr(model.graph, end)[0]
    if missing == "shape":
        value.type.tensor_type.ClearField("shape")
    elif missing == "kind":
        value.type.Clear()
        value.type.denotation = "IMAGE"
    else:
        value.ClearField("type")
    with pytest.raises(onnx.checker.ValidationError):
        onnx.checker.check_model(model)
    with pytest.raises(ModelError, match=f"'{value.name}' has no shape"):
        check_version(tmp_path, model.SerializeToString())


def test_a_number_of_no_axes_and_a_sequence_are_taken(tmp_path):
    model = network(9)
    scalar = helper.make_tensor_value_info("one", TensorProto.FLOAT, [])
    several = helper.make_tensor_sequence_value_info("several", TensorProto.FLOAT, None)
    model.graph.node.append(helper.make_node("ReduceSum", ["o"], ["one"], keepdims=0))
    model.graph.node.append(helper.make_node("SequenceConstruct", ["o"], ["several"]))
    model.graph.output.extend([scalar, several])
    model.opset_import[0].version = 13
    onnx.checker.check_model(model)
    check_version(tmp_path, model.SerializeToString())


@pytest.mark.parametrize("name", [b"image", b"o"])
def test_names_that_are_no_text_are_refused(name):
    content = network(9).SerializeToString()
    marked = bytes([len(name)]) + name
    assert marked in content
    broken = content.replace(marked, bytes([len(name)]) + b"\xfe" + name[1:])
    with pytest.raises(ModelError, match="UTF-8"):
        OnnxRuntimeSession(broken, 1)
