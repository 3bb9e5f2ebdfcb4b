"""Files made elsewhere: the manifest beside them, and the command that writes it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from litepose_edge import Estimator, Size, backends
from litepose_edge.backends import bundled, files, sidecar
from litepose_edge.cli.app import run
from litepose_edge.errors import (
    ManifestError,
    ModelError,
    ModelFileMissingError,
    ModelIntegrityError,
)
from litepose_edge.manifest import METADATA_KEY
from litepose_edge.sources import read_image


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LITEPOSE_EDGE_CACHE", str(tmp_path / "cache"))


def without_manifest(tmp_path, name: str):
    """A bundled network as others would have published it: without its manifest."""
    content = bundled.find(name, "fp32").read_bytes()
    path = tmp_path / f"{name}.onnx"
    path.write_bytes(content.replace(METADATA_KEY.encode(), b"something_new"))
    assert len(path.read_bytes()) == len(content)
    return path


@pytest.fixture
def detector(tmp_path):
    return without_manifest(tmp_path, "persondet")


@pytest.fixture
def pose(tmp_path):
    return without_manifest(tmp_path, "lrpose-s")


@pytest.fixture
def as_ir(tmp_path):
    """Converts an ONNX file to OpenVINO's own format; gives the `.xml`."""
    openvino = pytest.importorskip("openvino")

    def convert(path):
        target = tmp_path / f"{path.stem}-ir.xml"
        openvino.save_model(openvino.Core().read_model(path), target, compress_to_fp16=False)
        return target

    return convert


def adopt(path, *arguments: str) -> int:
    return run(["adopt", str(path), *arguments])


# Its graph leaves the size free.
SIZE = ("--size", "352x352")
PERSONDET = ("--output-format", "persondet", *SIZE)
LRPOSE = (
    *("--output-format", "heatmap"),
    *("--set", "model.heatmaps.activation=sigmoid"),
    *("--set", "model.heatmaps.alignment=centre"),
    *("--set", "model.heatmaps.refinement=expected-oks"),
)


def said(capsys) -> str:
    """What stderr says, without the frame that is drawn around usage errors."""
    return " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_a_file_without_a_manifest_is_refused_with_the_command_that_helps(detector):
    with pytest.raises(ManifestError, match="litepose-edge adopt"):
        backends.find_model(detector)


def test_an_adopted_detector_finds_what_the_bundled_one_finds(detector, photographs, capsys):
    image = read_image(photographs / "astronaut.png")
    assert adopt(detector, *PERSONDET, "--name", "mine") == 0
    assert "persondet.onnx.json" in capsys.readouterr().out
    with (
        Estimator(precision="fp32", detector_size=352) as ours,
        Estimator(precision="fp32", detector=detector) as adopted,
    ):
        expected, found = ours.predict(image), adopted.predict(image)
    assert len(found) == 1
    np.testing.assert_allclose(found.boxes_xyxy, expected.boxes_xyxy, atol=1e-3)
    assert backends.find_model(detector).manifest.name == "mine"


def test_an_adopted_pose_network_gives_the_bundled_ones_keypoints(pose, frame):
    assert adopt(pose, *LRPOSE) == 0
    box = [[10, 10, 120, 100]]
    with (
        Estimator(precision="fp32", detector=None) as ours,
        Estimator(pose, detector=None) as adopted,
    ):
        expected = ours.predict(frame, boxes_xyxy=box)
        found = adopted.predict(frame, boxes_xyxy=box)
    np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=0.05)


def test_the_same_file_adopted_twice_gives_the_same_bytes(detector):
    path = sidecar.path_of(detector)
    assert adopt(detector, *PERSONDET) == 0
    first = path.read_bytes()
    assert adopt(detector, *PERSONDET) == 0
    assert path.read_bytes() == first


def test_a_file_changed_after_adoption_is_refused(detector):
    assert adopt(detector, *PERSONDET) == 0
    content = bytearray(detector.read_bytes())
    content[len(content) // 2] ^= 1
    detector.write_bytes(content)
    with pytest.raises(ModelIntegrityError, match="SHA-256"):
        backends.find_model(detector)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda d: d.pop("sha256"), ManifestError),
        (lambda d: d.pop("manifest"), ManifestError),
        (lambda d: d.update(extra=1), ManifestError),
        (lambda d: d.update(sha256="0" * 64), ModelIntegrityError),
        (lambda d: d["manifest"].update(schema=9), ManifestError),
        (lambda d: d["manifest"].update(colour="rgb"), ManifestError),
        (lambda d: d["manifest"]["model"].update(outputs=["nothing"] * 3), ManifestError),
        (lambda d: d["manifest"]["model"].update(strides=[8, 16]), ManifestError),
        (lambda d: d["manifest"]["model"].update(output_format="yolov3"), ManifestError),
    ],
)
def test_a_sidecar_that_was_damaged_is_refused(detector, change, error):
    assert adopt(detector, *PERSONDET) == 0
    path = sidecar.path_of(detector)
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(error):
        backends.find_model(detector)
    path.write_bytes(b"\xff not JSON")
    with pytest.raises(ManifestError):
        backends.find_model(detector)


