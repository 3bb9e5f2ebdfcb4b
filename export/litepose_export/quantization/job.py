"""One quantization from end to end: calibrate, improve, check, time; the file is written last."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from litepose_edge import backends
from litepose_edge.atomic_files import check_targets
from litepose_edge.geometry import Size
from litepose_edge.manifest import DetectorSpec, Manifest, QuantizationSpec
from litepose_edge.measure.accuracy.coco import CocoDataset
from litepose_export.conversion.modern_graph import modernize
from litepose_export.conversion.onnx_file import read_onnx
from litepose_export.conversion.sample_inputs import Inputs, calibration_inputs, shuffled, split
from litepose_export.conversion.storage import restore_storage, store
from litepose_export.errors import AccuracyGateError, ExportError
from litepose_export.figures import GateFigures
from litepose_export.quantization.calibration import qdq
from litepose_export.quantization.calibration.clip_search import (
    BLENDS,
    least_error_ranges,
    search_ranges,
)
from litepose_export.quantization.calibration.macs import integer_part
from litepose_export.quantization.gate.bounds import find_failures
from litepose_export.quantization.gate.comparison import compare
from litepose_export.quantization.gate.latency import compare_latency
from litepose_export.quantization.gate.output_error import ErrorMetric
from litepose_export.quantization.mixed_precision import float_nodes, sensitivity
from litepose_export.quantization.optimize.bias_correction import correct_biases
from litepose_export.quantization.optimize.cross_layer_equalization import equalize
from litepose_export.quantization.optimize.finetune import (
    FinetuneOptions,
    finetune_to_float,
    mirrored_batches,
)
from litepose_export.quantization.optimize.gptq import round_weights
from litepose_export.quantization.optimize.qdq_editor import with_signed_activations
from litepose_export.quantization.optimize.simulation import LARGEST_CODE, QdqNetwork
from litepose_export.quantization.options import (
    DEFAULT_FLOAT,
    QuantizationReport,
    QuantizeOptions,
    StepFigures,
    next_steps,
)

# Inputs that searches measure on: enough keypoints for a mean, few enough to ask often.
SEARCH_INPUTS, SEARCH_PEOPLE = 48, 120
CLIP_SEARCH_INPUTS, GPTQ_INPUTS = 16, 64
# People that the figures of each step are measured on; the gate has its own number.
STEP_PEOPLE = 300
# Inputs that fine-tuning draws from: with fewer it overfits them.
FINETUNE_INPUTS = 3000
HELD_OUT = 0.25
# With less of the arithmetic in INT8 a file is hardly faster, and still less accurate.
LEAST_INTEGER_PART = 0.5
DEFAULTS = QuantizeOptions()
Started = Callable[[str, int], Callable[[], None]]
Batches = Callable[[int, Size], Iterator[NDArray[Any]]]


def _silent(what: str, total: int) -> Callable[[], None]:
    return lambda: None


@dataclass(slots=True)
class _Work:
    """A quantization under way."""

    float_model: onnx.ModelProto
    prepared: onnx.ModelProto
    manifest: Manifest
    inputs: Inputs
    seen: CocoDataset
    held_out: CocoDataset
    options: QuantizeOptions
    started: Started
    batches: Batches | None = None
    float_nodes: tuple[str, ...] = ()
    ranges: qdq.Ranges = field(default_factory=dict)
    quantized: onnx.ModelProto = field(default_factory=onnx.ModelProto)
    steps: list[StepFigures] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @property
    def calibration(self) -> Inputs:
        """Inputs that ranges and means are taken from."""
        chosen = self.inputs[: self.options.count]
        assert isinstance(chosen, Inputs)
        return chosen

    def error_metric(self) -> ErrorMetric:
        """Measures graphs on a few calibration inputs."""
        return ErrorMetric(self.float_model, self.manifest, self.calibration[:SEARCH_INPUTS])

    def finish_step(self, name: str) -> None:
        """Record the graph's figures on some of the held-out photographs under a step's name."""
        f = self.compare(self.quantized, f"compare: {name}", STEP_PEOPLE)
        seconds = round(time.monotonic() - self.began, 1)
        self.steps.append(StepFigures(name, f.shift_px, f.p95_px, f.ap_int8, seconds))

    def compare(self, model: onnx.ModelProto, what: str, most: int | None = None) -> GateFigures:
        """Figures of a graph on the held-out photographs."""
        people = self.options.gate_people
        people = people if most is None else min(people, most)
        advance = self.started(what, people)
        return compare(self.float_model, model, self.manifest, self.held_out, people, advance)


def quantize(
    source: Path,
    target: Path,
    calibration: CocoDataset,
    options: QuantizeOptions = DEFAULTS,
    *,
    held_out: CocoDataset | None = None,
    started: Started = _silent,
    batches: Batches | None = None,
) -> QuantizationReport:
    """Float ONNX file to INT8 ONNX file that has passed the gate.

    Args:
        source: Float file with a manifest.
        target: The file to write.
        calibration: Photographs to calibrate on.
        options: How.
        held_out: Photographs that the gate compares on; a quarter of the others, then not
            calibrated on, unless given.
        started: Told what begins and in how many steps.
        batches: Gives inputs of a count and size without end for the fine-tuning; calibration
            inputs and their mirror images unless given.

    Raises:
        AccuracyGateError: It moved the keypoints further than allowed; nothing is written.
        ManifestError: The source has none.
        ExportError: The source is quantized already, an option does not fit it, or this CPU
            cannot compute what the target asks for.
        OutputError: A place cannot be written.
    """
    check_targets(target, options.arm_out)
    work = _begin(source, calibration, held_out, options, started, batches)
    ranked = _write(work)
    searched: tuple[str, ...] = ()
    if options.search:
        searched = _search(work, ranked)
    _improve(work)
    figures = work.compare(work.quantized, "compare with the float file")
    files = [(target, work.quantized, options.scheme, figures)]
    if options.arm_out is not None:
        signed = with_signed_activations(work.quantized)
        figures = work.compare(signed, "compare the ARM file")
        files.append((options.arm_out, signed, "s8s8", figures))
    joints = not isinstance(work.manifest.model, DetectorSpec)
    failures = [
        f"{path.name}: {failure}"
        for path, _, _, figures in files
        for failure in find_failures(figures, options.bounds, joints_expected=joints)
    ]
    failures += _unfit(options)
    part = integer_part(work.prepared, work.float_nodes)
    if part < LEAST_INTEGER_PART:
        failures.append(
            f"only {part:.0%} of the multiply-accumulates are INT8, at least "
            f"{LEAST_INTEGER_PART:.0%}: not worth quantizing; leave fewer nodes float"
        )
    if failures and not options.force:
        said = "; ".join([*failures, *next_steps(options)])
        raise AccuracyGateError(f"refused, nothing was written: {said}", files[0][3])
    for path, model, scheme, figures in files:
        store(model, _describe(work, scheme, figures, forced=bool(failures)), path)
    started("time both files", 1)
    return QuantizationReport(
        source=str(source),
        path=str(target),
        size_bytes=target.stat().st_size,
        scheme=options.scheme,
        calibration_inputs=len(work.calibration),
        float_layers=work.float_nodes,
        steps=tuple(work.steps),
        gate=files[0][3],
        verdict="forced" if failures else "passed",
        failures=tuple(failures),
        latency=compare_latency(
            work.float_model, work.quantized, work.inputs[0], options.latency_s
        ),
        sensitivity=tuple(ranked),
        searched=searched,
        integer_part=round(part, 4),
    )


def _begin(
    source: Path,
    calibration: CocoDataset,
    held_out: CocoDataset | None,
    options: QuantizeOptions,
    started: Started,
    batches: Batches | None,
) -> _Work:
    model, manifest = read_onnx(source)
    model = modernize(model)
    if manifest.precision != "fp32":
        raise ExportError(f"{source} is quantized already; give the float file")
    if options.arm_out is not None and options.scheme == "s8s8":
        raise ExportError(
            "--target arm writes the ARM file itself: leave --arm-out out, or choose --target x86"
        )
    if not options.force and (unfit := _unfit(options)):
        raise ExportError(f"{unfit[0]}; quantize on a CPU with VNNI, or choose --target x86")
    if held_out is None:
        calibration, held_out = split(calibration, HELD_OUT)
    started("read calibration photographs", 1)
    count = options.count
    if options.finetune_steps and not batches:
        count = max(count, FINETUNE_INPUTS)
    inputs = calibration_inputs(calibration, manifest, count)
    prepared = qdq.prepare(model)
    float_model = restore_storage(model)
    work = _Work(
        float_model, prepared, manifest, inputs, calibration, held_out, options, started, batches
    )
    given = options.float_patterns
    chosen = float_nodes.select(prepared, given, lenient=given == DEFAULT_FLOAT)
    work.float_nodes = tuple(sorted({*chosen, *qdq.never_quantized(prepared)}))
    return work


def _unfit(options: QuantizeOptions) -> list[str]:
    """Why the gate cannot check the file on this CPU."""
    if options.scheme != "u8s8" or backends.u8s8_is_exact():
        return []
    return ["sums of full-range U8S8 saturate on this CPU: the gate would check wrong keypoints"]


def _write(work: _Work) -> list[sensitivity.Sensitivity]:
    """The plain INT8 graph; the ranking of its nodes, if it was asked for."""
    options = work.options
    if options.equalize:
        work.prepared, _ = equalize(work.prepared, work.calibration)
    advance = work.started("calibrate", len(work.calibration))
    work.ranges = qdq.find_ranges(
        work.prepared, work.calibration, options.method, options.percentile, advance
    )
    _encode(work)
    work.finish_step("plain, equalized" if options.equalize else "plain")
    if not (options.sensitivity or options.search):
        return []
    nodes = len(float_nodes.quantizable(work.prepared)) - len(work.float_nodes)
    advance = work.started("rank the nodes", nodes)
    return sensitivity.rank(
        work.prepared, work.ranges, options.scheme, work.float_nodes, work.error_metric(), advance
    )


def _encode(work: _Work, further: tuple[str, ...] = ()) -> None:
    left = (*work.float_nodes, *further)
    work.quantized = qdq.write_qdq(work.prepared, work.ranges, work.options.scheme, left)


def _search(work: _Work, ranked: list[sensitivity.Sensitivity]) -> tuple[str, ...]:
    """Leave in float what it takes to meet the bounds on calibration photographs."""
    options = work.options
    joints = not isinstance(work.manifest.model, DetectorSpec)
    advance = work.started("search for float nodes", len(ranked).bit_length() + 2)
    # Not the gate's photographs: the choice would be made on what it is checked with.
    known = CocoDataset(work.seen.path, work.seen.keypoint_names, tuple(shuffled(work.seen)))

    def passes(further: tuple[str, ...]) -> bool:
        advance()
        _encode(work, further)
        figures = compare(work.float_model, work.quantized, work.manifest, known, SEARCH_PEOPLE)
        return not find_failures(figures, options.bounds, joints_expected=joints)

    found = sensitivity.smallest_set(ranked, passes)
    if found is None:
        raise AccuracyGateError("no set of float nodes meets the bounds: even without INT8 fails")
    work.float_nodes = tuple(sorted({*work.float_nodes, *found}))
    _encode(work)
    work.finish_step(f"{len(found)} more nodes float")
    return found


def _improve(work: _Work) -> None:
    """The steps after plain quantization that were asked for, each with its figures."""
    options = work.options
    if options.clip_search:
        advance = work.started("clip search", len(BLENDS))
        narrow = least_error_ranges(
            work.prepared, work.ranges, work.calibration[:CLIP_SEARCH_INPUTS]
        )
        left, scheme, metric = work.float_nodes, options.scheme, work.error_metric()
        work.ranges, _ = search_ranges(
            work.ranges,
            narrow,
            lambda ranges: qdq.write_qdq(work.prepared, ranges, scheme, left),
            lambda model: metric(model).cost,
            advance,
        )
        _encode(work)
        work.finish_step("clip search")
    if options.gptq:
        samples = work.calibration[:GPTQ_INPUTS]
        advance = work.started("GPTQ", len(work.prepared.graph.node) // 2)
        largest = LARGEST_CODE[options.scheme]
        work.quantized = round_weights(work.prepared, work.quantized, samples, largest, advance)
        work.finish_step("GPTQ")
    if options.finetune_steps:
        _finetune(work)
        work.finish_step("fine-tuning to the float outputs")
    if options.bias_correction:
        advance = work.started("correct biases", len(work.quantized.graph.node))
        samples = work.calibration[:SEARCH_INPUTS]
        work.quantized = correct_biases(work.prepared, work.quantized, samples, advance)
        work.finish_step("bias correction")


def _finetune(work: _Work) -> None:
    options = work.options
    advance = work.started("fine-tune", options.finetune_steps)
    settings = FinetuneOptions(steps=options.finetune_steps)
    start = {i.name: numpy_helper.to_array(i) for i in work.prepared.graph.initializer}
    if options.gptq:
        start = {}  # keep the codes that GPTQ chose
    network = QdqNetwork(work.quantized, LARGEST_CODE[options.scheme], start)
    threads = torch.get_num_threads()
    if work.batches is not None:
        batches = work.batches(settings.batch, work.manifest.input.size)
    else:
        batches = mirrored_batches(work.inputs, settings.batch)
        torch.set_num_threads(1)  # sums in another order would be other bytes
    try:
        finetune_to_float(
            network, work.float_model, work.manifest, batches, settings, lambda loss: advance()
        )
    finally:
        torch.set_num_threads(threads)
    work.quantized = network.to_model()


def _describe(work: _Work, scheme: Any, figures: GateFigures, *, forced: bool) -> Manifest:
    options = work.options
    named = {"minmax": "MinMax", "entropy": "entropy", "percentile": "percentile"}[options.method]
    steps = [f"static per-channel QDQ, {named} ranges"]
    steps += [step.name for step in work.steps[1:]]
    if options.equalize:
        steps.insert(1, "cross-layer equalization")
    spec = QuantizationSpec(
        scheme=scheme,
        method=", ".join(steps),
        calibration_images=len(work.calibration),
        float_layers=work.float_nodes,
        gate="forced" if forced else "passed",
    )
    parity = {**work.manifest.parity, **figures.parity()}
    return msgspec.structs.replace(
        work.manifest, precision="int8", quantization=spec, parity=parity
    )
