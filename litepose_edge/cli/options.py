"""The options that commands share."""

from __future__ import annotations

import math
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from litepose_edge.threads import most_threads

NETWORKS, LIMITS = "Networks", "Limits"
STREAMS = "Films, cameras and streams"


def finite(value: float | None) -> float | None:
    """What numbers of options are checked with: NaN slips through every bound."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"expected a finite number, got {value}")
    return value


def possible_threads(value: int | None) -> int | None:
    """Refuse more threads than this machine can make use of."""
    if value is not None and value > most_threads():
        raise typer.BadParameter(f"expected at most {most_threads()} on this machine, got {value}")
    return value


def seconds(value: float) -> float:
    """What times to wait are checked with."""
    if not 0 < value < math.inf:
        raise typer.BadParameter("expected a finite number of seconds above 0")
    return value


Model = Annotated[
    str,
    typer.Option(
        help="Bundled pose network, or the path of a model file.", rich_help_panel=NETWORKS
    ),
]
Detector = Annotated[
    str,
    typer.Option(help="'default', or the path of a detector model.", rich_help_panel=NETWORKS),
]
DetectorSize = Annotated[
    int | None,
    typer.Option(
        min=32,
        max=4096,
        help="Run the detector once, at this many pixels a side; else as its manifest says.",
        rich_help_panel=NETWORKS,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        callback=possible_threads,
        help="CPU threads; all that this process may use unless given.",
        rich_help_panel=NETWORKS,
    ),
]
MinScore = Annotated[
    float,
    typer.Option(
        min=0,
        max=1,
        callback=finite,
        help="People of lower confidence are not reported.",
        rich_help_panel=LIMITS,
    ),
]
MaxPeople = Annotated[
    int, typer.Option(min=1, help="At most this many people per image.", rich_help_panel=LIMITS)
]
FlipTest = Annotated[
    bool | None,
    typer.Option(
        "--flip-test/--no-flip-test",
        help="Average with the mirrored input: more accurate, in twice the time. Unless given, as "
        "the model's manifest says: lrpose-m does so for people of low confidence.",
        rich_help_panel=NETWORKS,
    ),
]
MaxPixels = Annotated[
    int, typer.Option(min=1, help="Larger images are refused.", rich_help_panel=LIMITS)
]
Data = Annotated[Path, typer.Option(help="COCO keypoint JSON; photographs in images/ beside it.")]
Images = Annotated[
    list[Path] | None,
    typer.Option(
        help="Folder of the photographs; repeatable. images/ beside the COCO JSON unless given."
    ),
]


class PrecisionName(str, Enum):
    """Number format of the weights."""

    INT8 = "int8"
    FP32 = "fp32"


class BackendName(str, Enum):
    """Which inference engine runs the networks."""

    ONNXRUNTIME = "onnxruntime"
    OPENVINO = "openvino"


Precision = Annotated[
    PrecisionName | None,
    typer.Option(
        help="Of a bundled model, int8 unless given; a file must have it.", rich_help_panel=NETWORKS
    ),
]
BackendOption = Annotated[
    BackendName, typer.Option("--backend", help="Inference engine.", rich_help_panel=NETWORKS)
]


class TransportName(str, Enum):
    """How an RTSP camera's packets travel."""

    TCP = "tcp"
    UDP = "udp"


Transport = Annotated[
    TransportName | None,
    typer.Option(
        help="RTSP cameras: tcp loses nothing, udp does not wait for what is late.",
        rich_help_panel=STREAMS,
    ),
]
LowLatency = Annotated[
    bool,
    typer.Option(
        "--low-latency",
        help="Streams: buffer nothing, the picture is some tenths of a second newer.",
        rich_help_panel=STREAMS,
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        callback=seconds,
        help="Cameras and streams have stopped after so many seconds without a frame.",
        rich_help_panel=STREAMS,
    ),
]
DetectEvery = Annotated[
    int, typer.Option(min=1, help="Run the detector on every Nth frame.", rich_help_panel=STREAMS)
]
Smooth = Annotated[
    bool, typer.Option(help="Smooth the keypoints over time.", rich_help_panel=STREAMS)
]
