"""Networks of users: module to ONNX to INT8 to keypoints, and attempts until the gate passes."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import cv2  # noqa: E402
import torch  # noqa: E402

import litepose_export as lx  # noqa: E402
import own_networks  # noqa: E402
from litepose_edge import Estimator  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_export.errors import AccuracyGateError, ExportError, UnsupportedOpError  # noqa: E402
from litepose_export.figures import GateFigures  # noqa: E402
from litepose_export.quantization import auto, job  # noqa: E402
from litepose_export.quantization.gate.latency import LatencyComparison  # noqa: E402
from litepose_export.quantization.options import QuantizationReport, QuantizeOptions  # noqa: E402
from litepose_export.quantization.work import Known  # noqa: E402

SIZE = (48, 64)
PASSED = QuantizationReport(
    source="",
    path="",
    size_bytes=0,
    scheme="s8s8",
    calibration_inputs=0,
    float_layers=(),
    steps=(),
    gate=GateFigures(500),
    verdict="passed",
    failures=(),
    latency=LatencyComparison(2.0, 1.0, 0.5, 30),
)
NETWORKS = {
    "Deconvolutions": (lx.heatmap_manifest, {}),
    "Squeeze": (lx.heatmap_manifest, {}),
    "Transformer": (lx.simcc_manifest, {"width": 48, "height": 64}),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_module_ends_as_an_int8_file_that_runs(name, people_dataset, tmp_path):
    describe, more = NETWORKS[name]
    torch.manual_seed(0)
    module = own_networks.settle(getattr(own_networks, name)(**more))
    source, target = tmp_path / "own.onnx", tmp_path / "own.int8.onnx"
    lx.export(module, source, describe("own", input_size=SIZE))
    report = lx.quantize(
        source,
        target,
        calibration=people_dataset,
        held_out=people_dataset,
        count=4,
        gate_people=2,
        finetune_steps=1,
        gptq=True,
        force=True,  # untrained maps have no peaks to keep
    )
    assert report.integer_part > 0.3  # of two blocks alone; most of it is patches and head
    image = cv2.imread(str(read_coco(people_dataset).images[0].path))
    poses = Estimator(target, detector=None).predict(image, boxes_xyxy=[[5, 5, 100, 150]])
    assert poses.keypoints.shape == (1, 17, 2)


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
def test_a_file_that_takes_pixels_can_be_fine_tuned(colour, people_dataset, tmp_path):
    torch.manual_seed(0)
    source, target = tmp_path / "own.onnx", tmp_path / "own.int8.onnx"
    manifest = lx.heatmap_manifest("own", input_size=SIZE, colour=colour)
    module = own_networks.settle(own_networks.Deconvolutions())
    lx.export(module, source, manifest, uint8_input=True)
    report = lx.quantize(
        source,
        target,
        calibration=people_dataset,
        held_out=people_dataset,
        count=4,
        gate_people=1,
        finetune_steps=2,
        force=True,  # untrained maps have no peaks to keep
    )
    assert "fine-tuning to the float outputs" in [step.name for step in report.steps]


def test_attempts_calibrate_once_and_end_at_the_same_bytes(people_dataset, tmp_path):
    torch.manual_seed(0)
    source, told = tmp_path / "own.onnx", []
    module = own_networks.settle(own_networks.Deconvolutions())
    lx.export(module, source, lx.heatmap_manifest("own", input_size=SIZE))
    plain = QuantizeOptions(count=4, gate_people=2, force=True, latency_s=0)
    more, people = replace(plain, bias_correction=True), read_coco(people_dataset)

    def attempt(name, options, known):
        def started(what, total):
            told.append(what)
            return lambda: None

        target = tmp_path / name
        report = job.quantize(
            source, target, people, options, held_out=people, known=known, started=started
        )
        return report, target.read_bytes()

    known = Known()
    first, _ = attempt("a.onnx", plain, known)
    second, shared = attempt("b.onnx", more, known)
    assert told.count("calibrate") == 1
    assert [step.name for step in second.steps] == ["plain", "bias correction"]
    assert second.steps[0].shift_px == first.steps[0].shift_px
    assert attempt("c.onnx", more, Known())[1] == shared


@pytest.fixture
def attempts(monkeypatch):
    """The options of each attempt; those before `passing` are refused."""
    seen = []

    def arrange(passing):
        def attempt(source, target, calibration, options, **_):
            seen.append(options)
            if len(seen) < passing:
                shift = 1.0 / len(seen)
                raise AccuracyGateError("refused", GateFigures(5, 5, 1, shift, 9 * shift))
            return PASSED

        monkeypatch.setattr(auto.job, "quantize", attempt)
        return seen

    return arrange


def test_attempts_add_step_by_step_until_the_gate_passes(attempts, tmp_path):
    seen = attempts(3)
    report = auto.quantize_auto(tmp_path, tmp_path, None, QuantizeOptions())
    assert report.verdict == "passed"
    assert len(report.attempts) == 2
    assert "plain: median 1.00 px" in report.attempts[0]
    assert [options.equalize_groups for options in seen] == [False, True, True]
    assert [options.gptq for options in seen] == [False, False, True]


def test_a_refusal_says_how_far_each_attempt_came(attempts, tmp_path):
    attempts(99)
    with pytest.raises(
        AccuracyGateError, match=r"plain: median 1.00 px.*\+ 300 steps of fine-tuning: median 0.14"
    ):
        auto.quantize_auto(tmp_path, tmp_path, None, QuantizeOptions())


def test_a_float_file_that_finds_nothing_is_tried_once(monkeypatch, tmp_path):
    seen = []

    def attempt(*_, **__):
        seen.append(1)
        raise AccuracyGateError("nothing to compare", GateFigures(20))

    monkeypatch.setattr(auto.job, "quantize", attempt)
    with pytest.raises(AccuracyGateError, match="nothing to compare"):
        auto.quantize_auto(tmp_path, tmp_path, None, QuantizeOptions())
    assert len(seen) == 1


def test_a_step_that_made_it_worse_is_not_built_upon(monkeypatch, tmp_path):
    seen, shifts = [], iter([2.0, 5.0, 1.0, 0.9])

    def attempt(source, target, calibration, options, **_):
        seen.append(options)
        if (shift := next(shifts, None)) is None:
            return PASSED
        raise AccuracyGateError("refused", GateFigures(5, 5, 1, 0.1, shift))

    monkeypatch.setattr(auto.job, "quantize", attempt)
    assert auto.quantize_auto(tmp_path, tmp_path, None, QuantizeOptions()).verdict == "passed"
    assert [options.equalize_groups for options in seen] == [False, True, False, False, False]
    assert [options.gptq for options in seen] == [False, False, True, True, True]


def test_a_network_that_has_nothing_to_equalize_is_not_tried_with_it(monkeypatch, tmp_path):
    seen = []

    def attempt(source, target, calibration, options, known, **_):
        seen.append(options)
        known.groups = 0
        if options.gptq:
            return PASSED
        raise AccuracyGateError("refused", GateFigures(5, 5, 1, 0.1, 1.0))

    monkeypatch.setattr(auto.job, "quantize", attempt)
    auto.quantize_auto(tmp_path, tmp_path, None, QuantizeOptions())
    assert [options.equalize_groups for options in seen] == [False, False]


def test_a_step_that_cannot_handle_the_network_is_passed_over(monkeypatch, tmp_path):
    def attempt(source, target, calibration, options, **_):
        if options.finetune_steps:
            raise UnsupportedOpError("cannot simulate TopK")
        raise AccuracyGateError("refused", GateFigures(5, 5, 1, 0.1, 1.0))

    monkeypatch.setattr(auto.job, "quantize", attempt)
    with pytest.raises(AccuracyGateError, match="cannot simulate TopK"):
        auto.quantize_auto(tmp_path, tmp_path, None, QuantizeOptions())


def test_no_attempt_begins_when_the_time_is_up(attempts, tmp_path):
    seen = attempts(99)
    with pytest.raises(AccuracyGateError, match="minutes are up"):
        auto.quantize_auto(tmp_path, tmp_path, None, QuantizeOptions(), minutes=1e-9)
    assert len(seen) == 1


def test_auto_and_force_exclude_each_other(tmp_path):
    with pytest.raises(ExportError, match="choose one"):
        lx.quantize(tmp_path, tmp_path, calibration=tmp_path, auto=True, force=True)
    with pytest.raises(ExportError, match="minutes"):
        lx.quantize(tmp_path, tmp_path, calibration=tmp_path, minutes=3)
