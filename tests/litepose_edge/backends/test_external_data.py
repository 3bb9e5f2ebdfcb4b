"""ONNX files whose weights lie beside them: from any folder, from no other folder."""

from __future__ import annotations

import os

import numpy as np
import pytest

from litepose_edge import COCO_17, Estimator, backends
from litepose_edge.backends import files, sidecar
from litepose_edge.errors import (
    ManifestError,
    ModelError,
    ModelFileMissingError,
    ModelIntegrityError,
)
from litepose_edge.manifest import HeatmapSpec, InputSpec, Manifest, TopDownSpec

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

pytestmark = pytest.mark.export

FRAME, BOX = np.full((200, 150, 3), 90, np.uint8), [[20, 20, 120, 180]]
IMAGE = np.random.default_rng(1).normal(size=(1, 3, 64, 48)).astype(np.float32)
MANIFEST = Manifest(
    schema=1,
    name="net",
    precision="fp32",
    input=InputSpec(width=48, height=64, colour="rgb", mean=(0, 0, 0), std=(255, 255, 255)),
    model=TopDownSpec(
        padding=1.25,
        skeleton=COCO_17,
        heatmaps=HeatmapSpec(
            output="maps", activation="linear", alignment="corner", refinement="dark"
        ),
    ),
)  # fmt: skip


def network(bias=0.1):
    rng = np.random.default_rng(0)
    kernel = numpy_helper.from_array(
        rng.normal(0, 0.05, (17, 3, 4, 4)).astype(np.float32), "kernel"
    )
    shift = numpy_helper.from_array(np.full(17, bias, np.float32), "shift")
    nodes = [
        helper.make_node("Constant", [], ["shift"], value=shift),
        helper.make_node("Conv", ["image", "kernel", "shift"], ["maps"], strides=[4, 4]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 64, 48])],
        [helper.make_tensor_value_info("maps", TensorProto.FLOAT, [1, 17, 16, 12])],
        [kernel],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def saved(folder, location="net.onnx.data", bias=0.1):
    """A network as torch saves it, the tensors of attributes in the file as well."""
    path = folder / "net.onnx"
    (folder / location).unlink(missing_ok=True)
    onnx.save(
        network(bias), path, save_as_external_data=True, location=location, size_threshold=0,
        convert_attribute=True,
    )  # fmt: skip
    return path


def named(path, location):
    """The same file, which says that its weights are elsewhere."""
    model = onnx.load(path, load_external_data=False)
    tensors = [*model.graph.initializer, model.graph.node[0].attribute[0].t]
    for entry in (entry for tensor in tensors for entry in tensor.external_data):
        if entry.key == "location":
            entry.value = location
    path.write_bytes(model.SerializeToString())


def described(path):
    sidecar.path_of(path).write_bytes(sidecar.encode(MANIFEST, files.read(path)))
    return path


@pytest.mark.parametrize(
    "backend", ["onnxruntime", pytest.param("openvino", marks=pytest.mark.openvino)]
)
def test_such_a_file_runs_as_the_whole_one_from_any_folder(tmp_path, monkeypatch, backend):
    if backend == "openvino":
        pytest.importorskip("openvino")
    path = described(saved(tmp_path))
    monkeypatch.chdir("/")
    expected = backends.open_bytes(network().SerializeToString(), backend=backend).run(IMAGE)[
        "maps"
    ]
    found = backends.find_model(path, backend=backend).open(1).run(IMAGE)["maps"]
    np.testing.assert_array_equal(found, expected)
    monkeypatch.chdir(tmp_path)
    with Estimator("net.onnx", detector=None, backend=backend) as estimator:
        assert len(estimator.predict(FRAME, boxes_xyxy=BOX)) == 1


def test_weights_in_a_folder_below_are_the_models_own(tmp_path):
    (tmp_path / "weights").mkdir()
    path = described(saved(tmp_path, "weights/0.bin"))
    assert backends.find_model(path).open(1).run(IMAGE)["maps"].shape == (1, 17, 16, 12)


