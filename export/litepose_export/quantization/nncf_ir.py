"""NNCF as another quantizer: float file to INT8 OpenVINO IR, through the same gate."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from litepose_edge import backends
from litepose_edge.atomic_files import check_targets, write_files
from litepose_edge.backends import files, sidecar
from litepose_edge.backends.telemetry import no_openvino_telemetry
from litepose_edge.manifest import METADATA_KEY, DetectorSpec, Manifest, QuantizationSpec
from litepose_edge.measure.accuracy.coco import CocoDataset
from litepose_export.conversion.onnx_file import load_graph
from litepose_export.conversion.sample_inputs import Inputs, calibration_inputs, split
from litepose_export.conversion.storage import manifest_text
from litepose_export.errors import AccuracyGateError, ExportError
from litepose_export.figures import GateFigures
from litepose_export.quantization.gate.bounds import Bounds, find_failures, find_shortage
from litepose_export.quantization.gate.comparison import compare_sessions
from litepose_export.quantization.gate.latency import compare_session_latency
from litepose_export.quantization.nncf_control import AccuracyControl
from litepose_export.quantization.options import QuantizationReport, StepFigures, Verdict

with no_openvino_telemetry():
    import nncf
    import openvino
    from nncf.quantization.advanced_parameters import (
        AdvancedAccuracyRestorerParameters,
        AdvancedQuantizationParameters,
        OverflowFix,
    )

HELD_OUT = 0.25
# Inputs that accuracy control ranks operations on, and the part of the bounds it may use up on
# photographs that are not the gate's.
RANKING_INPUTS, LARGEST_PART = 24, 0.8
Started = Callable[[str, int], Callable[[], None]]


@dataclass(frozen=True, slots=True)
class IrOptions:
    """How an IR is made.

    Attributes:
        count: Calibration inputs.
        accuracy_aware: NNCF leaves operations in float, one by one, until bounds are met on
            calibration photographs.
        accurate_bias: Correct biases layer by layer on the data instead of all at once.
        bounds: What the gate allows.
        gate_people: Crops (photographs, for networks that find people) that the gate compares.
        force: Write the file even if it is refused, and stamp it.
        latency_s: How long both files are timed for.
    """

    count: int = 300
    accuracy_aware: bool = False
    accurate_bias: bool = False
    bounds: Bounds = field(default_factory=Bounds)
    gate_people: int = 300
    force: bool = False
    latency_s: float = 2.0


def quantize_ir(
    source: Path,
    target: Path,
    calibration: CocoDataset,
    options: IrOptions,
    *,
    held_out: CocoDataset | None = None,
    started: Started = lambda what, total: lambda: None,
) -> QuantizationReport:
    """Float ONNX file to an INT8 `.xml` with its `.bin`, and a sidecar with both checksums.

    The manifest lies in the `.xml`; both files of the comparison run in OpenVINO.

    Args:
        source: Float file with a manifest.
        target: The `.xml` to write.
        calibration: Photographs to calibrate on.
        options: How.
        held_out: Photographs that the gate compares on; a quarter of the others, then not
            calibrated on, unless given.
        started: Told what begins and in how many steps.

    Raises:
        AccuracyGateError: It moved the keypoints further than allowed; nothing is written.
        ExportError: The source is quantized already, or the target is no `.xml`.
        OutputError: The place cannot be written, or is a file that is read.
    """
    if target.suffix != ".xml":
        raise ExportError(f"an OpenVINO IR must end in .xml, got {target}")
    read = (source, calibration.path, None if held_out is None else held_out.path)
    check_targets(target, target.with_suffix(".bin"), sidecar.path_of(target), sources=read)
    float_model = backends.find_model(source, backend="openvino")
    manifest = float_model.manifest
    if manifest.precision != "fp32":
        raise ExportError(f"{source} is quantized already; give the float file")
    if held_out is None:
        calibration, held_out = split(calibration, HELD_OUT)
    began = time.monotonic()
    started("read calibration photographs", 1)
    inputs = calibration_inputs(calibration, manifest, options.count)
    # With the weights that may lie in a second file beside it.
    network = openvino.Core().read_model(io.BytesIO(load_graph(source).SerializeToString()))
    left = output_layers(network)
    control = None
    if options.accuracy_aware:
        control = AccuracyControl(float_model.open(1), manifest, calibration, options.bounds)
    quantized = _quantize(network, inputs, left, options, started, control)
    with tempfile.TemporaryDirectory() as folder:
        _save(quantized, Path(folder) / "model.xml", manifest)
        # What it will be in use: read from its files.
        found = backends.find_model(Path(folder) / "model.xml", backend="openvino")
        sessions = float_model.open(1), found.open(1)
        advance = started("compare with the float file", options.gate_people)
        figures = compare_sessions(sessions, manifest, held_out, options.gate_people, advance)
        joints = not isinstance(manifest.model, DetectorSpec)
        failures = find_failures(figures, options.bounds, joints_expected=joints)
        if failures and not options.force:
            raise AccuracyGateError(
                f"{target} is refused and was not written: {'; '.join(failures)}", figures
            )
        started("time both files", 1)
        timed = compare_session_latency(sessions, inputs[0], options.latency_s)
        shortage = find_shortage(figures, joints_expected=joints)
        verdict: Verdict = "forced" if failures else "too few" if shortage else "passed"
        described = _describe(manifest, figures, left, len(inputs), options, verdict)
        # Under its own name: the IR says how it is called.
        written = Path(folder) / target.name
        _save(quantized, written, described)
        size = _publish(written, target, described)
    seconds = round(time.monotonic() - began, 1)
    return QuantizationReport(
        source=str(source),
        path=str(target),
        size_bytes=size,
        scheme="u8s8-reduced",
        calibration_inputs=len(inputs),
        float_layers=left,
        steps=(StepFigures("NNCF", figures.shift_px, figures.p95_px, figures.ap_int8, seconds),),
        gate=figures,
        verdict=verdict,
        shortage=shortage,
        failures=tuple(failures),
        latency=timed,
    )


def output_layers(network: Any) -> tuple[str, ...]:
    """Names of the layers that write the outputs: eight bits starve the peak of a map."""
    names, seen = set(), set()
    waiting = [result.input_value(0).get_node() for result in network.get_results()]
    while waiting:
        node = waiting.pop()
        name = node.get_friendly_name()
        if name in seen:
            continue
        seen.add(name)
        if "Convolution" in node.get_type_name() or _is_linear(node):
            names.add(name)
        else:
            waiting += [value.get_node() for value in node.input_values()]
    return tuple(sorted(names))


def _is_linear(node: Any) -> bool:
    """Whether a node is a layer with weights, and no product of activations."""
    if node.get_type_name() != "MatMul":
        return False
    makers = [value.get_node() for value in node.input_values()]
    while any(maker.get_type_name() in ("Convert", "Reshape", "Transpose") for maker in makers):
        makers = [
            maker.input_value(0).get_node()
            if maker.get_type_name() in ("Convert", "Reshape", "Transpose")
            else maker
            for maker in makers
        ]
    return any(maker.get_type_name() == "Constant" for maker in makers)


def _quantize(
    network: Any,
    inputs: Inputs,
    left: tuple[str, ...],
    options: IrOptions,
    started: Started,
    control: AccuracyControl | None,
) -> Any:
    advance = started("calibrate", len(inputs))

    def counted(batch: Any) -> Any:
        advance()
        return batch

    logging.getLogger("nncf").setLevel(logging.WARNING)
    # Its own progress bars would go to stdout, which is for results.
    # 7-bit weights everywhere: sums are exact on every x86, as in our ONNX files.
    advanced = AdvancedQuantizationParameters(overflow_fix=OverflowFix.ENABLE)
    given: dict[str, Any] = {
        "subset_size": len(inputs),
        "fast_bias_correction": not options.accurate_bias,
        "ignored_scope": nncf.IgnoredScope(names=list(left)),
    }
    with contextlib.redirect_stdout(io.StringIO()):
        if control is not None:
            return nncf.quantize_with_accuracy_control(
                network,
                nncf.Dataset(inputs, counted),
                nncf.Dataset(inputs[:RANKING_INPUTS], lambda batch: batch),
                control.metric,
                max_drop=LARGEST_PART,
                drop_type=nncf.DropType.ABSOLUTE,
                advanced_quantization_parameters=advanced,
                advanced_accuracy_restorer_parameters=AdvancedAccuracyRestorerParameters(
                    ranking_subset_size=RANKING_INPUTS, num_ranking_workers=1
                ),
                **given,
            )
        return nncf.quantize(
            network, nncf.Dataset(inputs, counted), advanced_parameters=advanced, **given
        )


def _save(network: Any, path: Path, manifest: Manifest) -> None:
    network.set_rt_info(manifest_text(manifest), ["framework", METADATA_KEY])
    openvino.save_model(network, path, compress_to_fp16=False)


def _describe(
    manifest: Manifest,
    figures: GateFigures,
    left: tuple[str, ...],
    count: int,
    options: IrOptions,
    verdict: Verdict,
) -> Manifest:
    bias = "accurate" if options.accurate_bias else "fast"
    spec = QuantizationSpec(
        scheme="u8s8-reduced",
        method=f"NNCF {nncf.__version__}, performance preset, {bias} bias correction"
        + ", accuracy control" * options.accuracy_aware,
        calibration_images=count,
        float_layers=left,
        gate=verdict,
        bounds=options.bounds.to_dict(),
        intervals=figures.rounded_intervals(),
    )
    parity = {**manifest.parity, **figures.parity()}
    return msgspec.structs.replace(manifest, precision="int8", quantization=spec, parity=parity)


def _publish(written: Path, target: Path, manifest: Manifest) -> int:
    """The weights, the sidecar and last the `.xml` that makes them a model."""
    model = files.read(written)
    assert model.weights is not None
    write_files(
        {
            target.with_suffix(".bin"): model.weights,
            sidecar.path_of(target): sidecar.encode(manifest, model),
            target: model.content,
        }
    )
    return len(model.content) + len(model.weights)
