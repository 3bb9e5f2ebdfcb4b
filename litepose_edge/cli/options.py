"""The options that commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[
    str, typer.Option(help="Bundled pose network, or the path of an exported ONNX file.")
]
Detector = Annotated[str, typer.Option(help="'default', or the path of an exported detector.")]
DetectorSize = Annotated[
    int | None, typer.Option(min=1, help="Let the detector look once, at so many pixels a side.")
]
Threads = Annotated[
    int | None, typer.Option(min=1, help="CPU threads; all this process may use unless given.")
]
MinScore = Annotated[float, typer.Option(min=0, max=1, help="People below are not reported.")]
MaxPeople = Annotated[int, typer.Option(min=1, help="At most so many people an image.")]
FlipTest = Annotated[
    bool | None,
    typer.Option(
        "--flip-test/--no-flip-test",
        help="Average with the mirrored crop or image: better, in twice the time. Unless given, "
        "as the file says: lrpose-m does so with people it is unsure of.",
    ),
]
MaxPixels = Annotated[int, typer.Option(min=1, help="Larger images are refused.")]
Data = Annotated[Path, typer.Option(help="COCO keypoint JSON; photographs in images/ beside it.")]


class PrecisionName(StrEnum):
    """What the weights are."""

    INT8 = "int8"
    FP32 = "fp32"


class BackendName(StrEnum):
    """Which engine runs the networks."""

    ONNXRUNTIME = "onnxruntime"
    OPENVINO = "openvino"


Precision = Annotated[
    PrecisionName | None, typer.Option(help="int8 unless given; must agree with a file's.")
]
BackendOption = Annotated[BackendName, typer.Option("--backend", help="Inference engine.")]
