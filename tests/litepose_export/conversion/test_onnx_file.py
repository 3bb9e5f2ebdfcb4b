"""ONNX files of others are read whole, with the manifest beside them, and made recent."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import onnx  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

import litepose_export as lx  # noqa: E402
from litepose_edge import backends  # noqa: E402
from litepose_edge.backends import bundled, files, sidecar  # noqa: E402
from litepose_edge.errors import (  # noqa: E402
    ManifestError,
    ModelError,
    ModelFileMissingError,
    ModelIntegrityError,
)
from litepose_export.conversion.modern_graph import modernize  # noqa: E402
from litepose_export.conversion.onnx_file import load_graph, read_onnx  # noqa: E402
from litepose_export.errors import ExportError  # noqa: E402

MANIFEST = lx.heatmap_manifest("theirs", input_size=(48, 64), output="maps")
IMAGE = np.random.default_rng(1).standard_normal((1, 3, 64, 48)).astype(np.float32)


def theirs(opset=17, *, half=False, named=True, as_inputs=False):
    """A convolution, a normalisation, a ReLU and maps four times as wide."""
    rng = np.random.default_rng(0)
    kind, code = (np.float16, TensorProto.FLOAT16) if half else (np.float32, TensorProto.FLOAT)
    stored = {
        "w": rng.normal(0, 0.2, (17, 3, 4, 4)).astype(kind),
        "b": rng.normal(0, 0.2, 17).astype(kind),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w", "b"], ["c"], strides=[4, 4], kernel_shape=[4, 4]),
        helper.make_node("Relu", ["c"], ["r"]),
    ]
    if opset < 9:
        nodes.append(helper.make_node("Upsample", ["r"], ["maps"], scales=[1.0, 1.0, 2.0, 2.0]))
    elif opset == 10:
        stored["scales"] = np.array([1, 1, 2, 2], np.float32)
        nodes.append(helper.make_node("Resize", ["r", "scales"], ["maps"], mode="nearest"))
    else:
        nodes.append(helper.make_node("Identity", ["r"], ["maps"]))
    if named:
        for number, node in enumerate(nodes):
            node.name = f"node{number}"
    scale = 2 if opset in (8, 10) else 1
    inputs = [helper.make_tensor_value_info("image", code, ["batch", 3, 64, 48])]
    if as_inputs:
        inputs += [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
            for n, v in stored.items()
        ]
    outputs = [helper.make_tensor_value_info("maps", code, ["batch", 17, 16 * scale, 12 * scale])]
    initializers = [numpy_helper.from_array(value, name) for name, value in stored.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializers)
    ir_version = 3 if as_inputs else 8
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version
    )


def maps_of(model, image=IMAGE):
    return backends.open_bytes(model.SerializeToString()).run(image)["maps"]


@pytest.mark.parametrize("opset", [8, 9, 10, 11, 12])
@pytest.mark.parametrize("as_inputs", [False, True])
def test_old_opsets_are_raised_and_compute_the_same(opset, as_inputs):
    old = theirs(opset, as_inputs=as_inputs or opset == 8)
    modern = modernize(old)
    assert modern.opset_import[0].version >= 13
    assert [value.name for value in modern.graph.input] == ["image"]
    np.testing.assert_allclose(maps_of(modern), maps_of(old), atol=1e-6)


def test_float16_networks_are_computed_in_float32():
    modern = modernize(theirs(half=True))
    assert {i.data_type for i in modern.graph.initializer} == {TensorProto.FLOAT}
    whole = theirs()
    np.testing.assert_allclose(maps_of(modern), maps_of(whole), atol=5e-3)


def test_nodes_without_names_get_some():
    modern = modernize(theirs(named=False))
    assert len({node.name for node in modern.graph.node} - {""}) == 3


def test_a_recent_graph_is_left_as_it_is():
    recent = theirs()
    assert modernize(recent) is recent


def test_the_manifest_beside_a_file_is_read_as_the_runtime_does(tmp_path):
    path = tmp_path / "theirs.onnx"
    onnx.save(theirs(), path)
    with pytest.raises(ManifestError, match="adopt"):
        read_onnx(path)
    sidecar.path_of(path).write_bytes(sidecar.encode(MANIFEST, files.read(path)))
    _, manifest = read_onnx(path)
    assert manifest == MANIFEST
    path.write_bytes(path.read_bytes() + b"\0\0")
    with pytest.raises((ModelIntegrityError, ModelError)):
        read_onnx(path)


def test_weights_beside_a_file_are_read_from_its_own_folder(tmp_path, monkeypatch):
    path = tmp_path / "models" / "theirs.onnx"
    path.parent.mkdir()
    onnx.save(theirs(), path, save_as_external_data=True, location="theirs.data", size_threshold=0)
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(maps_of(load_graph(path)), maps_of(theirs()))
    path.with_name("theirs.data").unlink()
    with pytest.raises(ModelError):
        load_graph(path)


def test_weights_outside_of_a_files_folder_are_refused(tmp_path):
    path = tmp_path / "models" / "theirs.onnx"
    path.parent.mkdir()
    onnx.save(theirs(), path, save_as_external_data=True, location="theirs.data", size_threshold=0)
    path.with_name("theirs.data").rename(tmp_path / "outside.data")
    model = onnx.load(path, load_external_data=False)
    for stored in model.graph.initializer:
        for entry in stored.external_data:
            if entry.key == "location":
                entry.value = "../outside.data"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError):
        load_graph(path)


def test_missing_damaged_and_foreign_files_are_told_apart(tmp_path):
    with pytest.raises(ModelFileMissingError, match="cannot read"):
        read_onnx(tmp_path / "none.onnx")
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(bundled.find("lrpose-s", "fp32").read_bytes()[:100_000])
    with pytest.raises(ModelError, match="damaged"):
        read_onnx(cut)
    for name, what in (("m.xml", "IR"), ("m.tflite", "tflite"), ("m.pt", "litepose-export export")):
        with pytest.raises(ExportError, match=what):
            read_onnx(tmp_path / name)
