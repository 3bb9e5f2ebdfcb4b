"""`litepose-export portable`: from a model file to one graph with everything in it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import onnx
from onnx import helper

from litepose_edge.atomic_files import check_targets, write_file
from litepose_edge.backends import Precision, bundled
from litepose_edge.backends.onnxruntime_session import PORTABLE_KEY
from litepose_edge.manifest import (
    METADATA_KEY,
    DetectorSpec,
    Manifest,
    TopDownSpec,
    encode_manifest,
)
from litepose_export.errors import ExportError
from litepose_export.portable import check, network
from litepose_export.portable.detector import detector_graph
from litepose_export.portable.network import Network, Target
from litepose_export.portable.people import people_graph
from litepose_export.portable.pose import pose_graph

Colour = Literal["bgr", "rgb", "rgba"]
MIN_SCORE = 0.3  # as the runtime's
COLOURS: tuple[Colour, ...] = ("bgr", "rgb", "rgba")


@dataclass(frozen=True, slots=True)
class PortableOptions:
    """What a portable file is like.

    Attributes:
        colour: Order of the frame's channels.
        precision: Of a bundled model; None for INT8, and for files.
        target: The processor it is for: INT8 files of ours get signed activations for `"arm"`,
            as when the runtime reads them there.
        detector: With a pose network: the detector to put into the same graph, which then finds
            the people by itself; a bundled name, or the path of an ONNX file with a manifest.
        min_score: Of a detector: boxes, or people, below are not reported; None for 0.3.
        detector_size: Of a detector: one view of at most so many pixels a side; None for the
            views that its file names.
    """

    colour: Colour = "bgr"
    precision: Precision | None = None
    target: Target = "x86"
    detector: str | Path | None = None
    min_score: float | None = None
    detector_size: int | None = None

    def __post_init__(self) -> None:
        if self.colour not in COLOURS:
            raise ExportError(f"colour must be bgr, rgb or rgba, got {self.colour!r:.50}")
        if self.target not in ("x86", "arm"):
            raise ExportError(f"target must be x86 or arm, got {self.target!r:.50}")
        if not 0 < self.least_score < 1:
            raise ExportError(f"min_score must be between 0 and 1, got {self.min_score}")

    @property
    def least_score(self) -> float:
        """Boxes, or people, below are not reported."""
        return MIN_SCORE if self.min_score is None else self.min_score


@dataclass(frozen=True, slots=True)
class PortableReport:
    """What was made.

    Attributes:
        source: The model's file.
        path: The file written.
        size_bytes: Its size.
        task: `"topdown"`, `"detector"`, or `"people"` for both in one.
        colour: Order of the frame's channels.
        inputs: Each input's name and shape.
        outputs: Each output's name and shape.
        opset: Of ONNX's operators.
        difference_px: How far its answer is from the runtime's on the same input pixels: median
            over keypoints, in input pixels; 0 for a detector, which only has to run.
        min_pose_score: Of the pose network's manifest, for whoever counts a confidence.
    """

    source: str
    path: str
    size_bytes: int
    task: str
    colour: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    opset: int
    difference_px: float
    min_pose_score: float | None

    def to_dict(self) -> dict[str, Any]:
        """Figures by name."""
        return asdict(self)


def convert(
    model: str | Path, target: Path, options: PortableOptions | None = None
) -> PortableReport:
    """Write one graph from frame to keypoints, or from frame to boxes.

    Args:
        model: A bundled name, or the path of an ONNX file with a manifest, float or INT8.
        target: The file to write, ending in `.onnx`.
        options: What it is like.

    Raises:
        ExportError: The network's task has no portable form, or an option does not fit it.
        UnsupportedOpError: Its operators have no recent form.
        ModelError: It cannot be read.
        ParityError: The graph answers otherwise than the runtime; nothing is written.
        OutputError: The place cannot be written, or is a file that is read.
    """
    options = options or PortableOptions()
    if target.suffix != ".onnx":
        raise ExportError(f"a portable file must end in .onnx, got {target}")
    loaded = network.load(model, precision=options.precision, target=options.target)
    check_targets(target, sources=(loaded.path, options.detector))
    alone = options
    if options.detector is not None:
        alone = replace(options, detector=None, detector_size=None, min_score=None)
    whole = build(loaded, alone)
    difference = check.compare(whole.SerializeToString(), loaded, options.colour)
    if options.detector is not None:
        whole = build_with_detector(model, options)
        check.run_once(whole.SerializeToString(), loaded, options.colour)
    content = whole.SerializeToString(deterministic=True)
    write_file(target, content)
    return PortableReport(
        source=str(loaded.path),
        path=str(target),
        size_bytes=len(content),
        task=_task(loaded.manifest, options),
        colour=options.colour,
        inputs=_shapes(whole.graph.input),
        outputs=_shapes(whole.graph.output),
        opset=next(o.version for o in whole.opset_import if not o.domain),
        difference_px=round(difference, 6),
        min_pose_score=getattr(loaded.manifest.model, "min_pose_score", None),
    )


def build(loaded: Network, options: PortableOptions) -> onnx.ModelProto:
    """The graph with its manifest, in memory.

    Raises:
        ExportError: The network's task has no portable form, or an option does not fit it.
    """
    manifest = loaded.manifest
    match manifest.model:
        case TopDownSpec() as spec:
            for option in ("detector_size", "min_score"):
                if getattr(options, option) is not None:
                    raise ExportError(f"{option} is for detectors, '{manifest.name}' is none")
            graph = pose_graph(loaded, spec, options.colour)
        case DetectorSpec() as spec:
            graph = detector_graph(
                loaded, spec, options.colour,
                min_score=options.least_score, size=options.detector_size,
            )  # fmt: skip
        case _:
            raise ExportError(
                f"expected a top-down pose network or a detector; '{manifest.name}' finds all "
                "people of a frame by itself and has no portable form: take a top-down network, "
                "and a detector if boxes are not at hand"
            )
    return _described(graph, loaded.opsets, manifest, options)


def build_with_detector(model: str | Path, options: PortableOptions) -> onnx.ModelProto:
    """The graph of a pose network and a detector, with the pose network's manifest, in memory.

    Raises:
        ExportError: The pose network is none, the detector is none, or an option does not fit.
    """
    assert options.detector is not None
    load = partial(network.load, target=options.target)
    named = isinstance(options.detector, str) and bundled.is_name(options.detector)
    precision = options.precision if named else None
    detector = load(options.detector, precision=precision, prefix=network.DETECTOR_PREFIX)
    pose = load(model, precision=options.precision, opset=detector.opset)
    if pose.opset != detector.opset:
        detector = load(
            options.detector,
            precision=precision,
            prefix=network.DETECTOR_PREFIX,
            opset=pose.opset,
        )
    spec, finds = pose.manifest.model, detector.manifest.model
    if not isinstance(spec, TopDownSpec) or not isinstance(finds, DetectorSpec):
        raise ExportError(
            f"expected a top-down pose network and a detector, got '{pose.manifest.name}' and "
            f"'{detector.manifest.name}'"
        )
    graph = people_graph(
        pose, spec, detector, finds, options.colour,
        min_score=options.least_score, detector_size=options.detector_size,
    )  # fmt: skip
    opsets = {(o.domain, o.version): o for o in (*pose.opsets, *detector.opsets)}
    return _described(graph, list(opsets.values()), pose.manifest, options)


def _described(
    graph: onnx.GraphProto,
    opsets: list[onnx.OperatorSetIdProto],
    manifest: Manifest,
    options: PortableOptions,
) -> onnx.ModelProto:
    # The oldest file format that has these operators, for the oldest runtimes.
    version = helper.find_min_ir_version_for(opsets, ignore_unknown=True)
    whole = helper.make_model(
        graph, opset_imports=opsets, ir_version=version, producer_name="litepose-edge"
    )
    helper.set_model_props(
        whole, {METADATA_KEY: encode_manifest(manifest), PORTABLE_KEY: _about(manifest, options)}
    )
    onnx.checker.check_model(whole)
    return whole


def _about(manifest: Manifest, options: PortableOptions) -> str:
    """What a portable file says besides its manifest, as JSON."""
    about: dict[str, Any] = {"colour": options.colour}
    if isinstance(manifest.model, DetectorSpec) or options.detector is not None:
        about["min_score"] = options.least_score
    return json.dumps(about)


def _task(manifest: Manifest, options: PortableOptions) -> str:
    if isinstance(manifest.model, DetectorSpec):
        return "detector"
    return "topdown" if options.detector is None else "people"


def _shapes(values: Any) -> dict[str, str]:
    return {
        value.name: " x ".join(
            str(axis.dim_param or axis.dim_value) for axis in value.type.tensor_type.shape.dim
        )
        for value in values
    }
