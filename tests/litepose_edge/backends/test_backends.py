"""Finding, checking and opening models."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest

from litepose_edge import COCO_17, Estimator, backends
from litepose_edge.backends import bundled, files
from litepose_edge.errors import (
    BackendUnavailableError,
    ManifestError,
    ModelError,
    ModelFileMissingError,
)
from litepose_edge.manifest import (
    BottomUpSpec,
    DecodedFormat,
    DetectorSpec,
    InputSpec,
    Manifest,
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("LITEPOSE_EDGE_CACHE", str(folder))
    return folder / "openvino"


def noise(model):
    size = model.manifest.input.size
    shape = (1, 3, size.height, size.width)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.fixture
def pose_file():
    return bundled.find("lrpose-s", "fp32")


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07\x12\x04abcd"])
def test_a_file_that_is_no_model_is_refused(tmp_path, content):
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError):
        backends.find_model(path)


def test_a_truncated_model_is_refused(tmp_path, pose_file):
    path = tmp_path / "cut.onnx"
    content = pose_file.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError):
        backends.find_model(path)


def test_a_model_with_a_damaged_manifest_is_refused(tmp_path, pose_file):
    path = tmp_path / "damaged.onnx"
    path.write_bytes(pose_file.read_bytes().replace(b'"colour":"rgb"', b'"colour":"abc"'))
    with pytest.raises(ManifestError, match="colour"):
        backends.find_model(path)


def test_a_model_with_a_newer_manifest_is_refused(tmp_path, pose_file):
    path = tmp_path / "newer.onnx"
    path.write_bytes(pose_file.read_bytes().replace(b'"schema":1', b'"schema":9'))
    with pytest.raises(ManifestError, match="schema 9"):
        backends.find_model(path)


def test_a_manifest_for_another_input_size_is_refused(tmp_path, pose_file):
    path = tmp_path / "size.onnx"
    width = backends.find_model(pose_file).manifest.input.width
    said, wrong = (f'"width":{n}'.encode() for n in (width, 999))
    path.write_bytes(pose_file.read_bytes().replace(said, wrong))
    with pytest.raises(ManifestError, match="999"):
        backends.find_model(path)


def test_a_folder_is_no_model(tmp_path):
    with pytest.raises(ModelFileMissingError):
        backends.find_model(tmp_path / "sub.onnx")


def test_a_full_range_file_is_refused_where_its_sums_saturate(tmp_path, monkeypatch):
    reduced = bundled.find("lrpose-s", "int8").read_bytes()
    path = tmp_path / "full.onnx"
    # Shorter JSON in a length-prefixed field would not parse; pad with a space JSON ignores.
    path.write_bytes(reduced.replace(b'"u8s8-reduced"', b'"u8s8"        '))
    monkeypatch.setattr(backends, "u8s8_is_exact", lambda: False)
    with pytest.raises(ModelError, match="saturate"):
        backends.find_model(path)
    monkeypatch.setattr(backends, "u8s8_is_exact", lambda: True)
    assert backends.find_model(path).manifest.precision == "int8"


@pytest.mark.parametrize("precision", ["INT8", "fp16", "", 8, "x" * 10**6])
def test_precisions_that_there_are_not_are_refused_for_names_and_paths(precision):
    for model in ("lrpose-n", bundled.find("lrpose-n", "int8")):
        assert backends.find_model(model, precision="int8").manifest.precision == "int8"
        with pytest.raises(ValueError, match="precision must be 'int8' or 'fp32', got") as error:
            backends.find_model(model, precision=precision)
        assert len(str(error.value)) < 200


def test_a_session_that_nobody_asked_for_is_freed(monkeypatch):
    model = backends.find_model("lrpose-n", threads=2)
    session = model.open(2)
    model.close()
    model.close()
    with pytest.raises(RuntimeError, match="closed"):
        session.run(np.zeros((1, 3, 192, 144), np.float32))

    closed = []
    monkeypatch.setattr(backends.Model, "close", lambda model: closed.append(model))
    Estimator("lrpose-n", detector=None).close()
    assert len(closed) == 1


def test_the_probe_is_small_and_answers():
    assert (bundled.FOLDER / bundled.PROBE).stat().st_size < 2048
    assert backends.u8s8_is_exact() in (True, False)


def test_a_missing_backend_names_the_pip_command(monkeypatch):
    import builtins

    real = builtins.__import__

    def without_openvino(name, *args, **kwargs):
        if name == "openvino" or "openvino_session" in (args[2] or ()):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_openvino)
    with pytest.raises(BackendUnavailableError, match=r"pip install 'litepose-edge\[openvino\]'"):
        backends.find_model("lrpose-s", backend="openvino")


@pytest.mark.openvino
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_openvino_sees_what_onnxruntime_sees(precision):
    results = []
    for backend in ("onnxruntime", "openvino"):
        model = backends.find_model("lrpose-s", precision=precision, backend=backend)
        batch = noise(model)
        session = model.open(1)
        results.append(session.run(batch)["heatmaps"])
        session.close()
        session.close()
        with pytest.raises(RuntimeError, match="closed"):
            session.run(batch)
    bound = 1e-3 if precision == "fp32" else 0.3
    assert np.abs(results[0] - results[1]).max() < bound * np.abs(results[0]).max()


@pytest.mark.openvino
def test_openvino_refuses_what_is_no_model(tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(ModelError):
        backends.find_model(path, backend="openvino")


def tiny(path, shape, outputs=("coarse", "fine"), *, factor=2.0):
    """A network that multiplies; gives its path."""
    onnx = pytest.importorskip("onnx")
    make, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [make.make_node("Mul", ["image", "factor"], [name]) for name in outputs]
    graph = make.make_graph(
        nodes,
        "tiny",
        [make.make_tensor_value_info("image", kind, shape)],
        [make.make_tensor_value_info(name, kind, shape) for name in outputs],
        [make.make_tensor("factor", kind, [1], [factor])],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


INPUT = InputSpec(width=32, height=24, colour="rgb", mean=(0, 0, 0), std=(1, 1, 1))


def describing(model, spec: InputSpec = INPUT) -> Manifest:
    return Manifest(schema=1, name="tiny", precision="fp32", input=spec, model=model)


BOTTOM_UP = BottomUpSpec(coarse="coarse", fine="fine", skeleton=COCO_17)
DECODED = DetectorSpec(
    output_format=DecodedFormat(), outputs=("coarse",), fill=(0, 0, 0), max_iou=0.5
)


@pytest.mark.parametrize(
    "backend", ["onnxruntime", pytest.param("openvino", marks=pytest.mark.openvino)]
)
@pytest.mark.parametrize("model", [BOTTOM_UP, DECODED])
def test_a_graph_that_leaves_its_size_open_takes_the_manifests(tmp_path, model, backend):
    path = tiny(tmp_path / "open.onnx", ["N", 3, "H", "W"])
    found = backends.find_model(path, backend=backend, manifest=describing(model))
    session = found.open(1)
    for width in (32, 64):
        assert session.run(np.ones((1, 3, 24, width), np.float32))["fine"].shape[3] == width


@pytest.mark.parametrize(
    "shape",
    [["N", 3, 24, 31], ["N", 3, 25, "W"], ["N", 24, 32, 3], ["N", "C", "H", "W", 1], [3, 24, 32]],
)
def test_a_graph_of_another_shape_is_refused(tmp_path, shape):
    path = tiny(tmp_path / "other.onnx", shape)
    with pytest.raises(ManifestError, match="the graph has"):
        backends.find_model(path, manifest=describing(BOTTOM_UP))


def test_pixels_or_planes_must_be_what_the_graph_takes(tmp_path):
    path = tiny(tmp_path / "pixels.onnx", [1, 24, 32, 3])
    pixels = InputSpec(
        width=32, height=24, colour="rgb", mean=(0, 0, 0), std=(1, 1, 1), layout="nhwc"
    )
    assert backends.find_model(path, manifest=describing(DECODED, pixels)).path == path
    with pytest.raises(ManifestError, match="the graph has"):
        backends.find_model(path, manifest=describing(DECODED))


def test_an_output_that_the_graph_lacks_is_named(tmp_path):
    path = tiny(tmp_path / "one.onnx", [1, 3, 24, 32], ["coarse"])
    with pytest.raises(ManifestError, match="'fine', the graph has coarse"):
        backends.find_model(path, manifest=describing(BOTTOM_UP))


@pytest.mark.openvino
def test_openvino_names_its_precision_and_leaves_no_thread_idle():
    from litepose_edge.backends.openvino_session import MAX_STREAMS, OpenVinoSession

    model = files.read(bundled.find("lrpose-s", "fp32"))
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    for threads in (1, cpus):
        session = OpenVinoSession(model, threads)
        streams = int(session.engine_property("NUM_STREAMS"))
        assert session.engine_property("INFERENCE_PRECISION_HINT").to_string() == "f32"
        assert streams == max(1, min(cpus // threads, MAX_STREAMS))
        assert session.engine_property("INFERENCE_NUM_THREADS") == threads * streams
        session.close()


@pytest.mark.openvino
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_signal_is_handled_after_networks_were_closed_in_the_order_they_were_opened():
    """Cores that were freed in this order took the thread's stack for signals with them."""
    program = """
        import gc, os, signal
        from litepose_edge.backends import find_model
        signal.signal(signal.SIGTERM, lambda *_: print("handled"))
        sessions = [find_model(n, backend="openvino").open(1) for n in ("lrpose-n", "lrpose-s")]
        while sessions:
            sessions.pop(0).close()
            gc.collect()
        os.kill(os.getpid(), signal.SIGTERM)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


@pytest.mark.openvino
def test_openvino_serves_many_threads_what_it_serves_one():
    session = backends.find_model("lrpose-s", backend="openvino").open(1)
    rng = np.random.default_rng(0)
    size = backends.find_model("lrpose-s").manifest.input.size
    shape = (1, 3, size.height, size.width)
    batches = [rng.normal(size=shape).astype(np.float32) for _ in range(6)]
    serial = [session.run(batch)["heatmaps"] for batch in batches]

    def run(i: int) -> bool:
        return np.array_equal(session.run(batches[i % 6])["heatmaps"], serial[i % 6])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(run, range(96)))


@pytest.mark.openvino
def test_openvino_compiles_a_network_once(cache):
    from litepose_edge.backends.openvino_session import OpenVinoSession

    model = files.read(bundled.find("lrpose-s", "int8"))
    batch = noise(backends.find_model("lrpose-s"))
    outputs = []
    for loaded in (False, True):
        session = OpenVinoSession(model, 1)
        assert session.engine_property("LOADED_FROM_CACHE") == loaded
        outputs.append(session.run(batch)["heatmaps"])
        assert len(list(cache.glob("*.blob"))) == 1
    np.testing.assert_array_equal(*outputs)


@pytest.mark.openvino
def test_networks_that_differ_in_weights_alone_are_not_mixed_up_in_the_cache(tmp_path):
    answers = []
    for factor in (2.0, 3.0, 2.0):
        path = tiny(tmp_path / f"{factor}.onnx", [1, 3, 24, 32], factor=factor)
        found = backends.find_model(path, backend="openvino", manifest=describing(BOTTOM_UP))
        answers.append(found.open(1).run(np.ones((1, 3, 24, 32), np.float32))["fine"].mean())
    assert answers == [2.0, 3.0, 2.0]


@pytest.mark.openvino
@pytest.mark.parametrize("trouble", ["damaged", "a file in the way", "switched off", "full"])
def test_openvino_does_without_its_cache(cache, monkeypatch, trouble):
    from litepose_edge.backends import openvino_cache

    found = backends.find_model("lrpose-s", backend="openvino")
    expected = found.open(1).run(noise(found))["heatmaps"]
    match trouble:
        case "damaged":
            for blob in cache.glob("*.blob"):
                blob.chmod(0o600)
                blob.write_bytes(b"damaged")
        case "a file in the way":
            monkeypatch.setenv("LITEPOSE_EDGE_CACHE", __file__)
            assert openvino_cache.folder() is None
        case "switched off":
            monkeypatch.setenv("LITEPOSE_EDGE_CACHE", "")
            assert openvino_cache.folder() is None
        case "full":
            monkeypatch.setattr(openvino_cache, "MAX_FILES", 0)
            openvino_cache.folder()
            assert not list(cache.glob("*.blob"))
    again = backends.find_model("lrpose-s", backend="openvino")
    np.testing.assert_array_equal(again.open(1).run(noise(again))["heatmaps"], expected)


@pytest.fixture
def ort_file(tmp_path):
    """A bundled model saved by ONNX Runtime in its own format."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "lrpose-s.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    source = bundled.find("lrpose-s", "int8")
    onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    return tmp_path / "lrpose-s.ort"


