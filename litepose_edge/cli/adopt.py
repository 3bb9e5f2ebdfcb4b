"""`litepose-edge adopt`: writes a manifest beside a model file that was made elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from litepose_edge import backends
from litepose_edge.atomic_files import write_file
from litepose_edge.backends import Backend, Model, Session, files, sidecar
from litepose_edge.backends.files import ModelFiles
from litepose_edge.cli.console import results
from litepose_edge.cli.options import PrecisionName
from litepose_edge.errors import ManifestError, UnsupportedModelError
from litepose_edge.geometry import Size
from litepose_edge.manifest import (
    METADATA_KEY,
    DetectorSpec,
    Manifest,
    OneStageSpec,
    TopDownSpec,
    manifest_to_builtins,
    parse_manifest,
)
from litepose_edge.manifest.presets import Graph, OutputFormatName, preset
from litepose_edge.pipelines.detector import PersonDetector
from litepose_edge.pipelines.onestage import OneStage
from litepose_edge.pipelines.topdown import TopDown
from litepose_edge.skeletons import KNOWN, Skeleton, skeleton_named, skeleton_of

FLOAT_TYPES, UINT8_TYPES = ("tensor(float)", "f32"), ("tensor(uint8)", "u8")


EXAMPLES = ("litepose-edge adopt pose.onnx --output-format simcc",)


def adopt(
    model: Annotated[Path, typer.Argument(help="ONNX, OpenVINO IR (.xml) or .tflite file.")],
    output_format: Annotated[
        OutputFormatName,
        typer.Option(
            metavar="FORMAT",
            help=f"The family whose outputs it has: {', '.join(OutputFormatName)}.",
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="Its name; the file's name unless given.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Input as WIDTHxHEIGHT, where the graph leaves it open.")
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            help="An output to read, in the order of the format; all of the graph unless given."
        ),
    ] = None,
    skeleton: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help=f"Keypoint set of a pose network: {', '.join(known.name for known in KNOWN)}, "
            "a JSON file of your own, or a COCO keypoint file; by --keypoints unless given.",
        ),
    ] = None,
    keypoints: Annotated[
        int,
        typer.Option(
            help="How many a pose network finds, where it is the usual set of so many: "
            "17 (COCO), 14 (CrowdPose), 16 (MPII), 21 (a hand), 26 (Halpe), 133 (whole body)."
        ),
    ] = 17,
    precision: Annotated[
        PrecisionName, typer.Option(help="Number format of its weights.")
    ] = PrecisionName.FP32,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change a value of the manifest, such as input.colour=bgr or model.person=14.",
        ),
    ] = None,
) -> None:
    """Describe a network that was made elsewhere.

    Writes FILE.json beside FILE: the manifest of the output format with your changes, and FILE's
    checksum. Afterwards the file can be used by its path. The network is run once to check that
    its outputs are what the manifest says.
    """
    source = files.read(model)
    backend: Backend = "openvino" if source.needs_openvino else "onnxruntime"
    points = _skeleton(skeleton, keypoints)
    manifest = _described(source, backend, output_format, name, size, output, points)
    manifest = _changed(manifest, precision, changes or [])
    found = backends.find_model(model, backend=backend, manifest=manifest)
    _check_outputs(found)
    target = sidecar.path_of(model)
    write_file(target, sidecar.encode(manifest, source))
    results.print(f"wrote {target}", markup=False)


def _described(
    source: ModelFiles,
    backend: Backend,
    output_format: OutputFormatName,
    name: str | None,
    size: str | None,
    outputs: list[str] | None,
    skeleton: Skeleton,
) -> Manifest:
    """The manifest of an output format for this graph."""
    opened = backends.open_files(source, backend, threads=1)
    tensor = opened.session.input
    if METADATA_KEY in opened.metadata:
        raise typer.BadParameter(f"{source.path} carries a manifest already: use it as it is")
    if len(tensor.shape) != 4 or tensor.dtype not in (*FLOAT_TYPES, *UINT8_TYPES):
        raise UnsupportedModelError(
            f"{source.path} takes {tensor.shape} {tensor.dtype}; supported are images as "
            "(N, 3, H, W) or (N, H, W, 3), float32 or uint8"
        )
    nhwc = tensor.shape[3] == 3 and tensor.shape[1] != 3
    height, width = tensor.shape[1:3] if nhwc else tensor.shape[2:]
    graph = Graph(
        name=name or source.path.stem,
        size=_size(size, width, height),
        uint8=tensor.dtype in UINT8_TYPES,
        nhwc=nhwc,
        outputs=tuple(outputs) if outputs else opened.outputs,
        skeleton=skeleton,
    )
    if output_format is OutputFormatName.YOLO_POSE:
        graph = _with_form(opened.session, graph)
    opened.session.close()
    try:
        return preset(output_format, graph)
    except ValueError as exc:
        raise typer.BadParameter(
            f"output format '{output_format.value}' does not fit: {exc}"
        ) from exc


def _with_form(session: Session, graph: Graph) -> Graph:
    """Which form a YOLO pose network's table has, by its shape; of the raw one, in which unit."""
    shape = (graph.size.height, graph.size.width, 3)
    black = np.zeros((1, *(shape if graph.nhwc else (3, *shape[:2]))), np.float32)
    found = session.run(black.astype(np.uint8) if graph.uint8 else black)
    table = found.get(graph.outputs[0])
    rows, columns = 5 + 3 * len(graph.skeleton), 6 + 3 * len(graph.skeleton)
    if not isinstance(table, np.ndarray) or table.ndim != 3 or len(table) != 1:
        return graph  # no such table: the check that follows says what came
    if table.shape[2] == columns and table.shape[1] != rows:
        return replace(graph, end_to_end=True)
    # Candidates lie all over the input, whatever it shows.
    farthest = float(np.abs(table[0, :2]).max(initial=0))
    return replace(graph, unit="image") if 0 < farthest <= 1 else graph


