"""One quantization from end to end: calibrate, improve, check, time; the file is written last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from litepose_edge import backends
from litepose_edge.atomic_files import check_targets
from litepose_edge.manifest import DetectorSpec, Manifest, QuantizationSpec
from litepose_edge.measure.accuracy.coco import CocoDataset
from litepose_export.conversion.modern_graph import modernize
from litepose_export.conversion.onnx_file import read_onnx
from litepose_export.conversion.sample_inputs import shuffled, split
from litepose_export.conversion.storage import restore_storage, store
from litepose_export.errors import AccuracyGateError, ExportError
from litepose_export.figures import GateFigures
from litepose_export.quantization.calibration import qdq
from litepose_export.quantization.calibration.macs import integer_part, macs_of_nodes
from litepose_export.quantization.calibration.useful_ranges import narrowed_to_use
from litepose_export.quantization.gate.bounds import find_failures, find_shortage, used_part
from litepose_export.quantization.gate.comparison import compare
from litepose_export.quantization.gate.latency import compare_latency
from litepose_export.quantization.gate.output_error import ErrorMetric
from litepose_export.quantization.improvements import improve
from litepose_export.quantization.mixed_precision import float_nodes, sensitivity
from litepose_export.quantization.optimize.cross_layer_equalization import equalize
from litepose_export.quantization.optimize.group_equalization import equalize_groups, find_groups
from litepose_export.quantization.optimize.qdq_editor import with_signed_activations
from litepose_export.quantization.options import (
    DEFAULT_FLOAT,
    QuantizationReport,
    QuantizeOptions,
    Verdict,
    next_steps,
)
from litepose_export.quantization.work import Batches, Known, Plain, Started, Work

SEARCH_PEOPLE = 120
# Part of the bounds that a search among layers uses up: on the gate's photographs it is more.
SEARCH_PART = 0.7
# Inputs that fine-tuning draws from: with fewer it overfits them.
FINETUNE_INPUTS, FINETUNE_BYTES = 3000, 10**9
# Inputs that layers are ranked on one by one: so many pixels, and no fewer than so many inputs.
LAYER_PIXELS, LEAST_LAYER_INPUTS = 16 * 256 * 192, 4
HELD_OUT = 0.25
# With less of the arithmetic in INT8 a file is hardly faster, and still less accurate.
LEAST_INTEGER_PART = 0.5
DEFAULTS = QuantizeOptions()


def _silent(what: str, total: int) -> Callable[[], None]:
    return lambda: None


def quantize(
    source: Path,
    target: Path,
    calibration: CocoDataset,
    options: QuantizeOptions = DEFAULTS,
    *,
    held_out: CocoDataset | None = None,
    started: Started = _silent,
    batches: Batches | None = None,
    known: Known | None = None,
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
        known: What other attempts at the same file have read and found out.

    Raises:
        AccuracyGateError: It moved the keypoints further than allowed; nothing is written.
        ManifestError: The source has none.
        ExportError: The source is quantized already, an option does not fit it, or this CPU
            cannot compute what the target asks for.
        OutputError: A place cannot be written, or is a file that is read.
    """
    read = (source, calibration.path, None if held_out is None else held_out.path)
    check_targets(target, options.arm_out, sources=read)
    work = _begin(source, calibration, held_out, options, started, batches, known or Known())
    ranked = _write(work)
    searched: tuple[str, ...] = ()
    if options.search or options.search_layers:
        searched = _search(work, ranked)
    improve(work)
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
    part = integer_part(work.prepared, work.manifest.input.shape, work.float_nodes)
    if part < LEAST_INTEGER_PART:
        failures.append(
            f"only {part:.0%} of the multiply-accumulates are INT8, at least "
            f"{LEAST_INTEGER_PART:.0%}: not worth quantizing; leave fewer nodes float"
        )
    if failures and not options.force:
        said = "; ".join([*failures, *next_steps(options)])
        raise AccuracyGateError(f"refused, nothing was written: {said}", files[0][3])
    shortages = [find_shortage(figures, joints_expected=joints) for *_, figures in files]
    shortage = next(filter(None, shortages), "")
    verdict: Verdict = "forced" if failures else "too few" if shortage else "passed"
    for path, model, scheme, figures in files:
        store(model, _describe(work, scheme, figures, verdict), path)
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
        verdict=verdict,
        shortage=shortage,
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
    known: Known,
) -> Work:
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
        size = manifest.input.size
        most = FINETUNE_BYTES // (3 * size.width * size.height)
        count = max(count, min(FINETUNE_INPUTS, most))
    inputs = known.read(calibration, manifest, count)
    prepared = qdq.prepare(model)
    float_model = restore_storage(model)
    work = Work(
        float_model,
        prepared,
        manifest,
        inputs,
        calibration,
        held_out,
        options,
        started,
        known,
        batches,
    )
    known.groups = len(find_groups(prepared)) if known.groups is None else known.groups
    given = options.float_patterns
    chosen = float_nodes.select(prepared, given, lenient=given == DEFAULT_FLOAT)
    work.float_nodes = tuple(sorted({*chosen, *qdq.never_quantized(prepared)}))
    return work


