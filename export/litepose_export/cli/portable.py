"""`litepose-export portable`: a model and everything around it as one ONNX graph."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from litepose_edge.atomic_files import check_targets
from litepose_edge.backends import bundled
from litepose_edge.cli.options import finite
from litepose_export.cli.console import JsonReport, print_report, requires


class FrameColour(str, Enum):
    """Channel orders of a frame."""

    BGR = "bgr"
    RGB = "rgb"
    RGBA = "rgba"


class PrecisionName(str, Enum):
    """Precisions of the bundled models."""

    INT8 = "int8"
    FP32 = "fp32"


class TargetName(str, Enum):
    """Processors."""

    X86 = "x86"
    ARM = "arm"


def portable(
    model: Annotated[str, typer.Argument(help="Bundled name, or ONNX file with a manifest.")],
    out: Annotated[Path, typer.Option(help="The .onnx file to write.")],
    colour: Annotated[
        FrameColour, typer.Option(help="Order of the frame's channels.")
    ] = FrameColour.BGR,
    precision: Annotated[
        PrecisionName | None, typer.Option(help="Of a bundled model; INT8 unless given.")
    ] = None,
    target: Annotated[
        TargetName, typer.Option(help="Processor: ARM wants INT8 with signed activations.")
    ] = TargetName.X86,
    detector: Annotated[
        str | None,
        typer.Option(help="Put this detector into the same graph: name, or ONNX file."),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(
            callback=finite, help="Of a detector: who scores less is left out; 0.3 unless given."
        ),
    ] = None,
    detector_size: Annotated[
        int | None,
        typer.Option(help="With a detector: run it once, on so many pixels a side."),
    ] = None,
    as_json: JsonReport = False,
) -> None:
    """Put crop, decoding and suppression into the graph, for other languages."""
    with requires("export"):
        from litepose_export.portable import job
    check_targets(out, sources=(model, detector))
    options = job.PortableOptions(
        colour=colour.value,
        precision=None if precision is None else precision.value,
        target=target.value,
        detector=detector,
        min_score=min_score,
        detector_size=detector_size,
    )
    named = model if bundled.is_name(model) else Path(model)
    print_report(job.convert(named, out, options).to_dict(), as_json=as_json)