def test_what_lies_inside_a_file_counts_more_than_what_lies_beside_it(tmp_path, detector):
    assert adopt(detector, *PERSONDET, "--name", "from beside") == 0
    ours = tmp_path / "ours.onnx"
    ours.write_bytes(bundled.find("persondet", "fp32").read_bytes())
    document = json.loads(sidecar.path_of(detector).read_text())
    document["sha256"] = json.loads(
        sidecar.encode(backends.find_model("persondet").manifest, files.read(ours))
    )["sha256"]
    sidecar.path_of(ours).write_text(json.dumps(document))
    assert backends.find_model(ours).manifest.name == "persondet"


def test_a_file_that_describes_itself_is_not_adopted(tmp_path, capsys):
    path = tmp_path / "ours.onnx"
    path.write_bytes(bundled.find("persondet", "fp32").read_bytes())
    assert adopt(path, *PERSONDET) == 2
    assert "carries a manifest already" in said(capsys)
    assert not sidecar.path_of(path).exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--output-format", "yolox"), 3, "rows"),
        (("--output-format", "rtmdet"), 2, "do not fit"),
        (("--output-format", "decoded"), 3, "one image"),
        (("--output-format", "heatmap"), 3, "17 keypoints"),
        (("--output-format", "simcc"), 3, "17 keypoints"),
        ((*PERSONDET, "--size", "100x100"), 3, "cannot run the model on (1, 3, 100, 100)"),
        ((*PERSONDET, "--size", "large"), 2, "WIDTHxHEIGHT"),
        ((*PERSONDET, "--output", "nothing"), 2, "do not fit"),
        ((*PERSONDET, *["--output", "nothing"] * 3), 2, "3 times"),
        ((*PERSONDET, "--output", "a", "--output", "b", "--output", "c"), 3, "output 'a'"),
        ((*PERSONDET, "--set", "input.colour"), 2, "KEY=VALUE"),
        ((*PERSONDET, "--set", "input.colour=rbg"), 2, "rbg"),
        ((*PERSONDET, "--set", "input.colour.red=1"), 2, "no such field"),
        ((*PERSONDET, "--set", "model.nms=1"), 2, "nms"),
        ((*PERSONDET, "--keypoints", "12"), 2, "12 keypoints"),
        (("--output-format", "no-such-format"), 2, "no-such-format"),
    ],
)
def test_an_output_format_that_does_not_fit_writes_nothing(detector, arguments, code, says, capsys):
    assert adopt(detector, *SIZE, *arguments) == code
    assert says in said(capsys)
    assert not sidecar.path_of(detector).exists()


def test_every_field_can_be_set(detector):
    changes = {
        "input.colour": "bgr",
        "input.mean": "[1, 2, 3]",
        "model.fill": "[9, 8, 7]",
        "model.max_iou": "0.4",
        "model.placement": "corner",
        "training.licence": "BSD-3-Clause",
    }
    settings = [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]
    assert adopt(detector, *PERSONDET, "--precision", "int8", *settings) == 0
    manifest = backends.find_model(detector).manifest
    assert manifest.input.colour == "bgr"
    assert manifest.input.mean == (1, 2, 3)
    assert manifest.model.fill == (9, 8, 7)
    assert manifest.model.max_iou == 0.4
    assert manifest.model.placement == "corner"
    assert manifest.training.licence == "BSD-3-Clause"
    assert manifest.precision == "int8"
    with pytest.raises(ModelError, match="precision='fp32'"):
        backends.find_model(detector, precision="fp32")


def test_a_place_that_cannot_be_written_is_exit_code_1(detector, capsys):
    sidecar.path_of(detector).mkdir()
    (sidecar.path_of(detector) / "in the way").touch()
    assert adopt(detector, *PERSONDET) == 1
    assert "cannot write" in said(capsys)


@pytest.fixture
def network(tmp_path):
    """Writes a network with outputs of the given shapes, all 0.5; gives its path."""
    onnx = pytest.importorskip("onnx")
    make, kind = onnx.helper, onnx.TensorProto.FLOAT

    def write(shapes: dict[str, list[int]], input_shape=(1, 3, 64, 64)):
        nodes = [
            make.make_node("ReduceMax", ["image"], ["most"], keepdims=0),
            make.make_node("Mul", ["most", "nothing"], ["zero"]),
        ]
        constants = [make.make_tensor("nothing", kind, [], [0.0])]
        for name, shape in shapes.items():
            values = np.full(shape, 0.5, np.float32)
            constants.append(onnx.numpy_helper.from_array(values, f"{name}_constant"))
            nodes.append(make.make_node("Add", ["zero", f"{name}_constant"], [name]))
        graph = make.make_graph(
            nodes,
            "constant",
            [make.make_tensor_value_info("image", kind, input_shape)],
            [make.make_tensor_value_info(n, kind, shape) for n, shape in shapes.items()],
            constants,
        )
        opset = [make.make_opsetid("", 13)]
        path = tmp_path / "constant.onnx"
        path.write_bytes(
            make.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
        )
        return path

    return write


