"""`litepose-export portable`: from a model file to one graph with everything in it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import onnx
from onnx import helper

from litepose_edge.atomic_files import write_file
from litepose_edge.backends import Precision
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
from litepose_export.portable.network import Network
from litepose_export.portable.pose import pose_graph

Colour = Literal["bgr", "rgb", "rgba"]
COLOURS: tuple[Colour, ...] = ("bgr", "rgb", "rgba")


@dataclass(frozen=True, slots=True)
class PortableOptions:
    """What a portable file is like.

    Attributes:
        colour: Order of the frame's channels.
        precision: Of a bundled model; None for INT8, and for files.
        min_score: Of a detector: boxes below are not reported.
        detector_size: Of a detector: one view of at most so many pixels a side; None for the
            views that its file names.
    """

    colour: Colour = "bgr"
    precision: Precision | None = None
    min_score: float = 0.3
    detector_size: int | None = None

    def __post_init__(self) -> None:
        if self.colour not in COLOURS:
            raise ExportError(f"colour must be bgr, rgb or rgba, got {self.colour!r:.50}")
        if not 0 < self.min_score < 1:
            raise ExportError(f"min_score must be between 0 and 1, got {self.min_score}")


@dataclass(frozen=True, slots=True)
class PortableReport:
    """What was made.

    Attributes:
        source: The model's file.
        path: The file written.
        size_bytes: Its size.
        task: `"topdown"` or `"detector"`.
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
        OutputError: The place cannot be written.
    """
    options = options or PortableOptions()
    if target.suffix != ".onnx":
        raise ExportError(f"a portable file must end in .onnx, got {target}")
    loaded = network.load(model, precision=options.precision)
    whole = build(loaded, options)
    difference = check.compare(whole.SerializeToString(), loaded, options.colour)
    content = whole.SerializeToString(deterministic=True)
    write_file(target, content)
    return PortableReport(
        source=str(loaded.path),
        path=str(target),
        size_bytes=len(content),
        task="detector" if isinstance(loaded.manifest.model, DetectorSpec) else "topdown",
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
            if options.detector_size is not None:
                raise ExportError(f"detector_size is for detectors, '{manifest.name}' is none")
            graph = pose_graph(loaded, spec, options.colour)
        case DetectorSpec() as spec:
            graph = detector_graph(
                loaded, spec, options.colour,
                min_score=options.min_score, size=options.detector_size,
            )  # fmt: skip
        case _:
            raise ExportError(
                f"expected a top-down pose network or a detector; '{manifest.name}' finds all "
                "people of a frame by itself, and how they are told apart has no operators in "
                "ONNX: take a top-down network and a detector"
            )
    # The oldest file format that has these operators, for the oldest runtimes.
    version = helper.find_min_ir_version_for(loaded.opsets, ignore_unknown=True)
    whole = helper.make_model(
        graph, opset_imports=loaded.opsets, ir_version=version, producer_name="litepose-edge"
    )
    helper.set_model_props(
        whole, {METADATA_KEY: encode_manifest(manifest), PORTABLE_KEY: _about(manifest, options)}
    )
    onnx.checker.check_model(whole)
    return whole


def _about(manifest: Manifest, options: PortableOptions) -> str:
    """What a portable file says besides its manifest, as JSON."""
    about: dict[str, Any] = {"colour": options.colour}
    if isinstance(manifest.model, DetectorSpec):
        about["min_score"] = options.min_score
    return json.dumps(about)


def _shapes(values: Any) -> dict[str, str]:
    return {
        value.name: " x ".join(
            str(axis.dim_param or axis.dim_value) for axis in value.type.tensor_type.shape.dim
        )
        for value in values
    }
