"""INT8 OpenVINO IR made by NNCF, through the same gate."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("nncf")
pytestmark = [pytest.mark.export, pytest.mark.openvino, pytest.mark.nncf]

from litepose_edge import Estimator, backends  # noqa: E402
from litepose_edge.backends import bundled, sidecar  # noqa: E402
from litepose_edge.errors import ModelIntegrityError  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_edge.sources import read_image  # noqa: E402
from litepose_export.cli import app  # noqa: E402
from litepose_export.errors import AccuracyGateError, ExportError  # noqa: E402
from litepose_export.quantization.gate.bounds import Bounds  # noqa: E402
from litepose_export.quantization.nncf_ir import IrOptions, output_layers, quantize_ir  # noqa: E402
from paths import ROOT  # noqa: E402

# The networks were not trained on drawn figures: only whether the gate is asked is tested.
ANYTHING = Bounds(None, None, None, None, None)
QUICK = IrOptions(count=6, bounds=ANYTHING, gate_people=8, latency_s=0.0)
SOURCE = ROOT / "export" / "weights" / "lrpose-n.fp32.onnx"


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITEPOSE_EDGE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def ir(photo_dataset, tmp_path_factory):
    target = tmp_path_factory.mktemp("ir") / "s.xml"
    dataset = read_coco(photo_dataset)
    return target, quantize_ir(SOURCE, target, dataset, QUICK, held_out=dataset)


def test_an_ir_is_three_files_and_knows_its_contract(ir):
    target, report = ir
    assert {p.name for p in target.parent.iterdir()} == {"s.xml", "s.bin", "s.xml.json"}
    manifest = backends.find_model(target, backend="openvino").manifest
    assert manifest.precision == "int8"
    assert manifest.quantization.method.startswith("NNCF")
    assert manifest.quantization.gate == report.verdict == "too few"
    assert manifest.parity["gate_people"] == report.gate.people == 8
    assert manifest.model == backends.find_model(SOURCE).manifest.model


def test_an_ir_finds_the_keypoints_of_its_source(ir, photographs):
    picture = read_image(photographs / "astronaut.png")
    poses = []
    for path in (SOURCE, ir[0]):
        with Estimator(path, detector=None, backend="openvino", precision=None) as estimator:
            poses.append(estimator.predict(picture, boxes_xyxy=[[60, 0, 440, 511]]))
    face = slice(0, 7)  # in full view
    shift_px = np.linalg.norm(poses[0].keypoints - poses[1].keypoints, axis=2)[0, face]
    # Calibrated on six drawn figures; the face is 130 px wide.
    assert np.median(shift_px) < 8


def test_the_output_layer_stays_float_and_the_rest_becomes_int8(ir):
    target, report = ir
    assert len(report.float_layers) == 1
    assert report.size_bytes < 0.9 * SOURCE.stat().st_size
    assert 'element_type="i8"' in target.read_text("utf-8")


def test_the_same_photographs_give_the_same_weights(ir, photo_dataset, tmp_path):
    dataset = read_coco(photo_dataset)
    quantize_ir(SOURCE, tmp_path / "s.xml", dataset, QUICK, held_out=dataset)
    # OpenVINO numbers the names in the .xml through the whole process: the same command gives the
    # same bytes of it, a second call does not.
    assert (tmp_path / "s.bin").read_bytes() == ir[0].with_suffix(".bin").read_bytes()


def test_weights_that_were_changed_are_refused(ir, tmp_path):
    for path in ir[0].parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = tmp_path / "s.bin"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00\x00")
    with pytest.raises(ModelIntegrityError, match=r"s\.bin"):
        backends.find_model(tmp_path / "s.xml", backend="openvino")


def test_an_ir_that_the_gate_refuses_is_not_written(photo_dataset, tmp_path):
    dataset = read_coco(photo_dataset)
    strict = IrOptions(count=2, bounds=Bounds(max_shift_px=-1.0), gate_people=8, latency_s=0.0)
    with pytest.raises(AccuracyGateError, match="refused"):
        quantize_ir(SOURCE, tmp_path / "s.xml", dataset, strict, held_out=dataset)
    assert not list(tmp_path.iterdir())


def test_only_float_files_become_ir_files(photo_dataset, tmp_path):
    dataset = read_coco(photo_dataset)
    with pytest.raises(ExportError, match=r"end in \.xml"):
        quantize_ir(SOURCE, tmp_path / "s.onnx", dataset, QUICK)
    quantized = bundled.FOLDER / "lrpose-s.int8.onnx"
    with pytest.raises(ExportError, match="quantized already"):
        quantize_ir(quantized, tmp_path / "s.xml", dataset, QUICK)


def test_the_command_stamps_what_it_was_forced_to_write(photo_dataset, tmp_path, capsys):
    target = tmp_path / "d.xml"
    command = ["quantize-openvino", str(SOURCE), "--calibration", str(photo_dataset)]
    command += ["--gate", str(photo_dataset), "--out", str(target), "--count", "2"]
    strict = ["--gate-people", "8", "--max-shift-px", "-1"]
    assert app.run([*command, *strict]) == 3
    assert not target.exists()
    capsys.readouterr()
    assert app.run([*command, *strict, "--force", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "forced"
    assert sidecar.path_of(target).exists()
    found = backends.find_model(target, backend="openvino")
    assert found.manifest.quantization.gate == "forced"


def test_the_layers_that_write_outputs_are_found_behind_linear_heads():
    ops = pytest.importorskip("openvino").opset13
    openvino = pytest.importorskip("openvino")
    image = ops.parameter([1, 4, 8], np.float32, "image")
    hidden = ops.matmul(image, ops.constant(np.ones((8, 8), np.float32)), False, False)
    hidden.set_friendly_name("hidden")
    attention = ops.matmul(hidden, hidden, False, True)
    last = ops.matmul(attention, ops.constant(np.ones((4, 6), np.float32)), False, False)
    last.set_friendly_name("last")
    network = openvino.Model([ops.softmax(last, 2)], [image], "head")
    assert output_layers(network) == ("last",)


@pytest.mark.slow
def test_accuracy_control_leaves_operations_in_float_for_tight_bounds(photo_dataset, tmp_path):
    dataset = read_coco(photo_dataset)
    bounds = Bounds(0.15, 5.0, None, None, None)
    options = replace(QUICK, bounds=bounds, accuracy_aware=True, force=True)
    aware = quantize_ir(SOURCE, tmp_path / "a.xml", dataset, options, held_out=dataset)
    plain = quantize_ir(
        SOURCE, tmp_path / "b.xml", dataset, replace(QUICK, force=True), held_out=dataset
    )
    assert aware.gate.shift_px < plain.gate.shift_px
    manifest = backends.find_model(tmp_path / "a.xml", backend="openvino").manifest
    assert "accuracy control" in manifest.quantization.method
