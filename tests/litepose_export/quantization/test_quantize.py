"""Float file to INT8 file: schemes, repeatability, the gate's answer, the command line."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import onnx  # noqa: E402
import torch  # noqa: E402

from litepose_edge import Estimator, backends  # noqa: E402
from litepose_edge.backends import bundled  # noqa: E402
from litepose_edge.backends.signed_activations import with_signed_activations  # noqa: E402
from litepose_edge.errors import UnsupportedModelError  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.accuracy.coco import CocoDataset, read_coco  # noqa: E402
from litepose_export.cli import app  # noqa: E402
from litepose_export.conversion import storage  # noqa: E402
from litepose_export.conversion.sample_inputs import calibration_inputs, read_folder, split  # noqa: E402
from litepose_export.conversion.to_onnx import export_graph  # noqa: E402
from litepose_export.errors import AccuracyGateError, ExportError  # noqa: E402
from litepose_export.models import manifests, networks  # noqa: E402
from litepose_export.models.architectures.lrpose import LRPose  # noqa: E402
from litepose_export.quantization import job, work  # noqa: E402
from litepose_export.quantization import options as asked  # noqa: E402
from litepose_export.quantization.gate.bounds import Bounds  # noqa: E402
from litepose_export.quantization.job import quantize  # noqa: E402
from litepose_export.quantization.options import QuantizeOptions  # noqa: E402
from paths import ROOT  # noqa: E402

# The smallest trained pose network.
SOURCE = ROOT / "export" / "weights" / "lrpose-n.fp32.onnx"
DETECTOR = bundled.FOLDER / "persondet.fp32.onnx"
# Among four people a change of ranks alone takes .02 of AP.
FEW = Bounds(max_ap_drop=0.05)
QUICK = QuantizeOptions(count=12, gate_people=4, latency_s=0, bounds=FEW)
BROKEN = replace(QUICK, method="percentile", percentile=90.0)


@pytest.fixture(scope="module")
def people(people_dataset):
    return read_coco(people_dataset)


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """A folder of pictures without anything in them, whole pictures as boxes."""
    folder = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(1)
    for number in range(6):
        picture = rng.integers(0, 64, (96, 72, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    return read_folder(folder, lambda image: np.array([[0, 0, 72, 96]], np.float32))


@pytest.mark.parametrize(
    ("target", "scheme"), [("x86", "u8s8-reduced"), ("x86-vnni", "u8s8"), ("arm", "s8s8")]
)
def test_int8_files_say_how_they_were_made_and_run(people, tmp_path, target, scheme):
    path = tmp_path / "s.onnx"
    if scheme == "u8s8" and not backends.u8s8_is_exact():
        pytest.skip("sums of full-range U8S8 saturate on this CPU")
    report = quantize(SOURCE, path, people, replace(QUICK, target=target))
    assert report.scheme == scheme
    assert report.size_bytes == path.stat().st_size
    manifest = backends.find_model(path).manifest
    assert manifest.quantization.scheme == scheme
    assert manifest.quantization.gate == report.verdict == "too few"
    assert "96 people" in report.shortage
    assert manifest.quantization.bounds["max_shift_px"] == 0.5
    low, high = manifest.quantization.intervals["shift_px"]
    assert low <= report.gate.shift_px <= high
    assert manifest.quantization.float_layers == report.float_layers
    assert manifest.parity["shift_median_px"] == pytest.approx(report.gate.shift_px, abs=1e-4)
    with Estimator(path, detector=None) as estimator:
        poses = estimator.predict(np.zeros((90, 90, 3), np.uint8), boxes_xyxy=[[5, 5, 60, 80]])
    assert poses.keypoints.shape == (1, 17, 2)


def test_full_range_files_are_made_where_the_gate_can_check_them(people, tmp_path, monkeypatch):
    monkeypatch.setattr(backends, "u8s8_is_exact", lambda: False)
    path = tmp_path / "s.onnx"
    full = replace(QUICK, target="x86-vnni")
    with pytest.raises(ExportError, match="quantize on a CPU with VNNI"):  # before any work
        quantize(SOURCE, path, people, full)
    assert not path.exists()
    assert quantize(SOURCE, path, people, replace(full, force=True)).verdict == "forced"
    with pytest.raises(UnsupportedModelError, match="saturate on this CPU"):
        backends.find_model(path)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A float file of the smallest pose network, untrained, for a quarter of its input."""
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("small") / "n.onnx"
    manifest = manifests.manifest(networks.find("lrpose-n"), 17, Size(32, 64))
    storage.store(export_graph(LRPose("n"), manifest.input, ["heatmaps"]), manifest, path)
    return path