def _unfit(options: QuantizeOptions) -> list[str]:
    """Why the gate cannot check the file on this CPU."""
    if options.scheme != "u8s8" or backends.u8s8_is_exact():
        return []
    return ["sums of full-range U8S8 saturate on this CPU: the gate would check wrong keypoints"]


def _write(work: Work) -> list[sensitivity.Sensitivity]:
    """The plain INT8 graph; the ranking of its nodes, if it was asked for."""
    options = work.options
    depends = options.equalize_groups, options.equalize, options.method, options.percentile
    name = "plain, equalized" if options.equalize_groups or options.equalize else "plain"
    known = work.known.plain.get(depends)
    if known is not None:
        work.prepared, work.ranges = known.prepared, known.ranges
        work.encode()
        work.note_step(name, known.figures)
    else:
        _write_plain(work)
        work.finish_step(name)
        assert work.latest is not None
        work.known.plain[depends] = Plain(work.prepared, work.ranges, work.latest[1])
    if options.search_layers:
        return _rank_layers(work)
    if not (options.sensitivity or options.search):
        return []
    nodes = len(float_nodes.quantizable(work.prepared)) - len(work.float_nodes)
    advance = work.started("rank the nodes", nodes)
    return sensitivity.rank(
        work.prepared,
        work.ranges,
        options.scheme,
        work.float_nodes,
        work.error_metric(),
        work.manifest.input.shape,
        advance,
    )


def _write_plain(work: Work) -> None:
    """Equalize if that was asked for, calibrate, write codes."""
    options = work.options
    if options.equalize_groups:
        work.prepared, _ = equalize_groups(work.prepared, work.calibration)
    elif options.equalize:
        work.prepared, _ = equalize(work.prepared, work.calibration)
    advance = work.started("calibrate", len(work.calibration))
    seen = qdq.find_ranges(
        work.prepared, work.calibration, options.method, options.percentile, advance
    )
    work.ranges = narrowed_to_use(work.prepared, seen)
    work.encode()


def _rank_layers(work: Work) -> list[sensitivity.Sensitivity]:
    """The layers' ranking, which does not change from attempt to attempt by much."""
    if work.known.layers is None:
        size, item = work.manifest.input.size, work.manifest.input.shape
        count = max(LEAST_LAYER_INPUTS, LAYER_PIXELS // (size.width * size.height))
        metric = ErrorMetric(work.float_model, work.manifest, work.calibration[:count])
        advance = work.started("rank the layers", len(macs_of_nodes(work.prepared, item)))
        work.known.layers = sensitivity.rank_layers(
            work.prepared,
            work.ranges,
            work.options.scheme,
            work.float_nodes,
            metric,
            item,
            advance,
        )
    return work.known.layers


def _search(work: Work, ranked: list[sensitivity.Sensitivity]) -> tuple[str, ...]:
    """Leave in float what it takes to meet the bounds on calibration photographs.

    At most as much as leaves the file worth quantizing: if that does not suffice, further steps
    may, and the gate decides.
    """
    options = work.options
    joints = not isinstance(work.manifest.model, DetectorSpec)
    item = work.manifest.input.shape
    names = sensitivity.affordable(
        ranked, work.prepared, item, work.float_nodes, LEAST_INTEGER_PART
    )
    advance = work.started("search for float nodes", len(names).bit_length() + 2)
    # Not the gate's photographs: the choice would be made on what it is checked with.
    known = CocoDataset(work.seen.path, work.seen.keypoint_names, tuple(shuffled(work.seen)))

    def passes(further: tuple[str, ...]) -> bool:
        advance()
        work.encode(further)
        figures = compare(work.float_model, work.quantized, work.manifest, known, SEARCH_PEOPLE)
        if options.search_layers and used_part(figures, options.bounds) > SEARCH_PART:
            return False
        return not find_failures(figures, options.bounds, joints_expected=joints)

    found = sensitivity.smallest_beginning(names, passes)
    found = names if found is None else found
    work.float_nodes = tuple(sorted({*work.float_nodes, *found}))
    work.encode()
    work.finish_step(f"{len(found)} more nodes float")
    return found


def _describe(work: Work, scheme: Any, figures: GateFigures, verdict: Verdict) -> Manifest:
    options = work.options
    named = {"minmax": "MinMax", "entropy": "entropy", "percentile": "percentile"}[options.method]
    steps = [f"static per-channel QDQ, {named} ranges"]
    steps += [step.name for step in work.steps[1:]]
    if options.equalize or options.equalize_groups:
        groups = " of groups" * options.equalize_groups
        steps.insert(1, f"cross-layer equalization{groups}")
    spec = QuantizationSpec(
        scheme=scheme,
        method=", ".join(steps),
        calibration_images=len(work.calibration),
        float_layers=work.float_nodes,
        gate=verdict,
        bounds=options.bounds.to_dict(),
        intervals=figures.rounded_intervals(),
    )
    parity = {**work.manifest.parity, **figures.parity()}
    return msgspec.structs.replace(
        work.manifest, precision="int8", quantization=spec, parity=parity
    )