# Cells of a 64 x 64 input at strides 8, 16, 32, 64 and 128.
CELLS = (64, 16, 4, 1, 1)


def per_level(levels: int, *columns: int) -> dict[str, list[int]]:
    return {
        f"{kind}_{level}": [1, CELLS[level], width]
        for kind, width in enumerate(columns)
        for level in range(levels)
    }


V8 = (
    *("--output", "output0"),
    *("--set", 'model.output_format.columns=["cx","cy","w","h"]'),
    *("--set", 'model.output_format.transposed=["output0"]'),
)


@pytest.mark.parametrize(
    ("output_format", "shapes", "arguments"),
    [
        ("yolox", {"o": [1, 84, 85]}, ()),
        ("nanodet", per_level(3, 80, 32), ()),
        ("nanodet-plus", {"o": [1, 85, 112]}, ()),
        ("gfl", per_level(5, 80, 68), ()),
        ("picodet", per_level(4, 1, 32), ()),
        ("picodet-decoded", {"boxes": [1, 85, 4], "scores": [1, 1, 85]}, ()),
        ("rtmdet", per_level(3, 1, 4), ()),
        ("decoded", {"dets": [1, 10, 5], "labels": [1, 10]}, ()),
        ("decoded", {"output0": [1, 84, 84]}, V8),
        ("fastestdet", {"o": [1, 85, 4, 4]}, ()),
        ("heatmap", {"o": [1, 17, 16, 16]}, ()),
        ("heatmap", {"o": [1, 14, 16, 16]}, ("--keypoints", "14")),
        ("simcc", {"simcc_x": [1, 17, 128], "simcc_y": [1, 17, 128]}, ()),
        ("movenet", {"o": [1, 1, 17, 3]}, ()),
    ],
)
def test_a_network_of_each_output_format_is_adopted(
    network, output_format, shapes, arguments, frame
):
    path = network(shapes)
    assert adopt(path, "--output-format", output_format, *arguments) == 0
    pose = output_format in ("heatmap", "simcc", "movenet")
    options = {"model": path, "detector": None} if pose else {"detector": path}
    box = [[0, 0, 50, 100]] if pose else None
    with Estimator(threads=1, **options) as estimator:
        poses = estimator.predict(frame, boxes_xyxy=box)
    assert np.isfinite(poses.keypoints).all()
    assert len(poses) == 1 or not pose


def test_a_graph_of_any_size_needs_a_size(network, capsys):
    path = network({"o": [1, 17, 16, 16]}, input_shape=(1, 3, "height", "width"))
    assert adopt(path, "--output-format", "heatmap") == 2
    assert "--size" in said(capsys)
    assert adopt(path, "--output-format", "heatmap", "--size", "48x64") == 0
    assert backends.find_model(path).manifest.input.size == Size(48, 64)


def test_pixels_in_the_last_axis_are_seen(network):
    path = network({"o": [1, 17, 3]}, input_shape=(1, 64, 48, 3))
    assert adopt(path, "--output-format", "movenet") == 0
    spec = backends.find_model(path).manifest.input
    assert (spec.layout, spec.dtype, spec.size) == ("nhwc", "float32", Size(48, 64))


def test_an_input_that_is_no_image_is_refused(network, capsys):
    path = network({"o": [1, 17, 3]}, input_shape=(1, 3, 64))
    assert adopt(path, "--output-format", "movenet") == 3
    assert "supported are images" in said(capsys)


@pytest.mark.openvino
def test_an_ir_detector_serves_a_bundled_pose_network(tmp_path, detector, as_ir, photographs):
    path = as_ir(detector)
    image = read_image(photographs / "astronaut.png")
    assert adopt(path, *PERSONDET) == 0
    with (
        Estimator(precision="fp32", detector_size=352) as ours,
        Estimator(precision="fp32", detector=path, backend="openvino") as adopted,
    ):
        expected, found = ours.predict(image), adopted.predict(image)
    assert len(found) == 1
    np.testing.assert_allclose(found.boxes_xyxy, expected.boxes_xyxy, atol=0.1)


@pytest.mark.openvino
def test_an_ir_file_needs_openvino_and_the_weights_it_was_adopted_with(detector, as_ir):
    path = as_ir(detector)
    assert adopt(path, *PERSONDET) == 0
    with pytest.raises(ModelError, match='backend="openvino"'):
        backends.find_model(path)
    assert backends.find_model(path, backend="openvino").manifest.input.width == 352
    weights = path.with_suffix(".bin")
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelIntegrityError, match=r"\.bin has SHA-256"):
        backends.find_model(path, backend="openvino")
    weights.unlink()
    with pytest.raises(ModelFileMissingError, match=r"\.bin"):
        backends.find_model(path, backend="openvino")


def test_tflite_names_the_backend_that_reads_it(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"anything")
    with pytest.raises(ModelError, match='backend="openvino"'):
        backends.find_model(path)