def test_quantizing_twice_gives_the_same_bytes_and_seven_bit_weights(small, people, tmp_path):
    files = []
    chosen = replace(
        QUICK,
        equalize=True,
        gptq=True,
        bias_correction=True,
        finetune_steps=2,
        force=True,  # whether it is any good is not asked here
    )
    for name in ("a.onnx", "b.onnx"):
        quantize(small, tmp_path / name, people, chosen)
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]
    weights = [
        onnx.numpy_helper.to_array(i)
        for i in onnx.load_from_string(files[0]).graph.initializer
        if i.data_type == onnx.TensorProto.INT8 and len(i.dims) == 4
    ]
    assert len(weights) > 20
    assert max(np.abs(w.astype(int)).max() for w in weights) <= 64


def test_fine_tuning_draws_from_the_batches_it_is_given(small, people, tmp_path):
    asked = []

    def batches(count, size):
        asked.append(size)
        while True:
            yield np.zeros((count, 3, 64, 32), np.float32)

    chosen = replace(QUICK, finetune_steps=1, force=True)
    quantize(small, tmp_path / "q.onnx", people, chosen, batches=batches)
    assert asked == [Size(32, 64)]


def test_calibration_on_noise_that_clips_a_tenth_is_refused_and_nothing_is_written(
    people, noise, tmp_path
):
    with pytest.raises(AccuracyGateError, match="median shift") as refused:
        quantize(SOURCE, tmp_path / "s.onnx", noise, BROKEN, held_out=people)
    assert refused.value.figures.shift_px > 0.5
    assert list(tmp_path.iterdir()) == []


def test_who_forces_a_refused_file_gets_it_stamped(people, noise, tmp_path):
    path = tmp_path / "s.onnx"
    report = quantize(SOURCE, path, noise, replace(BROKEN, force=True), held_out=people)
    assert report.verdict == "forced"
    assert report.failures
    manifest = backends.find_model(path).manifest
    assert manifest.quantization.gate == "forced"
    assert manifest.parity["shift_median_px"] > 0.5


def test_a_network_that_finds_no_person_cannot_pass(noise, tmp_path):
    with pytest.raises(AccuracyGateError, match="nothing to compare"):
        quantize(SOURCE, tmp_path / "s.onnx", noise, QUICK)


def test_the_arm_file_computes_what_the_x86_file_computes(people, tmp_path):
    path, arm_out = tmp_path / "x86.onnx", tmp_path / "arm.onnx"
    quantize(SOURCE, path, people, replace(QUICK, equalize=True, arm_out=arm_out))
    model = backends.find_model(arm_out)
    assert model.manifest.quantization.scheme == "s8s8"
    kinds = {
        i.data_type
        for i in onnx.load(arm_out).graph.initializer
        if i.name.endswith("_zero_point") and not i.dims
    }
    assert kinds == {onnx.TensorProto.INT8}
    # The runtime makes the same of the x86 file when it reads one on ARM.
    read = onnx.load_from_string(with_signed_activations(path.read_bytes()))
    assert _values(read) == _values(onnx.load(arm_out))
    assert list(read.graph.node) == list(onnx.load(arm_out).graph.node)
    batch = calibration_inputs(people, model.manifest, 4).batch(range(4))
    outputs = [backends.open_bytes(p.read_bytes()).run(batch)["heatmaps"] for p in (path, arm_out)]
    # Kernels for both formats may round a tie differently; a wrong zero point is off by far more.
    error = np.abs(outputs[0] - outputs[1])
    assert np.median(error) < 0.02
    assert np.corrcoef(outputs[0].ravel(), outputs[1].ravel())[0, 1] > 0.998


def test_a_detector_is_compared_by_its_boxes(people, tmp_path):
    path = tmp_path / "d.onnx"
    lenient = replace(QUICK, bounds=Bounds(max_ap_drop=None, min_recall=0.5))
    report = quantize(DETECTOR, path, people, lenient)
    assert report.gate.shift_px is None
    assert report.gate.recall >= 0.5
    assert report.gate.ap_int8 is not None
    impossible = replace(QUICK, bounds=Bounds(max_ap_drop=None, min_recall=1.1))
    with pytest.raises(AccuracyGateError, match="recall"):
        quantize(DETECTOR, tmp_path / "e.onnx", people, impossible)


def test_bounds_that_only_float_layers_can_meet_are_met_by_leaving_layers_in_float(
    people, tmp_path, monkeypatch
):
    monkeypatch.setattr(work, "SEARCH_INPUTS", 3)
    monkeypatch.setattr(job, "SEARCH_PEOPLE", 4)
    plain = quantize(SOURCE, tmp_path / "a.onnx", people, QUICK)
    # Far below: the search compares on other photographs, whose shift may be smaller.
    bound = 0.4 * plain.gate.shift_px
    tight = replace(QUICK, search=True, bounds=Bounds(bound, None, None, None, None), force=True)
    searched = quantize(SOURCE, tmp_path / "b.onnx", people, tight)
    assert 0 < len(searched.searched) < len(searched.sensitivity)
    assert set(searched.searched) <= set(searched.float_layers)
    assert searched.gate.shift_px < plain.gate.shift_px