def _skeleton(given: str | None, keypoints: int) -> Skeleton:
    """The keypoint set of that name or file, or the usual one of so many keypoints."""
    if given is not None:
        return skeleton_named(given) or Skeleton.from_file(given)
    try:
        return skeleton_of(keypoints)
    except ValueError as exc:
        raise typer.BadParameter(f"{exc} with --skeleton") from exc


def _size(given: str | None, width: int | str, height: int | str) -> Size:
    if given is not None:
        try:
            return Size(*(int(number) for number in given.lower().split("x")))
        except (ValueError, TypeError) as exc:
            raise typer.BadParameter(f"--size must be WIDTHxHEIGHT, got '{given}'") from exc
    if isinstance(width, str) or isinstance(height, str):
        raise typer.BadParameter("the graph takes any size: choose one with --size WIDTHxHEIGHT")
    return Size(width, height)


def _changed(manifest: Manifest, precision: PrecisionName, changes: list[str]) -> Manifest:
    """The manifest with `--set` values put in; the result is checked as any file's is."""
    document = manifest_to_builtins(manifest)
    if precision is PrecisionName.INT8:
        document["precision"] = "int8"
        document["quantization"] = {
            "scheme": "other", "method": "not stated", "calibration_images": 0
        }  # fmt: skip
    for change in changes:
        path, assigned, text = change.partition("=")
        if not assigned:
            raise typer.BadParameter(f"--set takes KEY=VALUE, got '{change}'")
        *parents, last = path.split(".")
        place: Any = document
        for parent in parents:
            place = place.setdefault(parent, {}) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise typer.BadParameter(f"--set {path}: the manifest has no such field")
        try:
            place[last] = json.loads(text)
        except ValueError:
            place[last] = text
    try:
        return parse_manifest(json.dumps(document))
    except ManifestError as exc:
        raise typer.BadParameter(str(exc)) from exc


def _check_outputs(found: Model) -> None:
    """Run the network on a black image; decoding raises where outputs are not as expected."""
    manifest = found.manifest
    black = np.zeros((manifest.input.height, manifest.input.width, 3), np.uint8)
    match manifest.model:
        case DetectorSpec():
            PersonDetector(found.open, manifest, 1)(black, 0.0)
        case OneStageSpec():
            network = OneStage(found.open, manifest, 1)
            network(black)
            network.close()
        case TopDownSpec():
            box = np.array([[0, 0, manifest.input.width, manifest.input.height]], np.float32)
            topdown = TopDown(found.open, manifest, threads=1)
            keypoints, scores = topdown(black, box)
            topdown.close()
            if not (np.isfinite(keypoints).all() and np.isfinite(scores).all()):
                raise ManifestError(f"{found.path} gives keypoints that are not finite")
