"""`litepose-edge info`: what a model file says about itself."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated

import typer

from litepose_edge import backends
from litepose_edge.backends import bundled
from litepose_edge.cli import options
from litepose_edge.cli.console import results
from litepose_edge.cli.options import BackendName
from litepose_edge.manifest import (
    BottomUpSpec,
    DetectorSpec,
    HeatmapSpec,
    Manifest,
    RegressionSpec,
    SimccSpec,
    TopDownSpec,
    format_name,
    manifest_to_builtins,
)


def info(
    model: Annotated[str, typer.Argument(help="Bundled name, or the path of a model file.")],
    precision: options.Precision = None,
    backend: options.BackendOption = BackendName.ONNXRUNTIME,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")] = False,
) -> None:
    """Print the manifest that a model file carries, and whether this CPU runs it exactly."""
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
    results.print(f"file       {found.path}", markup=False)
    results.print(f"bytes      {len(content)}")
    results.print(f"sha256     {hashlib.sha256(content).hexdigest()}")
    shape = ", ".join(str(n) for n in found.open(1).input.shape)
    results.print(f"input      ({shape}) {manifest.input.colour}, 0..255")
    if manifest.quantization is not None:
        results.print(f"int8       {_quantization(manifest.quantization.scheme)}")
    for name, value in (*_task(manifest), *_origin(manifest)):
        results.print(f"{name:<10} {value}", markup=False)


def _task(manifest: Manifest) -> list[tuple[str, str]]:
    match manifest.model:
        case TopDownSpec(padding=padding, skeleton=skeleton) as spec:
            return [
                ("task", f"one person's crop, box padded by {padding}, to keypoints"),
                ("decode", _head(spec)),
                ("keypoints", f"{len(skeleton)} ({skeleton.name})"),
            ]
        case BottomUpSpec(
            skeleton=skeleton,
            nms_kernel=kernel,
            max_people=people,
            max_join_distance=max_join_distance,
        ):
            within = (
                ""
                if max_join_distance is None
                else f" within {max_join_distance:g} of the short side"
            )
            peaks = f"peaks in {kernel}x{kernel} cells"
            return [
                ("task", "a whole image to everybody's heatmaps and tags"),
                (
                    "decode",
                    f"{peaks}, grouped by tag{within}, at most {people}",
                ),
                ("keypoints", f"{len(skeleton)} ({skeleton.name})"),
            ]
        case DetectorSpec(
            output_format=output_format, strides=strides, max_iou=max_iou, views=views
        ):
            levels = f"strides {', '.join(map(str, strides))}, " if strides else ""
            times = " and ".join(
                f"at {view.width}x{view.height}{', mirrored' * view.mirrored}" for view in views
            )
            return [
                ("task", "a whole image to person boxes"),
                *([("views", f"{times}, fused")] if views else []),
                ("decode", f"{format_name(output_format)}, {levels}NMS above IoU {max_iou}"),
            ]


def _head(spec: TopDownSpec) -> str:
    match spec.head:
        case HeatmapSpec() as maps:
            return (
                f"heatmaps: {maps.activation}, {maps.refinement}, cells aligned '{maps.alignment}'"
            )
        case SimccSpec(activation=activation, split_ratio=ratio, window=window):
            return f"SimCC: {activation}, {ratio:g} bins a pixel, parabola over {window}"
        case RegressionSpec(order=order, unit=unit):
            where = "parts of the input" if unit == "image" else "input pixels"
            return f"coordinates: {', '.join(order)}, in {where}"


def _origin(manifest: Manifest) -> list[tuple[str, str]]:
    training = manifest.training
    return [
        ("data", "; ".join(training.data) or "not stated"),
        ("teachers", "; ".join(training.teachers) or "none"),
        ("licence", training.licence or "not stated"),
        *((name, f"{value:g}") for name, value in manifest.parity.items()),
    ]


def _quantization(scheme: str) -> str:
    match scheme:
        case "u8s8-reduced":
            return "U8S8 with 7-bit weights: exact on every x86"
        case "s8s8":
            return "S8S8: for ARM; exact but slow on x86"
        case "other":
            return "made by others"
        case _:
            return "U8S8, full range: this CPU adds it up exactly"