def test_an_int8_file_is_not_quantized_again(people, tmp_path):
    source = bundled.FOLDER / "lrpose-s.int8.onnx"
    with pytest.raises(ExportError, match="quantized already"):
        quantize(source, tmp_path / "s.onnx", people, QUICK)


def test_calibration_and_gate_share_no_photograph(people):
    first, second = split(people, 0.25)
    assert len(second) == 4
    ids = [{image.image_id for image in part} for part in (first, second)]
    assert not ids[0] & ids[1]
    assert ids[0] | ids[1] == {image.image_id for image in people}


@pytest.mark.parametrize(("saturation_free", "target"), [(True, "x86-vnni"), (False, "x86")])
def test_auto_asks_the_probe(monkeypatch, saturation_free, target):
    monkeypatch.setattr(asked, "u8s8_is_exact", lambda: saturation_free)
    monkeypatch.setattr(asked.platform, "machine", lambda: "x86_64")
    assert asked.this_machine() == target
    monkeypatch.setattr(asked.platform, "machine", lambda: "aarch64")
    assert asked.this_machine() == "arm"


def test_the_command_line_quantizes_and_refuses(people_dataset, tmp_path, capsys):
    out, report = tmp_path / "s.onnx", tmp_path / "report.json"
    arguments = [
        "quantize", str(SOURCE), "--calibration", str(people_dataset), "--out", str(out),
        "--count", "8", "--gate-people", "4", "--max-ap-drop", "0.05", "--max-shift-px", "1",
        "--max-p95-px", "4",
    ]  # fmt: skip
    assert app.run([*arguments, "--report", str(report)]) == 0
    assert "of the time" in capsys.readouterr().out
    assert json.loads(report.read_text())["gate"]["shift_px"] > 0
    out.unlink()
    assert app.run([*arguments, "--max-shift-px", "0"]) == 3
    captured = capsys.readouterr()
    assert "left_shoulder" in captured.err
    assert "refused" in captured.err
    assert not out.exists()


def test_a_folder_of_photographs_is_calibrated_on_what_our_detector_finds(
    people_dataset, tmp_path, capsys
):
    out = tmp_path / "s.onnx"
    arguments = [
        "quantize", str(SOURCE), "--calibration", str(people_dataset.parent), "--out", str(out),
        "--gate", str(people_dataset), "--count", "8", "--gate-people", "16", "--json",
        "--max-ap-drop", "0.05", "--max-shift-px", "1", "--max-p95-px", "4",
    ]  # fmt: skip
    assert app.run(arguments) == 0
    assert json.loads(capsys.readouterr().out)["calibration_inputs"] == 8


def _values(model):
    arrays = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    return {name: (a.dtype, a.shape, a.tobytes()) for name, a in arrays.items()}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--percentile", "99.99"], "--percentile: it goes with --method percentile"),
        (["--search-layers", "--search"], "--search: they rank all nodes"),
        (["--search-layers", "--sensitivity"], "--sensitivity: they rank all nodes"),
    ],
)
def test_options_that_would_be_ignored_are_refused(options, says, tmp_path, capsys):
    arguments = ["quantize", str(tmp_path / "n.onnx"), "--calibration", str(tmp_path / "c.json")]
    assert app.run([*arguments, "--out", str(tmp_path / "q.onnx"), *options]) == 2
    assert says in " ".join(capsys.readouterr().err.replace("│", " ").split())


def few(people, count):
    return CocoDataset(people.path, people.keypoint_names, people.images[:count])


@pytest.mark.parametrize(("count", "held_out"), [(2, 1), (3, 1), (16, 4)])
def test_of_two_photographs_one_is_held_out(people, count, held_out):
    first, second = split(few(people, count), 0.25)
    assert (len(first), len(second)) == (count - held_out, held_out)


@pytest.mark.parametrize("force", [False, True])
def test_one_photograph_needs_another_for_the_gate(people, force, tmp_path):
    with pytest.raises(ExportError, match="--gate"):
        quantize(SOURCE, tmp_path / "q.onnx", few(people, 1), replace(QUICK, force=force))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "avx2"}, "target must be one of auto, x86, x86-vnni, arm, got 'avx2'"),
        ({"method": "MinMax"}, "method must be one of minmax, entropy, percentile, got 'MinMax'"),
        ({"percentile": 0.999}, "percentile must be between 50 and 100"),
        ({"count": 0}, "count must be at least 1"),
        ({"gate_people": 0}, "gate_people must be at least 1"),
        ({"finetune_steps": -1}, "finetune_steps must be at least 0"),
    ],
)
def test_options_are_checked_when_they_are_made(changes, message):
    with pytest.raises(ExportError, match=message):
        QuantizeOptions(**changes)
