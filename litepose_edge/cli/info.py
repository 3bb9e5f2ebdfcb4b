"""`litepose-edge info`: what a model file says about itself."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated

import typer

from litepose_edge import backends, manifest
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
    style_name,
)


def info(
    model: Annotated[str, typer.Argument(help="Bundled name, or the path of a model file.")],
    precision: options.Precision = None,
    backend: options.BackendOption = BackendName.ONNXRUNTIME,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")] = False,
) -> None:
    """Print the contract that a model file carries, and whether this CPU runs it exactly."""
    found = backends.find_model(
        model, precision=precision.value if precision else None, backend=backend.value
    )
    contract = found.manifest
    if as_json:
        document = manifest.to_builtins(contract)
        results.file.write(json.dumps(document, indent=2) + "\n")
        return
    content = bundled.read(found.path)
    results.print(f"{contract.name}  {contract.precision}", style="bold")
    results.print(f"file       {found.path}", markup=False)
    results.print(f"bytes      {len(content)}")
    results.print(f"sha256     {hashlib.sha256(content).hexdigest()}")
    shape = ", ".join(str(n) for n in found.open(1).input.shape)
    results.print(f"input      ({shape}) {contract.input.colour}, 0..255")
    if contract.quantization is not None:
        results.print(f"int8       {_quantization(contract.quantization.scheme)}")
    for name, value in (*_task(contract), *_origin(contract)):
        results.print(f"{name:<10} {value}", markup=False)


def _task(contract: Manifest) -> list[tuple[str, str]]:
    match contract.model:
        case TopDownSpec(padding=padding, skeleton=skeleton) as spec:
            return [
                ("task", f"one person's crop, box padded by {padding}, to keypoints"),
                ("decode", _head(spec)),
                ("keypoints", f"{len(skeleton)} ({skeleton.name})"),
            ]
        case BottomUpSpec(skeleton=skeleton, nms_kernel=kernel, max_people=people, reach=reach):
            within = "" if reach is None else f" within {reach:g} of the short side"
            peaks = f"peaks in {kernel}x{kernel} cells"
            return [
                ("task", "a whole image to everybody's heatmaps and tags"),
                (
                    "decode",
                    f"{peaks}, grouped by tag{within}, at most {people}",
                ),
                ("keypoints", f"{len(skeleton)} ({skeleton.name})"),
            ]
        case DetectorSpec(style=style, strides=strides, max_iou=max_iou, looks=looks):
            levels = f"strides {', '.join(map(str, strides))}, " if strides else ""
            times = " and ".join(
                f"at {look.width}x{look.height}{', mirrored' * look.mirrored}" for look in looks
            )
            return [
                ("task", "a whole image to person boxes"),
                *([("looks", f"{times}, fused")] if looks else []),
                ("decode", f"{style_name(style)}, {levels}NMS above IoU {max_iou}"),
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


def _origin(contract: Manifest) -> list[tuple[str, str]]:
    training = contract.training
    return [
        ("data", "; ".join(training.data) or "not stated"),
        ("teachers", "; ".join(training.teachers) or "none"),
        ("licence", training.licence or "not stated"),
        *((name, f"{value:g}") for name, value in contract.parity.items()),
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