def test_a_cache_of_links_is_read(tmp_path):
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    path = saved(tmp_path / "blobs")
    for name in ("net.onnx", "net.onnx.data"):
        (tmp_path / "snapshot" / name).symlink_to(path.with_name(name))
    assert files.read(tmp_path / "snapshot" / "net.onnx").weights is not None


def test_swapped_weights_are_refused(tmp_path):
    path = described(saved(tmp_path))
    graph = path.read_bytes()
    saved(tmp_path, bias=0.9)
    assert path.read_bytes() == graph
    with pytest.raises(ModelIntegrityError, match=r"external data of .* has SHA-256"):
        backends.find_model(path)
    described(path)
    assert backends.find_model(path)


def test_the_sum_of_one_weights_file_is_that_of_the_file(tmp_path):
    path = saved(tmp_path)
    assert files.read(path).weights == (tmp_path / "net.onnx.data").read_bytes()


@pytest.mark.parametrize(
    "location",
    ["../net.onnx.data", "/etc/passwd", "a/../../net.onnx.data", "*/_ORT_MEM_ADDR_/*",
     "_ORT_MEM_ADDR_", "C:\\net.onnx.data", "..\\net.onnx.data", "", ".", "outside"],
)  # fmt: skip
@pytest.mark.parametrize(
    "backend", ["onnxruntime", pytest.param("openvino", marks=pytest.mark.openvino)]
)
def test_weights_elsewhere_are_refused_before_an_engine_sees_them(tmp_path, location, backend):
    folder = tmp_path / "model"
    folder.mkdir()
    path = saved(folder)
    (tmp_path / "net.onnx.data").write_bytes((folder / "net.onnx.data").read_bytes())
    (folder / "outside").symlink_to(tmp_path / "net.onnx.data")
    named(path, location)
    with pytest.raises((ModelError, ModelFileMissingError)) as caught:
        backends.find_model(path, backend=backend, manifest=MANIFEST)
    assert not isinstance(caught.value, ManifestError)
    assert "keeps weights in" in str(caught.value)


def test_missing_weights_are_named(tmp_path):
    path = saved(tmp_path)
    (tmp_path / "net.onnx.data").unlink()
    with pytest.raises(ModelFileMissingError, match=r"net\.onnx\.data"):
        backends.find_model(path, manifest=MANIFEST)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_holds_no_weights(tmp_path):
    path = saved(tmp_path)
    (tmp_path / "net.onnx.data").unlink()
    os.mkfifo(tmp_path / "net.onnx.data")
    with pytest.raises(ModelError, match="no regular file"):
        backends.find_model(path, manifest=MANIFEST)


@pytest.mark.parametrize("key", ["offset", "length"])
@pytest.mark.parametrize("value", ["-1", "999999999", "x", str(2**70)])
def test_a_place_beyond_the_file_is_refused(tmp_path, key, value):
    path = saved(tmp_path)
    model = onnx.load(path, load_external_data=False)
    entries = model.graph.initializer[0].external_data
    next(entry for entry in entries if entry.key == key).value = value
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="damaged"):
        backends.find_model(path, manifest=MANIFEST)


def test_a_cut_file_is_damaged(tmp_path):
    path = saved(tmp_path)
    content = path.read_bytes()
    for length in range(20, len(content), 37):
        path.write_bytes(content[:length])
        with pytest.raises(ModelError):
            backends.find_model(path, manifest=MANIFEST)


def test_a_model_in_memory_names_no_file(tmp_path):
    content = saved(tmp_path).read_bytes()
    with pytest.raises(ModelError, match="in memory"):
        backends.open_bytes(content)


def test_a_whole_file_is_left_as_it_is(tmp_path):
    path = tmp_path / "net.onnx"
    model = network()
    model.doc_string = "a location of no file"
    path.write_bytes(model.SerializeToString())
    found = files.read(path)
    assert found.loadable == path.read_bytes()
    assert found.weights is None
