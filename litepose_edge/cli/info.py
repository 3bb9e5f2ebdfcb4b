"""`litepose-edge info`: what a model file says about itself."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated

import typer

from litepose_edge import backends
from litepose_edge.backends import Model, bundled
from litepose_edge.cli import options
from litepose_edge.cli.console import results
from litepose_edge.cli.options import BackendName
from litepose_edge.manifest import (
    BottomUpSpec,
    DetectorSpec,
    HeatmapSpec,
    Manifest,
    OneStageSpec,
    RegressionSpec,
    SimccSpec,
    TopDownSpec,
    YoloPoseFormat,
    format_name,
    manifest_to_builtins,
)
from litepose_edge.measure.machine.arm_instructions import describe_saving
from litepose_edge.measure.operations import count_operations

EXAMPLES = ("litepose-edge info lrpose-s",)
COLUMN = 28
# What the exporter measured when it wrote the file.
PARITY = {
    "tensor_difference": "largest error of the export",
    "threshold": "score that became 0.3",
    "gate_people": "people compared with float",
    "gate_joints": "keypoints compared",
    "oks": "mean OKS with float",
    "shift_median_px": "median shift",
    "shift_p95_px": "95th percentile of shifts",
    "recall": "people found again",
    "ap_float": "AP of the float model",
    "ap_int8": "AP of the INT8 file",
}
VERDICTS = {
    "passed": "passed: INT8 stays within the bounds",
    "too few": "within the bounds, on too few people to judge",
    "forced": "refused, and overruled by --force",
}
BOUNDS = {
    "max_shift_px": "median shift at most",
    "max_p95_px": "95th percentile at most",
    "max_ap_drop": "loss of AP at most",
    "min_recall": "recall at least",
    "min_oks": "OKS at least",
}
INTERVALS = {
    "shift_px": "median shift",
    "p95_px": "95th percentile",
    "oks": "OKS",
    "recall": "recall",
    "ap_drop": "loss of AP",
}


def info(
    model: Annotated[str, typer.Argument(help="Bundled name, or the path of a model file.")],
    precision: options.Precision = None,
    backend: options.BackendOption = BackendName.ONNXRUNTIME,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")] = False,
) -> None:
    """Print what a model file says about itself.

    That is its manifest: input, task, how its outputs become keypoints, and where the weights
    come from. Fails for an INT8 file that this CPU would compute wrongly.
    """
    found = backends.find_model(
        model, precision=precision.value if precision else None, backend=backend.value
    )
    manifest = found.manifest
    if as_json:
        document = manifest_to_builtins(manifest)
        results.file.write(json.dumps(document, indent=2) + "\n")
        return
    content = bundled.read(found.path)
    results.print(f"{manifest.name}  {manifest.precision}", style="bold")
    for name, value in (
        ("file", str(found.path)),
        ("size", f"{len(content) / 1e6:.1f} MB ({len(content):,} bytes)"),
        ("sha256", hashlib.sha256(content).hexdigest()),
        ("input", _input(found)),
        ("weights", _weights(manifest)),
        *_work(found),
        *_boards(manifest),
        *_task(manifest),
        *_origin(manifest),
        *_gate(manifest),
        *(
            (PARITY.get(key, key), f"{figure:g}{_unit(key)}")
            for key, figure in manifest.parity.items()
        ),
    ):
        results.print(f"{name:<{COLUMN}} {value}", markup=False)


def _input(model: Model) -> str:
    shape = " x ".join(str(n) for n in model.open(1).input.shape)
    return f"{shape}, {model.manifest.input.colour.upper()}, values from 0 to 255"


def _boards(manifest: Manifest) -> list[tuple[str, str]]:
    saving = describe_saving(manifest.name) if manifest.precision == "int8" else None
    return [] if saving is None else [("on ARM", saving)]


def _work(model: Model) -> list[tuple[str, str]]:
    """Parameters and multiply-accumulates; nothing of a file that ONNX Runtime does not run."""
    if model.path.suffix != ".onnx":
        return []
    given = model.manifest.input
    counted = count_operations(model.path, given.shape)
    what = "person" if isinstance(model.manifest.model, TopDownSpec) else "image"
    return [
        ("parameters", f"{counted.parameters / 1e6:.2f} million"),
        (
            "work",
            f"{counted.macs / 1e9:.2f} billion multiply-accumulates (GMACs) for one {what} "
            f"of {given.width}x{given.height} pixels",
        ),
    ]


def _weights(manifest: Manifest) -> str:
    if manifest.quantization is None:
        return "float32"
    match manifest.quantization.scheme:
        case "u8s8-reduced":
            return "INT8 (U8S8 with 7-bit weights), computed exactly on every x86 CPU"
        case "s8s8":
            return "INT8 (S8S8), as ARM runs it; exact but slow on x86"
        case "other":
            return "INT8, quantized by another tool"
        case _:
            return "INT8 (U8S8, full range), computed exactly on this CPU"


def _task(manifest: Manifest) -> list[tuple[str, str]]:
    match manifest.model:
        case TopDownSpec(padding=padding, skeleton=skeleton) as spec:
            return [
                ("task", "top-down pose: the crop of one person to keypoints"),
                ("crop", f"the person's box, enlarged by a factor of {padding:g}"),
                ("decoding", _head(spec)),
                ("keypoints", f"{len(skeleton)} ({skeleton.name})"),
            ]
        case BottomUpSpec(skeleton=skeleton) as spec:
            distance = spec.max_join_distance
            within = f" within {distance:g} of the short side" if distance is not None else ""
            return [
                ("task", "bottom-up pose: an image to the keypoints of all people"),
                (
                    "decoding",
                    f"peaks in windows of {spec.nms_kernel}x{spec.nms_kernel} cells, grouped by "
                    f"their tags{within}, at most {spec.max_people} people",
                ),
                ("keypoints", f"{len(skeleton)} ({skeleton.name})"),
            ]
        case OneStageSpec(skeleton=skeleton, placement=placement, max_iou=max_iou) as spec:
            corner = "top left" if placement == "corner" else "in the middle"
            raw = isinstance(spec.output_format, YoloPoseFormat) and not (
                spec.output_format.end_to_end
            )
            apart = f"suppressed above IoU {max_iou:g}" if raw else "suppressed in the graph"
            return [
                ("task", "one-stage pose: an image to boxes and keypoints of all people"),
                ("image", f"shrunk to fit, {corner}"),
                (
                    "decoding",
                    f"output format {format_name(spec.output_format)}, duplicates {apart}",
                ),
                ("keypoints", f"{len(skeleton)} ({skeleton.name})"),
            ]
        case DetectorSpec(views=views) as spec:
            strides = ", ".join(map(str, spec.strides))
            levels = f" at strides {strides}" if spec.strides else ""
            passes = " and ".join(
                f"at {view.width}x{view.height}{' mirrored' * view.mirrored}" for view in views
            )
            return [
                ("task", "detection: an image to the boxes of people"),
                *([("views", f"run {passes}, boxes fused")] if views else []),
                (
                    "decoding",
                    f"output format {format_name(spec.output_format)}{levels}, "
                    f"non-maximum suppression above IoU {spec.max_iou:g}",
                ),
            ]


def _head(spec: TopDownSpec) -> str:
    match spec.head:
        case HeatmapSpec() as maps:
            activation = "" if maps.activation == "linear" else f" after a {maps.activation}"
            return (
                f"heatmaps{activation}, position by {maps.refinement}, cells aligned by "
                f"'{maps.alignment}'"
            )
        case SimccSpec() as simcc:
            return (
                f"SimCC, {simcc.activation}, {simcc.split_ratio:g} bins per pixel, parabola over "
                f"{simcc.window} bins"
            )
        case RegressionSpec(order=order, unit=unit):
            where = "as fractions of the input" if unit == "image" else "in input pixels"
            return f"coordinates ({', '.join(order)}) {where}"


def _gate(manifest: Manifest) -> list[tuple[str, str]]:
    """What the exporter's accuracy gate said, what it allowed, how sure its figures are."""
    made = manifest.quantization
    if made is None or made.gate == "not run":
        return []
    people = f"{manifest.parity.get('gate_people', 0):g} people"
    lines = [("accuracy gate", f"{VERDICTS[made.gate]} ({people})")]
    if made.bounds:
        allowed = "; ".join(
            f"{BOUNDS.get(name, name)} {bound:g}{_unit(name)}"
            for name, bound in made.bounds.items()
        )
        lines.append(("bounds", allowed))
    if made.intervals:
        known = "; ".join(
            f"{INTERVALS.get(name, name)} {low:g} to {high:g}{_unit(name)}"
            for name, (low, high) in made.intervals.items()
        )
        lines.append(("95 % intervals", known))
    return lines


def _unit(name: str) -> str:
    """Of a figure that the exporter measured."""
    return " px" if name.endswith("_px") else ""


def _origin(manifest: Manifest) -> list[tuple[str, str]]:
    training = manifest.training
    return [
        ("trained on", "; ".join(training.data) or "not stated"),
        ("teachers", "; ".join(training.teachers) or "none"),
        ("licence", training.licence or "not stated"),
    ]