def test_onnxruntimes_own_format_opens_and_keeps_its_manifest(ort_file):
    found, source = backends.find_model(ort_file), backends.find_model("lrpose-s")
    assert found.manifest == source.manifest
    outputs = [model.open(1).run(noise(source))["heatmaps"] for model in (found, source)]
    np.testing.assert_allclose(*outputs, atol=1e-4)


@pytest.mark.openvino
def test_openvino_says_that_it_does_not_read_onnxruntimes_own_format(ort_file):
    with pytest.raises(ModelError, match=r"OpenVINO does not read .*\.ort"):
        backends.find_model(ort_file, backend="openvino")


def test_a_damaged_file_in_onnxruntimes_own_format_is_refused(ort_file):
    content = ort_file.read_bytes()
    ort_file.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError):
        backends.find_model(ort_file)


@pytest.mark.parametrize(
    "backend", ["onnxruntime", pytest.param("openvino", marks=pytest.mark.openvino)]
)
def test_a_size_that_the_network_has_no_answer_for_is_a_model_error(backend):
    pytest.importorskip(backend)
    session = backends.find_model("persondet", backend=backend).open(1)
    with pytest.raises(ModelError, match=r"cannot run the model on \(1, 3, 100, 100\)"):
        session.run(np.zeros((1, 3, 100, 100), np.float32))
    assert session.run(np.zeros((1, 3, 96, 128), np.float32))["level_32"].shape[2:] == (3, 4)
